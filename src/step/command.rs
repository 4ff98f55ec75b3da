//! `run:` steps: the escape hatch, any program.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{ParamErrors, Ports, StepContext, StepError, StepKind};
use crate::phase::Phase;

/// What a `run:` step runs; the manifest's `run`, `outputs` and `files` become these params.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The command line, given to `sh -c`.
    pub run: String,
}

/// A step that runs a program.
pub struct Command {
    params: Params,
}

impl StepKind for Command {
    const NAME: &'static str = "command";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::DataEngineering;
    const SUMMARY: &'static str = "Runs any program, with inputs and outputs as paths in its environment.";
    const EXAMPLE: &'static str = "run: \"true\"\n";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        Ok(Command { params })
    }

    fn ports(&self) -> Ports {
        Ports::default()
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let status = std::process::Command::new("sh")
            .args(["-c", &self.params.run])
            .current_dir(&context.surroundings().base_folder)
            .status()?;
        if status.success() {
            Ok(())
        } else {
            Err(StepError::input("command_failed", format!("the command ended with {status}")))
        }
    }
}
