//! Every worked example of Great Expectations' own schemas, through the reader of suites, against what it says there.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use serde_json::{Map, Value, json};

use super::read_suite;
use crate::step::InputArtifact;
use crate::step::testing::{Workbench, batch};

/// Cases whose result differs from what the schema says, with the reason. The verdicts are equal unless said otherwise.
const DIFFERENCES: &[(&str, &str)] = &[
    ("ExpectColumnMinToBeBetween failing", "it calls the median, and shows the output of the minimum; other verdict"),
    ("ExpectColumnQuantileValuesToBeBetween passing", "it asks for 0.667 and shows 0.6667"),
    ("ExpectColumnQuantileValuesToBeBetween failing", "it asks for 0.667 and shows 0.6667"),
    ("ExpectColumnTypeToBe passing", "the type has SQLite's name there"),
    ("ExpectColumnTypeToBe failing", "the type has SQLite's name there"),
    ("ExpectColumnValuesToBeInTypeList passing", "rows are counted there, although a column has one type"),
    ("ExpectColumnValuesToBeInTypeList failing", "rows are counted there, although a column has one type"),
    ("ExpectColumnValuesToBeOfType passing", "rows are counted there, although a column has one type"),
    ("ExpectColumnValuesToBeOfType failing", "rows are counted there, although a column has one type"),
    ("ExpectColumnValuesToBeUnique failing", "it shows two failing rows of three and success; other verdict"),
    ("ExpectColumnValuesToMatchLikePatternList failing", "it reads `[ad]` as `ad`, as no database does; other verdict"),
    ("ExpectColumnValuesToMatchRegexList failing", "it shows values of another column"),
    (
        "ExpectColumnValuesToNotMatchLikePatternList passing",
        "it reads `[aa]` as `aa`, as no database does; other verdict",
    ),
    ("ExpectColumnValuesToNotMatchRegexList failing", "it shows the value that passes"),
    ("ExpectTableColumnsToMatchOrderedList failing", "a column `Unnamed: 0` is shown that is not in the table"),
    ("ExpectTableRowCountToEqualOtherTable passing", "its code gives both counts, which we do, and its text one"),
    ("ExpectTableRowCountToEqualOtherTable failing", "its code gives both counts, which we do, and its text one"),
];

/// A column of whatever type its values have.
pub(in super::super) fn column(values: &Value) -> ArrayRef {
    let values = values.as_array().unwrap();
    if values.iter().any(Value::is_string) {
        Arc::new(values.iter().map(Value::as_str).collect::<StringArray>())
    } else if values.iter().any(Value::is_boolean) {
        Arc::new(values.iter().map(Value::as_bool).collect::<BooleanArray>())
    } else if values.iter().all(|value| value.is_i64() || value.is_null()) && values.iter().any(Value::is_i64) {
        Arc::new(values.iter().map(Value::as_i64).collect::<Int64Array>())
    } else {
        Arc::new(values.iter().map(Value::as_f64).collect::<Float64Array>())
    }
}

/// A table of columns by name.
pub(in super::super) fn table(bench: &Workbench, columns: &Value) -> InputArtifact {
    let columns: Vec<(&str, ArrayRef)> =
        columns.as_object().unwrap().iter().map(|(name, values)| (name.as_str(), column(values))).collect();
    bench.table(&batch(&columns))
}

/// Whether two values are the same, numbers to nine digits.
pub(in super::super) fn agrees(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| agrees(ours, theirs))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().all(|(key, ours)| theirs.get(key).is_some_and(|theirs| agrees(ours, theirs)))
        }
        _ => match (ours.as_f64(), theirs.as_f64()) {
            (Some(ours), Some(theirs)) => (ours - theirs).abs() <= 1e-9 * (1.0 + theirs.abs()),
            _ => ours == theirs,
        },
    }
}

fn ran(case: &Value) -> Result<Value, String> {
    let suite = json!({"name": "case", "expectations": [{"type": case["type"], "kwargs": case["kwargs"]}]});
    let suite = read_suite(&suite.to_string()).map_err(|error| error.to_string())?;
    if let Some(unsupported) = suite.unsupported.first() {
        return Err(unsupported.to_string());
    }
    let bench = Workbench::new();
    let tables = case["tables"].as_object().unwrap();
    let main = table(&bench, tables.values().next().unwrap());
    let other = case["kwargs"].get("other_table_name").map(|name| table(&bench, &tables[name.as_str().unwrap()]));
    let mut inputs = vec![("table", &main)];
    inputs.extend(other.iter().map(|other| ("reference", other)));
    let ran = bench.run("validate.table", json!({"expect": suite.expectations}), &inputs);
    Ok(ran.map_err(|error| error.to_string())?.report("report")["results"][0].clone())
}

/// The keys of a result that differ.
fn differences(ours: &Map<String, Value>, theirs: &Map<String, Value>) -> Vec<String> {
    let differs = |(key, theirs): &(&String, &Value)| !ours.get(*key).is_some_and(|ours| agrees(ours, theirs));
    let none = Value::Null;
    theirs
        .iter()
        .filter(differs)
        .map(|(key, theirs)| format!("{key} {} and not {theirs}", ours.get(key).unwrap_or(&none)))
        .collect()
}

#[test]
fn the_examples_of_great_expectations_say_the_same_here() {
    let fixture: Value =
        serde_json::from_str(include_str!("../../../../../tests/fixtures/oracle/gx_cases.json")).unwrap();
    let cases = fixture["cases"].as_array().unwrap();
    let (mut same_verdict, mut same_result) = (0, 0);
    let mut found = Vec::new();
    for case in cases {
        let name = case["case"].as_str().unwrap();
        let differs = match ran(case) {
            Err(reason) => vec![reason],
            Ok(ours) => {
                let mut list = differences(ours["result"].as_object().unwrap(), case["result"].as_object().unwrap());
                if ours["success"] == case["success"] {
                    same_verdict += 1;
                } else {
                    list.insert(0, format!("success {}", ours["success"]));
                }
                list
            }
        };
        if differs.is_empty() {
            same_result += 1;
        } else {
            found.push((name, differs.join("; ")));
        }
    }
    let known: Vec<&str> = DIFFERENCES.iter().map(|(name, _)| *name).collect();
    let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, known, "{found:#?}");
    assert_eq!((cases.len(), same_verdict, same_result), (104, 100, 87), "cases, equal verdicts, equal results");
    let other_verdict = DIFFERENCES.iter().filter(|(_, reason)| reason.ends_with("other verdict")).count();
    assert_eq!(cases.len() - same_verdict, other_verdict);
}
