//! What is told: a JSON document, the same for every way.

use serde_json::{Value, json};

use crate::manifest::Occasion;
use crate::store::PublishedEvent;
use crate::store::queries::RunDetail;

/// How many failed steps and gates are told; a matrix may have thousands.
const MOST: usize = 20;

/// The document of an occasion.
pub(super) fn document(
    occasion: Occasion,
    event: &PublishedEvent,
    detail: &RunDetail,
    public_url: Option<&str>,
) -> Value {
    let failures: Vec<Value> = detail
        .steps
        .iter()
        .filter_map(|step| {
            let error = step.error.as_ref()?;
            Some(json!({"step": step.step, "code": error.code, "message": error.message, "help": error.help}))
        })
        .take(MOST)
        .collect();
    let gates: Vec<Value> = detail
        .gates
        .iter()
        .filter(|gate| gate.verdict.as_deref().is_some_and(|verdict| verdict != "passed"))
        .map(|gate| json!({"gate": gate.gate, "verdict": gate.verdict, "check": gate.expression}))
        .take(MOST)
        .collect();
    let summary = sentence(occasion, event, &failures, &gates);
    json!({
        "version": 1,
        "occasion": occasion.as_str(),
        "summary": summary,
        // What chat programs show of a webhook.
        "text": summary,
        "pipeline": event.pipeline.to_string(),
        "run": event.run.to_string(),
        "state": detail.summary.state,
        "at": event.at,
        "event": event.seq,
        "failures": failures,
        "gates": gates,
        "url": public_url.map(|url| format!("{}/api/v1/runs/{}", url.trim_end_matches('/'), event.run)),
    })
}

fn sentence(occasion: Occasion, event: &PublishedEvent, failures: &[Value], gates: &[Value]) -> String {
    let first = |values: &[Value], key: &str| values.first().and_then(|value| value[key].as_str()).map(str::to_owned);
    let about = match occasion {
        Occasion::Failed => first(failures, "step").map(|step| format!(": step `{step}`")),
        Occasion::Rejected => first(gates, "gate").map(|gate| format!(": gate `{gate}`")),
        Occasion::Gate => event.what["gate"].as_str().map(|gate| format!(": `{gate}`")),
        Occasion::Approval => ["gate", "step"]
            .iter()
            .find_map(|kind| event.what["subject"][*kind].as_str().map(|name| format!(" of {kind} `{name}`"))),
        Occasion::Succeeded | Occasion::Recovered => None,
    };
    let what = match occasion {
        Occasion::Failed => "has failed",
        Occasion::Rejected => "was rejected",
        Occasion::Approval => "waits for approval",
        Occasion::Succeeded => "has succeeded",
        Occasion::Recovered => "has recovered",
        Occasion::Gate => "goes on past a gate that did not pass",
    };
    format!("{} {what}{} (run {})", event.pipeline, about.unwrap_or_default(), event.run)
}
