//! What was asked with a run: which steps, and which of them anew.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::gate;
use crate::id::StepName;
use crate::phase::Phase;
use crate::plan::{Plan, PlannedStep};

/// The options of a run, stored with it. A step is named in full, or by its base for all its instances.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RunOptions {
    /// These steps and everything after them run anew; what is before them is reused where it can be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<StepName>,
    /// Only these steps run; what they need is reused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<StepName>,
    /// These steps run anew.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refresh: Vec<StepName>,
}

/// A step that the plan does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no step `{name}` in pipeline `{pipeline}`{}", nearest.as_ref().map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default())]
pub struct UnknownStep {
    /// The name as given.
    pub name: String,
    /// The pipeline.
    pub pipeline: String,
    /// The name that was probably meant.
    pub nearest: Option<String>,
}

impl RunOptions {
    /// The options as stored with a run.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).expect("options are plain data")
    }

    /// The options that were stored with a run; null stands for none.
    ///
    /// # Errors
    /// When the value was not written by [`RunOptions::to_value`].
    pub fn from_value(value: &Value) -> Result<RunOptions, serde_json::Error> {
        if value.is_null() { Ok(RunOptions::default()) } else { serde_json::from_value(value.clone()) }
    }

    /// Whether `plan` has every step that is named.
    pub fn check(&self, plan: &Plan) -> Result<(), UnknownStep> {
        for name in self.from.iter().chain(&self.only).chain(&self.refresh) {
            if !plan.steps.keys().any(|step| is_meant(name, step)) {
                let nearest = plan
                    .steps
                    .keys()
                    .flat_map(|step| [step.as_str(), step.base()])
                    .map(|step| (strsim::damerau_levenshtein(step, name.as_str()), step))
                    .min()
                    .filter(|(distance, _)| *distance <= 3)
                    .map(|(_, step)| step.to_owned());
                return Err(UnknownStep { name: name.to_string(), pipeline: plan.pipeline.to_string(), nearest });
            }
        }
        Ok(())
    }
}

/// The options resolved against a plan: what each step and gate is to do in this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// By step in plan order: whether it takes part.
    pub(crate) steps: Vec<bool>,
    /// By step in plan order: whether it was named by `--only`, or everything takes part.
    pub(crate) is_target: Vec<bool>,
    /// By step in plan order: whether it runs even if its result is known.
    pub(crate) anew: Vec<bool>,
    /// By gate in plan order: whether it is evaluated.
    pub(crate) gates: Vec<bool>,
}

impl Selection {
    /// Resolves `options`; names that the plan does not have mean nothing.
    pub fn of(plan: &Plan, options: &RunOptions) -> Selection {
        let mut anew = named(plan, &options.from);
        for (index, step) in plan.steps.values().enumerate() {
            let follows = upstream_of(plan, step).into_iter().any(|upstream| anew[upstream]);
            anew[index] = anew[index] || follows;
        }
        for (index, is_named) in named(plan, &options.refresh).into_iter().enumerate() {
            anew[index] = anew[index] || is_named;
        }
        if options.only.is_empty() {
            let all = vec![true; plan.steps.len()];
            return Selection { is_target: all.clone(), steps: all, anew, gates: vec![true; plan.gates.len()] };
        }
        Selection::only(plan, named(plan, &options.only), anew)
    }

    /// `--only`: the targets, what they need, and what the blocking gates before them read.
    fn only(plan: &Plan, is_target: Vec<bool>, anew: Vec<bool>) -> Selection {
        let first: Option<Phase> =
            plan.steps.values().zip(&is_target).filter(|(_, named)| **named).map(|(step, _)| step.phase).max();
        let mut steps = is_target.clone();
        for gate in plan.gates.values() {
            if gate.is_blocking() && first.is_some_and(|phase| gate.phase < phase) {
                for index in gate::steps_read(plan, &gate.check) {
                    steps[index] = true;
                }
            }
        }
        for (index, step) in plan.steps.values().enumerate().rev() {
            if steps[index] {
                for upstream in upstream_of(plan, step) {
                    steps[upstream] = true;
                }
            }
        }
        // A gate that reads a step that was left out could only be answered by chance.
        let gates = plan
            .gates
            .values()
            .map(|gate| {
                let is_before = first.is_some_and(|phase| gate.phase < phase && gate.is_blocking());
                is_before || gate::steps_read(plan, &gate.check).into_iter().all(|index| steps[index])
            })
            .collect();
        Selection { steps, is_target, anew, gates }
    }
}

fn is_meant(name: &StepName, step: &StepName) -> bool {
    name == step || name.as_str() == step.base()
}

fn named(plan: &Plan, names: &[StepName]) -> Vec<bool> {
    plan.steps.keys().map(|step| names.iter().any(|name| is_meant(name, step))).collect()
}

/// The steps, by their place in the plan, that must have ended before `step`.
pub(crate) fn upstream_of(plan: &Plan, step: &PlannedStep) -> BTreeSet<usize> {
    let bound = step.inputs.values().flatten().map(|binding| &binding.step);
    let mut upstream: BTreeSet<usize> =
        bound.chain(&step.needs).filter_map(|name| plan.steps.get_index_of(name)).collect();
    upstream.extend(awaited_by(plan, step));
    upstream
}

/// The steps that the `when` of `step` reads: it waits for their end, however they end.
pub(crate) fn awaited_by(plan: &Plan, step: &PlannedStep) -> BTreeSet<usize> {
    let (Some(when), Some(own)) = (&step.when, plan.steps.get_index_of(&step.name)) else {
        return BTreeSet::new();
    };
    // A step later in the plan may itself wait for this one.
    gate::steps_read(plan, when).into_iter().filter(|index| *index < own).collect()
}
