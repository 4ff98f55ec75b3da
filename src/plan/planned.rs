//! The types of a plan. A plan is stored with its run as JSON, so that a run keeps one definition for life.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::artifact::{ArtifactKind, Digest};
use crate::id::{GateName, InputName, OutputName, ParamName, PipelineName, RiskName, StepName};
use crate::phase::Phase;
use crate::step::RetryOn;

/// An executable pipeline: what `run` runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The pipeline's name.
    pub pipeline: PipelineName,
    /// The digest of the manifest's text.
    pub manifest_digest: Digest,
    /// The folder of the manifest, which relative paths start from.
    pub base_folder: PathBuf,
    /// The values of all parameters.
    pub params: BTreeMap<ParamName, Value>,
    /// The steps, each after everything it needs.
    pub steps: IndexMap<StepName, PlannedStep>,
    /// The gates, by phase and then as written.
    pub gates: IndexMap<GateName, Gate>,
    /// Runs with a higher number get slots first; that of the run's origin is added.
    #[serde(default)]
    pub priority: i32,
    /// How often a phase begins again when a step of it has failed for good.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub phase_retries: BTreeMap<Phase, u32>,
    /// Purpose and criteria, for sealing, gates and the model card.
    pub record: Record,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// The name; an instance carries its keys.
    pub name: StepName,
    /// The phase it is written in.
    pub phase: Phase,
    /// The kind, as in `uses`; `command` for `run:`.
    pub kind: String,
    /// The version of the kind, part of the cache key.
    pub kind_version: u32,
    /// Whether the kind changes something outside its outputs, and so is never reused.
    pub is_external: bool,
    /// The params with all expressions resolved.
    pub params: Value,
    /// What is bound to each input.
    pub inputs: BTreeMap<InputName, Vec<Binding>>,
    /// The outputs that the step may make, the default one first.
    pub outputs: IndexMap<OutputName, ArtifactKind>,
    /// The inputs that an output carries, for outputs that do not carry all of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub carries: BTreeMap<OutputName, BTreeSet<InputName>>,
    /// The outputs that it gets back from the last run that succeeded, all or none, to go on where that ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<OutputName>,
    /// Steps that must end before it besides those it takes inputs from.
    pub needs: BTreeSet<StepName>,
    /// Run only if this expression is true; evaluated when everything it needs has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Files or globs that the step reads; the content of every match enters the cache key.
    pub files: Vec<String>,
    /// Why the step can never be cached, if so: a source without a fingerprint.
    pub unknowns: Vec<String>,
    /// Whether results may be reused.
    pub cache: CachePolicy,
    /// The seed of everything random in the step.
    pub seed: u64,
    /// Environment variables for commands.
    pub env: BTreeMap<String, String>,
    /// The names of environment variables that hold secrets; their values are known to the worker only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// When to try again.
    pub retry: RetryPolicy,
    /// How long one attempt may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How long it may wait for room before an attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_timeout: Option<Duration>,
    /// How long it may take from when nothing but room is missing, all attempts and the waits between them together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_timeout: Option<Duration>,
    /// What somebody is asked, if the step is an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalTerms>,
    /// What an attempt takes from the machine.
    pub resources: Resources,
    /// A named pool whose slots it competes for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// How many of them an attempt takes.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub pool_slots: u32,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_one(count: &u32) -> bool {
    *count == 1
}

/// What somebody is asked, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ApprovalTerms {
    /// What they read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How long the question stands; then it counts as refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Duration>,
}

impl ApprovalTerms {
    fn is_default(&self) -> bool {
        *self == ApprovalTerms::default()
    }
}

/// An output of an earlier step that is bound to an input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Binding {
    /// The step that makes it.
    pub step: StepName,
    /// The output.
    pub output: OutputName,
}

impl std::fmt::Display for Binding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}", self.step, self.output)
    }
}

/// Whether results of a step may be reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CachePolicy {
    /// Reuse a result under the same key, and record new ones.
    Reuse,
    /// Run always, but record the result.
    Refresh,
    /// Neither look up nor record.
    Off,
}

/// When a failed attempt is followed by another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// How many attempts there may be in all, at least 1. A lost worker does not count.
    pub attempts: u32,
    /// The wait before the second attempt.
    pub initial: Duration,
    /// The longest wait.
    pub max: Duration,
    /// What each further wait is multiplied by: 1 for a fixed wait, 2 for an exponential one.
    pub factor: f64,
    /// How much of each wait is random, from 0 to 1.
    pub jitter: f64,
    /// What is retried.
    pub on: Vec<RetryOn>,
    /// What the memory is multiplied by after an attempt that ran out of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grow_memory: Option<f64>,
}

impl Default for RetryPolicy {
    /// One attempt, no retry.
    fn default() -> RetryPolicy {
        RetryPolicy {
            attempts: 1,
            initial: Duration::from_secs(2),
            max: Duration::from_secs(300),
            factor: 2.0,
            jitter: 0.2,
            on: vec![RetryOn::Environment],
            grow_memory: None,
        }
    }
}

/// What one attempt of a step takes from the machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Resources {
    /// CPU cores, at least 1.
    pub cpus: u32,
    /// Memory that must be free before the attempt starts, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Whether a GPU is needed: `Some(true)` required, `Some(false)` used if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_required: Option<bool>,
    /// GPU memory that must be free before the attempt starts, in bytes; without it the attempt takes a whole GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_memory_bytes: Option<u64>,
}

impl Default for Resources {
    fn default() -> Resources {
        Resources { cpus: 1, memory_bytes: None, gpu_required: None, gpu_memory_bytes: None }
    }
}

/// A condition between two phases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// The name.
    pub name: GateName,
    /// The phase at whose end it is evaluated.
    pub phase: Phase,
    /// The expression, true if the gate passes.
    pub check: String,
    /// How bad it is if it does not pass.
    pub severity: Severity,
    /// The risks that it watches.
    pub mitigates: Vec<RiskName>,
    /// What happens if it does not pass.
    pub on_fail: OnFail,
    /// How somebody is asked, with [`OnFail::Approval`].
    #[serde(default, skip_serializing_if = "ApprovalTerms::is_default")]
    pub terms: ApprovalTerms,
}

impl Gate {
    /// Whether the run may not go on when the gate does not pass.
    pub fn is_blocking(&self) -> bool {
        matches!(self.on_fail, OnFail::Stop | OnFail::Approval)
    }
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

/// What happens when a gate does not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFail {
    /// The run ends as rejected.
    Stop,
    /// The run goes on and the summary warns.
    Warn,
    /// The run waits until somebody approves or refuses.
    Approval,
    /// The run goes on; subscribers are told.
    Notify,
}

/// What the manifest says about purpose; goes into the model card and, its criteria, into the seal.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Record {
    /// The pipeline's description.
    pub description: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Objectives by kind: `business`, `ml`.
    pub objectives: IndexMap<String, String>,
    /// Success criteria by kind (`ml`, `business`, `economic`), then by metric.
    pub criteria: IndexMap<String, IndexMap<String, Criterion>>,
    /// The risk register.
    pub risks: IndexMap<RiskName, Risk>,
}

/// The range that a metric must be in.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Criterion {
    /// Lowest accepted value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Highest accepted value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The unit, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The evaluation step that measures it, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepName>,
}

/// Something that may go wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Risk {
    /// What may go wrong.
    pub text: String,
    /// How bad it would be.
    pub severity: Severity,
}

impl Record {
    /// The digest that seals the success criteria before the first training step.
    pub fn seal(&self) -> Digest {
        let criteria = serde_json::to_value(&self.criteria).expect("criteria are plain data");
        crate::artifact::DigestWriter::new("phaseline criteria 1").json(&criteria).finish()
    }
}
