//! Promises of whole pipelines: scikit-learn's numbers, and one row alone transforms as it does among others.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, Int64Type};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{FitOptions, FittedPipeline, PipelineSpec, TargetSpec, TransformError, catalogue, fit};

/// A pipeline over all columns but `y`.
pub(super) fn spec(transforms: Value) -> PipelineSpec {
    let target: TargetSpec = serde_json::from_value(json!({"column": "y"})).unwrap();
    let transforms = serde_json::from_value(transforms).unwrap();
    PipelineSpec { target, drop: None, weight: None, drop_null_target: false, transforms }
}

/// The feature at `place` as numbers, codes too.
pub(super) fn feature(batch: &RecordBatch, place: usize) -> Vec<Option<f64>> {
    let array = batch.column(place);
    match array.as_primitive_opt::<Float64Type>() {
        Some(floats) => floats.iter().collect(),
        None => array.as_primitive::<Int64Type>().iter().map(|code| code.map(|code| code as f64)).collect(),
    }
}

/// Sixty customers of three kinds, with a hole in most columns; `y` is the target.
pub(super) fn customers(target: ArrayRef) -> RecordBatch {
    let hole = |row: &i32, modulus: i32| row % modulus != 0;
    let text = |step: i32, modulus: i32| -> ArrayRef {
        let values = ["basic", "plus", "", "Ünlimited 🚀", "a b"];
        let value = |row: i32| values[usize::try_from(row / step % 5).unwrap()];
        Arc::new((0..60).map(|row| hole(&row, modulus).then(|| value(row))).collect::<StringArray>())
    };
    let amount = (0..60).map(|row| hole(&row, 7).then(|| f64::from(row * row % 37) / 3.0 + 0.5));
    let columns: [(&str, ArrayRef); 6] = [
        ("amount", Arc::new(amount.collect::<Float64Array>())),
        ("months", Arc::new((0..60).map(|row| row % 24 + 1).map(i64::from).collect::<Int64Array>())),
        ("plan", text(1, 13)),
        ("town", text(3, 9)),
        ("since", Arc::new((0..60).map(|row| hole(&row, 10).then_some(19_000 + row * 17)).collect::<Date32Array>())),
        ("y", target),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

/// Two classes.
pub(super) fn classes() -> ArrayRef {
    Arc::new(StringArray::from_iter_values((0..60).map(|row| if row % 4 == 0 || row % 7 == 0 { "Yes" } else { "No" })))
}

/// The pipeline of these transforms, fitted on [`customers`].
pub(super) fn fitted(transforms: Value, target: ArrayRef) -> Result<FittedPipeline, TransformError> {
    fit(&spec(transforms), &customers(target), &FitOptions { seed: 7, memory_bytes: None })
}

#[test]
fn every_example_fits_and_reads_back_as_written() {
    for listed in catalogue() {
        let example: Value = serde_saphyr::from_str(listed.example).unwrap();
        assert!(example.get(listed.key).is_some(), "{}", listed.example);
        let transforms = json!([example, {"date_parts": ["year"]}, {"one_hot": {}}]);
        let pipeline = fitted(transforms, classes()).unwrap_or_else(|error| panic!("{}: {error}", listed.example));
        let table = customers(classes());
        let here = pipeline.transform(&table).unwrap();
        let back: FittedPipeline = serde_json::from_str(&serde_json::to_string(&pipeline).unwrap()).unwrap();
        assert_eq!(back.transform(&table).unwrap(), here, "{}", listed.example);
        assert!(listed.schema.get("description").is_some(), "`{}` says what it does", listed.key);
    }
}

#[test]
fn columns_that_are_still_to_be_learnt_are_selected_too() {
    let names = |transforms: Value, target: ArrayRef| -> Vec<String> {
        let pipeline = fitted(transforms, target).unwrap();
        pipeline.features().iter().map(|feature| format!("{}: {}", feature.name, feature.transform)).collect()
    };
    let one_hot_is_left_out = json!([{"one_hot": {}}, {"select": ["months"]}]);
    assert_eq!(names(one_hot_is_left_out, classes()), ["months: identity"]);
    let indicator =
        json!([{"select": "amount"}, {"impute": {"strategy": "mean", "add_indicator": true}}, {"drop": "@encoded"}]);
    assert_eq!(names(indicator, classes()), ["amount: impute"]);
    let three: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..60).map(|row| ["a", "b", "c"][row * row % 7 % 3])));
    let multiclass = json!([{"select": "plan"}, {"target": {}}, {"standardize": {}}]);
    assert_eq!(
        names(multiclass, three),
        ["plan_a: target+standardize", "plan_b: target+standardize", "plan_c: target+standardize"]
    );
}

#[test]
fn what_keeps_all_rows_is_refused_where_memory_is_short() {
    let spec = spec(json!([{"drop": ["plan", "town", "since"]}, {"impute": "median"}]));
    let error = fit(&spec, &customers(classes()), &FitOptions { seed: 7, memory_bytes: Some(500) }).unwrap_err();
    insta::assert_snapshot!(error, @"`impute` of column `amount` keeps what it needs of all 60 rows in memory, about 960 bytes, and the step may use 500 bytes");
    assert!(error.remedy().unwrap().contains("resources.memory"));
    fit(&spec, &customers(classes()), &FitOptions { seed: 7, memory_bytes: Some(4000) }).unwrap();
}

#[derive(Deserialize)]
struct Fixture {
    seed: u64,
    targets: std::collections::BTreeMap<String, Values>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    transforms: Value,
    target: String,
    columns: std::collections::BTreeMap<String, Values>,
    fresh: std::collections::BTreeMap<String, Values>,
    fit: Vec<Vec<Option<f64>>>,
    applied: Vec<Vec<Option<f64>>>,
}

#[derive(Deserialize)]
#[serde(tag = "type", content = "values", rename_all = "snake_case")]
enum Values {
    Float(Vec<Option<f64>>),
    Text(Vec<Option<String>>),
}

impl Values {
    fn array(&self) -> ArrayRef {
        match self {
            Values::Float(values) => Arc::new(Float64Array::from(values.clone())),
            Values::Text(values) => Arc::new(StringArray::from(values.clone())),
        }
    }
}

fn compare(case: &str, what: &str, batch: &RecordBatch, expected: &[Vec<Option<f64>>]) {
    assert_eq!(batch.num_columns(), expected.len(), "{case}: {what}: number of features");
    for (place, expected) in expected.iter().enumerate() {
        let found = feature(batch, place);
        assert_eq!(found.len(), expected.len(), "{case}: {what}");
        for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
            let is_close = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
                (found, expected) => found == expected,
            };
            assert!(is_close, "{case}: {what}: feature {place}, row {row}: {found:?}, not {expected:?}");
        }
    }
}

#[test]
fn transforms_give_the_numbers_of_scikit_learn() {
    let fixture: Fixture = serde_json::from_str(include_str!("../../../tests/fixtures/oracle/features.json")).unwrap();
    for case in &fixture.cases {
        let batch = |columns: &std::collections::BTreeMap<String, Values>, target: Option<&Values>| {
            let columns = columns.iter().map(|(name, values)| (name.clone(), values.array()));
            let target = target.map(|values| ("y".to_owned(), values.array()));
            RecordBatch::try_from_iter_with_nullable(columns.chain(target).map(|(name, array)| (name, array, true)))
                .unwrap()
        };
        let table = batch(&case.columns, Some(&fixture.targets[&case.target]));
        let pipeline =
            fit(&spec(case.transforms.clone()), &table, &FitOptions { seed: fixture.seed, memory_bytes: None })
                .unwrap();
        compare(&case.name, "fit", &pipeline.transform_learnt(&table, 0).unwrap(), &case.fit);
        let fresh = batch(&case.fresh, None);
        compare(&case.name, "fresh", &pipeline.transform(&fresh).unwrap(), &case.applied);
        let text = serde_json::to_string(&pipeline).unwrap();
        let back: FittedPipeline = serde_json::from_str(&text).unwrap();
        compare(&case.name, "after a round trip", &back.transform(&fresh).unwrap(), &case.applied);
    }
    assert!(fixture.cases.len() > 100);
}
