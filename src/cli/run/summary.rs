//! What a person reads when a run has ended: steps, gates with measured values, test metrics, and where to go next.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::Value;

use crate::cli::output;
use crate::engine::{GateState, Outcome, Ruling, Run, StepRecord, Verdict};
use crate::id::EndpointName;
use crate::phase::Phase;
use crate::plan::PlannedStep;
use crate::step::Metric;

/// The most test metrics that the summary lists; the report has all.
const MOST_METRICS: usize = 12;

/// How many warnings of one step the summary shows.
const MOST_WARNINGS: usize = 5;

/// The whole summary. `reports` are the files laid out for reading.
pub(super) fn summary(run: &Run, reports: &[(String, PathBuf)], state_hint: &str) -> String {
    let mut text = String::new();
    steps(run, &mut text);
    warnings(run, &mut text);
    failures(run, state_hint, &mut text);
    gates(run, &mut text);
    metrics(run, &mut text);
    next(run, reports, state_hint, &mut text);
    text
}

fn push(text: &mut String, line: impl std::fmt::Display) {
    writeln!(text, "{line}").expect("a string takes everything");
}

fn steps(run: &Run, text: &mut String) {
    let rows: Vec<Vec<String>> = run.steps().map(|(planned, record)| step_row(planned, record)).collect();
    // A thousand cached steps say nothing one by one.
    let is_long = rows.len() > 60;
    let shown: Vec<Vec<String>> = if is_long {
        rows.into_iter().filter(|row| row[2] != "reused" && row[2] != "succeeded").collect()
    } else {
        rows
    };
    if !shown.is_empty() {
        push(text, output::table(&["phase", "step", "state", "time", "result"], &shown));
    }
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for (_, record) in run.steps() {
        let state = record.state().as_str();
        match counts.iter_mut().find(|(name, _)| *name == state) {
            Some((_, count)) => *count += 1,
            None => counts.push((state, 1)),
        }
    }
    let counts: Vec<String> = counts.into_iter().map(|(state, count)| format!("{count} {state}")).collect();
    let waits = || run.standstill().map_or("unfinished", |parked| parked.state);
    let outcome = run.outcome().map_or_else(waits, Outcome::as_str);
    push(text, format!("{} {outcome}: {} ({})\n", run.plan().pipeline, counts.join(", "), run.id()));
}

fn step_row(planned: &PlannedStep, record: &StepRecord) -> Vec<String> {
    let state = record.state().as_str();
    let time = if record.attempts() == 0 { "-".to_owned() } else { output::seconds(record.seconds()) };
    vec![planned.phase.to_string(), planned.name.to_string(), state.to_owned(), time, result(planned, record)]
}

/// The most telling fact about how a step ended.
fn result(planned: &PlannedStep, record: &StepRecord) -> String {
    if let Some(reason) = record.skipped_because() {
        return reason.briefly();
    }
    if let Some(said) = record.approval() {
        return said;
    }
    if let Some(failure) = record.failure() {
        return failure.code.clone();
    }
    let Some(outcome) = record.outcome() else { return String::new() };
    let headline = [
        "valid.roc_auc",
        "valid.accuracy",
        "valid.rmse",
        "valid.r2",
        "valid.roc_auc_gain",
        "valid.accuracy_gain",
        "valid.rmse_gain",
        "valid.r2_gain",
        "roc_auc",
        "roc_auc_ovr",
        "r2",
        "failed",
        "share_drifted",
    ];
    let metric = headline.iter().find_map(|name| {
        let metric = outcome.metrics.iter().find(|metric| metric.name == *name && metric.slice.is_none())?;
        Some(format!("{name} {}", metric.value.map_or("undefined".to_owned(), number)))
    });
    let rows = planned
        .outputs
        .keys()
        .filter_map(|name| Some((name, outcome.outputs.get(name)?.rows?)))
        .map(|(name, rows)| if planned.outputs.len() == 1 { format!("{rows} rows") } else { format!("{name} {rows}") })
        .collect::<Vec<_>>()
        .join(", ");
    metric.unwrap_or(rows)
}

/// What steps warned of, a few lines of each.
fn warnings(run: &Run, text: &mut String) {
    let warned = run.steps().filter_map(|(planned, record)| {
        let warnings = record.outcome().map(|outcome| outcome.warnings.as_slice()).unwrap_or_default();
        (!warnings.is_empty()).then_some((&planned.name, warnings))
    });
    let all: Vec<_> = warned.collect();
    for (step, warnings) in &all {
        for warning in warnings.iter().take(MOST_WARNINGS) {
            push(text, format!("warning: {step}: {warning}"));
        }
        if warnings.len() > MOST_WARNINGS {
            push(text, format!("warning: {step}: and more, which its log has"));
        }
    }
    if !all.is_empty() {
        push(text, "");
    }
}

fn failures(run: &Run, state_hint: &str, text: &mut String) {
    for (planned, record) in run.steps() {
        let Some(failure) = record.failure() else { continue };
        push(
            text,
            format!("step `{}` failed ({}, {} fault): {}", planned.name, failure.code, failure.fault, failure.message),
        );
        if let Some(help) = &failure.help {
            push(text, format!("  help: {help}"));
        }
        push(text, format!("  log:  phaseline{state_hint} logs {} '{}'\n", run.id(), planned.name));
    }
}

fn gates(run: &Run, text: &mut String) {
    let rows: Vec<Vec<String>> = run
        .gates()
        .filter_map(|(gate, state)| match state {
            GateState::Open => None,
            GateState::Evaluated { verdict, evidence, ruling } => {
                let effect = match verdict {
                    Verdict::Passed => String::new(),
                    _ if ruling.is_some() => format!(" ({})", ruling.as_ref().map(Ruling::told).unwrap_or_default()),
                    Verdict::Failed | Verdict::NotEvaluable if gate.is_blocking() => " (stops)".to_owned(),
                    Verdict::Failed | Verdict::NotEvaluable => " (goes on)".to_owned(),
                };
                let measured: Vec<String> =
                    evidence.iter().map(|(path, value)| format!("{} = {}", short_path(path), shown(value))).collect();
                Some(vec![
                    gate.name.to_string(),
                    format!("{}{effect}", verdict.as_str()),
                    gate.check.clone(),
                    measured.join(", "),
                ])
            }
        })
        .collect();
    if !rows.is_empty() {
        push(text, output::table(&["gate", "verdict", "check", "measured"], &rows));
    }
}

/// `steps.report.metrics.recall` is shown as `report.recall`.
fn short_path(path: &str) -> String {
    path.strip_prefix("steps.").map_or(path, |rest| rest).replace(".metrics.", ".")
}

fn shown(value: &Value) -> String {
    match value {
        Value::Number(value) if value.is_f64() => value.as_f64().map_or_else(String::new, number),
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(key, value)| format!("{key} {}", shown(value))).collect();
            fields.join(" ")
        }
        Value::Null => "not measured".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn metrics(run: &Run, text: &mut String) {
    let rows: Vec<Vec<String>> = run
        .steps()
        .filter(|(planned, _)| planned.phase == Phase::Evaluation)
        .filter_map(|(planned, record)| Some((planned, record.outcome()?)))
        .flat_map(|(planned, outcome)| outcome.metrics.iter().map(move |metric| (planned, metric)))
        .filter(|(_, metric)| metric.slice.is_none() && metric.low.is_some())
        .take(MOST_METRICS)
        .map(|(planned, metric)| vec![format!("{}.{}", planned.name, metric.name), value(metric), interval(metric)])
        .collect();
    if !rows.is_empty() {
        push(text, output::table(&["test metric", "value", "95 % interval"], &rows));
    }
}

fn value(metric: &Metric) -> String {
    metric.value.map_or_else(|| "undefined".to_owned(), number)
}

fn interval(metric: &Metric) -> String {
    match (metric.low, metric.high) {
        (Some(low), Some(high)) => format!("{} to {}", number(low), number(high)),
        _ => String::new(),
    }
}

/// Four decimals for what is around one, fewer for what is large.
fn number(value: f64) -> String {
    if value.fract().abs() < f64::EPSILON && value.abs() < 1e15 {
        format!("{value:.0}")
    } else if value.abs() >= 1000.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.4}")
    }
}

fn next(run: &Run, reports: &[(String, PathBuf)], state_hint: &str, text: &mut String) {
    for (name, path) in reports {
        push(text, format!("{name:<12} {}", path.display()));
    }
    let endpoints: Vec<&EndpointName> = run
        .steps()
        .filter_map(|(_, record)| record.outcome())
        .flat_map(|outcome| &outcome.registrations)
        .map(|registration| &registration.endpoint)
        .collect();
    for endpoint in &endpoints {
        push(text, format!("{:<12} phaseline{state_hint} serve   # POST /endpoints/{endpoint}/predict", "serve"));
        push(text, format!("{:<12} phaseline{state_hint} lineage {endpoint}", "lineage"));
    }
    if let Some(parked) = run.standstill().filter(|_| run.outcome().is_none()) {
        push(text, format!("{:<12} {}", "waits", parked.because));
        for (subject, question) in run.questions() {
            if let Some(message) = &question.message {
                push(text, format!("{:<12} {message}", subject.name()));
            }
            let decide = format!("phaseline{state_hint} approve {} {} --reason '…'", run.id(), subject.name());
            push(text, format!("{:<12} {decide}   # or reject", "decide"));
        }
    }
    match run.outcome() {
        Some(Outcome::Succeeded) if endpoints.is_empty() => {
            push(text, format!("{:<12} phaseline{state_hint} show {}", "details", run.id()));
        }
        Some(Outcome::Succeeded) => {}
        _ => push(text, format!("{:<12} phaseline{state_hint} resume {}", "go on", run.id())),
    }
}
