use super::*;
use crate::ml::features::Feature;
use crate::ml::linear::oracle::cases;

#[test]
fn coefficients_agree_with_scikit_learn_on_columns_of_any_scale() {
    for case in cases("ridge") {
        let fitted = fit_ridge(&case.features, &case.target, case.weight.as_deref(), case.strength).unwrap();
        case.check(&fitted, 1e-8);
    }
}

#[test]
fn columns_that_depend_on_each_other_need_a_penalty() {
    let case = &cases("ridge")[0];
    let first: Vec<f32> = case.features.numeric().chunks(5).map(|row| row[0]).collect();
    let double = FeatureMatrix::from_parts(
        ["a", "b"].map(|name| Feature { name: name.to_owned(), categories: None }).to_vec(),
        first.iter().flat_map(|value| [*value, 2.0 * value]).collect(),
        Vec::new(),
    );
    assert_eq!(fit_ridge(&double, &case.target, None, 0.0), Err(RidgeError));
    assert!(fit_ridge(&double, &case.target, None, 0.1).is_ok());
}

#[test]
fn a_constant_column_gets_the_coefficient_zero() {
    let constant = FeatureMatrix::from_parts(
        ["a", "b"].map(|name| Feature { name: name.to_owned(), categories: None }).to_vec(),
        vec![1.0, 5.0, 2.0, 5.0, 4.0, 5.0],
        Vec::new(),
    );
    let fitted = fit_ridge(&constant, &[2.0, 4.0, 8.0], None, 0.0).unwrap();
    assert!((fitted.coefficients[0] - 2.0).abs() < 1e-12 && fitted.coefficients[1] == 0.0, "{fitted:?}");
}
