//! How many different values a stream has: exact to a limit, then HyperLogLog.

use super::super::keys::{KeySet, spread};

/// The number of different keys in a stream; merging two gives that of both streams.
///
/// Beyond the limit the count is HyperLogLog's over 2^14 registers, whose standard error is 0.8 %.
#[derive(Debug, Clone)]
pub struct Distinct {
    limit: usize,
    seen: KeySet<u128>,
    /// Empty while the count is exact.
    registers: Vec<u8>,
}

const PRECISION: u32 = 14;

impl Distinct {
    /// An empty stream that is counted exactly up to `limit` different keys.
    pub fn new(limit: usize) -> Distinct {
        Distinct { limit, seen: KeySet::default(), registers: Vec::new() }
    }

    /// Takes a key in.
    pub fn insert(&mut self, key: u128) {
        if self.registers.is_empty() {
            self.seen.insert(key);
            if self.seen.len() > self.limit {
                self.estimate();
            }
        } else {
            self.register(key);
        }
    }

    /// Takes another stream in.
    pub fn merge(&mut self, other: &Distinct) {
        if !other.registers.is_empty() && self.registers.is_empty() {
            self.estimate();
        }
        other.seen.iter().for_each(|key| self.insert(*key));
        for (ours, theirs) in self.registers.iter_mut().zip(&other.registers) {
            *ours = (*ours).max(*theirs);
        }
    }

    /// Whether the count is exact.
    pub fn is_exact(&self) -> bool {
        self.registers.is_empty()
    }

    /// How many different keys there were.
    pub fn count(&self) -> u64 {
        if self.registers.is_empty() {
            return self.seen.len() as u64;
        }
        let size = self.registers.len() as f64;
        let sum: f64 = self.registers.iter().map(|register| (-f64::from(*register)).exp2()).sum();
        let raw = 0.7213 / (1.0 + 1.079 / size) * size * size / sum;
        let empty = self.registers.iter().map(|register| u32::from(*register == 0)).sum::<u32>();
        // Few keys leave registers empty, and counting those is the better estimate.
        let estimate = if raw <= 2.5 * size && empty > 0 { size * (size / f64::from(empty)).ln() } else { raw };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of keys in memory's reach"
        )]
        let count = estimate.round() as u64;
        count
    }

    fn estimate(&mut self) {
        self.registers = vec![0; 1 << PRECISION];
        for key in std::mem::take(&mut self.seen) {
            self.register(key);
        }
    }

    fn register(&mut self, key: u128) {
        let hash = spread(key);
        let index = usize::try_from(hash >> (64 - PRECISION)).expect("14 bits fit");
        // The bit below the kept ones ends the count of zeros for a hash that is all zeros.
        let zeros = (hash << PRECISION | 1 << (PRECISION - 1)).leading_zeros() + 1;
        let register = &mut self.registers[index];
        *register = (*register).max(u8::try_from(zeros).expect("a hash has 64 bits"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_exact_to_the_limit_and_near_beyond() {
        for (count, exact) in [(0u32, true), (1000, true), (1001, false), (20_000, false), (300_000, false)] {
            let mut distinct = Distinct::new(1000);
            for key in (0..count).chain(0..count / 2) {
                distinct.insert(u128::from(key));
            }
            assert_eq!(distinct.is_exact(), exact);
            let error = (distinct.count() as f64 - f64::from(count)).abs() / f64::from(count.max(1));
            assert!(
                error < if exact { f64::EPSILON } else { 0.03 },
                "{count} keys are counted as {}",
                distinct.count()
            );
        }
    }

    #[test]
    fn merged_streams_count_common_keys_once() {
        let stream = |range: std::ops::Range<u32>, limit| {
            let mut distinct = Distinct::new(limit);
            range.for_each(|key| distinct.insert(u128::from(key)));
            distinct
        };
        let mut exact = stream(0..600, 1000);
        exact.merge(&stream(300..900, 1000));
        assert_eq!(exact.count(), 900);
        let mut near = stream(0..500, 1000);
        near.merge(&stream(0..50_000, 1000));
        assert!((near.count() as f64 - 50_000.0).abs() < 1500.0);
    }
}
