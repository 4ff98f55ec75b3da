//! The sections of the card about purpose and promises, from the manifest's record.

use serde_json::{Map, Value};

use super::{Block, Section, number};
use crate::step::evaluation::findings::Findings;
use crate::table::roles::Task;

/// Model details, intended use, then criteria, risks and gates as far as the record has them.
pub(super) fn sections(findings: &Findings, record: &Value) -> Vec<Section> {
    let mut sections = vec![details(findings, record), intended_use(findings, record)];
    let criteria = criteria(findings, record);
    if !criteria.is_empty() {
        let header = ["Kind", "Metric", "Wanted", "Measured", "Met"];
        sections.push(Section { title: "Success criteria", blocks: vec![Block::table(&header, criteria)] });
    }
    let risks = risks(record);
    if !risks.is_empty() {
        let header = ["Risk", "What may go wrong", "Severity"];
        sections.push(Section { title: "Risks", blocks: vec![Block::table(&header, risks)] });
    }
    let gates = gates(record);
    if !gates.is_empty() {
        let text = "Verdicts up to the time of this evaluation; later gates are in the run's lineage.";
        let blocks = vec![Block::Text(text.to_owned()), Block::table(&["Gate", "Verdict", "Evidence"], gates)];
        sections.push(Section { title: "Quality gates", blocks });
    }
    sections
}

fn details(findings: &Findings, record: &Value) -> Section {
    let model = &findings.model;
    let mut rows = vec![
        row("Kind", model.kind.clone()),
        row("Task", task(&model.task)),
        row("Target", model.target.clone()),
        row("Features", model.features.len().to_string()),
        row("Training params", text(&model.params)),
        row("Training seed", model.seed.to_string()),
    ];
    for (label, key) in [("Owner", "owner"), ("Pipeline", "pipeline"), ("Run", "run")] {
        if let Some(value) = record.get(key).filter(|value| !value.is_null()) {
            rows.push(row(label, text(value)));
        }
    }
    if let Some(params) = object(record, "params").filter(|params| !params.is_empty()) {
        rows.push(row("Pipeline params", text(&Value::Object(params.clone()))));
    }
    Section { title: "Model details", blocks: vec![Block::table(&["", ""], rows)] }
}

fn intended_use(findings: &Findings, record: &Value) -> Section {
    let mut blocks = Vec::new();
    if let Some(description) = record.get("description").and_then(Value::as_str) {
        blocks.push(Block::Text(description.to_owned()));
    }
    let objectives = object(record, "objectives").into_iter().flatten();
    let objectives: Vec<Vec<String>> = objectives.map(|(kind, objective)| row(kind, text(objective))).collect();
    if objectives.is_empty() {
        let advice = "The manifest states no objectives; write them under `understanding.objectives`.";
        blocks.push(Block::Text(format!("Predicts `{}`. {advice}", findings.model.target)));
    } else {
        blocks.push(Block::table(&["Objective", ""], objectives));
    }
    Section { title: "Intended use", blocks }
}

fn criteria(findings: &Findings, record: &Value) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (kind, metrics) in object(record, "criteria").into_iter().flatten() {
        for (metric, range) in metrics.as_object().into_iter().flatten() {
            let end = |key: &str| range.get(key).and_then(Value::as_f64);
            let (min, max) = (end("min"), end("max"));
            let unit = range.get("unit").and_then(Value::as_str).map(|unit| format!(" {unit}")).unwrap_or_default();
            let wanted = match (min, max) {
                (Some(min), Some(max)) => format!("{} to {}{unit}", number(Some(min)), number(Some(max))),
                (Some(min), None) => format!("at least {}{unit}", number(Some(min))),
                (None, Some(max)) => format!("at most {}{unit}", number(Some(max))),
                (None, None) => text(range),
            };
            // A metric that this step does not measure is neither met nor missed here.
            let measured = findings.metrics.get(metric.as_str()).map(|measured| measured.value);
            let met = match measured {
                None => "not measured here",
                Some(None) => "not evaluable",
                Some(Some(value)) if min.is_none_or(|min| value >= min) && max.is_none_or(|max| value <= max) => "yes",
                Some(Some(_)) => "no",
            };
            let measured = measured.map_or_else(|| "-".to_owned(), number);
            rows.push(vec![kind.clone(), metric.clone(), wanted, measured, met.to_owned()]);
        }
    }
    rows
}

fn risks(record: &Value) -> Vec<Vec<String>> {
    let risks = object(record, "risks").into_iter().flatten();
    let part = |risk: &Value, key: &str| risk.get(key).map(text).unwrap_or_default();
    risks.map(|(name, risk)| vec![name.clone(), part(risk, "text"), part(risk, "severity")]).collect()
}

fn gates(record: &Value) -> Vec<Vec<String>> {
    let gates = object(record, "gates").into_iter().flatten();
    let described = |(name, gate): (&String, &Value)| {
        let verdict = match gate.get("verdict") {
            Some(Value::Null) => "evaluated later".to_owned(),
            Some(verdict) => text(verdict),
            None => text(gate),
        };
        let ruling = gate.get("ruling_told").and_then(Value::as_str);
        let verdict = verdict.replace('_', " ");
        let verdict = ruling.map_or(verdict.clone(), |ruling| format!("{verdict}, {ruling}"));
        let evidence = gate.get("evidence").and_then(Value::as_object).into_iter().flatten();
        let evidence: Vec<String> = evidence.map(|(what, value)| format!("{what} = {}", text(value))).collect();
        vec![name.clone(), verdict, evidence.join(", ")]
    };
    gates.map(described).collect()
}

fn object<'a>(record: &'a Value, key: &str) -> Option<&'a Map<String, Value>> {
    record.get(key).and_then(Value::as_object)
}

fn row(label: &str, value: String) -> Vec<String> {
    vec![label.to_owned(), value]
}

fn task(task: &Task) -> String {
    match task {
        Task::Binary { classes } => format!("two classes, `{}` is positive", classes[1]),
        Task::Multiclass { classes } => format!("one of {} classes: {}", classes.len(), classes.join(", ")),
        Task::Regression => "a number".to_owned(),
    }
}

/// A value as people write it: text without quotes, an object as `key: value` pairs.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            fields.iter().map(|(name, field)| format!("{name}: {}", nested(field))).collect::<Vec<_>>().join(", ")
        }
    }
}

fn nested(value: &Value) -> String {
    match value {
        Value::Array(_) => format!("[{}]", text(value)),
        Value::Object(_) => format!("{{{}}}", text(value)),
        _ => text(value),
    }
}
