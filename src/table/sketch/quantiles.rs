//! Quantiles of a stream: exact while the values fit, then a KLL sketch.

/// Quantiles of a stream of finite numbers; merging two gives the quantiles of both streams.
///
/// Up to `exact_limit` values are kept as they are. Beyond, the values are thinned in the levels of a KLL sketch (Karnin,
/// Lang, Liberty 2016), whose rank error is well below half a percent at the width used here. Which half of a level survives
/// alternates, where the paper tosses a coin, so that equal data gives equal bytes.
#[derive(Debug, Clone)]
pub struct Quantiles {
    exact_limit: usize,
    /// Level `n` holds values that each stand for `2^n`.
    levels: Vec<Vec<f64>>,
    /// Whether the next thinning of a level keeps the odd places.
    odd: Vec<bool>,
    count: u64,
}

/// How many values a thinned level holds at least before it is thinned again.
const WIDTH: usize = 2048;

impl Quantiles {
    /// An empty stream that stays exact up to `exact_limit` values.
    pub fn new(exact_limit: usize) -> Quantiles {
        Quantiles { exact_limit: exact_limit.max(WIDTH), levels: vec![Vec::new()], odd: vec![false], count: 0 }
    }

    /// Takes values in.
    pub fn extend(&mut self, values: impl Iterator<Item = f64>) {
        let mut capacity = self.capacity(0);
        for value in values {
            self.levels[0].push(value);
            self.count += 1;
            if self.levels[0].len() >= capacity {
                self.thin();
                capacity = self.capacity(0);
            }
        }
    }

    /// Takes another stream in.
    pub fn merge(&mut self, other: &Quantiles) {
        for (level, values) in other.levels.iter().enumerate() {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
                self.odd.push(false);
            }
            self.levels[level].extend_from_slice(values);
        }
        self.count += other.count;
        self.thin();
    }

    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether no value was thinned away.
    pub fn is_exact(&self) -> bool {
        self.levels.len() == 1
    }

    /// The values at the given shares, each between 0 and 1, with numpy's linear interpolation; none without values.
    pub fn at(&self, shares: &[f64]) -> Vec<Option<f64>> {
        let sorted = self.weighted();
        shares.iter().map(|share| self.one(&sorted, *share)).collect()
    }

    /// The values nearest to the given shares, as pandas with `interpolation="nearest"`, which Great Expectations uses.
    pub fn nearest(&self, shares: &[f64]) -> Vec<Option<f64>> {
        let sorted = self.weighted();
        let last = self.count.saturating_sub(1) as f64;
        shares
            .iter()
            .map(|share| {
                // numpy rounds halves to even.
                let rank = (share.clamp(0.0, 1.0) * last).round_ties_even();
                Self::rank(&sorted, rank)
            })
            .collect()
    }

    /// The kept values, each with how many of the stream it stands for.
    pub fn kept(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        self.levels
            .iter()
            .enumerate()
            .flat_map(|(level, values)| values.iter().map(move |value| (*value, 1u64 << level)))
    }

    /// How many values fall into each of `bins` equal parts of the range; near where values were thinned away.
    pub fn histogram(&self, (low, high): (f64, f64), bins: usize) -> Vec<u64> {
        let mut counts = vec![0; bins];
        let width = (high - low) / bins as f64;
        for (level, values) in self.levels.iter().enumerate() {
            for value in values {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts of floats saturate")]
                let bin = if width > 0.0 { ((value - low) / width) as usize } else { 0 };
                counts[bin.min(bins - 1)] += 1u64 << level;
            }
        }
        counts
    }

    #[expect(clippy::float_cmp, reason = "two infinities are equal and have no distance")]
    fn one(&self, sorted: &[(f64, u64)], share: f64) -> Option<f64> {
        let place = share.clamp(0.0, 1.0) * self.count.saturating_sub(1) as f64;
        let (below, above) = (Self::rank(sorted, place.floor())?, Self::rank(sorted, place.ceil())?);
        // Between two infinities of one sign there is no distance.
        Some(if below == above { below } else { below + (above - below) * place.fract() })
    }

    /// The value at a rank counted from 0.
    fn rank(sorted: &[(f64, u64)], rank: f64) -> Option<f64> {
        let (last, _) = sorted.last()?;
        let index = sorted.partition_point(|(_, ends)| *ends as f64 <= rank);
        Some(sorted.get(index).map_or(*last, |(value, _)| *value))
    }

    /// All kept values in order, each with the rank before which it ends.
    fn weighted(&self) -> Vec<(f64, u64)> {
        let mut all: Vec<(f64, u64)> = self.kept().collect();
        all.sort_unstable_by(|left, right| left.0.total_cmp(&right.0));
        let mut ends = 0;
        for (_, weight) in &mut all {
            ends += *weight;
            *weight = ends;
        }
        all
    }

    fn capacity(&self, level: usize) -> usize {
        if self.levels.len() == 1 {
            return self.exact_limit;
        }
        // Lower levels stand for fewer values and may be narrower, by two thirds each, without hurting the error.
        let depth = self.levels.len() - 1 - level;
        let share = (2.0f64 / 3.0).powi(i32::try_from(depth).expect("there are at most 64 levels"));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 64 and the width")]
        let width = (WIDTH as f64 * share).max(64.0) as usize;
        width
    }

    /// Halves every level that is full, from the bottom up.
    fn thin(&mut self) {
        let mut level = 0;
        while level < self.levels.len() {
            if self.levels[level].len() < self.capacity(level) {
                level += 1;
                continue;
            }
            if level + 1 == self.levels.len() {
                self.levels.push(Vec::new());
                self.odd.push(false);
            }
            let mut values = std::mem::take(&mut self.levels[level]);
            values.sort_unstable_by(f64::total_cmp);
            // A value without a partner stays behind, so that the weights always add up to the count.
            let single = if values.len() % 2 == 1 { values.pop() } else { None };
            let start = usize::from(self.odd[level]);
            self.odd[level] = !self.odd[level];
            self.levels[level + 1].extend(values.iter().skip(start).step_by(2));
            values.clear();
            values.extend(single);
            // Level 0 may have been as wide as the exact limit; that memory is not needed again.
            values.shrink_to(2 * WIDTH);
            self.levels[level] = values;
            level += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_have_exact_quantiles() {
        let mut quantiles = Quantiles::new(100);
        quantiles.extend([4.0, 1.0, 3.0, 2.0].into_iter());
        assert_eq!(quantiles.at(&[0.0, 0.25, 0.5, 1.0]), [Some(1.0), Some(1.75), Some(2.5), Some(4.0)]);
        assert_eq!(quantiles.nearest(&[0.5, 0.25, 1.0]), [Some(3.0), Some(2.0), Some(4.0)]);
        assert_eq!(Quantiles::new(0).at(&[0.5]), [None]);
    }

    #[test]
    fn many_values_are_within_half_a_percent_of_rank() {
        // A full cycle of a permutation of 0..n visits every value once, in an order that is not sorted.
        let count = 1_000_003u64;
        let values = (0..count).map(|index| (index * 611_953 % count) as f64);
        let mut whole = Quantiles::new(0);
        whole.extend(values.clone());
        let (mut left, mut right) = (Quantiles::new(0), Quantiles::new(0));
        left.extend(values.clone().take(300_000));
        right.extend(values.skip(300_000));
        left.merge(&right);
        for sketch in [&whole, &left] {
            assert_eq!(sketch.count(), count);
            assert!(!sketch.is_exact());
            let kept: usize = sketch.levels.iter().map(Vec::len).sum();
            assert!(kept < 4 * WIDTH, "{kept} values are kept");
            for share in [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99] {
                let value = sketch.at(&[share])[0].unwrap();
                let error = (value / count as f64 - share).abs();
                assert!(error < 0.005, "the quantile {share} is off by {error}");
            }
        }
    }
}
