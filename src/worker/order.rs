//! The work order: everything that one attempt needs to know, as a JSON file in the attempt's folder.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::artifact::ArtifactRef;
use crate::id::{AttemptId, InputName, PipelineName, RunId, StepName};
use crate::phase::Phase;
use crate::step::Metric;

/// One artifact that the step gets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderedInput {
    /// The reference it was bound by, such as `split.train`.
    pub source: String,
    /// The artifact.
    pub artifact: ArtifactRef,
    /// The metrics of the step that made it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
}

/// What a worker is asked to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkOrder {
    /// The run that the attempt belongs to.
    pub run: RunId,
    /// Its pipeline.
    pub pipeline: PipelineName,
    /// The step.
    pub step: StepName,
    /// The phase of the step.
    pub phase: Phase,
    /// The attempt's own id, its token: a report counts only under this id.
    pub attempt: AttemptId,
    /// Which attempt of the step it is, from 1.
    pub number: u32,
    /// The kind of step, as in `uses`; `command` for `run:`.
    pub kind: String,
    /// The params, with all expressions resolved.
    pub params: Value,
    /// The artifacts bound to each input.
    pub inputs: BTreeMap<InputName, Vec<OrderedInput>>,
    /// The seed of everything random in the step.
    pub seed: u64,
    /// The folder that relative paths start from.
    pub base_folder: PathBuf,
    /// Where artifacts are: a folder, or a URL of an object store.
    pub artifacts: String,
    /// The state folder.
    pub state_folder: PathBuf,
    /// A folder that survives a failed attempt of the step.
    pub checkpoint: PathBuf,
    /// How many threads the step may use.
    pub threads: usize,
    /// How much memory it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Environment variables for commands.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The names of environment variables that hold secrets, which the worker resolves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// The names of environment variables that hold secrets of others, which commands do not get.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<String>,
    /// What the manifest says about purpose, and what gates have said so far; see `plan::Record`.
    #[serde(default)]
    pub record: Value,
}
