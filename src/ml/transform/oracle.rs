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
    #[serde(default)]
    tables: Vec<BTreeMap<String, Values>>,
    cases: Vec<Case>,
    #[serde(default)]
    scores: BTreeMap<String, Vec<Option<f64>>>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    transforms: Value,
    target: String,
    columns: Table,
    fresh: Table,
    /// What all rows of the fit get, or the first of them.
    fit: Vec<Vec<Option<f64>>>,
    applied: Vec<Vec<Option<f64>>>,
}

/// Columns of a case, or the place of the table that several cases share.
#[derive(Deserialize)]
#[serde(untagged)]
enum Table {
    Shared(usize),
    Own(BTreeMap<String, Values>),
}

impl Fixture {
    fn columns<'fixture>(&'fixture self, table: &'fixture Table) -> &'fixture BTreeMap<String, Values> {
        match table {
            Table::Shared(place) => &self.tables[*place],
            Table::Own(columns) => columns,
        }
    }
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
    let texts = [
        include_str!("../../../tests/fixtures/oracle/features.json"),
        include_str!("../../../tests/fixtures/oracle/construct.json"),
    ];
    let fixtures: Vec<Fixture> = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    for (fixture, case) in fixtures.iter().flat_map(|fixture| fixture.cases.iter().map(move |case| (fixture, case))) {
        let batch = |columns: &BTreeMap<String, Values>, target: Option<&Values>| {
            let columns = columns.iter().map(|(name, values)| (name.clone(), values.array()));
            let target = target.map(|values| ("y".to_owned(), values.array()));
            RecordBatch::try_from_iter_with_nullable(columns.chain(target).map(|(name, array)| (name, array, true)))
                .unwrap()
        };
        let table = batch(fixture.columns(&case.columns), Some(&fixture.targets[&case.target]));
        let pipeline =
            fit(&spec(case.transforms.clone()), &table, &FitOptions { seed: fixture.seed, ..FitOptions::default() })
                .unwrap();
        let first = case.fit.first().map_or(0, Vec::len);
        let learnt = pipeline.transform_learnt(&table, 0).unwrap().slice(0, first);
        compare(&case.name, "fit", 1e-9, &learnt, &case.fit);
        let fresh = batch(fixture.columns(&case.fresh), None);
        compare(&case.name, "fresh", 1e-9, &pipeline.transform(&fresh).unwrap(), &case.applied);
        let text = serde_json::to_string(&pipeline).unwrap();
        let back: FittedPipeline = serde_json::from_str(&text).unwrap();
        compare(&case.name, "after a round trip", 1e-9, &back.transform(&fresh).unwrap(), &case.applied);
    }
    assert!(fixtures.iter().all(|fixture| fixture.cases.len() > 60));
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
    /// What the columns were judged by.
    scores: Option<Vec<f64>>,
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
        let options = FitOptions { seed: self.seed, ..FitOptions::default() };
        let pipeline = fit(&spec(case.transforms.clone()), &table, &options)
            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        if let Some(expected) = &case.fit {
            compare(&case.name, "fit", case.tolerance, &pipeline.transform_learnt(&table, 0).unwrap(), expected);
        }
        if let Some(expected) = &case.scores {
            let found: Vec<f64> = pipeline.choices().iter().map(|choice| choice.score.unwrap()).collect();
            assert_eq!(found.len(), expected.len(), "{}", case.name);
            for (found, expected) in found.iter().zip(expected) {
                let is_close = (found - expected).abs() <= case.tolerance * expected.abs().max(1.0);
                assert!(is_close, "{}: {:?}, not {expected}", case.name, pipeline.choices());
            }
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
fn bins_are_those_of_scikit_learn_and_feature_engine() {
    check(include_str!("../../../tests/fixtures/oracle/discretise.json"), 60);
}

#[test]
fn columns_are_chosen_as_scikit_learn_and_feature_engine_choose_them() {
    check(include_str!("../../../tests/fixtures/oracle/selection.json"), 50);
}

#[test]
fn filled_and_cut_values_are_those_of_scikit_learn_and_feature_engine() {
    check(include_str!("../../../tests/fixtures/oracle/impute.json"), 40);
}

#[test]
fn columns_are_judged_as_scikit_learn_judges_them() {
    let text = include_str!("../../../tests/fixtures/oracle/construct.json");
    let fixture: Fixture = serde_json::from_str(text).unwrap();
    assert!(fixture.scores.len() > 4);
    for (name, expected) in &fixture.scores {
        let case = fixture.cases.iter().find(|case| case.name == *name).unwrap();
        let columns = fixture.columns(&case.columns).iter().map(|(name, values)| (name.clone(), values.array()));
        let target = ("y".to_owned(), fixture.targets[&case.target].array());
        let columns = columns.chain([target]).map(|(name, array)| (name, array, true));
        let table = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        let options = FitOptions { seed: 7, ..FitOptions::default() };
        let pipeline = fit(&spec(case.transforms.clone()), &table, &options).unwrap();
        let tolerance = if name.contains("mutual_info") { 1e-6 } else { 1e-9 };
        for (choice, expected) in pipeline.choices().iter().zip(expected) {
            let (found, expected) = (choice.score.unwrap_or(0.0), expected.unwrap_or(0.0));
            let limit = tolerance * expected.abs().max(1.0);
            assert!((found - expected).abs() <= limit, "{name}: {choice:?}, not {expected}");
        }
        assert_eq!(pipeline.choices().len(), expected.len());
    }
}
