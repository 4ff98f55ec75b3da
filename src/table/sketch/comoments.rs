//! How two numbers vary together, batch by batch.

/// Co-moments of pairs of finite numbers; merging two gives those of both streams.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CoMoments {
    count: f64,
    means: [f64; 2],
    squares: [f64; 2],
    products: f64,
}

impl CoMoments {
    /// The co-moments of one batch of pairs.
    pub fn of(pairs: impl Iterator<Item = (f64, f64)> + Clone) -> CoMoments {
        let (mut count, mut sums) = (0.0, [0.0; 2]);
        for (left, right) in pairs.clone() {
            count += 1.0;
            sums[0] += left;
            sums[1] += right;
        }
        if count == 0.0 {
            return CoMoments::default();
        }
        let mut batch = CoMoments { count, means: sums.map(|sum| sum / count), ..CoMoments::default() };
        let mut left_over = [0.0; 2];
        for (left, right) in pairs {
            let (left, right) = (left - batch.means[0], right - batch.means[1]);
            batch.squares[0] += left * left;
            batch.squares[1] += right * right;
            batch.products += left * right;
            left_over[0] += left;
            left_over[1] += right;
        }
        // The distances add up to zero but for the rounding of the mean, which is taken out again.
        batch.products -= left_over[0] * left_over[1] / count;
        for (side, left_over) in left_over.into_iter().enumerate() {
            batch.squares[side] = (batch.squares[side] - left_over * left_over / count).max(0.0);
            batch.means[side] += left_over / count;
        }
        batch
    }

    /// Takes another stream in.
    pub fn merge(&mut self, other: &CoMoments) {
        if other.count == 0.0 {
            return;
        }
        let all = self.count + other.count;
        let apart = [other.means[0] - self.means[0], other.means[1] - self.means[1]];
        let weight = self.count * other.count / all;
        for (side, apart) in apart.iter().enumerate() {
            self.squares[side] += other.squares[side] + apart * apart * weight;
            self.means[side] += apart * other.count / all;
        }
        self.products += other.products + apart[0] * apart[1] * weight;
        self.count = all;
    }

    /// How many pairs there were.
    pub fn count(&self) -> f64 {
        self.count
    }

    /// Pearson's correlation; none below two pairs, or where a side does not vary but by rounding.
    pub fn correlation(&self) -> Option<f64> {
        let varies = |side: usize| self.squares[side] > self.count * (8.0 * f64::EPSILON * self.means[side]).powi(2);
        if !varies(0) || !varies(1) {
            return None;
        }
        let spread = (self.squares[0] * self.squares[1]).sqrt();
        (self.count > 1.0 && spread > 0.0 && spread.is_finite()).then(|| (self.products / spread).clamp(-1.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_correlation_is_that_of_numpy() {
        // numpy.corrcoef([1, 2, 4, 8], [3, 1, 5, 9])[0, 1]
        let pairs = [(1.0, 3.0), (2.0, 1.0), (4.0, 5.0), (8.0, 9.0)];
        let moments = CoMoments::of(pairs.into_iter());
        assert!((moments.correlation().unwrap() - 0.929_970_279_362_138_7).abs() < 1e-12);
        assert_eq!(CoMoments::of([(1.0, 2.0), (1.0, 3.0)].into_iter()).correlation(), None);
        let same = (0..90).map(|place| (0.1, f64::from(place)));
        assert_eq!(CoMoments::of(same).correlation(), None, "a sum that is rounded is no variation");
    }

    proptest! {
        #[test]
        fn merged_batches_are_one_batch(
            pairs in prop::collection::vec((-1e3f64..1e3, -1e3f64..1e3), 2..60),
            cut in 0usize..60,
        ) {
            let cut = cut.min(pairs.len());
            let whole = CoMoments::of(pairs.iter().copied());
            let mut merged = CoMoments::of(pairs[..cut].iter().copied());
            merged.merge(&CoMoments::of(pairs[cut..].iter().copied()));
            prop_assert!((merged.products - whole.products).abs() <= 1e-6 * (1.0 + whole.squares[0] + whole.squares[1]));
        }
    }
}
