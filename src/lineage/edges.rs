//! What went into each output of a step.

use std::collections::{BTreeMap, BTreeSet};

use super::rows::OutputRow;
use crate::artifact::Digest;
use crate::id::{InputName, OutputName, StepName};

/// What a step took in, and how it spreads over its outputs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Intake {
    /// The inputs that an output carries, for outputs that do not carry all of them.
    pub carries: BTreeMap<OutputName, BTreeSet<InputName>>,
    /// Each artifact with its input and its place among the artifacts of that input.
    pub artifacts: BTreeSet<(InputName, u32, Digest)>,
}

/// An artifact at an input that went into an output of the same step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The step.
    pub step: StepName,
    /// The output.
    pub output: OutputName,
    /// What the output holds.
    pub to: Digest,
    /// The input.
    pub input: InputName,
    /// The artifact's place among those of the input.
    pub position: u32,
    /// The artifact.
    pub from: Digest,
}

/// The edges into `outputs`, given what their steps took in.
///
/// An output that is one of the artifacts at its inputs, passed on unchanged, came from that artifact alone: the model
/// that was selected is not made of those that were not.
pub fn edges(intakes: &BTreeMap<StepName, Intake>, outputs: &[OutputRow]) -> BTreeSet<Edge> {
    let mut edges = BTreeSet::new();
    for row in outputs {
        let (Some(output), Some(intake)) = (&row.output, intakes.get(&row.step)) else { continue };
        let to = row.artifact.digest;
        let only = intake.carries.get(output);
        let carried = || intake.artifacts.iter().filter(|(input, ..)| only.is_none_or(|only| only.contains(input)));
        let is_passed_on = carried().any(|(.., from)| *from == to);
        edges.extend(carried().filter(|(.., from)| !is_passed_on || *from == to).map(|(input, position, from)| Edge {
            step: row.step.clone(),
            output: output.clone(),
            to,
            input: input.clone(),
            position: *position,
            from: *from,
        }));
    }
    edges
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::artifact::{ArtifactKind, ArtifactRef};
    use crate::id::AttemptId;

    /// The edges of a step as `input position -> output`; `carries` and `inputs` and `outputs` are written the same way.
    fn check(carries: &[(&str, &[&str])], inputs: &[(&str, u32, &str)], outputs: &[(&str, &str)], expected: &[&str]) {
        let step: StepName = "work".parse().unwrap();
        let names = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        let intake = Intake {
            carries: carries.iter().map(|(output, from)| (output.parse().unwrap(), names(from))).collect(),
            artifacts: inputs
                .iter()
                .map(|(input, position, content)| (input.parse().unwrap(), *position, Digest::of(content)))
                .collect(),
        };
        let row = |(output, content): &(&str, &str)| OutputRow {
            step: step.clone(),
            output: Some(output.parse().unwrap()),
            artifact: ArtifactRef { digest: Digest::of(content), kind: ArtifactKind::Table, bytes: 1, rows: None },
            attempt: AttemptId::from_u128(1),
            at: DateTime::UNIX_EPOCH,
        };
        let rows: Vec<OutputRow> = outputs.iter().map(row).collect();
        let found = edges(&[(step.clone(), intake)].into(), &rows);
        let found: Vec<String> =
            found.iter().map(|edge| format!("{} {} -> {}", edge.input, edge.position, edge.output)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_output_that_says_nothing_carries_all_inputs() {
        let inputs = [("left", 0, "a"), ("right", 0, "b"), ("right", 1, "c")];
        check(&[], &inputs, &[("table", "d")], &["left 0 -> table", "right 0 -> table", "right 1 -> table"]);
    }

    #[test]
    fn an_output_carries_only_the_inputs_that_it_names() {
        let inputs = [("fit", 0, "a"), ("test", 0, "b")];
        let carries: [(&str, &[&str]); 2] = [("fit", &["fit"]), ("summary", &[])];
        let outputs = [("fit", "c"), ("summary", "d"), ("test", "e")];
        check(&carries, &inputs, &outputs, &["fit 0 -> fit", "fit 0 -> test", "test 0 -> test"]);
    }

    #[test]
    fn what_is_passed_on_unchanged_comes_from_itself_alone() {
        let inputs = [("candidates", 0, "a"), ("candidates", 1, "b")];
        let expected = ["candidates 1 -> model", "candidates 0 -> report", "candidates 1 -> report"];
        check(&[], &inputs, &[("model", "b"), ("report", "c")], &expected);
    }
}
