//! What many learners gather of one column of numbers: its moments, or all its values.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::TransformError;
use super::chance;
use super::column::numbers;
use super::frame::Frame;
use super::learn::{BYTES_PER_KEPT_VALUE, LearningRows};
use super::needs::{infinite, nothing_to_learn, too_large};
use super::stats::Moments;
use crate::ml::quantile::Ranks;

/// Gathers the moments of one column.
pub(super) struct Range {
    name: String,
    moments: Moments,
}

impl Range {
    /// Of the column called `name`.
    pub(super) fn of(name: &str) -> Range {
        Range { name: name.to_owned(), moments: Moments::default() }
    }

    /// Takes in the next rows.
    pub(super) fn learn(&mut self, frame: &Frame) -> Result<(), TransformError> {
        let values = numbers(&frame.column(&self.name)?.array)?;
        self.moments.merge(&Moments::of_present(&values));
        Ok(())
    }

    /// The name and the moments, for the transform called `transform`.
    ///
    /// # Errors
    /// When there is no value, or an infinite one, or when they are too far apart for their distance to be a number.
    pub(super) fn finish(self, transform: &str) -> Result<(String, Moments), TransformError> {
        if self.moments.count == 0.0 {
            return Err(nothing_to_learn(&self.name, transform));
        }
        if !(self.moments.min.is_finite() && self.moments.max.is_finite()) {
            return Err(infinite(&self.name, transform));
        }
        if !((self.moments.max - self.moments.min).is_finite() && self.moments.mean.is_finite()) {
            return Err(too_large(&[&self.name], transform));
        }
        Ok((self.name, self.moments))
    }
}

/// Gathers all values of one column.
pub(super) struct Values {
    name: String,
    present: Vec<f64>,
}

impl Values {
    /// Of the column called `name`.
    pub(super) fn of(name: &str) -> Values {
        Values { name: name.to_owned(), present: Vec::new() }
    }

    /// Takes in the next rows.
    pub(super) fn learn(&mut self, frame: &Frame) -> Result<(), TransformError> {
        let values = numbers(&frame.column(&self.name)?.array)?;
        self.present.extend(values.iter().flatten());
        Ok(())
    }

    /// What it keeps of that many rows.
    pub(super) fn kept_bytes(rows: u64) -> u64 {
        rows.saturating_mul(BYTES_PER_KEPT_VALUE)
    }

    /// The name and the values in the order of the rows, for the transform called `transform`.
    ///
    /// # Errors
    /// When there is no value, or an infinite one.
    pub(super) fn finish(self, transform: &str) -> Result<(String, Vec<f64>), TransformError> {
        if self.present.is_empty() {
            return Err(nothing_to_learn(&self.name, transform));
        }
        if self.present.iter().any(|value| !value.is_finite()) {
            return Err(infinite(&self.name, transform));
        }
        Ok((self.name, self.present))
    }

    /// The name and the values by their place in ascending order.
    ///
    /// # Errors
    /// When there is no value, or an infinite one.
    pub(super) fn ranks(self, transform: &str) -> Result<(String, Ranks), TransformError> {
        let (name, values) = self.finish(transform)?;
        Ok((name, Ranks::of(values)))
    }

    /// The name and the values in ascending order.
    ///
    /// # Errors
    /// When there is no value, or an infinite one.
    pub(super) fn sorted(self, transform: &str) -> Result<(String, Vec<f64>), TransformError> {
        let (name, mut values) = self.finish(transform)?;
        values.sort_unstable_by(f64::total_cmp);
        Ok((name, values))
    }
}

/// Chooses some rows at random, whatever the batches are: those whose random bits are the smallest.
pub(super) struct Sample<T> {
    seed: u64,
    most: usize,
    chosen: BinaryHeap<Candidate<T>>,
}

/// A chosen row, in the order of its random bits.
struct Candidate<T> {
    bits: u64,
    row: u64,
    value: T,
}

impl<T> Candidate<T> {
    fn key(&self) -> (u64, u64) {
        (self.bits, self.row)
    }
}

impl<T> PartialEq for Candidate<T> {
    fn eq(&self, other: &Candidate<T>) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Candidate<T> {}

impl<T> PartialOrd for Candidate<T> {
    fn partial_cmp(&self, other: &Candidate<T>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Candidate<T> {
    fn cmp(&self, other: &Candidate<T>) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl<T> Sample<T> {
    /// At most `most` rows.
    pub(super) fn new(seed: u64, most: usize) -> Sample<T> {
        Sample { seed, most, chosen: BinaryHeap::new() }
    }

    /// Takes the row `row` in if it is chosen so far; only then its value is asked for.
    pub(super) fn offer(&mut self, row: u64, value: impl FnOnce() -> T) {
        let bits = chance::bits(self.seed, row);
        if self.chosen.len() >= self.most {
            if self.chosen.peek().is_none_or(|last| (bits, row) >= last.key()) {
                return;
            }
            self.chosen.pop();
        }
        self.chosen.push(Candidate { bits, row, value: value() });
    }

    /// The chosen values, in the order of their rows.
    pub(super) fn by_row(self) -> Vec<T> {
        let mut chosen = self.chosen.into_vec();
        chosen.sort_unstable_by_key(|candidate| candidate.row);
        chosen.into_iter().map(|candidate| candidate.value).collect()
    }

    /// The chosen values, in no telling order.
    pub(super) fn by_chance(self) -> Vec<T> {
        self.chosen.into_sorted_vec().into_iter().map(|candidate| candidate.value).collect()
    }
}

impl Sample<f64> {
    /// What one chosen row takes.
    const BYTES: u64 = 48;

    /// Takes the present values of the next rows in.
    pub(super) fn learn(&mut self, values: impl Iterator<Item = Option<f64>>, rows: &LearningRows<'_>) {
        for (value, row) in values.zip(rows.first..) {
            if let Some(value) = value {
                self.offer(row, || value);
            }
        }
    }

    /// What a sample of at most `most` of that many rows keeps.
    pub(super) fn kept_bytes(rows: u64, most: u64) -> u64 {
        rows.min(most).saturating_mul(Sample::BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_the_same_whatever_the_batches_are() {
        let values: Vec<Option<f64>> = (0..1000).map(|row| (row % 7 != 0).then(|| f64::from(row))).collect();
        let sample = |batch: usize| {
            let mut sample = Sample::new(3, 50);
            for (index, chunk) in values.chunks(batch).enumerate() {
                let rows = LearningRows { targets: &[], first: (index * batch) as u64 };
                sample.learn(chunk.iter().copied(), &rows);
            }
            sample.by_row()
        };
        assert_eq!(sample(1000), sample(13));
        assert_eq!(sample(1000).len(), 50);
        assert!(sample(1000).iter().all(|value| value % 7.0 != 0.0));
    }
}
