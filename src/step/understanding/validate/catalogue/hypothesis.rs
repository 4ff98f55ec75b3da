//! Tests of hypotheses: whether values may come from a distribution.

use arrow::array::ArrayRef;
use serde_json::json;
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::super::check::{Outcome, State};
use super::super::column::numbers;
use super::super::definition::{Definition, Target};
use super::super::divergence::{Expected, OfValues};
use super::super::expectation::{Expectation, Partition};
use super::super::families::Family;
use super::super::setting::Setting;
use super::super::summary::{Seen, Summary};
use crate::ml::drift::one_sample_p_value;

/// The p-value that must be exceeded if nothing is said.
const P_VALUE: f64 = 0.05;

pub(super) const CHECKS: &[Definition] = &[
    Definition::new(
        "chi_square",
        "",
        "The p-value of Pearson's chi-squared test of the values against `partition` (of `values`) is above `p_value` (0.05). \
         Values besides have the share `tail_weight_holdout` together; without one, they make the p-value 0.",
        Target::Column,
        chi_square,
    )
    .needs(&["partition"])
    .takes(&["p_value", "tail_weight_holdout"]),
    Definition::new(
        "ks_test",
        "",
        "The p-value of the Kolmogorov-Smirnov test of the numbers against `distribution` (norm, uniform, expon, lognorm, gamma, \
         beta) with `parameters` as in scipy (`loc`, `scale` and shapes) is above `p_value` (0.05). Keeps 8 bytes for each value.",
        Target::Column,
        ks_test,
    )
    .needs(&["distribution"])
    .takes(&["parameters", "p_value"]),
];

struct ChiSquare {
    counts: OfValues,
    partition: Partition,
}

fn chi_square(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let partition = expectation.partition.as_ref().ok_or("`partition` is missing")?;
    let Expected::Values(values) = Expected::check(partition)? else {
        return Err("`chi_square` needs a partition of `values`; count numbers in bins with an `expr` first".to_owned());
    };
    let column = setting.the_column(expectation)?.into_comparable(setting.schema);
    let counts = OfValues::new(values, &column)?;
    Ok(State::of_columns(vec![column], ChiSquare { counts, partition: partition.clone() }))
}

impl Summary for ChiSquare {
    fn take(&mut self, values: &[ArrayRef]) -> Result<(), String> {
        self.counts.take(values)
    }

    fn outcome(&self, seen: Seen, expectation: &Expectation) -> Result<Outcome, String> {
        let holdout = expectation.tail_weight_holdout.unwrap_or(0.0);
        let (mut observed, others) = self.counts.observed();
        let mut expected: Vec<f64> = self.partition.weights.iter().map(|weight| weight * (1.0 - holdout)).collect();
        if others > 0 || holdout > 0.0 {
            observed.push(others);
            expected.push(holdout);
        }
        if seen.present() == 0 {
            return Ok(Outcome { vacuous: true, ..Outcome::observed(true, json!(null)) });
        }
        let rows = seen.present() as f64;
        let cells = || observed.iter().zip(&expected).filter(|(count, weight)| **count > 0 || **weight > 0.0);
        let statistic: f64 =
            cells().map(|(count, weight)| (*count as f64 - weight * rows).powi(2) / (weight * rows)).sum();
        let freedom = cells().count().saturating_sub(1);
        let p = match ChiSquared::new(freedom as f64) {
            Ok(distribution) if statistic.is_finite() => distribution.sf(statistic),
            // One value alone, as expected.
            Err(_) if statistic.is_finite() => 1.0,
            _ => 0.0,
        };
        Ok(verdict(p, statistic, expectation))
    }
}

/// All values, to be put in order.
struct Sample {
    values: Vec<f64>,
    family: Family,
}

fn ks_test(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let distribution = expectation.distribution.ok_or("`distribution` is missing")?;
    let family =
        Family::new(distribution, expectation.parameters.as_ref().unwrap_or(&std::collections::BTreeMap::new()))?;
    setting.afford(expectation, setting.rows * 16)?;
    let column = setting.number_column(expectation, expectation.column.as_deref().unwrap_or_default())?;
    Ok(State::of_columns(vec![column], Sample { values: Vec::new(), family }))
}

impl Summary for Sample {
    fn take(&mut self, values: &[ArrayRef]) -> Result<(), String> {
        self.values.extend(numbers(&values[0]));
        Ok(())
    }

    fn outcome(&self, _: Seen, expectation: &Expectation) -> Result<Outcome, String> {
        if self.values.is_empty() {
            return Ok(Outcome { vacuous: true, ..Outcome::observed(true, json!(null)) });
        }
        let mut sorted = self.values.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let count = sorted.len() as f64;
        let distance = sorted
            .iter()
            .enumerate()
            .map(|(place, value)| {
                let below = self.family.below(*value);
                ((place + 1) as f64 / count - below).max(below - place as f64 / count)
            })
            .fold(0.0, f64::max);
        Ok(verdict(one_sample_p_value(distance, sorted.len()), distance, expectation))
    }
}

fn verdict(p: f64, statistic: f64, expectation: &Expectation) -> Outcome {
    let success = p > expectation.p_value.unwrap_or(P_VALUE);
    let statistic = statistic.is_finite().then_some(statistic);
    Outcome::observed(success, json!(p)).with("details", json!({"statistic": statistic}))
}
