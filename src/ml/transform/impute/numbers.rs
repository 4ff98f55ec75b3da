//! Which number takes the place of a missing one: the mean, the median, or one at the end of the distribution.

use super::simple::{Impute, Method, Tail};
use crate::ml::quantile::Ranks;
use crate::ml::transform::TransformError;
use crate::ml::transform::column::numbers;
use crate::ml::transform::frame::Frame;
use crate::ml::transform::gather::Values;
use crate::ml::transform::learn::{Learner, LearningRows};
use crate::ml::transform::needs::{infinite, nothing_to_learn};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::stats::Moments;

/// Which number is learnt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Level {
    Mean,
    Median,
    EndTail { method: Method, tail: Tail, fold: f64 },
}

impl Level {
    fn keeps_values(self) -> bool {
        matches!(self, Level::Median | Level::EndTail { method: Method::Iqr, .. })
    }

    /// The number, from the moments and, where they are kept, the values.
    fn of(self, moments: &Moments, ranks: &mut Ranks) -> f64 {
        match self {
            Level::Mean => moments.mean,
            Level::Median => ranks.quantile(0.5),
            Level::EndTail { method: Method::Max, fold, .. } => moments.max * fold,
            Level::EndTail { method, tail, fold } => {
                let (low, high, spread) = match method {
                    Method::Iqr => {
                        let (first, third) = (ranks.quantile(0.25), ranks.quantile(0.75));
                        (first, third, third - first)
                    }
                    Method::Gaussian | Method::Max => (moments.mean, moments.mean, moments.sample_deviation()),
                };
                if tail == Tail::Right { high + fold * spread } else { low - fold * spread }
            }
        }
    }
}

/// Learns the number of one column.
pub(super) struct Numbers {
    name: String,
    level: Level,
    indicator: Option<String>,
    /// What a column without any value is filled with.
    empty: Option<f64>,
    moments: Moments,
    values: Vec<f64>,
}

impl Numbers {
    pub(super) fn new(name: &str, level: Level, indicator: Option<String>, empty: Option<f64>) -> Numbers {
        Numbers { name: name.to_owned(), level, indicator, empty, moments: Moments::default(), values: Vec::new() }
    }
}

impl Learner for Numbers {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        let values = numbers(&frame.column(&self.name)?.array)?;
        self.moments.merge(&Moments::of_present(&values));
        if self.level.keeps_values() {
            self.values.extend(values.iter().flatten());
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        if self.moments.count == 0.0 {
            let fill = self.empty.ok_or_else(|| nothing_to_learn(&self.name, "impute"))?;
            return Ok(Unit::Impute(Impute::number(self.name, fill, self.indicator)));
        }
        let fill = self.level.of(&self.moments, &mut Ranks::of(self.values));
        if !fill.is_finite() {
            return Err(infinite(&self.name, "impute"));
        }
        Ok(Unit::Impute(Impute::number(self.name, fill, self.indicator)))
    }

    fn kept_bytes(&self, rows: u64) -> u64 {
        if self.level.keeps_values() { Values::kept_bytes(rows) } else { 0 }
    }
}
