//! Held-out test data must reach nothing that learns. It spreads along the inputs that an output carries.

use super::bind::{Bindings, Bound};
use super::instances::Instances;
use super::work::Work;
use crate::manifest::Mistake;
use crate::step::OutputPort;

/// Refuses test data at learning inputs. `order` lists each instance after those it takes inputs from.
pub(super) fn check(
    instances: &Instances<'_>,
    work: &[Option<Work>],
    bindings: &[Bindings],
    order: &[usize],
    mistakes: &mut Vec<Mistake>,
) {
    let mut taints = Taints { paths: vec![Vec::new(); work.len()] };
    for &index in order {
        let Some(known) = &work[index] else { continue };
        for (input, bound) in &bindings[index] {
            if !known.ports.input(input.as_str()).is_some_and(|port| port.learns) {
                continue;
            }
            for bound in bound {
                let Some(path) = taints.of(bound) else { continue };
                let step = &instances.all[index].name;
                let message = format!("test data would reach `{step}.{input}`, which learns from it");
                let help = format!(
                    "it comes from {} -> {step}.{input}; learn from the training split and keep the test split for evaluation",
                    path.join(" -> ")
                );
                mistakes.push(Mistake::new("test_leak", bound.span.clone(), message).help(help));
            }
        }
        for output in &known.ports.outputs {
            let name = format!("{}.{}", instances.all[index].name, output.name);
            let path = if output.is_test {
                Some(vec![name])
            } else {
                taints.carried(&bindings[index], output).map(|mut path| {
                    path.push(name);
                    path
                })
            };
            if let Some(path) = path {
                taints.paths[index].push((output.name.to_string(), path));
            }
        }
    }
}

/// For each instance its outputs that hold test data, with the way that the data came.
struct Taints {
    paths: Vec<Vec<(String, Vec<String>)>>,
}

impl Taints {
    fn of(&self, bound: &Bound) -> Option<&Vec<String>> {
        self.paths[bound.source]
            .iter()
            .find(|(output, _)| output == bound.binding.output.as_str())
            .map(|(_, path)| path)
    }

    /// The way of the first test data among the inputs that an output carries.
    fn carried(&self, bindings: &Bindings, output: &OutputPort) -> Option<Vec<String>> {
        bindings
            .iter()
            .filter(|(input, _)| output.from.as_ref().is_none_or(|from| from.iter().any(|name| name == input.as_str())))
            .flat_map(|(_, bound)| bound)
            .find_map(|bound| self.of(bound))
            .cloned()
    }
}
