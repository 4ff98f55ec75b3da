//! The fits that scikit-learn made, for the tests.

use serde::Deserialize;

use super::super::features::{Feature, FeatureMatrix};
use super::LinearWeights;

pub(super) struct Case {
    pub(super) features: FeatureMatrix,
    pub(super) target: Vec<f64>,
    pub(super) weight: Option<Vec<f64>>,
    pub(super) classes: usize,
    pub(super) strength: f64,
    expected: LinearWeights,
}

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<RawCase>,
}

#[derive(Deserialize)]
struct RawCase {
    kind: String,
    columns: usize,
    codes: u32,
    classes: usize,
    strength: f64,
    numbers: Vec<f32>,
    category: Vec<u32>,
    target: Vec<f64>,
    weight: Option<Vec<f64>>,
    coefficients: Vec<f64>,
    intercepts: Vec<f64>,
}

pub(super) fn cases(kind: &str) -> Vec<Case> {
    let text = include_str!("../../../tests/fixtures/oracle/linear.json");
    let fixture: Fixture = serde_json::from_str(text).unwrap();
    fixture.cases.into_iter().filter(|case| case.kind == kind).map(Case::from).collect()
}

impl From<RawCase> for Case {
    fn from(raw: RawCase) -> Case {
        let mut features: Vec<Feature> =
            (0..raw.columns).map(|column| Feature { name: format!("x{column}"), categories: None }).collect();
        let mut codes = Vec::new();
        if raw.codes > 0 {
            features.push(Feature { name: "category".to_owned(), categories: Some(raw.codes) });
            codes = raw.category;
        }
        let outputs = raw.intercepts.len();
        Case {
            features: FeatureMatrix::from_parts(features, raw.numbers, codes),
            target: raw.target,
            weight: raw.weight,
            classes: raw.classes,
            strength: raw.strength,
            expected: LinearWeights {
                outputs,
                width: raw.coefficients.len() / outputs,
                coefficients: raw.coefficients,
                intercepts: raw.intercepts,
            },
        }
    }
}

impl Case {
    /// Compares relative to the size of each coefficient.
    pub(super) fn check(&self, fitted: &LinearWeights, tolerance: f64) {
        let pairs = fitted.coefficients.iter().zip(&self.expected.coefficients);
        for (found, expected) in pairs.chain(fitted.intercepts.iter().zip(&self.expected.intercepts)) {
            let limit = tolerance * expected.abs().max(0.01);
            assert!((found - expected).abs() < limit, "{found} is not {expected} at strength {}", self.strength);
        }
        assert_eq!(fitted.outputs, self.expected.outputs);
    }
}
