//! Checks that a profile suggests: what held for this data and would be worth knowing if it no longer did.
//!
//! The rules are Deequ's: complete if complete, else the lower end of the interval of completeness; a set of values for few
//! values, or a share of them for the most frequent ones; unique if unique; not negative if not negative; and as warnings the
//! range, the mean's interval and the lengths. Every check passes on the data of the profile.

use serde_json::{Map, Value, json};

use crate::table::statistics::LEAK;

/// Fewer rows say too little.
const LEAST_ROWS: f64 = 20.0;
/// Values that are at most so large a share of the rows are categories.
const CATEGORICAL: f64 = 0.1;
/// The most frequent values that cover so much are a set with exceptions.
const COVERED: f64 = 0.9;
/// Columns with fewer values than this share are empty as a rule, and nothing is asked of it.
const LEAST_COMPLETE: f64 = 0.2;
/// The quantile of the normal distribution for 95 % intervals.
const Z: f64 = 1.959_963_984_540_054;
/// Whole numbers beyond are not exact in a profile.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// How long a shown text is cut, in characters; a cut one is no value.
const CUT: usize = 60;

/// A suggested check with the reason for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggested {
    /// The expectation as it stands under `expect`.
    pub expectation: Map<String, Value>,
    /// What of the profile speaks for it.
    pub reason: String,
}

/// The checks that the report of a `profile.table` step suggests.
///
/// # Errors
/// The document is no such report.
pub fn suggest(report: &Value) -> Result<Vec<Suggested>, String> {
    let columns = report.get("columns").and_then(Value::as_array);
    let rows = report.get("rows").and_then(Value::as_u64);
    let (Some(columns), Some(rows)) = (columns, rows) else {
        return Err("it is no report of a `profile.table` step: it has no `columns` and `rows`".to_owned());
    };
    let mut suggested = Vec::new();
    let mut add = |expectation: Value, reason: String| {
        if let Value::Object(expectation) = expectation {
            suggested.push(Suggested { expectation, reason });
        }
    };
    if rows > 1 {
        let least = rows / 2;
        add(json!({"check": "row_count", "min": least, "severity": "warning"}), format!("there were {rows} rows"));
    }
    let names: Vec<&Value> = columns.iter().filter_map(|column| column.get("name")).collect();
    add(json!({"columns": names, "check": "columns_match", "exact": false}), "these are the columns".to_owned());
    if report.get("duplicate_rows") == Some(&json!(0)) && report.get("duplicate_rows_are_exact") == Some(&json!(true)) {
        let is_readable = columns.iter().all(|column| text(column, "type") != "other");
        if is_readable && rows as f64 >= LEAST_ROWS {
            add(json!({"check": "no_duplicate_rows", "severity": "warning"}), "no row repeated another".to_owned());
        }
    }
    for column in columns {
        about_column(column, rows as f64, &mut add);
    }
    about_target(report, columns, &mut add);
    Ok(suggested)
}

fn text<'a>(column: &'a Value, key: &str) -> &'a str {
    column.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn number(column: &Value, key: &str) -> f64 {
    column.get(key).and_then(Value::as_f64).unwrap_or_default()
}

fn about_column(column: &Value, rows: f64, add: &mut impl FnMut(Value, String)) {
    let (name, kind) = (text(column, "name"), text(column, "type"));
    let present = rows - number(column, "missing");
    if matches!(kind, "int" | "float" | "text" | "bool" | "date" | "timestamp") {
        add(json!({"column": name, "check": "dtype", "type": kind}), format!("it held {kind}"));
    }
    if present < LEAST_ROWS || rows == 0.0 {
        return;
    }
    let complete = present / rows;
    if present >= rows {
        add(json!({"column": name, "check": "not_null"}), "no value was missing".to_owned());
    } else if complete > LEAST_COMPLETE {
        let mostly = lower_end(complete, rows);
        let reason = format!("{:.1} % of the values were there", complete * 100.0);
        add(json!({"column": name, "check": "not_null", "mostly": mostly}), reason);
    }
    let is_categorical = about_values(column, name, kind, present, add);
    let has_infinity = number(column, "infinite") > 0.0;
    match kind {
        "int" | "float" if !has_infinity => about_numbers(column, name, kind, present, add),
        "text" if !is_categorical => {
            let length = |key: &str| column.pointer(&format!("/length/{key}")).and_then(Value::as_f64).map(whole);
            if let (Some(Some(min)), Some(Some(max))) = (length("min"), length("max")) {
                add(
                    json!({"column": name, "check": "length_between", "min": min, "max": max, "severity": "warning"}),
                    format!("the texts had {min} to {max} characters"),
                );
            }
        }
        _ => {}
    }
}

/// Checks of the different values; says whether they are categories.
#[expect(clippy::float_cmp, reason = "both are whole: counts of rows and of values")]
fn about_values(column: &Value, name: &str, kind: &str, present: f64, add: &mut impl FnMut(Value, String)) -> bool {
    let distinct = number(column, "distinct");
    let is_exact = column.get("distinct_is_exact") == Some(&json!(true));
    if matches!(kind, "int" | "text") && is_exact && distinct == present {
        add(json!({"column": name, "check": "unique"}), "every value was different".to_owned());
        return false;
    }
    if matches!(kind, "int" | "text") && !is_exact && distinct > 0.95 * present {
        let check = json!({"column": name, "check": "distinct_ratio", "min": 0.9});
        add(check, format!("about {:.1} % of the values were different", distinct / present * 100.0));
        return false;
    }
    if kind != "text" {
        return false;
    }
    let listed = |key: &str| -> Vec<(String, f64)> {
        let entries = column.get(key).and_then(Value::as_array).into_iter().flatten();
        entries.map(|entry| (text(entry, "value").to_owned(), number(entry, "count"))).collect()
    };
    let is_whole = |values: &[(String, f64)]| values.iter().all(|(value, _)| value.chars().count() < CUT);
    let all = listed("values_by_count");
    if !all.is_empty() && distinct / present <= CATEGORICAL && is_whole(&all) {
        let values: Vec<&String> = all.iter().map(|(value, _)| value).collect();
        add(json!({"column": name, "check": "in_set", "values": values}), format!("there were {distinct} values"));
        return true;
    }
    let top = listed("top");
    let covered = top.iter().map(|(_, count)| count).sum::<f64>() / present;
    if covered >= COVERED && distinct / present <= CATEGORICAL && is_whole(&top) {
        let values: Vec<&String> = top.iter().map(|(value, _)| value).collect();
        let mostly = lower_end(covered, present);
        let reason = format!("these made up {:.1} % of the values", covered * 100.0);
        add(json!({"column": name, "check": "in_set", "values": values, "mostly": mostly}), reason);
        return true;
    }
    false
}

fn about_numbers(column: &Value, name: &str, kind: &str, present: f64, add: &mut impl FnMut(Value, String)) {
    let value = |key: &str| column.pointer(&format!("/values/{key}")).and_then(Value::as_f64);
    let (Some(min), Some(max), Some(mean)) = (value("min"), value("max"), value("mean")) else { return };
    if min.abs() >= EXACT || max.abs() >= EXACT {
        return;
    }
    if min >= 0.0 {
        add(json!({"column": name, "check": "non_negative"}), "no number was negative".to_owned());
    }
    let bound = |bound: f64| match whole(bound).filter(|_| kind == "int") {
        Some(whole) => json!(whole),
        None => json!(bound),
    };
    let (low, high) = (bound(min), bound(max));
    let check = json!({"column": name, "check": "between", "min": low, "max": high, "severity": "warning"});
    add(check, format!("the numbers lay between {low} and {high}"));
    if let Some(stdev) = value("stdev").filter(|stdev| *stdev > 0.0) {
        let reach = Z * stdev / present.sqrt();
        let check =
            json!({"column": name, "check": "mean", "min": mean - reach, "max": mean + reach, "severity": "info"});
        add(check, format!("the mean was {mean:.4}; this is its 95 % interval"));
    }
}

fn about_target(report: &Value, columns: &[Value], add: &mut impl FnMut(Value, String)) {
    let Some(target) = report.get("target") else { return };
    let name = text(target, "column");
    let classes = target.get("classes").and_then(Value::as_array).map_or(0, Vec::len);
    if classes != 2 {
        return;
    }
    // A code whose every value stands for one class leaks, whatever the order of its values says.
    let leaks = |column: &&Value| {
        let auc = column.pointer("/target/auc").and_then(Value::as_f64);
        column.pointer("/target/decides") == Some(&json!(true)) || auc.is_some_and(|auc| auc > LEAK)
    };
    let others = || columns.iter().filter(|column| text(column, "name") != name);
    let sound: Vec<&Value> = others().filter(|column| !leaks(column) && text(column, "type") != "other").collect();
    if sound.len() == others().count() {
        add(json!({"check": "no_leakage", "target": name}), "no column told the target alone".to_owned());
    } else if !sound.is_empty() {
        let names: Vec<&str> = sound.iter().map(|column| text(column, "name")).collect();
        let told: Vec<String> = others().filter(leaks).map(|column| format!("`{}`", text(column, "name"))).collect();
        let reason = match told.as_slice() {
            [] => "no column that can be read told the target alone".to_owned(),
            told => format!("none of these told the target alone, unlike {}", told.join(", ")),
        };
        add(json!({"columns": names, "check": "no_leakage", "target": name}), reason);
    }
}

/// The lower end of the 95 % interval of a share after Wilson, rounded down to hundredths.
fn lower_end(share: f64, count: f64) -> f64 {
    let square = Z * Z / count;
    let centre = share + square / 2.0;
    let reach = Z * (share * (1.0 - share) / count + square / (4.0 * count)).sqrt();
    (((centre - reach) / (1.0 + square)).max(0.0) * 100.0).floor() / 100.0
}

/// A number as the whole one that it is.
fn whole(number: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "the number is whole and small enough")]
    let whole = (number.fract() == 0.0 && number.abs() < EXACT).then_some(number as i64);
    whole
}
