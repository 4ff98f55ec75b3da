//! Statistics of a column, gathered in one pass: moments without cancellation.

use arrow::array::{Array, Float64Array};

/// Count, mean, variance and range of the present values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moments {
    /// How many values there are.
    pub(super) count: f64,
    /// Their mean.
    pub(super) mean: f64,
    /// The sum of squared distances from the mean.
    squares: f64,
    /// The smallest.
    pub(super) min: f64,
    /// The largest.
    pub(super) max: f64,
}

impl Default for Moments {
    fn default() -> Moments {
        Moments { count: 0.0, mean: 0.0, squares: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Moments {
    /// Of a batch, by two passes over it.
    pub(super) fn of(values: impl Iterator<Item = f64> + Clone) -> Moments {
        let mut moments = Moments::default();
        let mut sum = 0.0;
        for value in values.clone() {
            sum += value;
            moments.count += 1.0;
            moments.min = moments.min.min(value);
            moments.max = moments.max.max(value);
        }
        if moments.count == 0.0 {
            return moments;
        }
        moments.mean = sum / moments.count;
        // The sum of plain distances would be zero with exact arithmetic; it corrects for the rounding of the mean.
        let (mut squares, mut rest) = (0.0, 0.0);
        for value in values {
            let distance = value - moments.mean;
            squares += distance * distance;
            rest += distance;
        }
        moments.squares = squares - rest * rest / moments.count;
        moments
    }

    /// Of the values of a column that are there.
    pub(super) fn of_present(values: &Float64Array) -> Moments {
        if values.null_count() == 0 {
            return Moments::of(values.values().iter().copied());
        }
        let present: Vec<f64> = values.iter().flatten().collect();
        Moments::of(present.iter().copied())
    }

    /// Takes one more value in (Welford).
    pub(super) fn push(&mut self, value: f64) {
        self.count += 1.0;
        let distance = value - self.mean;
        self.mean += distance / self.count;
        self.squares += distance * (value - self.mean);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Takes the values of `other` in (Chan, Golub and LeVeque).
    pub(super) fn merge(&mut self, other: &Moments) {
        if other.count == 0.0 {
            return;
        }
        let count = self.count + other.count;
        let distance = other.mean - self.mean;
        self.mean += distance * other.count / count;
        self.squares += other.squares + distance * distance * self.count * other.count / count;
        self.count = count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// The population variance (divided by the count).
    pub(super) fn variance(&self) -> f64 {
        if self.count > 0.0 { self.squares / self.count } else { 0.0 }
    }

    /// The standard deviation of a sample (divided by one less than the count); 0 of a single value.
    pub(super) fn sample_deviation(&self) -> f64 {
        if self.count > 1.0 { (self.squares / (self.count - 1.0)).sqrt() } else { 0.0 }
    }

    /// The standard deviation to divide by: 1 when the values cannot be told from a constant.
    pub(super) fn scale(&self) -> f64 {
        if self.is_constant() { 1.0 } else { self.variance().sqrt() }
    }

    /// Whether the values cannot be told from a constant, scikit-learn's rule.
    pub(super) fn is_constant(&self) -> bool {
        let variance = self.variance();
        // The variance of values beyond 1e154 is infinite, and says nothing.
        variance.is_finite()
            && variance <= self.count * f64::EPSILON * variance + (self.count * self.mean * f64::EPSILON).powi(2)
    }
}

/// What to divide by where values spread over `range`: 1 when that is nothing, scikit-learn's rule.
pub(super) fn divisor(range: f64) -> f64 {
    if range < 10.0 * f64::EPSILON { 1.0 } else { range }
}

/// A small whole float as an index.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "callers pass whole numbers from 0 to a length"
)]
pub(super) fn whole(value: f64) -> usize {
    value as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_moments_are_those_of_all_values() {
        let values: Vec<f64> = (0..1000).map(|index| 1e9 + f64::from(index % 17)).collect();
        let all = Moments::of(values.iter().copied());
        let mut merged = Moments::default();
        values.chunks(77).for_each(|chunk| merged.merge(&Moments::of(chunk.iter().copied())));
        let mut pushed = Moments::default();
        for value in &values {
            pushed.push(*value);
        }
        for other in [merged, pushed] {
            assert!((all.mean - other.mean).abs() < 1e-6);
            assert!((all.variance() - other.variance()).abs() < 1e-6, "{} {}", all.variance(), other.variance());
        }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "a scale of one is exact")]
    fn a_constant_is_not_scaled() {
        assert_eq!(Moments::of([0.1; 50].into_iter()).scale(), 1.0);
        assert_eq!(Moments::default().scale(), 1.0);
    }
}
