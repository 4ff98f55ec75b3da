//! The report: every check with its result, and the sums, under Great Expectations' keys.

use serde_json::{Map, Value, json};

use super::check::Check;
use super::expectation::Severity;

/// What all checks found together.
pub(super) struct Report {
    /// The document.
    pub(super) document: Value,
    pub(super) checks: usize,
    /// Failed checks of severity critical.
    pub(super) failed: usize,
    /// Failed checks of severity warning.
    pub(super) warnings: usize,
    pub(super) success_percent: f64,
    /// A line for the log about each check that failed or had nothing to look at.
    pub(super) remarks: Vec<String>,
}

/// The report of finished checks over a table of `rows` rows.
pub(super) fn report(checks: &[Check], rows: u64) -> Report {
    let mut remarks = Vec::new();
    let mut results = Vec::new();
    let (mut succeeded, mut failed, mut warnings) = (0usize, 0, 0);
    for check in checks {
        let outcome = check.outcome();
        let success = outcome.as_ref().is_ok_and(|outcome| outcome.success);
        if success {
            succeeded += 1;
        } else {
            match check.expectation.severity {
                Severity::Critical => failed += 1,
                Severity::Warning => warnings += 1,
                Severity::Info => {}
            }
        }
        match &outcome {
            Ok(outcome) if !outcome.success => remarks.push(format!("{} failed: {}", check.id, found(&outcome.result))),
            Ok(outcome) if outcome.vacuous => {
                remarks.push(format!("warning: {} passed without a single value to look at", check.id));
            }
            Ok(_) => {}
            Err(reason) => remarks.push(format!("{} could not be checked: {reason}", check.id)),
        }
        results.push(one(check, outcome));
    }
    let success_percent = if checks.is_empty() { 100.0 } else { succeeded as f64 / checks.len() as f64 * 100.0 };
    let document = json!({
        "success": succeeded == checks.len(),
        "rows": rows,
        "statistics": {
            "evaluated_expectations": checks.len(),
            "successful_expectations": succeeded,
            "unsuccessful_expectations": checks.len() - succeeded,
            "success_percent": success_percent,
            "failed": failed,
            "warnings": warnings,
        },
        "results": results,
    });
    Report { document, checks: checks.len(), failed, warnings, success_percent, remarks }
}

fn one(check: &Check, outcome: Result<super::check::Outcome, String>) -> Value {
    let mut kwargs = match serde_json::to_value(&check.expectation) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    for key in ["check", "severity", "id"] {
        kwargs.remove(key);
    }
    let (success, vacuous, result, raised) = match outcome {
        Ok(outcome) => (outcome.success, outcome.vacuous, outcome.result, None),
        Err(reason) => (false, false, Map::new(), Some(reason)),
    };
    json!({
        "id": check.id,
        "check": check.expectation.check.as_str(),
        "gx_type": check.expectation.gx_type(),
        "severity": check.expectation.severity,
        "success": success,
        "vacuous": vacuous,
        "kwargs": kwargs,
        "result": result,
        "exception_info": {"raised_exception": raised.is_some(), "exception_message": raised},
    })
}

/// What a failed check found, in a few words.
fn found(result: &Map<String, Value>) -> String {
    match (result.get("unexpected_count"), result.get("element_count"), result.get("observed_value")) {
        (Some(unexpected), Some(elements), _) => {
            let example = result.get("partial_unexpected_list").and_then(|list| list.get(0));
            let example = example.map(|value| format!(", such as {value}")).unwrap_or_default();
            format!("{unexpected} of {elements} rows{example}")
        }
        (_, _, Some(observed)) => format!("observed {observed}"),
        _ => "not as expected".to_owned(),
    }
}
