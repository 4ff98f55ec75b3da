//! All measures against scikit-learn's, on random cases with ties, weights and single classes.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Fixture {
    binary: Vec<BinaryCase>,
    multiclass: Vec<MulticlassCase>,
    regression: Vec<RegressionCase>,
}

type Expected = BTreeMap<String, Option<f64>>;

#[derive(Deserialize)]
struct BinaryCase {
    truth: Vec<u8>,
    score: Vec<f64>,
    threshold: f64,
    weight: Option<Vec<f64>>,
    expected: Expected,
}

#[derive(Deserialize)]
struct MulticlassCase {
    classes: usize,
    truth: Vec<usize>,
    score: Vec<f64>,
    weight: Option<Vec<f64>>,
    expected: Expected,
}

#[derive(Deserialize)]
struct RegressionCase {
    truth: Vec<f64>,
    predicted: Vec<f64>,
    weight: Option<Vec<f64>>,
    expected: Expected,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../../tests/fixtures/oracle/metrics.json")).unwrap()
}

fn check(case: usize, values: &Values, expected: &Expected) {
    let found: BTreeMap<&str, Option<f64>> = values.iter().copied().collect();
    for (name, expected) in expected {
        let found = found[name.as_str()];
        match (found, expected) {
            (Some(found), Some(expected)) => {
                let close = (found - expected).abs() <= 1e-12 * expected.abs().max(1.0);
                assert!(close, "case {case}: {name} is {found}, not {expected}");
            }
            (found, expected) => assert_eq!(found, *expected, "case {case}: {name}"),
        }
    }
}

#[test]
fn binary_measures_agree_with_scikit_learn() {
    for (index, case) in fixture().binary.into_iter().enumerate() {
        let truth = case.truth.iter().map(|label| *label == 1).collect();
        let scores = BinaryScores::new(truth, case.score, case.threshold);
        check(index, &scores.values(case.weight.as_deref()), &case.expected);
    }
}

#[test]
fn multiclass_measures_agree_with_scikit_learn() {
    for (index, case) in fixture().multiclass.into_iter().enumerate() {
        let scores = MulticlassScores::new(case.classes, case.truth, &case.score);
        check(index, &scores.values(case.weight.as_deref()), &case.expected);
    }
}

#[test]
fn regression_measures_agree_with_scikit_learn() {
    for (index, case) in fixture().regression.into_iter().enumerate() {
        let scores = RegressionScores::new(case.truth, case.predicted);
        check(index, &scores.values(case.weight.as_deref()), &case.expected);
    }
}

#[test]
fn every_measure_has_a_good_end() {
    let binary = BinaryScores::new(vec![true, false], vec![0.1, 0.2], 0.5).values(None);
    let multiclass = MulticlassScores::new(3, vec![0], &[0.1, 0.2, 0.7]).values(None);
    let regression = RegressionScores::new(vec![1.0], vec![2.0]).values(None);
    for (name, _) in binary.into_iter().chain(multiclass).chain(regression) {
        // How many are selected is neither good nor bad.
        assert_eq!(direction(name).is_some(), name != "selection_rate", "{name}");
    }
}
