use std::convert::Infallible;

use super::*;
use crate::ml::linear::oracle::cases;

fn fit(features: &FeatureMatrix, labels: &[usize], classes: usize, weight: Option<&[f64]>, c: f64) -> LogisticFit {
    let options = LogisticOptions { c, max_iterations: 1000, tolerance: 1e-9 };
    fit_logistic(features, labels, classes, weight, options, |_, _| Ok::<(), Infallible>(())).unwrap()
}

#[test]
fn coefficients_agree_with_scikit_learn_on_columns_of_any_scale() {
    for case in cases("logistic") {
        let labels: Vec<usize> = case.target.iter().map(|label| *label as usize).collect();
        let fitted = fit(&case.features, &labels, case.classes, case.weight.as_deref(), case.strength);
        assert!(fitted.converged);
        case.check(&fitted.weights, 1e-4);
    }
}

#[test]
fn a_weight_of_two_is_a_row_twice() {
    let case = &cases("logistic")[0];
    let labels: Vec<usize> = case.target.iter().map(|label| *label as usize).collect();
    let weight: Vec<f64> = (0..labels.len()).map(|row| if row % 3 == 0 { 2.0 } else { 1.0 }).collect();
    let rows: Vec<usize> = (0..labels.len()).flat_map(|row| vec![row; if row % 3 == 0 { 2 } else { 1 }]).collect();
    let repeated: Vec<usize> = rows.iter().map(|row| labels[*row]).collect();
    let weighted = fit(&case.features, &labels, 2, Some(&weight), 1.0).weights;
    let twice = fit(&case.features.take(&rows), &repeated, 2, None, 1.0).weights;
    for (left, right) in weighted.coefficients.iter().zip(&twice.coefficients) {
        assert!((left - right).abs() < 1e-5 * right.abs().max(1.0), "{left} {right}");
    }
}

#[test]
fn classes_that_can_be_told_apart_perfectly_still_have_a_finite_fit() {
    let case = &cases("logistic")[2];
    let labels: Vec<usize> = case.features.numeric().chunks(3).map(|row| usize::from(row[0] > 0.0)).collect();
    let fitted = fit(&case.features, &labels, 2, None, 1e4);
    assert!(fitted.converged);
    assert!(fitted.weights.coefficients.iter().all(|value| value.is_finite()));
}
