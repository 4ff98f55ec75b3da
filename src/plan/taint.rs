//! Some rows may not reach some inputs: held-out test data nothing that learns, validation data no resampling, and
//! resampled rows nothing that measures or splits. Marks spread along the inputs that an output carries.

use std::borrow::Cow;

use super::bind::{Bindings, Bound};
use super::instances::Instances;
use super::work::Work;
use crate::artifact::ArtifactKind;
use crate::manifest::Mistake;
use crate::step::{Mark, OutputPort};

/// Refuses marked data at inputs that do not take it. `order` lists each instance after those it takes inputs from.
pub(super) fn check(
    instances: &Instances<'_>,
    work: &[Option<Work>],
    bindings: &[Bindings],
    order: &[usize],
    mistakes: &mut Vec<Mistake>,
) {
    let mut taints = Taints { ways: vec![Vec::new(); work.len()] };
    for &index in order {
        let Some(known) = &work[index] else { continue };
        for (input, bound) in &bindings[index] {
            let Some(port) = known.ports.input(input.as_str()) else { continue };
            for bound in bound {
                let refused = port.refuses.iter().find_map(|mark| Some((*mark, taints.of(bound, *mark)?)));
                let Some((mark, way)) = refused else { continue };
                let place = format!("{}.{input}", instances.all[index].name);
                let way = format!("{} -> {place}", way.join(" -> "));
                mistakes.push(mistake(mark, &place, &way, bound));
            }
        }
        for output in &known.ports.outputs {
            for mark in [Mark::Test, Mark::Valid, Mark::Resampled] {
                let name = format!("{}.{}", instances.all[index].name, output.name);
                let steps = if output.mark == Some(mark) {
                    Some(vec![name])
                } else {
                    taints.carried(&bindings[index], output, mark).map(|mut way| {
                        way.push(name);
                        way
                    })
                };
                if let Some(steps) = steps {
                    taints.ways[index].push(Way { output: output.name.to_string(), mark, steps });
                }
            }
        }
    }
}

fn mistake(mark: Mark, place: &str, way: &str, bound: &Bound) -> Mistake {
    let (code, message, remedy) = match mark {
        Mark::Test => (
            "test_leak",
            format!("test data would reach `{place}`, which learns from it"),
            "learn from the training split and keep the test split for evaluation",
        ),
        Mark::Valid => (
            "valid_leak",
            format!("validation data would reach `{place}`, which takes training data only"),
            "take the training split; choices between models need the validation split as it is",
        ),
        Mark::Resampled => (
            "resampled_data",
            format!("resampled data would reach `{place}`, which needs rows as they come in"),
            "balance after the split, and only what models are trained on",
        ),
    };
    Mistake::new(code, bound.span.clone(), message).help(format!("it comes from {way}; {remedy}"))
}

/// The way on which marked rows came to an output.
#[derive(Clone)]
struct Way {
    output: String,
    mark: Mark,
    steps: Vec<String>,
}

/// For each instance its outputs that hold marked rows.
struct Taints {
    ways: Vec<Vec<Way>>,
}

impl Taints {
    fn of(&self, bound: &Bound, mark: Mark) -> Option<&Vec<String>> {
        self.ways[bound.source]
            .iter()
            .find(|way| way.mark == mark && way.output == bound.binding.output.as_str())
            .map(|way| &way.steps)
    }

    /// The way of the first such rows among the inputs that an output carries.
    fn carried(&self, bindings: &Bindings, output: &OutputPort, mark: Mark) -> Option<Vec<String>> {
        let from = match mark {
            Mark::Test | Mark::Valid => &output.from,
            // A model that has learned from resampled rows is none of them.
            Mark::Resampled if output.kind != ArtifactKind::Table => return None,
            Mark::Resampled => match &output.rows_from {
                Some(_) => &output.rows_from,
                None => &output.from,
            },
        };
        let is_carried = |from: &Vec<Cow<'static, str>>, input: &str| from.iter().any(|name| name == input);
        bindings
            .iter()
            .filter(|(input, _)| from.as_ref().is_none_or(|from| is_carried(from, input.as_str())))
            .flat_map(|(_, bound)| bound)
            .find_map(|bound| self.of(bound, mark))
            .cloned()
    }
}
