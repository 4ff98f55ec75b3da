//! How often each value of a column occurs.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use arrow::array::{Array, ArrayRef};
use serde_json::Value;

use super::column::Column;
use crate::table::keys::{KeyHasher, Keys, presence};

/// More different values than this are refused: what is asked of counts makes no sense for so many.
pub(super) const MOST_VALUES: usize = 1_000_000;

/// The values of a column with their counts, each in the order of its first appearance.
pub(super) struct Counts {
    places: HashMap<u128, usize, BuildHasherDefault<KeyHasher>>,
    shows: fn(&ArrayRef, usize) -> Value,
    counted: Vec<(Value, u64)>,
}

impl Counts {
    /// Nothing counted yet of `column`, which is [comparable](Column::into_comparable).
    pub(super) fn of_column(column: &Column) -> Counts {
        Counts { places: HashMap::default(), shows: column.shows(), counted: Vec::new() }
    }

    /// Counts the values of a batch.
    pub(super) fn take(&mut self, values: &ArrayRef) -> Result<(), String> {
        let keys = Keys::of(values);
        let is_there = presence(values);
        for row in (0..values.len()).filter(|row| is_there(*row)) {
            let place = *self.places.entry(keys.at(row)).or_insert_with(|| {
                self.counted.push(((self.shows)(values, row), 0));
                self.counted.len() - 1
            });
            self.counted[place].1 += 1;
        }
        if self.counted.len() > MOST_VALUES {
            return Err(format!("there are more than {MOST_VALUES} different values"));
        }
        Ok(())
    }

    /// All values with their counts.
    pub(super) fn all(&self) -> &[(Value, u64)] {
        &self.counted
    }

    /// How often the value with this key occurs.
    pub(super) fn of(&self, key: u128) -> u64 {
        self.places.get(&key).map_or(0, |place| self.counted[*place].1)
    }

    /// The values with other keys than these, with their counts.
    pub(super) fn besides(&self, keys: &[u128]) -> Vec<&(Value, u64)> {
        let mut places: Vec<usize> =
            self.places.iter().filter(|(key, _)| !keys.contains(key)).map(|(_, place)| *place).collect();
        places.sort_unstable();
        places.into_iter().map(|place| &self.counted[place]).collect()
    }
}

/// The order of values in reports: numbers by size, all else by text.
pub(super) fn in_order(left: &Value, right: &Value) -> std::cmp::Ordering {
    if let (Some(left), Some(right)) = (left.as_i64(), right.as_i64()) {
        return left.cmp(&right);
    }
    match (left.as_f64(), right.as_f64(), left.as_str(), right.as_str()) {
        (Some(left), Some(right), ..) => left.total_cmp(&right),
        (.., Some(left), Some(right)) => left.cmp(right),
        // Of a column of numbers those with many digits are texts.
        (Some(left), _, _, Some(right)) if let Ok(right) = right.parse::<f64>() => left.total_cmp(&right),
        (_, Some(right), Some(left), _) if let Ok(left) = left.parse::<f64>() => left.total_cmp(&right),
        _ => left.to_string().cmp(&right.to_string()),
    }
}
