//! `kl_divergence`: how far the distribution of a column is from the one that is expected, with Great Expectations' holdouts.

use arrow::array::{Array, ArrayRef};
use serde_json::{Value, json};

use super::check::Outcome;
use super::column::{Column, numbers};
use super::counts::Counts;
use super::expectation::{Expectation, Partition};
use super::summary::{Observed, Seen, Summary};
use super::value_set::typed;
use crate::table::keys::Keys;

/// A partition that was found sound.
pub(super) enum Expected {
    Values(Vec<Value>),
    /// Bounds in rising order; the outer ones may be infinite.
    Bins(Vec<f64>),
}

impl Expected {
    /// Reads a partition, or says what is wrong with it.
    pub(super) fn check(partition: &Partition) -> Result<Expected, String> {
        let weights = partition.weights.len();
        let sum: f64 = partition.weights.iter().chain(partition.tail_weights.iter().flatten()).sum();
        if (sum - 1.0).abs() > 1e-5 {
            return Err(format!("the weights add up to {sum} and not to 1"));
        }
        match (&partition.values, &partition.bins) {
            (Some(values), None) if values.len() == weights && partition.tail_weights.is_none() => {
                Ok(Expected::Values(values.clone()))
            }
            (Some(_), None) => Err("there is not one weight for each value".to_owned()),
            (None, Some(bins)) if bins.len() == weights + 1 && weights > 0 => {
                let end = bins.len() - 1;
                let bound = |(place, bin): (usize, &Option<f64>)| match bin {
                    Some(bound) => Ok(*bound),
                    None if place == 0 => Ok(f64::NEG_INFINITY),
                    None if place == end => Ok(f64::INFINITY),
                    None => Err("only the outer bounds of `bins` may be null".to_owned()),
                };
                let bounds: Vec<f64> = bins.iter().enumerate().map(bound).collect::<Result<_, String>>()?;
                if bounds.windows(2).any(|pair| pair[0] >= pair[1]) {
                    return Err("the bounds of `bins` do not rise".to_owned());
                }
                if bounds.iter().all(|bound| bound.is_infinite()) {
                    return Err("`bins` has no bound, so that all values are in one bin".to_owned());
                }
                if partition.tail_weights.is_some() && (bounds[0].is_infinite() || bounds[end].is_infinite()) {
                    return Err("there are no tails beyond an infinite bound".to_owned());
                }
                Ok(Expected::Bins(bounds))
            }
            (None, Some(_)) => Err("there is not one bound more than weights".to_owned()),
            _ => Err("a partition has either `values` or `bins`".to_owned()),
        }
    }
}

/// Shares of values against those that are expected.
pub(super) struct OfValues {
    counts: Counts,
    /// The expected values with their keys.
    listed: Vec<(u128, Value)>,
}

impl OfValues {
    pub(super) fn new(values: Vec<Value>, column: &Column) -> Result<OfValues, String> {
        let array = typed(&values.iter().collect::<Vec<_>>(), column)?;
        if array.len() != values.len() || *array.data_type() != column.kind {
            return Err(format!(
                "column `{}` is {}, and the values of the partition are not",
                column.name, column.kind
            ));
        }
        let keys = Keys::of(&array);
        let listed = values.into_iter().enumerate().map(|(place, value)| (keys.at(place), value)).collect();
        Ok(OfValues { counts: Counts::of_column(column), listed })
    }

    /// How often each listed value occurs, and all others together.
    pub(super) fn observed(&self) -> (Vec<u64>, u64) {
        let keys: Vec<u128> = self.listed.iter().map(|(key, _)| *key).collect();
        let others = self.counts.besides(&keys).iter().map(|(_, count)| count).sum();
        (keys.iter().map(|key| self.counts.of(*key)).collect(), others)
    }
}

impl Summary for OfValues {
    fn take(&mut self, values: &[ArrayRef]) -> Result<(), String> {
        self.counts.take(&values[0])
    }

    fn outcome(&self, seen: Seen, expectation: &Expectation) -> Result<Outcome, String> {
        let partition = expectation.partition.as_ref().ok_or("`partition` is missing")?;
        if expectation.internal_weight_holdout.unwrap_or(0.0) > 0.0 {
            return Err("`internal_weight_holdout` is for bins".to_owned());
        }
        let present = seen.present() as f64;
        let mut names: Vec<Value> = self.listed.iter().map(|(_, value)| value.clone()).collect();
        let mut observed: Vec<f64> = self.listed.iter().map(|(key, _)| self.counts.of(*key) as f64 / present).collect();
        let mut expected = partition.weights.clone();
        let keys: Vec<u128> = self.listed.iter().map(|(key, _)| *key).collect();
        let others = self.counts.besides(&keys);
        if !others.is_empty() {
            let holdout = expectation.tail_weight_holdout.unwrap_or(0.0);
            for weight in &mut expected {
                *weight *= 1.0 - holdout;
            }
            let share = holdout / others.len() as f64;
            for (value, count) in others {
                names.push(value.clone());
                observed.push(*count as f64 / present);
                expected.push(share);
            }
        }
        let details = json!({
            "observed_partition": {"values": names, "weights": observed},
            "expected_partition": {"values": names, "weights": expected},
        });
        Ok(verdict(&observed, &expected, expectation, details))
    }
}

/// Shares of bins against those that are expected.
pub(super) struct OfBins {
    bounds: Vec<f64>,
    counts: Vec<u64>,
    below: u64,
    above: u64,
}

impl OfBins {
    pub(super) fn new(bounds: Vec<f64>) -> OfBins {
        OfBins { counts: vec![0; bounds.len() - 1], bounds, below: 0, above: 0 }
    }
}

#[expect(clippy::float_cmp, reason = "the last bin holds its upper bound, and nothing beyond")]
impl Summary for OfBins {
    fn take(&mut self, values: &[ArrayRef]) -> Result<(), String> {
        let last = self.bounds.len() - 1;
        for value in numbers(&values[0]) {
            // The last bin holds its upper bound as well.
            match self.bounds.partition_point(|bound| *bound <= value) {
                0 => self.below += 1,
                place if place <= last => self.counts[place - 1] += 1,
                _ if value == self.bounds[last] => self.counts[last - 1] += 1,
                _ => self.above += 1,
            }
        }
        Ok(())
    }

    fn outcome(&self, seen: Seen, expectation: &Expectation) -> Result<Outcome, String> {
        let partition = expectation.partition.as_ref().ok_or("`partition` is missing")?;
        let tails = expectation.tail_weight_holdout.unwrap_or(0.0);
        let internal = expectation.internal_weight_holdout.unwrap_or(0.0);
        if tails > 0.0 && partition.tail_weights.is_some() {
            return Err("`tail_weight_holdout` and `tail_weights` say the same thing twice".to_owned());
        }
        let share = |count: u64| count as f64 / seen.present() as f64;
        let mut observed: Vec<f64> = self.counts.iter().map(|count| share(*count)).collect();
        let mut expected: Vec<f64> = partition.weights.iter().map(|weight| weight * (1.0 - tails - internal)).collect();
        let zeros = expected.iter().filter(|weight| **weight == 0.0).count();
        if internal > 0.0 {
            let filled = internal / zeros.max(1) as f64;
            expected.iter_mut().filter(|weight| **weight == 0.0).for_each(|weight| *weight = filled);
        }
        let is_open = [self.bounds[0].is_infinite(), self.bounds[self.bounds.len() - 1].is_infinite()];
        let [left, right] = match (partition.tail_weights, is_open) {
            (Some(weights), _) => weights,
            (None, [false, false]) => [tails / 2.0; 2],
            (None, [true, true]) if tails > 0.0 => {
                return Err("`tail_weight_holdout` is for bins with an end".to_owned());
            }
            (None, _) => [tails; 2],
        };
        if !is_open[0] {
            observed.insert(0, share(self.below));
            expected.insert(0, left);
        }
        if !is_open[1] {
            observed.push(share(self.above));
            expected.push(right);
        }
        let finite: Vec<f64> = self.bounds.iter().copied().filter(|bound| bound.is_finite()).collect();
        // What lies outside of the finite bounds stands apart.
        let apart = |weights: &[f64]| {
            let inner = &weights[1..weights.len() - 1];
            json!({"bins": finite, "weights": inner, "tail_weights": [weights[0], weights[weights.len() - 1]]})
        };
        let details = json!({"observed_partition": apart(&observed), "expected_partition": apart(&expected)});
        Ok(verdict(&observed, &expected, expectation, details))
    }
}

fn verdict(observed: &[f64], expected: &[f64], expectation: &Expectation, details: Value) -> Outcome {
    let divergence = divergence(observed, expected);
    let success = expectation.threshold.is_none_or(|threshold| divergence <= threshold);
    let shown = Observed::number(divergence.is_finite().then_some(divergence)).to_json();
    Outcome::observed(success, shown).with("details", details)
}

/// The relative entropy in nats, after both sides were brought to a sum of 1.
fn divergence(observed: &[f64], expected: &[f64]) -> f64 {
    let (all_observed, all_expected) = (observed.iter().sum::<f64>(), expected.iter().sum::<f64>());
    let terms = observed.iter().zip(expected).map(|(observed, expected)| {
        let (observed, expected) = (observed / all_observed, expected / all_expected);
        if observed == 0.0 { 0.0 } else { observed * (observed / expected).ln() }
    });
    terms.sum()
}
