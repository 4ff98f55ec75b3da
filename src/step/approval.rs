//! The `approval` kind: a step that is done when somebody says so. No worker runs it.
//!
//! It takes no inputs and makes no outputs: other steps name it under `needs`. A refusal rejects the run.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Effect, ParamErrors, Ports, StepContext, StepError, StepKind};
use crate::phase::Phase;

/// What is asked, and for how long.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalParams {
    /// What whoever decides reads.
    #[serde(default)]
    pub message: Option<String>,
    /// How long the question stands, such as `2d`; then it counts as refused. Without it, for ever.
    #[serde(default)]
    pub expires: Option<String>,
}

/// Waits for somebody's word.
pub struct Approval;

impl Approval {
    /// The name of the kind.
    pub const KIND: &str = "approval";
}

impl StepKind for Approval {
    const NAME: &'static str = Approval::KIND;
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::Evaluation;
    const SUMMARY: &'static str = "Waits until somebody approves; meanwhile a run that cannot go on holds nothing.";
    const EFFECT: Effect = Effect::External;
    const EXAMPLE: &'static str = "uses: approval\nwith: {message: 'Does the error analysis hold up?', expires: 2d}";
    type Params = ApprovalParams;

    fn new(_params: ApprovalParams) -> Result<Approval, ParamErrors> {
        Ok(Approval)
    }

    fn ports(&self) -> Ports {
        Ports::default()
    }

    fn run(&self, _context: &mut StepContext) -> Result<(), StepError> {
        Err(StepError::bug("an approval is given by people and not by a worker"))
    }
}
