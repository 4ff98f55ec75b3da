//! The JSON document of a run, the last thing on standard output with `--json`.

use serde_json::{Map, Value, json};

use crate::engine::{GateState, Run, StepRecord};
use crate::step::Metric;

/// `{"run", "pipeline", "outcome", "steps": {…}, "gates": {…}}`.
pub(super) fn document(run: &Run) -> Value {
    let steps: Map<String, Value> =
        run.steps().map(|(planned, record)| (planned.name.to_string(), step(record))).collect();
    let gates: Map<String, Value> = run
        .gates()
        .filter_map(|(gate, state)| match state {
            GateState::Open => None,
            GateState::Evaluated { verdict, evidence, ruling } => {
                let mut fields = json!({"verdict": verdict.as_str(), "evidence": evidence});
                if let Some(ruling) = ruling {
                    fields["ruling"] = ruling.as_str().into();
                    fields["told"] = ruling.told().into();
                }
                Some((gate.name.to_string(), fields))
            }
        })
        .collect();
    json!({
        "run": run.id().to_string(),
        "pipeline": run.plan().pipeline.as_str(),
        "outcome": run.outcome().map(crate::engine::Outcome::as_str),
        "steps": steps,
        "gates": gates,
    })
}

fn step(record: &StepRecord) -> Value {
    let outputs: Map<String, Value> = record
        .outcome()
        .into_iter()
        .flat_map(|outcome| &outcome.outputs)
        .map(|(name, artifact)| {
            let artifact = json!({
                "digest": artifact.digest.to_string(),
                "kind": artifact.kind.as_str(),
                "rows": artifact.rows,
                "bytes": artifact.bytes,
            });
            (name.to_string(), artifact)
        })
        .collect();
    let measured: &[Metric] = record.outcome().map_or(&[], |outcome| &outcome.metrics);
    let metrics: Map<String, Value> =
        measured.iter().map(|metric| (metric_name(metric), json!(metric.value))).collect();
    let intervals: Map<String, Value> = measured
        .iter()
        .filter(|metric| metric.low.is_some() && metric.high.is_some())
        .map(|metric| (metric_name(metric), json!([metric.low, metric.high])))
        .collect();
    let error = record.failure().map(|failure| {
        json!({
            "fault": failure.fault,
            "code": failure.code,
            "message": failure.message,
            "help": failure.help,
        })
    });
    json!({
        "state": record.state().as_str(),
        "attempts": record.attempts(),
        "seconds": record.seconds(),
        "outputs": outputs,
        "metrics": metrics,
        "intervals": intervals,
        "warnings": record.outcome().map_or(&[][..], |outcome| &outcome.warnings),
        "error": error,
    })
}

/// The name of a metric; one of a slice carries it: `recall[SeniorCitizen=1]`.
pub(super) fn metric_name(metric: &Metric) -> String {
    match &metric.slice {
        None => metric.name.clone(),
        Some(slice) => format!("{}[{slice}]", metric.name),
    }
}
