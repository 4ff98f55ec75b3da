//! How well each column alone tells the classes of a target.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type};

use super::super::keys::{KeyHasher, Keys, presence, spread};
use super::super::sketch::{Quantiles, auc};
use super::super::{MICROSECONDS, cast};
use super::Kind;

/// A column that alone reaches a greater area under the ROC curve tells too much of the target.
pub const LEAK: f64 = 0.99;
/// How many numbers of each class keep the area exact.
const EXACT: usize = 1 << 18;
/// Columns with more values than this are no categories.
const MOST_CATEGORIES: usize = 20_000;
/// A target with more values than this has no classes.
const MOST_CLASSES: usize = 20;

/// Counts of every column against the classes of a target, batch by batch.
pub struct Leakage {
    /// The keys of the target's values.
    classes: Vec<u128>,
    rows: u64,
    has_too_many: bool,
    columns: Vec<Against>,
}

/// One column against the target.
struct Against {
    name: String,
    /// Rows without a value, of the first two classes.
    missing: [f64; 2],
    /// Rows with a value, of the first two classes.
    present: [f64; 2],
    values: Values,
}

enum Values {
    /// The numbers of the first two classes.
    Numbers([Quantiles; 2]),
    /// By category; none once there were too many.
    Categories(Option<HashMap<u128, Category, BuildHasherDefault<KeyHasher>>>),
}

/// The rows of a category.
struct Category {
    /// Of the first two classes, in each half of the rows.
    counts: [[f64; 2]; 2],
    rows: u64,
    class: usize,
    is_mixed: bool,
}

impl Leakage {
    /// Nothing known yet of columns with these names and kinds.
    pub fn new(columns: impl Iterator<Item = (String, Kind)>) -> Leakage {
        let against = |(name, kind): (String, Kind)| Against {
            name,
            missing: [0.0; 2],
            present: [0.0; 2],
            values: if matches!(kind, Kind::Int | Kind::Float | Kind::Date | Kind::Timestamp) {
                Values::Numbers([Quantiles::new(EXACT), Quantiles::new(EXACT)])
            } else {
                Values::Categories(Some(HashMap::default()))
            },
        };
        Leakage { classes: Vec::new(), rows: 0, has_too_many: false, columns: columns.map(against).collect() }
    }

    /// Takes a batch in: the target so that its classes are told apart, and the columns as statistics compute with them.
    pub fn batch(&mut self, target: &ArrayRef, columns: &[ArrayRef]) {
        if self.has_too_many {
            return;
        }
        let keys = Keys::of(target);
        let nulls = target.logical_nulls();
        let mut classes = Vec::with_capacity(target.len());
        for row in 0..target.len() {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                classes.push(None);
                continue;
            }
            let key = keys.at(row);
            classes.push(Some(self.classes.iter().position(|class| *class == key).unwrap_or_else(|| {
                self.classes.push(key);
                self.classes.len() - 1
            })));
            if self.classes.len() > MOST_CLASSES {
                self.has_too_many = true;
                return;
            }
        }
        for (against, values) in self.columns.iter_mut().zip(columns) {
            against.take(values, &classes, self.rows);
        }
        self.rows += target.len() as u64;
    }

    /// How many classes the target has; none if it has so many that they are none.
    pub fn classes(&self) -> Option<usize> {
        (!self.has_too_many).then_some(self.classes.len())
    }

    /// The area under the ROC curve of each column, from 0.5 on; none for those that cannot be judged, and for all if the
    /// target does not have two classes.
    pub fn areas(&self) -> Vec<(&str, Option<f64>)> {
        let has_two = self.classes() == Some(2);
        self.columns.iter().map(|against| (against.name.as_str(), against.area().filter(|_| has_two))).collect()
    }

    /// The columns of categories each of which occurs with one class only, in more rows than there are categories twice over.
    pub fn deciding(&self) -> Vec<&str> {
        if self.classes().is_none_or(|classes| classes < 2) {
            return Vec::new();
        }
        self.columns.iter().filter(|against| against.decides()).map(|against| against.name.as_str()).collect()
    }
}

impl Against {
    /// Takes a batch in whose first row is row `first` of the table.
    fn take(&mut self, values: &ArrayRef, classes: &[Option<usize>], first: u64) {
        let is_there = presence(values);
        for (row, class) in classes.iter().enumerate() {
            if let Some(class @ (0 | 1)) = class {
                let counts = if is_there(row) { &mut self.present } else { &mut self.missing };
                counts[*class] += 1.0;
            }
        }
        match &mut self.values {
            Values::Numbers(sketches) => {
                let is_time = matches!(values.data_type(), DataType::Timestamp(..) | DataType::Date32);
                let whole = if is_time { cast(&cast(values, &MICROSECONDS), &DataType::Int64) } else { values.clone() };
                let floats = cast(&whole, &DataType::Float64);
                let floats = floats.as_primitive::<Float64Type>();
                for (class, sketch) in sketches.iter_mut().enumerate() {
                    let of_class = |row: &usize| classes[*row] == Some(class) && floats.is_valid(*row);
                    sketch.extend((0..floats.len()).filter(of_class).map(|row| floats.value(row)));
                }
            }
            Values::Categories(categories) => {
                let Some(known) = categories else { return };
                let keys = Keys::of(values);
                for (row, class) in classes.iter().enumerate().filter(|(row, _)| is_there(*row)) {
                    let Some(class) = *class else { continue };
                    let new = || Category { counts: [[0.0; 2]; 2], rows: 0, class, is_mixed: false };
                    let category = known.entry(keys.at(row)).or_insert_with(new);
                    category.rows += 1;
                    category.is_mixed |= category.class != class;
                    if class < 2 {
                        category.counts[half(first + row as u64)][class] += 1.0;
                    }
                }
                if known.len() > MOST_CATEGORIES {
                    *categories = None;
                }
            }
        }
    }

    fn area(&self) -> Option<f64> {
        let of_values = match &self.values {
            Values::Numbers([negative, positive]) => {
                let scored = negative.kept().map(|(value, weight)| (value, weight as f64, 0.0));
                let scored = scored.chain(positive.kept().map(|(value, weight)| (value, 0.0, weight as f64)));
                auc(scored.collect()).map(|area| area.max(1.0 - area))
            }
            Values::Categories(categories) => categories.as_ref().and_then(|known| {
                let overall = self.present[1] / (self.present[0] + self.present[1]);
                let mut scored = Vec::with_capacity(2 * known.len());
                for category in known.values() {
                    for (half, [negative, positive]) in category.counts.iter().enumerate() {
                        // Rows are scored by the other half of their category, so that an identifier predicts nothing.
                        let [others, hits] = category.counts[1 - half];
                        let score = if others + hits > 0.0 { hits / (others + hits) } else { overall };
                        scored.push((score, *negative, *positive));
                    }
                }
                auc(scored)
            }),
        };
        let of_absence = auc(vec![(0.0, self.present[0], self.present[1]), (1.0, self.missing[0], self.missing[1])])
            .map(|area| area.max(1.0 - area));
        [of_values, of_absence].into_iter().flatten().max_by(f64::total_cmp)
    }

    fn decides(&self) -> bool {
        let Values::Categories(Some(known)) = &self.values else { return false };
        let rows: u64 = known.values().map(|category| category.rows).sum();
        known.len() > 1 && rows >= 2 * known.len() as u64 && known.values().all(|category| !category.is_mixed)
    }
}

/// The half that a row belongs to, whatever the order of the rows.
fn half(row: u64) -> usize {
    usize::from(spread(u128::from(row)) % 2 == 1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int64Array, StringArray};

    use super::*;

    #[test]
    fn a_column_is_judged_by_what_it_tells_of_the_target() {
        let rows = 200;
        let target: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|row| ["no", "yes"][row % 2])));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Float64Array::from_iter_values((0..rows).map(|row| (row % 2 * 1000 + row) as f64))),
            Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("id{row}")))),
            Arc::new(StringArray::from_iter_values((0..rows).map(|row| ["a", "b", "c", "b"][row % 4]))),
            Arc::new((0..rows).map(|row| (row % 2 == 0).then_some(1)).collect::<Int64Array>()),
            Arc::new(Int64Array::from_iter_values((0..200i64).map(|row| row / 2))),
        ];
        let kinds = [Kind::Float, Kind::Text, Kind::Text, Kind::Int, Kind::Int];
        let names = ["leak", "id", "code", "gap", "pair"];
        let mut leakage = Leakage::new(names.iter().map(|name| (*name).to_owned()).zip(kinds));
        leakage.batch(&target, &columns);
        let areas: Vec<(&str, f64)> = leakage.areas().into_iter().map(|(name, area)| (name, area.unwrap())).collect();
        assert_eq!(areas, [("leak", 1.0), ("id", 0.5), ("code", 1.0), ("gap", 1.0), ("pair", 0.5)]);
        assert_eq!(leakage.deciding(), ["code"]);
        let many: ArrayRef = Arc::new(Int64Array::from_iter_values(0..200));
        leakage.batch(&many, &columns);
        assert_eq!((leakage.classes(), leakage.deciding().len()), (None, 0));
    }
}
