//! The report: every check with its result, and the sums, under Great Expectations' keys.

use serde_json::{Map, Value, json};

use super::check::{Check, Outcome};
use super::expectation::{Consequence, Severity};

/// What all checks found together.
pub(super) struct Report {
    /// The document.
    pub(super) document: Value,
    pub(super) checks: usize,
    /// Failed checks that count as such.
    pub(super) failed: usize,
    /// Failed checks that count as warnings.
    pub(super) warnings: usize,
    pub(super) success_percent: f64,
    /// A line for the log about each check that failed or had nothing to look at; a warning where that counts.
    pub(super) remarks: Vec<String>,
    /// The lines about those that failed.
    pub(super) failures: Vec<String>,
    /// The failed checks that fail the step by themselves.
    pub(super) fatal: Vec<String>,
    /// The failed checks for which the steps that read the table are skipped.
    pub(super) skipping: Vec<String>,
}

/// What a failed check counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Failed,
    Warning,
    Nothing,
}

/// The report of finished checks over a table of `rows` rows, of which `quarantined` were put aside.
pub(super) fn report(checks: &[Check], rows: u64, quarantined: u64) -> Report {
    let mut report = Report {
        document: Value::Null,
        checks: checks.len(),
        failed: 0,
        warnings: 0,
        success_percent: 100.0,
        remarks: Vec::new(),
        failures: Vec::new(),
        fatal: Vec::new(),
        skipping: Vec::new(),
    };
    let mut results = Vec::new();
    let mut succeeded = 0usize;
    for check in checks {
        let outcome = check.outcome();
        match &outcome {
            Ok(outcome) if outcome.success => {
                succeeded += 1;
                if outcome.vacuous {
                    report.remarks.push(format!("warning: {} passed without a single value to look at", check.id));
                }
            }
            Ok(outcome) => report.add_failed(check, false, format!("{} failed: {}", check.id, found(&outcome.result))),
            Err(reason) => report.add_failed(check, true, format!("{} could not be checked: {reason}", check.id)),
        }
        results.push(one(check, outcome));
    }
    if !checks.is_empty() {
        report.success_percent = succeeded as f64 / checks.len() as f64 * 100.0;
    }
    report.document = json!({
        "success": succeeded == checks.len(),
        "statistics": {
            "evaluated_expectations": checks.len(),
            "successful_expectations": succeeded,
            "unsuccessful_expectations": checks.len() - succeeded,
            "success_percent": report.success_percent,
        },
        "meta": {
            "rows": rows,
            "failed": report.failed,
            "warnings": report.warnings,
            "quarantined": quarantined,
        },
        "results": results,
    });
    report
}

impl Report {
    fn add_failed(&mut self, check: &Check, is_raised: bool, line: String) {
        let by_severity = match check.expectation.severity {
            Severity::Critical => Weight::Failed,
            Severity::Warning => Weight::Warning,
            Severity::Info => Weight::Nothing,
        };
        let weight = match check.expectation.on_fail {
            Some(Consequence::Fail) => {
                self.fatal.push(check.id.clone());
                by_severity
            }
            Some(Consequence::SkipDownstream) => {
                self.skipping.push(check.id.clone());
                by_severity
            }
            Some(Consequence::Warn) => Weight::Warning,
            // The rows are put aside and the rest is sound. A check that could not be carried out put nothing aside.
            Some(Consequence::Quarantine) if !is_raised => Weight::Nothing,
            Some(Consequence::Quarantine) | None => by_severity,
        };
        match weight {
            Weight::Failed => self.failed += 1,
            Weight::Warning => self.warnings += 1,
            Weight::Nothing => {}
        }
        self.remarks.push(if weight == Weight::Nothing { line.clone() } else { format!("warning: {line}") });
        self.failures.push(line);
    }
}

fn one(check: &Check, outcome: Result<Outcome, String>) -> Value {
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
        "success": success,
        "expectation_config": {
            "type": check.expectation.check.as_str(),
            "kwargs": kwargs,
            "meta": {},
            "id": check.id,
            "severity": check.expectation.severity,
        },
        "result": result,
        "meta": {},
        "exception_info": {
            "raised_exception": raised.is_some(),
            "exception_traceback": null,
            "exception_message": raised,
        },
        "check_id": check.id,
        "severity": check.expectation.severity,
        "gx_type": check.expectation.gx_type(),
        "vacuous": vacuous,
    })
}

/// What a failed check found, in a few words.
pub(super) fn found(result: &Map<String, Value>) -> String {
    if let Some(rows) = result.get("details").and_then(|details| details.get("unexpected_rows")?.as_array()) {
        let count = result.get("observed_value").and_then(Value::as_u64).unwrap_or_default();
        let example = rows.first().map(|row| format!(", such as {}", shortened(&row.to_string()))).unwrap_or_default();
        return format!("the query gives {count} row{}{example}", if count == 1 { "" } else { "s" });
    }
    match (result.get("unexpected_count"), result.get("element_count"), result.get("observed_value")) {
        (Some(unexpected), Some(elements), _) => {
            let example = result.get("partial_unexpected_list").and_then(|list| list.get(0));
            let example = example.map(|value| format!(", such as {value}")).unwrap_or_default();
            format!("{unexpected} of {elements} rows{example}")
        }
        (unexpected, _, Some(Value::Null)) if result.contains_key("missing_count") || unexpected.is_some() => {
            let list = |name: &str| result.get(name).and_then(Value::as_array).filter(|list| !list.is_empty());
            let values = |list: &Vec<Value>| list.iter().take(5).map(Value::to_string).collect::<Vec<_>>().join(", ");
            let unexpected = list("partial_unexpected_list").map(|list| format!("holds {}", values(list)));
            let missing = list("partial_missing_list").map(|list| format!("lacks {}", values(list)));
            [unexpected, missing].into_iter().flatten().collect::<Vec<_>>().join(" and ")
        }
        (_, _, Some(observed)) => format!("observed {observed}"),
        _ => "not as expected".to_owned(),
    }
}

/// As much of an example as fits into a line.
fn shortened(example: &str) -> String {
    const LONGEST: usize = 300;
    if example.chars().count() <= LONGEST {
        return example.to_owned();
    }
    example.chars().take(LONGEST - 1).chain(['…']).collect()
}
