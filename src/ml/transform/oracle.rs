//! The numbers of the references: scikit-learn, feature-engine and category_encoders, from fixtures that they made.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray};
use serde::Deserialize;
use serde_json::Value;

use super::tests::{feature, spec};
use super::{FitOptions, FittedPipeline, fit};

#[derive(Deserialize)]
struct Fixture {
    seed: u64,
    targets: BTreeMap<String, Values>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    transforms: Value,
    target: String,
    columns: BTreeMap<String, Values>,
    fresh: BTreeMap<String, Values>,
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

fn compare(case: &str, what: &str, tolerance: f64, batch: &RecordBatch, expected: &[Vec<Option<f64>>]) {
    assert_eq!(batch.num_columns(), expected.len(), "{case}: {what}: number of features");
    for (place, expected) in expected.iter().enumerate() {
        let found = feature(batch, place);
        assert_eq!(found.len(), expected.len(), "{case}: {what}");
        for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
            let is_close = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() <= tolerance * expected.abs().max(1.0),
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
        let batch = |columns: &BTreeMap<String, Values>, target: Option<&Values>| {
            let columns = columns.iter().map(|(name, values)| (name.clone(), values.array()));
            let target = target.map(|values| ("y".to_owned(), values.array()));
            RecordBatch::try_from_iter_with_nullable(columns.chain(target).map(|(name, array)| (name, array, true)))
                .unwrap()
        };
        let table = batch(&case.columns, Some(&fixture.targets[&case.target]));
        let pipeline =
            fit(&spec(case.transforms.clone()), &table, &FitOptions { seed: fixture.seed, memory_bytes: None })
                .unwrap();
        compare(&case.name, "fit", 1e-9, &pipeline.transform_learnt(&table, 0).unwrap(), &case.fit);
        let fresh = batch(&case.fresh, None);
        compare(&case.name, "fresh", 1e-9, &pipeline.transform(&fresh).unwrap(), &case.applied);
        let text = serde_json::to_string(&pipeline).unwrap();
        let back: FittedPipeline = serde_json::from_str(&text).unwrap();
        compare(&case.name, "after a round trip", 1e-9, &back.transform(&fresh).unwrap(), &case.applied);
    }
    assert!(fixture.cases.len() > 100);
}

/// The layout that `tools/oracle/cases.py` writes.
#[derive(Deserialize)]
struct Family {
    seed: u64,
    targets: BTreeMap<String, Values>,
    /// The rows to fit on and fresh ones.
    data: BTreeMap<String, (Values, Values)>,
    cases: Vec<FamilyCase>,
}

#[derive(Deserialize)]
struct FamilyCase {
    name: String,
    transforms: Value,
    target: String,
    columns: Vec<String>,
    /// None where the reference cannot say what the fit rows get.
    fit: Option<Vec<Vec<Option<f64>>>>,
    applied: Vec<Vec<Option<f64>>>,
    #[serde(default = "exact")]
    tolerance: f64,
}

fn exact() -> f64 {
    1e-9
}

impl Family {
    fn table(&self, case: &FamilyCase, part: impl Fn(&(Values, Values)) -> ArrayRef) -> Vec<(String, ArrayRef)> {
        let columns: Vec<ArrayRef> = case.columns.iter().map(|name| part(&self.data[name])).collect();
        let rows = columns.iter().map(Array::len).min().unwrap();
        case.columns.iter().cloned().zip(columns.iter().map(|column| column.slice(0, rows))).collect()
    }

    fn check(&self, case: &FamilyCase) {
        let batch = |columns: Vec<(String, ArrayRef)>| {
            RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
                .unwrap()
        };
        let mut columns = self.table(case, |(fit, _)| fit.array());
        columns.push(("y".to_owned(), self.targets[&case.target].array()));
        let table = batch(columns);
        let options = FitOptions { seed: self.seed, memory_bytes: None };
        let pipeline = fit(&spec(case.transforms.clone()), &table, &options)
            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        if let Some(expected) = &case.fit {
            compare(&case.name, "fit", case.tolerance, &pipeline.transform_learnt(&table, 0).unwrap(), expected);
        }
        let fresh = batch(self.table(case, |(_, fresh)| fresh.array()));
        compare(&case.name, "fresh", case.tolerance, &pipeline.transform(&fresh).unwrap(), &case.applied);
        let back: FittedPipeline = serde_json::from_str(&serde_json::to_string(&pipeline).unwrap()).unwrap();
        compare(&case.name, "after a round trip", case.tolerance, &back.transform(&fresh).unwrap(), &case.applied);
    }
}

fn check(fixture: &str, least: usize) {
    let family: Family = serde_json::from_str(fixture).unwrap();
    family.cases.iter().for_each(|case| family.check(case));
    assert!(family.cases.len() >= least, "{} cases", family.cases.len());
}

#[test]
fn scaled_numbers_are_those_of_scikit_learn_and_feature_engine() {
    check(include_str!("../../../tests/fixtures/oracle/scale.json"), 40);
}

#[test]
fn encoded_categories_are_those_of_category_encoders_and_feature_engine() {
    check(include_str!("../../../tests/fixtures/oracle/encode.json"), 50);
}

#[test]
fn bins_are_those_of_scikit_learn() {
    check(include_str!("../../../tests/fixtures/oracle/discretise.json"), 15);
}

#[test]
fn filled_and_cut_values_are_those_of_scikit_learn_and_feature_engine() {
    check(include_str!("../../../tests/fixtures/oracle/impute.json"), 40);
}
