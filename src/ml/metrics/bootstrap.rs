//! Bootstrap intervals: how far a measure may lie from its value on another sample.

use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::Values;

/// A 95 % percentile interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// Draws rows with replacement, within each stratum, as weights.
#[derive(Debug)]
pub struct Bootstrap {
    strata: Vec<Vec<usize>>,
    rows: usize,
    resamples: usize,
    seed: u64,
}

impl Bootstrap {
    /// Resamples rows that all belong together.
    pub fn new(rows: usize, resamples: usize, seed: u64) -> Bootstrap {
        Bootstrap { strata: vec![(0..rows).collect()], rows, resamples, seed }
    }

    /// Resamples each class by itself, so that every resample has as many rows of a class as the data.
    pub fn stratified(labels: &[usize], resamples: usize, seed: u64) -> Bootstrap {
        let mut strata = vec![Vec::new(); labels.iter().max().map_or(0, |last| last + 1)];
        for (row, label) in labels.iter().enumerate() {
            strata[*label].push(row);
        }
        strata.retain(|stratum| !stratum.is_empty());
        Bootstrap { strata, rows: labels.len(), resamples, seed }
    }

    /// The intervals of all values that `measure` gives under weights, in its order. A value has no interval when it
    /// is undefined in more than one resample of ten. `weight` are the rows' own weights.
    pub fn intervals(
        &self,
        weight: Option<&[f64]>,
        mut measure: impl FnMut(&[f64]) -> Values,
    ) -> Vec<Option<Interval>> {
        let mut samples: Vec<Vec<f64>> = Vec::new();
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut drawn = vec![0.0; self.rows];
        for _ in 0..self.resamples {
            drawn.fill(0.0);
            for stratum in &self.strata {
                for _ in 0..stratum.len() {
                    let row = stratum[random.random_range(0..stratum.len())];
                    drawn[row] += weight.map_or(1.0, |weight| weight[row]);
                }
            }
            let values = measure(&drawn);
            samples.resize(values.len(), Vec::new());
            for (sample, (_, value)) in samples.iter_mut().zip(values) {
                sample.extend(value);
            }
        }
        samples.into_iter().map(|sample| self.interval(sample)).collect()
    }

    fn interval(&self, mut sample: Vec<f64>) -> Option<Interval> {
        if self.resamples == 0 || sample.len() * 10 < self.resamples * 9 {
            return None;
        }
        sample.sort_by(f64::total_cmp);
        Some(Interval { low: quantile(&sample, 0.025), high: quantile(&sample, 0.975) })
    }
}

/// The quantile of sorted values with linear interpolation, NumPy's default.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the place is within the values")]
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * place.fract()
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use super::*;

    fn mean(values: &[f64]) -> impl FnMut(&[f64]) -> Values + '_ {
        |weight| vec![("mean", super::super::weighted_mean(values.iter().copied(), Some(weight)))]
    }

    #[test]
    fn the_interval_of_a_mean_is_about_two_standard_errors_wide() {
        let values: Vec<f64> = (0..400).map(|row| f64::from(row % 20)).collect();
        let interval = Bootstrap::new(400, 400, 7).intervals(None, mean(&values))[0].unwrap();
        let standard_error = (399.0_f64 / 12.0).sqrt() / 20.0;
        assert!((interval.low - (9.5 - 1.96 * standard_error)).abs() < 0.1, "{interval:?}");
        assert!((interval.high - (9.5 + 1.96 * standard_error)).abs() < 0.1, "{interval:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let values: Vec<f64> = (0..50).map(f64::from).collect();
        let run = |seed| Bootstrap::new(50, 20, seed).intervals(None, mean(&values));
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn strata_keep_their_size_and_rows_their_weight() {
        let labels = [0, 0, 0, 1];
        let weight = [1.0, 1.0, 1.0, 5.0];
        Bootstrap::stratified(&labels, 30, 3).intervals(Some(&weight), |drawn| {
            assert_eq!(drawn[3], 5.0);
            assert_eq!(drawn.iter().sum::<f64>(), 8.0);
            Vec::new()
        });
    }

    #[test]
    fn a_value_that_is_often_undefined_has_no_interval() {
        let mut calls = 0;
        let interval = Bootstrap::new(3, 10, 3).intervals(None, |_| {
            calls += 1;
            vec![("x", (calls % 2 == 0).then_some(1.0))]
        });
        assert_eq!(interval, [None]);
    }
}
