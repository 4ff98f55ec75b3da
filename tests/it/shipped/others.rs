//! The regression and the multiclass pipeline, on the rows that ship.

use super::{assert_between, assert_passed, in_state, run};
use crate::harness::project::Project;

#[test]
fn housing_reaches_its_criteria_and_is_reused() {
    let project = Project::new();
    let first = run(&project, "housing.yaml", &[]);
    assert_passed(&first);
    assert_between(&first, "report", "r2", 0.85..0.97);
    assert_between(&first, "report", "mape", 0.05..0.15);
    let second = run(&project, "housing.yaml", &[]);
    assert_eq!(in_state(&second, "succeeded"), ["publish"]);
}

#[test]
fn wine_trains_one_network_for_each_combination_and_is_reused() {
    let project = Project::new();
    let first = run(&project, "wine.yaml", &[]);
    assert_passed(&first);
    assert_between(&first, "report", "accuracy", 0.8..0.95);
    let nets = in_state(&first, "succeeded").into_iter().filter(|step| step.starts_with("net[")).count();
    assert_eq!(nets, 4);
    let second = run(&project, "wine.yaml", &[]);
    assert_eq!(in_state(&second, "succeeded"), ["publish"]);
}
