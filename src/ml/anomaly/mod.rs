//! Is the newest number of a series out of line with those before it? Deequ's strategies, with its formulas.
//!
//! [`Strategy::judge`] is the main function: pure over the numbers, oldest first.

mod seasons;

#[cfg(test)]
mod tests;

use seasons::Seasons;

/// How a number is held against the ones before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Strategy {
    /// It lies between fixed bounds.
    SimpleThreshold(Bounds),
    /// It differs from the one before by an amount between bounds; with `order` n, the n-th difference does.
    AbsoluteChange {
        /// What the difference may be.
        bounds: Bounds,
        /// How often differences are taken.
        order: usize,
    },
    /// Its ratio to the number `order` places before lies between bounds.
    RelativeRateOfChange {
        /// What the ratio may be.
        bounds: Bounds,
        /// How many places back.
        order: usize,
    },
    /// It lies within so many standard deviations of a running mean that leaves out earlier anomalies.
    OnlineNormal(Factors),
    /// It lies within so many standard deviations of the mean of all before it.
    BatchNormal(Factors),
    /// It is near the forecast of exponential smoothing with trend and seasons.
    HoltWinters {
        /// How many numbers make a season.
        season: usize,
    },
}

/// Bounds, either of which may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bounds {
    /// The least that is accepted.
    pub lower: Option<f64>,
    /// The greatest that is accepted.
    pub upper: Option<f64>,
}

/// How many standard deviations a number may lie below and above the mean; infinite for any number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Factors {
    /// Below.
    pub lower: f64,
    /// Above.
    pub upper: f64,
}

/// What was expected of a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// Whether it is out of line.
    pub is_anomalous: bool,
    /// The range in which it would not be.
    pub range: Bounds,
}

/// The share of a series at whose start the running mean means nothing yet.
const WARM_UP: f64 = 0.1;
/// How many standard deviations of the residuals a forecast may be wrong: 95 % of a normal distribution.
const RESIDUALS: f64 = 1.96;

impl Strategy {
    /// How many earlier numbers it needs.
    pub fn needs(&self) -> usize {
        match self {
            Strategy::SimpleThreshold(_) => 0,
            Strategy::AbsoluteChange { order, .. } | Strategy::RelativeRateOfChange { order, .. } => *order,
            Strategy::OnlineNormal(_) | Strategy::BatchNormal(_) => 2,
            Strategy::HoltWinters { season } => 2 * season,
        }
    }

    /// Holds `current` against the earlier numbers, oldest first; none if there are too few of them.
    pub fn judge(&self, earlier: &[f64], current: f64) -> Option<Judgement> {
        if earlier.len() < self.needs() {
            return None;
        }
        let range = match self {
            Strategy::SimpleThreshold(bounds) => *bounds,
            Strategy::AbsoluteChange { bounds, order } => {
                // The difference is linear in the newest number: what it would be for zero tells the rest.
                let of_zero = difference(&earlier[earlier.len() - order..], *order);
                bounds.map(|bound| bound - of_zero)
            }
            Strategy::RelativeRateOfChange { bounds, order } => {
                let before = earlier[earlier.len() - order];
                let scaled = bounds.map(|bound| bound * before);
                if before < 0.0 { Bounds { lower: scaled.upper, upper: scaled.lower } } else { scaled }
            }
            Strategy::OnlineNormal(factors) => return Some(online(earlier, current, *factors)),
            Strategy::BatchNormal(factors) => {
                let count = earlier.len() as f64;
                let mean = earlier.iter().sum::<f64>() / count;
                let squares: f64 = earlier.iter().map(|value| (value - mean).powi(2)).sum();
                factors.around(mean, (squares / (count - 1.0)).sqrt())
            }
            Strategy::HoltWinters { season } => {
                let (forecast, deviation) = Seasons::fit(earlier, *season).forecast();
                Bounds { lower: Some(forecast - RESIDUALS * deviation), upper: Some(forecast + RESIDUALS * deviation) }
            }
        };
        Some(Judgement { is_anomalous: !range.contains(current), range })
    }
}

impl Bounds {
    /// Whether a number lies within.
    pub fn contains(&self, value: f64) -> bool {
        self.lower.is_none_or(|lower| value >= lower) && self.upper.is_none_or(|upper| value <= upper)
    }

    fn map(self, change: impl Fn(f64) -> f64) -> Bounds {
        Bounds { lower: self.lower.map(&change), upper: self.upper.map(&change) }
    }
}

impl Factors {
    fn around(self, mean: f64, deviation: f64) -> Bounds {
        let bound = |reach: f64, end: f64| reach.is_finite().then_some(end);
        Bounds {
            lower: bound(self.lower, mean - self.lower * deviation),
            upper: bound(self.upper, mean + self.upper * deviation),
        }
    }
}

/// The difference of order `order` of the last numbers followed by zero.
fn difference(last: &[f64], order: usize) -> f64 {
    let mut series: Vec<f64> = last.iter().copied().chain(std::iter::once(0.0)).collect();
    for _ in 0..order {
        series = series.windows(2).map(|pair| pair[1] - pair[0]).collect();
    }
    series.first().copied().unwrap_or(0.0)
}

/// Welford's running mean and variance, which take a number in before it is judged and leave it out again if it is one.
fn online(earlier: &[f64], current: f64, factors: Factors) -> Judgement {
    let skipped = (earlier.len() + 1) as f64 * WARM_UP;
    let (mut mean, mut squares) = (0.0, 0.0);
    let mut judgement = Judgement { is_anomalous: false, range: Bounds::default() };
    for (place, value) in earlier.iter().chain(std::iter::once(&current)).enumerate() {
        let count = (place + 1) as f64;
        let next_mean = if place == 0 { *value } else { mean + (value - mean) / count };
        let next_squares = squares + (value - mean) * (value - next_mean);
        let range = factors.around(next_mean, (next_squares / count).max(0.0).sqrt());
        let is_anomalous = place as f64 >= skipped && !range.contains(*value);
        judgement = Judgement { is_anomalous, range };
        if !is_anomalous {
            (mean, squares) = (next_mean, next_squares);
        }
    }
    judgement
}
