//! The numbers of scipy and the decisions of Evidently.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::kolmogorov::p_value;
use super::numeric::{ks_statistic, wasserstein};
use super::{Method, Sample, compare};

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
    p_values: Vec<PValue>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    kind: String,
    reference: Vec<serde_json::Value>,
    current: Vec<serde_json::Value>,
    usual: Method,
    drifted: bool,
    methods: BTreeMap<Method, f64>,
    ks_statistic: Option<f64>,
}

#[derive(Deserialize)]
struct PValue {
    one: usize,
    two: usize,
    distance: f64,
    p: f64,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../../tests/fixtures/oracle/drift.json")).unwrap()
}

fn sample(kind: &str, values: &[serde_json::Value]) -> Sample {
    if kind == "number" {
        return Sample::Numbers(values.iter().map(|value| value.as_f64().unwrap()).collect()).sorted();
    }
    let mut counts = BTreeMap::new();
    for value in values {
        *counts.entry(value.as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    Sample::Categories(counts)
}

#[test]
fn statistics_and_decisions_are_those_of_scipy_and_evidently() {
    for case in fixture().cases {
        let (reference, current) = (sample(&case.kind, &case.reference), sample(&case.kind, &case.current));
        let usual = compare(&reference, &current, None, None).unwrap();
        assert_eq!(usual.method, case.usual, "{}: the usual method", case.name);
        assert_eq!(usual.drifted, case.drifted, "{}: drifted", case.name);
        for (method, expected) in &case.methods {
            let drift = compare(&reference, &current, Some(*method), None).unwrap();
            assert_eq!(drift.method, *method, "{}", case.name);
            let found = drift.p_value.unwrap_or(drift.statistic);
            let is_close = (found - expected).abs() <= 1e-9 * expected.abs().max(1.0);
            assert!(is_close, "{}: {}: {found}, not {expected}", case.name, method.as_str());
        }
        if let (Sample::Numbers(one), Sample::Numbers(two), Some(expected)) = (&reference, &current, case.ks_statistic)
        {
            assert!((ks_statistic(one, two) - expected).abs() < 1e-12, "{}", case.name);
        }
    }
}

#[test]
fn p_values_of_large_samples_are_close_to_those_of_scipy() {
    for PValue { one, two, distance, p } in fixture().p_values {
        let found = p_value(distance, one, two);
        assert!((found - p).abs() <= 1e-6 + 1e-3 * p, "{one} and {two}, {distance}: {found}, not {p}");
    }
}

#[test]
fn a_sample_without_values_cannot_be_compared() {
    assert_eq!(compare(&Sample::Numbers(vec![]), &Sample::Numbers(vec![1.0]), None, None), None);
    assert!(Sample::Categories(BTreeMap::new()).is_empty());
}

proptest! {
    #[test]
    fn a_sample_has_not_drifted_from_itself(values in prop::collection::vec(-1e6..1e6, 1..60)) {
        let sample = Sample::Numbers(values).sorted();
        for method in [Method::Ks, Method::Wasserstein, Method::Psi, Method::JensenShannon, Method::ChiSquare] {
            let drift = compare(&sample, &sample, Some(method), None).unwrap();
            prop_assert!(!drift.drifted, "{drift:?}");
        }
    }

    #[test]
    fn distances_do_not_depend_on_the_order_of_the_samples(
        one in prop::collection::vec(-10.0..10.0, 1..40),
        two in prop::collection::vec(-10.0..10.0, 1..40),
    ) {
        let sorted = |mut values: Vec<f64>| { values.sort_unstable_by(f64::total_cmp); values };
        let (one, two) = (sorted(one), sorted(two));
        prop_assert!((ks_statistic(&one, &two) - ks_statistic(&two, &one)).abs() < 1e-12);
        prop_assert!((wasserstein(&one, &two) - wasserstein(&two, &one)).abs() < 1e-9);
        let p = p_value(ks_statistic(&one, &two), one.len(), two.len());
        prop_assert!((0.0..=1.0).contains(&p));
        prop_assert!((p - p_value(ks_statistic(&one, &two), two.len(), one.len())).abs() < 1e-9);
    }
}
