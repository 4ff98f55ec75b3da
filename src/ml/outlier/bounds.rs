//! Bounds on the values of one column.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ml::quantile::Ranks;

/// At which end values are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tail {
    /// At both.
    #[default]
    Both,
    /// Small values only.
    Left,
    /// Large values only.
    Right,
}

/// The values of a column that are no outliers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// The smallest; none if small values do not matter.
    pub low: Option<f64>,
    /// The largest; none if large values do not matter.
    pub high: Option<f64>,
}

impl Bounds {
    /// `fold` times the distance between the quartiles beyond them. None without values.
    pub fn by_quartiles(values: Vec<f64>, fold: f64, tail: Tail) -> Option<Bounds> {
        if values.is_empty() {
            return None;
        }
        let mut ranks = Ranks::of(values);
        let (first, third) = (ranks.quantile(0.25), ranks.quantile(0.75));
        let reach = fold * (third - first);
        Some(Bounds::new(first - reach, third + reach, tail))
    }

    /// `threshold` standard deviations of the population around the mean. None without values.
    pub fn by_deviations(values: &[f64], threshold: f64, tail: Tail) -> Option<Bounds> {
        if values.is_empty() {
            return None;
        }
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let deviation = (values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count).sqrt();
        Some(Bounds::new(mean - threshold * deviation, mean + threshold * deviation, tail))
    }

    fn new(low: f64, high: f64, tail: Tail) -> Bounds {
        Bounds { low: (tail != Tail::Right).then_some(low), high: (tail != Tail::Left).then_some(high) }
    }

    /// Whether they are numbers, and not what is left of some that are too large to measure.
    pub fn are_finite(&self) -> bool {
        [self.low, self.high].into_iter().flatten().all(f64::is_finite)
    }

    /// The bound that a value is beyond, if it is.
    pub fn crossed(&self, value: f64) -> Option<f64> {
        let below = self.low.filter(|low| value < *low);
        below.or_else(|| self.high.filter(|high| value > *high))
    }
}
