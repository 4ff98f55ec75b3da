//! Running statistics of the values before a row, and windows of them from which old values leave.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is made of several values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "WindowFunction")]
pub enum Function {
    /// Their mean.
    Mean,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// Their sum.
    Sum,
    /// Their standard deviation, divided by one less than their count.
    Std,
    /// How many there are.
    Count,
}

impl Function {
    /// The name in columns.
    pub(super) fn name(self) -> &'static str {
        match self {
            Function::Mean => "mean",
            Function::Min => "min",
            Function::Max => "max",
            Function::Sum => "sum",
            Function::Std => "std",
            Function::Count => "count",
        }
    }
}

/// Statistics of some values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tally {
    pub(super) count: f64,
    sum: f64,
    mean: f64,
    /// The sum of squared distances from the mean.
    squares: f64,
    min: f64,
    max: f64,
}

impl Tally {
    /// Of no value.
    pub(super) const EMPTY: Tally =
        Tally { count: 0.0, sum: 0.0, mean: 0.0, squares: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY };

    /// Of one value; NaN is none.
    pub(super) fn of(value: f64) -> Tally {
        if value.is_nan() {
            return Tally::EMPTY;
        }
        Tally { count: 1.0, sum: value, mean: value, squares: 0.0, min: value, max: value }
    }

    /// Of the values of both (Chan, Golub and LeVeque).
    pub(super) fn with(&self, other: &Tally) -> Tally {
        if self.count == 0.0 {
            return *other;
        }
        if other.count == 0.0 {
            return *self;
        }
        let count = self.count + other.count;
        let distance = other.mean - self.mean;
        Tally {
            count,
            sum: self.sum + other.sum,
            mean: self.mean + distance * other.count / count,
            squares: self.squares + other.squares + distance * distance * self.count * other.count / count,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }

    /// What `function` makes of the values; NaN where there are too few.
    pub(super) fn get(&self, function: Function) -> f64 {
        match function {
            Function::Count => self.count,
            Function::Sum => self.sum,
            _ if self.count == 0.0 => f64::NAN,
            Function::Mean => self.mean,
            Function::Min => self.min,
            Function::Max => self.max,
            Function::Std if self.count < 2.0 => f64::NAN,
            Function::Std => (self.squares / (self.count - 1.0)).max(0.0).sqrt(),
        }
    }
}

/// Values in a row, of which the oldest leave: its tally takes no subtraction, so that nothing is lost to rounding.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    /// The newer values with their times, and their tally.
    new: Vec<(f64, f64)>,
    new_tally: Option<Tally>,
    /// The older values, oldest last, each with the tally of all from it to the first of this list.
    old: Vec<(f64, Tally)>,
}

impl Window {
    /// How many rows it holds.
    pub(super) fn len(&self) -> usize {
        self.new.len() + self.old.len()
    }

    /// The time of the oldest.
    pub(super) fn oldest(&self) -> Option<f64> {
        self.old.last().map(|(time, _)| *time).or_else(|| self.new.first().map(|(time, _)| *time))
    }

    /// Takes a value in.
    pub(super) fn push(&mut self, time: f64, value: f64) {
        self.new.push((time, value));
        self.new_tally = Some(self.new_tally.unwrap_or(Tally::EMPTY).with(&Tally::of(value)));
    }

    /// Lets the oldest go.
    pub(super) fn pop(&mut self) {
        if self.old.is_empty() {
            let mut tally = Tally::EMPTY;
            self.old.reserve_exact(self.new.len());
            for (time, value) in self.new.drain(..).rev() {
                tally = Tally::of(value).with(&tally);
                self.old.push((time, tally));
            }
            self.new_tally = None;
        }
        self.old.pop();
    }

    /// The statistics of all that are in it.
    pub(super) fn tally(&self) -> Tally {
        let old = self.old.last().map_or(Tally::EMPTY, |(_, tally)| *tally);
        old.with(&self.new_tally.unwrap_or(Tally::EMPTY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_the_statistics_of_what_is_left_in_it() {
        let mut window = Window::default();
        let values: Vec<f64> = (0..50).map(|row| f64::from(row * row % 17) + 1e9).collect();
        for (row, value) in values.iter().enumerate() {
            window.push(row as f64, *value);
            if window.len() > 7 {
                window.pop();
            }
            let left = &values[(row + 1).saturating_sub(7)..=row];
            let mean = left.iter().sum::<f64>() / left.len() as f64;
            assert!((window.tally().get(Function::Mean) - mean).abs() < 1e-6);
            let largest = left.iter().copied().fold(0.0, f64::max);
            assert!(window.tally().get(Function::Max).total_cmp(&largest).is_eq());
            assert!(window.oldest().unwrap().total_cmp(&((row + 1).saturating_sub(7) as f64)).is_eq());
        }
    }
}
