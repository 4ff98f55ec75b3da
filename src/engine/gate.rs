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

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use indexmap::IndexMap;
    use serde_json::json;

    use super::*;
    use crate::artifact::Digest;
    use crate::engine::testing::{gate, plan, step};
    use crate::engine::{CacheKey, KeyParts, RunEvent, RunOptions};
    use crate::id::{AttemptId, RunId};
    use crate::plan::{Criterion, OnFail};
    use crate::step::{Metric, StepOutcome};

    /// The verdict of `check` after an evaluation step `report` has measured `metrics`.
    fn verdict(check: &str, metrics: Vec<Metric>) -> (Verdict, Value) {
        let mut plan = plan(
            vec![step("report", Phase::Evaluation, &[])],
            vec![gate("it", Phase::Evaluation, check, OnFail::Warn)],
        );
        plan.steps[0].outputs = IndexMap::new();
        let bounds = Criterion { min: Some(0.8), ..Criterion::default() };
        let recall = Criterion { min: Some(0.5), max: Some(0.9), ..Criterion::default() };
        let ml = IndexMap::from([("roc_auc".to_owned(), bounds), ("recall".to_owned(), recall)]);
        plan.record.criteria = IndexMap::from([("ml".to_owned(), ml)]);
        let seal = plan.record.seal();
        let mut run = Run::fresh(plan.into(), RunId::from_u128(1), &RunOptions::default());
        let reused = Happening::StepReused {
            step: "report".parse().unwrap(),
            key: CacheKey(Digest::of("x")),
            parts: serde_json::from_value::<KeyParts>(json!({
                "kind": "x", "kind_version": 1, "params": null, "seed": 0, "inputs": {}, "files": {}, "env": {}
            }))
            .unwrap(),
            inputs: Vec::new(),
            made_by: AttemptId::from_u128(1),
            outcome: StepOutcome { metrics, ..StepOutcome::default() },
        };
        for (number, what) in [Happening::CriteriaSealed { digest: seal }, reused].into_iter().enumerate() {
            run.apply(&RunEvent { seq: number as u64 + 1, at: Utc::now(), what }).unwrap();
        }
        let Happening::GateEvaluated { verdict, evidence, .. } = evaluate(&run, 0) else { unreachable!() };
        (verdict, json!(evidence))
    }

    #[test]
    fn a_verdict_comes_with_the_values_that_it_read() {
        let metrics = || vec![Metric::new("valid.roc_auc", 0.84), Metric::new("failed", 0.0)];
        let check = |text: &str, expected: Verdict, evidence: Value| {
            assert_eq!(verdict(text, metrics()), (expected, evidence), "{text}");
        };
        check(
            "steps.report.metrics.valid.roc_auc >= 0.8",
            Verdict::Passed,
            json!({"steps.report.metrics.valid.roc_auc": 0.84}),
        );
        check("steps.report.metrics.failed > 0", Verdict::Failed, json!({"steps.report.metrics.failed": 0.0}));
        check("steps.report.metrics.gone > 0", Verdict::NotEvaluable, json!({"steps.report.metrics.gone": null}));
        check("steps.report.state == 'reused'", Verdict::Passed, json!({"steps.report.state": "reused"}));
        let (not_bool, _) = verdict("steps.report.metrics.failed + 1", metrics());
        assert_eq!(not_bool, Verdict::NotEvaluable);
    }

    #[test]
    fn criteria_are_met_when_every_metric_is_within_its_bounds() {
        let check = |expected: Verdict, metrics: &[(&str, f64)]| {
            let metrics = metrics.iter().map(|(name, value)| Metric::new(*name, *value)).collect();
            assert_eq!(verdict("criteria.ml.met", metrics).0, expected);
        };
        check(Verdict::Passed, &[("roc_auc", 0.8), ("recall", 0.9)]);
        check(Verdict::Failed, &[("roc_auc", 0.79), ("recall", 0.9)]);
        check(Verdict::Failed, &[("roc_auc", 0.9), ("recall", 0.91)]);
        check(Verdict::NotEvaluable, &[("roc_auc", 0.9)]);
        check(Verdict::NotEvaluable, &[("roc_auc", f64::NAN), ("recall", 0.9)]);
        // What is missed is missed, whatever was not measured.
        check(Verdict::Failed, &[("roc_auc", 0.1)]);
    }

    #[test]
    fn the_evidence_of_criteria_is_each_metric_with_its_bounds() {
        let (_, evidence) = verdict("criteria.ml.met", vec![Metric::new("roc_auc", 0.84)]);
        assert_eq!(
            evidence,
            json!({
                "criteria.ml.roc_auc": {"value": 0.84, "min": 0.8, "step": "report", "met": true},
                "criteria.ml.recall": {"value": null, "min": 0.5, "max": 0.9, "met": null},
            })
        );
    }
}
