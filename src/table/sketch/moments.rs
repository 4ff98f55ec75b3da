//! Count, sum, mean, variance, skewness, kurtosis and range of numbers, batch by batch.

/// Moments of a stream of finite numbers; merging two gives the moments of both streams.
///
/// Each batch is summed around its own mean and merged after Chan and Pébay, which stays exact where the textbook's
/// sum of squares loses all digits.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Moments {
    count: u64,
    sum: f64,
    mean: f64,
    /// The sums of the second, third and fourth powers of the distances from the mean.
    squares: f64,
    cubes: f64,
    fourths: f64,
    range: Option<(f64, f64)>,
}

impl Moments {
    /// The moments of one batch of values.
    #[expect(clippy::float_cmp, reason = "values do not vary if the least is the greatest")]
    pub fn of(values: impl Iterator<Item = f64> + Clone) -> Moments {
        let mut batch = Moments::default();
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.clone() {
            batch.count += 1;
            batch.sum += value;
            low = low.min(value);
            high = high.max(value);
        }
        if batch.count == 0 {
            return batch;
        }
        batch.range = Some((low, high));
        if low == high {
            // Equal values do not vary, however their sum is rounded.
            batch.mean = low;
            return batch;
        }
        batch.mean = batch.sum / batch.count as f64;
        let mut left_over = 0.0;
        for value in values {
            let distance = value - batch.mean;
            let square = distance * distance;
            batch.squares += square;
            batch.cubes += square * distance;
            batch.fourths += square * square;
            left_over += distance;
        }
        batch.shift(left_over / batch.count as f64);
        batch
    }

    /// Moves the mean by what its rounding has left over, around which the distances add up to zero.
    fn shift(&mut self, by: f64) {
        let count = self.count as f64;
        self.fourths += -4.0 * by * self.cubes + 6.0 * by * by * self.squares - 3.0 * count * by.powi(4);
        self.cubes += -3.0 * by * self.squares + 2.0 * count * by.powi(3);
        self.squares = (self.squares - count * by * by).max(0.0);
        self.mean += by;
    }

    /// Takes another stream in.
    pub fn merge(&mut self, other: &Moments) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        let (ours, theirs) = (self.count as f64, other.count as f64);
        let all = ours + theirs;
        let apart = other.mean - self.mean;
        self.fourths += other.fourths
            + apart.powi(4) * ours * theirs * (ours * ours - ours * theirs + theirs * theirs) / all.powi(3)
            + 6.0 * apart * apart * (ours * ours * other.squares + theirs * theirs * self.squares) / (all * all)
            + 4.0 * apart * (ours * other.cubes - theirs * self.cubes) / all;
        self.cubes += other.cubes
            + apart.powi(3) * ours * theirs * (ours - theirs) / (all * all)
            + 3.0 * apart * (ours * other.squares - theirs * self.squares) / all;
        self.squares += other.squares + apart * apart * ours * theirs / all;
        self.mean += apart * theirs / all;
        self.sum += other.sum;
        self.count += other.count;
        let ((low, high), (other_low, other_high)) =
            (self.range.expect("there are values"), other.range.expect("there are values"));
        self.range = Some((low.min(other_low), high.max(other_high)));
    }

    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The sum; 0 without values.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The mean.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// The least value.
    pub fn min(&self) -> Option<f64> {
        self.range.map(|(low, _)| low)
    }

    /// The greatest value.
    pub fn max(&self) -> Option<f64> {
        self.range.map(|(_, high)| high)
    }

    /// The variance of a sample: divided by one less than the count, as in pandas.
    pub fn variance(&self) -> Option<f64> {
        (self.count > 1).then(|| self.squares / (self.count - 1) as f64)
    }

    /// The standard deviation of a sample, as in pandas.
    pub fn stdev(&self) -> Option<f64> {
        self.variance().map(f64::sqrt)
    }

    /// The excess kurtosis of a sample with the bias corrected, as in pandas; none below four values or without spread.
    pub fn kurtosis(&self) -> Option<f64> {
        let count = self.count as f64;
        if self.count < 4 || self.squares <= 0.0 {
            return None;
        }
        let variance = self.squares / (count - 1.0);
        let scaled = count * (count + 1.0) * self.fourths / (variance * variance);
        let below = (count - 1.0) * (count - 2.0) * (count - 3.0);
        Some(scaled / below - 3.0 * (count - 1.0) * (count - 1.0) / ((count - 2.0) * (count - 3.0)))
    }

    /// The skewness of a sample with the bias corrected, as in pandas; none below three values or without spread.
    pub fn skewness(&self) -> Option<f64> {
        let count = self.count as f64;
        if self.count < 3 || self.squares <= 0.0 {
            return None;
        }
        let biased = (self.cubes / count) / (self.squares / count).powf(1.5);
        Some(biased * (count * (count - 1.0)).sqrt() / (count - 2.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_moments_are_those_of_pandas() {
        // pandas.Series([1, 2, 2, 3, 10]): mean 3.6, std 3.646917, skew 2.028699, kurt 4.272147
        let moments = Moments::of([1.0, 2.0, 2.0, 3.0, 10.0].into_iter());
        assert!((moments.mean().unwrap() - 3.6).abs() < 1e-12);
        assert!((moments.stdev().unwrap() - 3.646_916_505_762_094).abs() < 1e-12);
        assert!((moments.skewness().unwrap() - 2.028_699_102_080_332_7).abs() < 1e-9);
        assert!((moments.kurtosis().unwrap() - 4.272_146_531_742_893).abs() < 1e-9);
        assert_eq!(Moments::default().mean(), None);
        assert_eq!(Moments::of([1.0].into_iter()).stdev(), None);
        let mut same = Moments::of([0.1; 90].into_iter());
        same.merge(&Moments::of([0.1; 7].into_iter()));
        assert_eq!((same.mean(), same.stdev(), same.skewness()), (Some(0.1), Some(0.0), None));
    }

    proptest! {
        #[test]
        fn merged_batches_are_one_batch(values in prop::collection::vec(-1e6f64..1e6, 1..60), cut in 0usize..60) {
            let cut = cut.min(values.len());
            let whole = Moments::of(values.iter().copied());
            let mut merged = Moments::of(values[..cut].iter().copied());
            merged.merge(&Moments::of(values[cut..].iter().copied()));
            prop_assert_eq!(merged.count, whole.count);
            prop_assert_eq!(merged.range, whole.range);
            let near = |left: f64, right: f64| (left - right).abs() <= 1e-9 * (1.0 + left.abs().max(right.abs()));
            prop_assert!(near(merged.mean, whole.mean));
            prop_assert!(near(merged.squares, whole.squares));
            prop_assert!((merged.cubes - whole.cubes).abs() <= 1e-6 * (1.0 + whole.squares.powf(1.5)));
            prop_assert!((merged.fourths - whole.fourths).abs() <= 1e-6 * (1.0 + whole.squares.powi(2)));
        }
    }
}
