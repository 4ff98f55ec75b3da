//! How often each value of a column occurs.

use std::cmp::Ordering;
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

/// The order of values in reports: numbers by size, and behind them all else by text.
pub(super) fn in_order(left: &Value, right: &Value) -> Ordering {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match (left.as_f64(), right.as_f64()) {
        // Doubles do not tell large whole numbers apart.
        (Some(one), Some(other)) => one.total_cmp(&other).then_with(|| left.as_i64().cmp(&right.as_i64())),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => text(left).cmp(&text(right)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<i64>().prop_map(|whole| json!(whole)),
            (-30_i64..30).prop_map(|whole| json!(whole)),
            (-30_i64..30).prop_map(|half| json!(half as f64 / 2.0)),
            any::<u64>().prop_map(|whole| json!(whole)),
            (0_u64..300).prop_map(|whole| json!(whole.to_string())),
            "[a-c]{0,2}".prop_map(|text| json!(text)),
            Just(json!(true)),
        ]
    }

    proptest! {
        #[test]
        fn values_have_one_order_whatever_they_are(values in proptest::collection::vec(value(), 0..60)) {
            let mut sorted = values;
            sorted.sort_by(in_order);
            for (place, one) in sorted.iter().enumerate() {
                prop_assert!(sorted[place..].iter().all(|later| in_order(one, later).is_le()));
            }
        }
    }
}
