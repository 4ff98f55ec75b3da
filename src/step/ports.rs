//! Typed inputs and outputs of a step.

use std::borrow::Cow;

use crate::artifact::ArtifactKind;

/// How many artifacts an input takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// Exactly one.
    One,
    /// None or one.
    Optional,
    /// One or more, in the order written.
    Many,
}

/// What the rows of a table are, where it decides what may be done with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Held out for the final measurement.
    Test,
    /// Set aside for choices between models.
    Valid,
    /// Rows were added, removed or weighted, so that counts and shares are no longer those of the world.
    Resampled,
}

/// One input of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputPort {
    /// The name under `inputs`.
    pub name: Cow<'static, str>,
    /// The kinds of artifact it takes.
    pub accepts: Vec<ArtifactKind>,
    /// How many it takes.
    pub arity: Arity,
    /// The marks of tables that may not reach it.
    pub refuses: Vec<Mark>,
}

impl InputPort {
    /// An input that takes exactly one artifact of `kind`.
    pub fn one(name: impl Into<Cow<'static, str>>, kind: ArtifactKind) -> InputPort {
        InputPort { name: name.into(), accepts: vec![kind], arity: Arity::One, refuses: Vec::new() }
    }

    /// An input that may be left out.
    pub fn optional(name: impl Into<Cow<'static, str>>, kind: ArtifactKind) -> InputPort {
        InputPort { arity: Arity::Optional, ..InputPort::one(name, kind) }
    }

    /// An input that takes a list.
    pub fn many(name: impl Into<Cow<'static, str>>, kind: ArtifactKind) -> InputPort {
        InputPort { arity: Arity::Many, ..InputPort::one(name, kind) }
    }

    /// The same input, which the step learns from: nothing that comes from a test split may reach it.
    #[must_use]
    pub fn learning(self) -> InputPort {
        self.refusing(Mark::Test)
    }

    /// The same input, for rows to measure on or to split: resampled ones may not reach it.
    #[must_use]
    pub fn measuring(self) -> InputPort {
        self.refusing(Mark::Resampled)
    }

    /// The same input, for training rows only.
    #[must_use]
    pub fn training(self) -> InputPort {
        self.refusing(Mark::Test).refusing(Mark::Valid)
    }

    fn refusing(mut self, mark: Mark) -> InputPort {
        self.refuses.push(mark);
        self
    }

    /// The same input, which also takes artifacts of `kind`.
    #[must_use]
    pub fn or(mut self, kind: ArtifactKind) -> InputPort {
        self.accepts.push(kind);
        self
    }
}

/// One output of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputPort {
    /// The name after the dot in a reference.
    pub name: Cow<'static, str>,
    /// What it holds.
    pub kind: ArtifactKind,
    /// The inputs whose content it carries, also as something learned from them; test data and lineage follow these.
    /// `None` means all inputs.
    pub from: Option<Vec<Cow<'static, str>>>,
    /// The inputs whose rows it has; `None` means those of `from`.
    pub rows_from: Option<Vec<Cow<'static, str>>>,
    /// What its rows are by definition.
    pub mark: Option<Mark>,
    /// Whether the step may end without making it.
    pub is_optional: bool,
}

impl OutputPort {
    /// An output that carries the content of all inputs.
    pub fn new(name: impl Into<Cow<'static, str>>, kind: ArtifactKind) -> OutputPort {
        OutputPort { name: name.into(), kind, from: None, rows_from: None, mark: None, is_optional: false }
    }

    /// The same output, which carries the content of the named inputs only.
    #[must_use]
    pub fn from_inputs(self, inputs: &[&'static str]) -> OutputPort {
        OutputPort { from: Some(inputs.iter().map(|input| Cow::Borrowed(*input)).collect()), ..self }
    }

    /// The same output, whose rows are those of the named inputs, whatever else it carries.
    #[must_use]
    pub fn with_rows_of(self, inputs: &[&'static str]) -> OutputPort {
        OutputPort { rows_from: Some(inputs.iter().map(|input| Cow::Borrowed(*input)).collect()), ..self }
    }

    /// The same output, as held-out test data.
    #[must_use]
    pub fn test(self) -> OutputPort {
        OutputPort { mark: Some(Mark::Test), ..self }
    }

    /// The same output, as validation data.
    #[must_use]
    pub fn valid(self) -> OutputPort {
        OutputPort { mark: Some(Mark::Valid), ..self }
    }

    /// The same output, with rows that were added, removed or weighted.
    #[must_use]
    pub fn resampled(self) -> OutputPort {
        OutputPort { mark: Some(Mark::Resampled), ..self }
    }

    /// The same output, which may be missing when the step ends.
    #[must_use]
    pub fn maybe(self) -> OutputPort {
        OutputPort { is_optional: true, ..self }
    }
}

/// All ports of a step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ports {
    /// The named inputs.
    pub inputs: Vec<InputPort>,
    /// What any further input, freely named by the user, must look like; `None` refuses further inputs.
    pub free_inputs: Option<InputPort>,
    /// The outputs; the first one is what a bare reference to the step means.
    pub outputs: Vec<OutputPort>,
    /// The outputs that the step gets back from the last run of its pipeline that succeeded, all or none of them, each as the
    /// input [`former_input`] of its name.
    pub former: Vec<Cow<'static, str>>,
}

/// The input at which a step finds its own output of the last run that succeeded.
pub fn former_input(output: &str) -> String {
    format!("former_{output}")
}

impl Ports {
    /// Ports with the given inputs and outputs.
    pub fn new(inputs: impl Into<Vec<InputPort>>, outputs: impl Into<Vec<OutputPort>>) -> Ports {
        Ports { inputs: inputs.into(), free_inputs: None, outputs: outputs.into(), former: Vec::new() }
    }

    /// The same ports of a step that goes on where its last run ended, given these outputs of it.
    #[must_use]
    pub fn continuing(self, former: &[&'static str]) -> Ports {
        Ports { former: former.iter().map(|output| Cow::Borrowed(*output)).collect(), ..self }
    }

    /// The input that `name` means, if the step has it or takes free ones.
    pub fn input(&self, name: &str) -> Option<&InputPort> {
        self.inputs.iter().find(|port| port.name == name).or(self.free_inputs.as_ref())
    }

    /// The output that `name` means.
    pub fn output(&self, name: &str) -> Option<&OutputPort> {
        self.outputs.iter().find(|port| port.name == name)
    }
}
