//! The two faces of a kind of step: typed for its author, erased for plan and worker.

use std::fmt;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::{Ports, StepContext, StepError};
use crate::phase::Phase;

/// Whether running a step twice is the same as running it once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Outputs are a function of the cache key.
    Pure,
    /// The step changes something outside its outputs, so it is never reused.
    External,
}

/// Something outside `inputs` that a step reads and its cache key must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dependency {
    /// A file or a glob pattern, relative to the manifest's folder; the content of every match enters the key.
    Files(String),
    /// A source that gives no fingerprint, for the reason said; a step that has one is not cacheable.
    Unknown(String),
}

/// One mistake in the params of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamError {
    /// Where in `with`: keys and indexes from the outside in.
    pub path: Vec<String>,
    /// What is wrong.
    pub message: String,
    /// The remedy, if there is one.
    pub help: Option<String>,
}

/// All mistakes in the params of a step; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParamErrors(pub Vec<ParamError>);

impl ParamErrors {
    /// A single mistake at `path`.
    pub fn one<'part>(path: impl IntoIterator<Item = &'part str>, message: impl Into<String>) -> ParamErrors {
        ParamErrors(vec![ParamError {
            path: path.into_iter().map(str::to_owned).collect(),
            message: message.into(),
            help: None,
        }])
    }
}

impl fmt::Display for ParamErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(formatter, "{separator}{}: {}", error.path.join("."), error.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ParamErrors {}

/// A kind of step, as its author writes it.
///
/// The doc comment of `Params` and of its fields is the user's documentation: it goes into the JSON Schema.
pub trait StepKind: Send + Sync + Sized + 'static {
    /// The name in `uses`: `family.kind`.
    const NAME: &'static str;
    /// Part of the cache key: raised when the same inputs may give other outputs.
    const VERSION: u32;
    /// The phase where the kind usually stands.
    const PHASE: Phase;
    /// One sentence for lists of kinds.
    const SUMMARY: &'static str;
    /// Whether results may be reused.
    const EFFECT: Effect = Effect::Pure;
    /// A step of this kind as YAML (`uses`, `inputs`, `with`), used in the documentation and tested.
    const EXAMPLE: &'static str;
    /// Another program that runs steps of this kind, or those that need it, found beside this one; without it, `run` is
    /// called here.
    const PROGRAM: Option<&'static str> = None;
    /// What `with` holds. Use `#[serde(deny_unknown_fields)]`.
    type Params: DeserializeOwned + JsonSchema;

    /// `with` as written, brought to the form of `Params`; for other ways to write the same thing.
    ///
    /// # Errors
    /// What cannot be brought to that form.
    fn adapt(params: serde_json::Value) -> Result<serde_json::Value, ParamErrors> {
        Ok(params)
    }

    /// A step with these params, or everything that is wrong with them.
    fn new(params: Self::Params) -> Result<Self, ParamErrors>;

    /// The ports, which may depend on the params.
    fn ports(&self) -> Ports;

    /// What the step reads besides its inputs.
    fn dependencies(&self) -> Vec<Dependency> {
        Vec::new()
    }

    /// Whether the step, with its params, is one for [`StepKind::PROGRAM`].
    fn needs_program(&self) -> bool {
        Self::PROGRAM.is_some()
    }

    /// Does the work, inside the worker process.
    fn run(&self, context: &mut StepContext) -> Result<(), StepError>;
}

/// A step of any kind with checked params.
pub trait Step: Send + Sync {
    /// See [`StepKind::ports`].
    fn ports(&self) -> Ports;
    /// See [`StepKind::dependencies`].
    fn dependencies(&self) -> Vec<Dependency>;
    /// See [`StepKind::needs_program`].
    fn needs_program(&self) -> bool;
    /// See [`StepKind::run`].
    fn run(&self, context: &mut StepContext) -> Result<(), StepError>;
}

impl<K: StepKind> Step for K {
    fn ports(&self) -> Ports {
        StepKind::ports(self)
    }

    fn dependencies(&self) -> Vec<Dependency> {
        StepKind::dependencies(self)
    }

    fn needs_program(&self) -> bool {
        StepKind::needs_program(self)
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        StepKind::run(self, context)
    }
}
