//! What can only be seen across columns: how they go together, and rows that repeat others.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type};

use super::super::keys::{KeyHasher, Keys, presence};
use super::super::sketch::{CoMoments, Distinct, cramers_v};
use super::super::{TableError, TableReader, cast, computed, encoded};
use super::{ColumnStatistics, Kind, named};

/// How many columns of each sort are held against one another: their pairs are counted.
const MOST_COLUMNS: usize = 40;
/// Columns with more values than this are no categories.
const MOST_CATEGORIES: u64 = 50;
/// The side of a table of counted pairs of categories.
const SIDE: usize = 64;
/// How many different rows are counted one by one; beyond, their number is estimated.
const COUNTED_ROWS: usize = 1 << 20;

/// How columns go together, pair by pair.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matrix {
    /// The columns, in the order of the table.
    pub columns: Vec<String>,
    /// A row for each column; none where a column does not vary.
    pub values: Vec<Vec<Option<f64>>>,
}

/// What is seen across columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Across {
    /// Pearson's correlation between numbers, over the rows that have both.
    pub pearson: Matrix,
    /// Cramer's V between columns of few values.
    pub cramers_v: Matrix,
    /// How many rows repeat an earlier one.
    pub duplicate_rows: u64,
    /// Whether that is exact.
    pub duplicates_are_exact: bool,
    /// Groups of columns that hold the same values in the same rows.
    pub equal_columns: Vec<Vec<String>>,
}

/// Looks across the columns of a table whose columns are described by `known`, or none if `go_on` said to stop. With more
/// than one thread, columns and rows are looked at side by side.
pub fn across(
    table: &TableReader,
    known: &[ColumnStatistics],
    threads: usize,
    mut go_on: impl FnMut() -> bool,
) -> Result<Option<Across>, TableError> {
    let (mut together, mut repeats) = (Together::new(known), Repeats::new(known.len()));
    let all: Vec<usize> = (0..known.len()).collect();
    let went_on = if threads < 2 {
        pass(table, &all, &mut |batch| {
            together.add(batch);
            repeats.add(batch);
            go_on()
        })?
    } else {
        let mut some: Vec<usize> = together.numbers.iter().chain(&together.categories).copied().collect();
        some.sort_unstable();
        let stopped = AtomicBool::new(false);
        let (seen, repeated) = thread::scope(|scope| {
            let other = scope.spawn(|| {
                pass(table, &all, &mut |batch| {
                    repeats.add(batch);
                    !stopped.load(Ordering::Relaxed)
                })
            });
            let seen = pass(table, &some, &mut |batch| {
                together.add(batch);
                go_on()
            });
            stopped.store(!matches!(seen, Ok(true)), Ordering::Relaxed);
            (seen, other.join().expect("counting does not panic"))
        });
        seen? && repeated?
    };
    if !went_on {
        return Ok(None);
    }
    let Together { numbers, categories, pearson, counted } = together;
    let Repeats { rows, fingerprints, total } = repeats;
    let has_rows = known.iter().any(|column| column.kind != Kind::Other) && total > 0;
    Ok(Some(Across {
        pearson: matrix(known, &numbers, |pair| pearson[pair].correlation()),
        cramers_v: matrix(known, &categories, |pair| cramers_v(counted.table(pair))),
        duplicate_rows: if has_rows { total.saturating_sub(rows.count()) } else { 0 },
        duplicates_are_exact: rows.is_exact(),
        equal_columns: equal(known, &fingerprints, total),
    }))
}

/// A batch as it is computed with and the keys of its values, by the places of the columns in the table; none for what is not
/// read or is no single value.
struct Batch {
    rows: usize,
    columns: Vec<Option<(ArrayRef, Keys)>>,
}

/// Shows the columns at `places` to `visit`, for as long as it says to go on. Whether it always did.
fn pass(table: &TableReader, places: &[usize], visit: &mut dyn FnMut(&Batch) -> bool) -> Result<bool, TableError> {
    let fields = table.schema().fields();
    let names: Vec<&str> = places.iter().map(|place| fields[*place].name().as_str()).collect();
    for batch in table.select_encoded(&names, &|_| true)? {
        let batch = batch?;
        let mut columns: Vec<Option<(ArrayRef, Keys)>> = fields.iter().map(|_| None).collect();
        for (place, column) in places.iter().zip(batch.columns()) {
            // Encoded texts are told apart by their dictionary.
            let values = if encoded(column).is_some() { Some(column.clone()) } else { computed(column) };
            columns[*place] = values.map(|values| {
                let keys = Keys::of(&named(column, &values));
                (values, keys)
            });
        }
        if !visit(&Batch { rows: batch.num_rows(), columns }) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How columns go together.
struct Together {
    numbers: Vec<usize>,
    categories: Vec<usize>,
    pearson: Vec<CoMoments>,
    counted: Categories,
}

impl Together {
    fn new(known: &[ColumnStatistics]) -> Together {
        let places = |fits: &dyn Fn(&ColumnStatistics) -> bool| -> Vec<usize> {
            (0..known.len()).filter(|place| fits(&known[*place])).take(MOST_COLUMNS).collect()
        };
        let numbers = places(&|column| matches!(column.kind, Kind::Int | Kind::Float));
        let categories = places(&|column| {
            let (distinct, is_exact) = column.distinct();
            matches!(column.kind, Kind::Text | Kind::Bool) && is_exact && distinct <= MOST_CATEGORIES
        });
        let pearson = vec![CoMoments::default(); pairs(numbers.len())];
        let counted = Categories::new(categories.len());
        Together { numbers, categories, pearson, counted }
    }

    fn add(&mut self, batch: &Batch) {
        add_numbers(&mut self.pearson, &self.numbers, batch);
        self.counted.add(&self.categories, batch);
    }
}

/// Which rows and columns repeat others.
struct Repeats {
    rows: Distinct,
    fingerprints: Vec<u128>,
    total: u64,
}

impl Repeats {
    fn new(columns: usize) -> Repeats {
        Repeats { rows: Distinct::new(COUNTED_ROWS), fingerprints: vec![0; columns], total: 0 }
    }

    fn add(&mut self, batch: &Batch) {
        let keyed = batch.columns.iter().flatten().map(|(values, keys)| (values, keys));
        if batch.columns.iter().any(Option::is_some) {
            let keys = Keys::joined(batch.rows, keyed);
            (0..batch.rows).for_each(|row| self.rows.insert(keys.at(row)));
        }
        for (fingerprint, column) in self.fingerprints.iter_mut().zip(&batch.columns) {
            if let Some((values, keys)) = column {
                *fingerprint = followed_by(*fingerprint, values, keys);
            }
        }
        self.total += batch.rows as u64;
    }
}

/// How many pairs so many columns make.
fn pairs(columns: usize) -> usize {
    columns * columns.saturating_sub(1) / 2
}

/// The place of the pair of two different columns, the lower one first.
fn pair(low: usize, high: usize) -> usize {
    pairs(high) + low
}

fn add_numbers(pearson: &mut [CoMoments], numbers: &[usize], batch: &Batch) {
    let floats: Vec<ArrayRef> = numbers
        .iter()
        .filter_map(|place| batch.columns[*place].as_ref())
        .map(|(values, _)| cast(values, &DataType::Float64))
        .collect();
    let floats: Vec<_> = floats.iter().map(AsArray::as_primitive::<Float64Type>).collect();
    for high in 1..floats.len() {
        for low in 0..high {
            let (left, right) = (floats[low], floats[high]);
            let both = left.values().iter().copied().zip(right.values().iter().copied());
            let batch = if left.null_count() == 0 && right.null_count() == 0 {
                CoMoments::of(both)
            } else {
                let is_there = |row: usize| left.is_valid(row) && right.is_valid(row);
                CoMoments::of(both.enumerate().filter(move |(row, _)| is_there(*row)).map(|(_, pair)| pair))
            };
            pearson[pair(low, high)].merge(&batch);
        }
    }
}

/// Counts of pairs of categories, each category under a number of its own.
struct Categories {
    numbers: Vec<HashMap<u128, u16, BuildHasherDefault<KeyHasher>>>,
    tables: Vec<BTreeMap<(u16, u16), u64>>,
}

impl Categories {
    fn new(columns: usize) -> Categories {
        Categories { numbers: vec![HashMap::default(); columns], tables: vec![BTreeMap::new(); pairs(columns)] }
    }

    fn add(&mut self, categories: &[usize], batch: &Batch) {
        let codes: Vec<Vec<Option<u16>>> = categories
            .iter()
            .zip(&mut self.numbers)
            .map(|(place, numbers)| {
                let Some((values, keys)) = &batch.columns[*place] else { return Vec::new() };
                let code = |row: usize| {
                    let next = u16::try_from(numbers.len()).unwrap_or(u16::MAX);
                    values.is_valid(row).then(|| *numbers.entry(keys.at(row)).or_insert(next))
                };
                (0..values.len()).map(code).collect()
            })
            .collect();
        // Counted in a plain table first, since a map would be asked for each row.
        let mut plain = vec![0u64; SIDE * SIDE];
        for high in 1..codes.len() {
            for low in 0..high {
                for (left, right) in codes[low].iter().zip(&codes[high]) {
                    if let (Some(left), Some(right)) = (left, right) {
                        plain[usize::from(*left) % SIDE * SIDE + usize::from(*right) % SIDE] += 1;
                    }
                }
                let table = &mut self.tables[pair(low, high)];
                for (place, count) in plain.iter_mut().enumerate().filter(|(_, count)| **count > 0) {
                    let side = |number: usize| u16::try_from(number).expect("a side has 64 places");
                    *table.entry((side(place / SIDE), side(place % SIDE))).or_default() += *count;
                    *count = 0;
                }
            }
        }
    }

    fn table(&self, pair: usize) -> &BTreeMap<(u16, u16), u64> {
        &self.tables[pair]
    }
}

fn matrix(known: &[ColumnStatistics], places: &[usize], value: impl Fn(usize) -> Option<f64>) -> Matrix {
    let cell = |row: usize, column: usize| {
        if row == column { Some(1.0) } else { value(pair(row.min(column), row.max(column))) }
    };
    Matrix {
        columns: places.iter().map(|place| known[*place].name.clone()).collect(),
        values: (0..places.len()).map(|row| (0..places.len()).map(|column| cell(row, column)).collect()).collect(),
    }
}

/// A fingerprint of all values so far, in their order.
fn followed_by(fingerprint: u128, values: &ArrayRef, keys: &Keys) -> u128 {
    let is_there = presence(values);
    (0..values.len()).fold(fingerprint, |fingerprint, row| {
        let key = if is_there(row) { keys.at(row).wrapping_add(1) } else { u128::MAX };
        (fingerprint ^ key).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013B).rotate_left(23)
    })
}

fn equal(known: &[ColumnStatistics], fingerprints: &[u128], rows: u64) -> Vec<Vec<String>> {
    let mut groups: BTreeMap<(&'static str, Option<i8>, u128), Vec<String>> = BTreeMap::new();
    for (column, fingerprint) in known.iter().zip(fingerprints) {
        if column.kind != Kind::Other && column.missing < column.rows && rows > 1 {
            let alike = (column.kind.as_str(), column.scale, *fingerprint);
            groups.entry(alike).or_default().push(column.name.clone());
        }
    }
    let mut groups: Vec<Vec<String>> = groups.into_values().filter(|names| names.len() > 1).collect();
    groups.sort();
    groups
}
