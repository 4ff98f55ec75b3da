//! Promises of whole pipelines: scikit-learn's numbers, and one row alone transforms as it does among others.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, Int64Type};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{FittedPipeline, PipelineSpec, TargetSpec, fit};

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
        let pipeline = fit(&spec(case.transforms.clone()), &table, fixture.seed).unwrap();
        compare(&case.name, "fit", &pipeline.transform_learnt(&table, 0).unwrap(), &case.fit);
        let fresh = batch(&case.fresh, None);
        compare(&case.name, "fresh", &pipeline.transform(&fresh).unwrap(), &case.applied);
        let text = serde_json::to_string(&pipeline).unwrap();
        let back: FittedPipeline = serde_json::from_str(&text).unwrap();
        compare(&case.name, "after a round trip", &back.transform(&fresh).unwrap(), &case.applied);
    }
    assert!(fixture.cases.len() > 100);
}
