//! Gates and `when`: an expression over what the run has measured, and the values that it read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::scope::{criteria, scope};
use super::{Happening, Run, Verdict};
use crate::expr::Expr;
use crate::phase::Phase;
use crate::plan::Plan;

/// The verdict of a gate and its evidence.
///
/// Anything but a plain true or false, and every error, makes the gate not evaluable: it does not pass.
pub(crate) fn evaluate(run: &Run, gate: usize) -> Happening {
    let gate = &run.plan.gates[gate];
    let (verdict, evidence) = judge(run, &gate.check);
    Happening::GateEvaluated { gate: gate.name.clone(), verdict, evidence }
}

/// Whether a `when` is true; null, any other value and errors count as false.
pub(crate) fn holds(run: &Run, when: &str) -> bool {
    judge(run, when).0 == Verdict::Passed
}

fn judge(run: &Run, text: &str) -> (Verdict, BTreeMap<String, Value>) {
    let expression = match Expr::parse(text) {
        Ok(expression) => expression,
        Err(error) => return (Verdict::NotEvaluable, BTreeMap::from([("error".to_owned(), error.to_string().into())])),
    };
    let paths = expression.paths();
    let scope = scope(run, &paths);
    let mut evidence: BTreeMap<String, Value> = paths.iter().flat_map(|path| evidence_of(run, &scope, path)).collect();
    let verdict = match expression.eval_scalar(&scope) {
        Ok(Value::Bool(true)) => Verdict::Passed,
        Ok(Value::Bool(false)) => Verdict::Failed,
        Ok(_) => Verdict::NotEvaluable,
        Err(error) => {
            evidence.insert("error".to_owned(), error.to_string().into());
            Verdict::NotEvaluable
        }
    };
    (verdict, evidence)
}

/// What an expression read at `path`. Whether criteria are met says little, so their metrics are listed instead.
fn evidence_of(run: &Run, scope: &Value, path: &[String]) -> Vec<(String, Value)> {
    if let [root, kind, met] = path
        && root == "criteria"
        && met == "met"
        && let Some(metrics) = criteria(run).get(kind).and_then(Value::as_object)
    {
        return metrics
            .iter()
            .filter(|(metric, _)| *metric != "met")
            .map(|(metric, entry)| (format!("criteria.{kind}.{metric}"), entry.clone()))
            .collect();
    }
    let value = path.iter().try_fold(scope, |value, name| value.get(name));
    vec![(path.join("."), value.cloned().unwrap_or(Value::Null))]
}

/// The steps, by their place in the plan, that an expression reads; criteria read those that may measure them.
pub(crate) fn steps_read(plan: &Plan, text: &str) -> BTreeSet<usize> {
    let Ok(expression) = Expr::parse(text) else { return BTreeSet::new() };
    let mut read = BTreeSet::new();
    for path in expression.paths() {
        match (path.first().map(String::as_str), path.get(1)) {
            (Some("steps"), Some(name)) => read.extend(plan.steps.keys().position(|step| step.as_str() == name)),
            (Some("steps"), None) => read.extend(0..plan.steps.len()),
            (Some("criteria"), _) => {
                let named: Vec<_> = plan
                    .record
                    .criteria
                    .values()
                    .flat_map(|metrics| metrics.values())
                    .filter_map(|criterion| criterion.step.as_ref())
                    .collect();
                read.extend(plan.steps.values().enumerate().filter_map(|(index, step)| {
                    let is_named = named.iter().any(|name| step.name == **name || step.name.base() == name.as_str());
                    (step.phase == Phase::Evaluation || is_named).then_some(index)
                }));
            }
            _ => {}
        }
    }
    read
}
