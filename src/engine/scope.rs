//! What the expressions of gates and `when` see: params, the steps that have ended, the success criteria, the run.
//!
//! `steps.NAME.metrics` holds the metrics over all rows; a dotted name such as `valid.roc_auc` is nested. Those of a
//! slice are under `steps.NAME.slices`, by slice and metric. A value that was not measured is null or not there, and
//! null never passes.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Run;
use crate::phase::Phase;
use crate::plan::Criterion;
use crate::step::{Metric, StepOutcome};

/// The values that `paths` may read, and little more: a gate of a large run does not copy all of its metrics.
pub(crate) fn scope(run: &Run, paths: &[Vec<String>]) -> Value {
    let named = |root: &'static str| paths.iter().filter(move |path| path.first().is_some_and(|first| first == root));
    let mut steps = Map::new();
    // `steps` alone, or with a computed name, may read any of them.
    let reads_all = named("steps").any(|path| path.len() < 2);
    let wanted: BTreeSet<&str> = named("steps").filter_map(|path| path.get(1)).map(String::as_str).collect();
    for (step, record) in run.steps() {
        if reads_all || wanted.contains(step.name.as_str()) {
            let mut fields = record.outcome().map(outcome_fields).unwrap_or_default();
            fields.insert("state".to_owned(), record.state().as_str().into());
            steps.insert(step.name.to_string(), Value::Object(fields));
        }
    }
    let criteria = if named("criteria").next().is_some() { criteria(run) } else { Value::Null };
    json!({
        "params": run.plan().params,
        "steps": steps,
        "criteria": criteria,
        "run": {"id": run.id().to_string(), "pipeline": run.plan().pipeline.as_str()},
    })
}

fn outcome_fields(outcome: &StepOutcome) -> Map<String, Value> {
    let mut metrics = Map::new();
    let mut slices = Map::new();
    for metric in &outcome.metrics {
        match &metric.slice {
            None => insert_nested(&mut metrics, &metric.name, metric.value.into(), MAX_NESTING),
            Some(slice) => {
                let of_slice = slices.entry(slice.clone()).or_insert_with(|| json!({}));
                if let Value::Object(of_slice) = of_slice {
                    insert_nested(of_slice, &metric.name, metric.value.into(), MAX_NESTING);
                }
            }
        }
    }
    let outputs: Map<String, Value> = outcome
        .outputs
        .iter()
        .map(|(name, artifact)| (name.to_string(), serde_json::to_value(artifact).expect("a reference is plain data")))
        .collect();
    let mut fields = Map::new();
    fields.insert("metrics".to_owned(), metrics.into());
    fields.insert("slices".to_owned(), slices.into());
    fields.insert("outputs".to_owned(), outputs.into());
    fields
}

/// How deep the names of metrics nest; what is left of a longer name is kept whole.
const MAX_NESTING: usize = 16;

/// Inserts `valid.roc_auc` as `{"valid": {"roc_auc": …}}`. Where a value already stands in the way, the name is kept
/// whole.
fn insert_nested(fields: &mut Map<String, Value>, name: &str, value: Value, depth: usize) {
    let nested = name.split_once('.').filter(|(head, _)| depth > 0 && fields.get(*head).is_none_or(Value::is_object));
    let Some((head, rest)) = nested else {
        fields.insert(name.to_owned(), value);
        return;
    };
    if let Value::Object(inner) = fields.entry(head).or_insert_with(|| json!({})) {
        insert_nested(inner, rest, value, depth - 1);
    }
}

/// The success criteria by kind: each metric with its value and bounds, and `met`, which is null as long as one of them
/// is not measured.
pub(crate) fn criteria(run: &Run) -> Value {
    let mut kinds = Map::new();
    for (kind, metrics) in &run.plan().record.criteria {
        let mut fields = Map::new();
        let mut met = Some(true);
        for (metric, criterion) in metrics {
            let measured = measured(run, metric, criterion);
            let holds = measured.as_ref().and_then(|(_, metric)| metric.value).map(|value| {
                criterion.min.is_none_or(|min| value >= min) && criterion.max.is_none_or(|max| value <= max)
            });
            // A criterion that is missed stays missed, whatever the others would say.
            met = match (met, holds) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
            let mut entry = Map::new();
            entry.insert("value".to_owned(), measured.as_ref().and_then(|(_, metric)| metric.value).into());
            for (name, bound) in [("min", criterion.min), ("max", criterion.max)] {
                if let Some(bound) = bound {
                    entry.insert(name.to_owned(), bound.into());
                }
            }
            if let Some(unit) = &criterion.unit {
                entry.insert("unit".to_owned(), unit.as_str().into());
            }
            if let Some((step, _)) = &measured {
                entry.insert("step".to_owned(), (*step).into());
            }
            entry.insert("met".to_owned(), holds.into());
            fields.insert(metric.clone(), entry.into());
        }
        fields.insert("met".to_owned(), met.into());
        kinds.insert(kind.clone(), fields.into());
    }
    kinds.into()
}

/// Who measured a criterion's metric: the step that it names, or the only evaluation step that has it.
fn measured<'run>(run: &'run Run, metric: &str, criterion: &Criterion) -> Option<(&'run str, &'run Metric)> {
    let mut found = run.steps().filter_map(|(step, record)| {
        let is_asked = match &criterion.step {
            Some(name) => step.name == *name || step.name.base() == name.as_str(),
            None => step.phase == Phase::Evaluation,
        };
        let outcome = record.outcome().filter(|_| is_asked)?;
        let metric = outcome.metrics.iter().find(|candidate| candidate.name == metric && candidate.slice.is_none())?;
        Some((step.name.as_str(), metric))
    });
    // Two steps that measure the same thing leave it open which one counts.
    found.next().filter(|_| found.next().is_none())
}
