//! The most frequent values of a stream.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::super::keys::KeyHasher;

/// Counts values while there are few; when there are too many, only the most frequent ones so far are counted on.
///
/// Every count given is exact. Once values were dropped, a value that became frequent late may be missing.
#[derive(Debug, Clone)]
pub struct Frequent<V> {
    limit: usize,
    counts: HashMap<u128, (V, u64), BuildHasherDefault<KeyHasher>>,
    is_complete: bool,
}

/// How many values are counted on after the limit was met.
const KEPT: usize = 64;

impl<V: Clone + PartialOrd> Frequent<V> {
    /// An empty stream that counts up to `limit` different values.
    pub fn new(limit: usize) -> Frequent<V> {
        Frequent { limit, counts: HashMap::default(), is_complete: true }
    }

    /// Takes a value with its key in; `value` is asked for at the value's first appearance only. Says whether the value
    /// is known to have appeared before.
    pub fn insert(&mut self, key: u128, value: impl FnOnce() -> V) -> bool {
        self.insert_many(key, 1, value)
    }

    /// Takes a value in as often as it appeared.
    pub fn insert_many(&mut self, key: u128, times: u64, value: impl FnOnce() -> V) -> bool {
        if let Some((_, count)) = self.counts.get_mut(&key) {
            *count += times;
            return true;
        }
        if self.is_complete {
            self.counts.insert(key, (value(), times));
            if self.counts.len() > self.limit {
                self.is_complete = false;
                let kept = self.sorted(KEPT.min(self.limit));
                self.counts = kept.into_iter().collect();
            }
        }
        false
    }

    /// Whether all values were counted.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// The most frequent values with their counts, at most `most`; equal counts are in the order of the values.
    pub fn top(&self, most: usize) -> Vec<(V, u64)> {
        self.sorted(most).into_iter().map(|(_, entry)| entry).collect()
    }

    fn sorted(&self, most: usize) -> Vec<(u128, (V, u64))> {
        let mut all: Vec<(&u128, &(V, u64))> = self.counts.iter().collect();
        all.sort_unstable_by(|(left_key, left), (right_key, right)| {
            let by_value = left.0.partial_cmp(&right.0).unwrap_or(std::cmp::Ordering::Equal);
            right.1.cmp(&left.1).then(by_value).then(left_key.cmp(right_key))
        });
        all.truncate(most);
        all.into_iter().map(|(key, entry)| (*key, entry.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact_and_ties_are_in_order() {
        let mut frequent = Frequent::new(10);
        for value in ["b", "a", "b", "c", "a"] {
            frequent.insert(u128::from(value.as_bytes()[0]), || value);
        }
        assert_eq!(frequent.top(2), [("a", 2), ("b", 2)]);
        assert!(frequent.is_complete());
    }

    #[test]
    fn a_frequent_value_survives_many_rare_ones() {
        let mut frequent = Frequent::new(100);
        for value in 0..10_000u32 {
            frequent.insert(u128::from(value), || value);
            frequent.insert(7, || 7);
        }
        assert_eq!(frequent.top(1), [(7, 10_001)]);
        assert!(!frequent.is_complete());
    }
}
