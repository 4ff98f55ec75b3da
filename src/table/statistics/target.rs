//! Columns against a target: its classes or mean in each bin of a column.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type};

use super::super::keys::{KeyHasher, Keys, presence};
use super::super::{MICROSECONDS, TableError, TableReader, cast, computed};
use super::column::shown;
use super::{ColumnStatistics, Kind, Leakage, named};

/// A target with more values than this is a number, or nothing that can be shown.
const MOST_CLASSES: u64 = 12;
/// How many categories have a bin of their own.
const MOST_CATEGORIES: usize = 12;

/// What the target is.
#[derive(Debug, Clone, PartialEq)]
pub enum TargetKind {
    /// Classes with their numbers of rows, the most frequent first.
    Classes(Vec<(String, u64)>),
    /// Numbers with this mean.
    Number(f64),
}

/// The target in one bin of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetBin {
    /// The bin as people read it.
    pub label: String,
    /// How many rows with a target are in it.
    pub rows: u64,
    /// The share of each class, or the mean alone.
    pub values: Vec<f64>,
}

/// A column against the target.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetColumn {
    /// The column's name.
    pub name: String,
    /// The target in its bins; none for columns that have too many values to be shown.
    pub bins: Vec<TargetBin>,
    /// How well it alone tells two classes apart: the area under the ROC curve, from 0.5 on.
    pub auc: Option<f64>,
    /// Whether each of its values occurs with one class only.
    pub decides: bool,
}

/// All columns against the target.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetStatistics {
    /// The target's name.
    pub name: String,
    /// What it is.
    pub kind: TargetKind,
    /// The other columns, in order.
    pub columns: Vec<TargetColumn>,
}

/// Holds all columns of a table, described by `known`, against the column `target`; none if `go_on` said to stop.
///
/// # Errors
/// The reason, if the column is nothing that could be predicted.
pub fn against_target(
    table: &TableReader,
    known: &[ColumnStatistics],
    target: usize,
    mut go_on: impl FnMut() -> bool,
) -> Result<Result<Option<TargetStatistics>, String>, TableError> {
    let about = &known[target];
    let (distinct, is_exact) = about.distinct();
    let is_number = matches!(about.kind, Kind::Int | Kind::Float);
    let kind = if distinct == 0 {
        return Ok(Err(format!("the target `{}` has no values", about.name)));
    } else if is_exact && distinct <= MOST_CLASSES && about.kind != Kind::Other {
        TargetKind::Classes(about.top(usize::try_from(MOST_CLASSES).unwrap_or(usize::MAX)).0)
    } else if is_number {
        TargetKind::Number(about.spread().map_or(0.0, |spread| spread.mean))
    } else {
        return Ok(Err(format!(
            "the target `{}` has {distinct} values, which are neither classes nor numbers",
            about.name
        )));
    };
    let others: Vec<usize> =
        (0..known.len()).filter(|place| *place != target && known[*place].kind != Kind::Other).collect();
    let width = if let TargetKind::Classes(classes) = &kind { classes.len() } else { 1 };
    let mut columns: Vec<Binned> = others.iter().map(|place| Binned::new(&known[*place], width)).collect();
    let mut leakage = Leakage::new(others.iter().map(|place| (known[*place].name.clone(), known[*place].kind)));
    let names: Vec<&str> =
        std::iter::once(target).chain(others.iter().copied()).map(|place| known[place].name.as_str()).collect();
    for batch in table.select(&names)? {
        let batch = batch?;
        // The batch has its columns in the order of the table.
        let stored = |place: usize| batch.column_by_name(&known[place].name);
        let has_classes = matches!(kind, TargetKind::Classes(_));
        let Some((goal, number)) = stored(target).and_then(|goal| Some((goal, computed(goal)?))) else { continue };
        let goal = if has_classes { named(goal, &number) } else { number };
        let values: Vec<ArrayRef> = others.iter().filter_map(|place| computed(stored(*place)?)).collect();
        let goals = goals(&goal, &kind);
        columns.iter_mut().zip(&values).for_each(|(column, values)| column.add(values, &goals));
        if has_classes {
            leakage.batch(&goal, &values);
        }
        if !go_on() {
            return Ok(Ok(None));
        }
    }
    let areas = leakage.areas();
    let deciding = leakage.deciding();
    let columns = columns
        .into_iter()
        .zip(areas)
        .map(|(column, (name, auc))| TargetColumn {
            name: name.to_owned(),
            bins: column.bins(),
            auc,
            decides: deciding.contains(&name),
        })
        .collect();
    Ok(Ok(Some(TargetStatistics { name: about.name.clone(), kind, columns })))
}

/// The target of each row: the place of its class, or the number itself.
fn goals(values: &ArrayRef, kind: &TargetKind) -> Vec<Option<f64>> {
    match kind {
        TargetKind::Number(_) => cast(values, &DataType::Float64).as_primitive::<Float64Type>().iter().collect(),
        TargetKind::Classes(classes) => {
            let keys = Keys::of(values);
            let mut places: HashMap<u128, Option<usize>, BuildHasherDefault<KeyHasher>> = HashMap::default();
            let mut place = |row: usize| {
                *places.entry(keys.at(row)).or_insert_with(|| {
                    let text = shown(values, row);
                    classes.iter().position(|(class, _)| *class == text)
                })
            };
            // The key of a missing value means nothing, so it is not looked up.
            (0..values.len())
                .map(|row| if values.is_valid(row) { place(row).map(|place| place as f64) } else { None })
                .collect()
        }
    }
}

/// A column on its way: sums of the target in each bin.
struct Binned {
    bins: Bins,
    labels: Vec<String>,
    rows: Vec<u64>,
    sums: Vec<Vec<f64>>,
}

enum Bins {
    /// Bounds between bins of numbers.
    Edges { edges: Vec<f64>, is_time: bool },
    /// Categories by key, learnt from their texts.
    Labels(HashMap<u128, Option<usize>, BuildHasherDefault<KeyHasher>>),
    /// Nothing that can be shown.
    None,
}

impl Binned {
    fn new(column: &ColumnStatistics, width: usize) -> Binned {
        let (distinct, is_exact) = column.distinct();
        let is_time = matches!(column.kind, Kind::Date | Kind::Timestamp);
        let (bins, mut labels) = match column.kind {
            Kind::Int | Kind::Float | Kind::Date | Kind::Timestamp => {
                let edges = column.deciles();
                let labels = match edges.as_slice() {
                    [] => Vec::new(),
                    [one] => vec![column.written(*one)],
                    edges => edges
                        .windows(2)
                        .map(|pair| format!("{} – {}", column.written(pair[0]), column.written(pair[1])))
                        .collect(),
                };
                (Bins::Edges { edges, is_time }, labels)
            }
            Kind::Text | Kind::Bool if is_exact && distinct <= 50 => {
                let labels = column.top(MOST_CATEGORIES).0.into_iter().map(|(label, _)| label).collect();
                (Bins::Labels(HashMap::default()), labels)
            }
            _ => (Bins::None, Vec::new()),
        };
        if matches!(bins, Bins::Labels(_)) && distinct > MOST_CATEGORIES as u64 {
            labels.push("(others)".to_owned());
        }
        labels.push("(missing)".to_owned());
        Binned { bins, rows: vec![0; labels.len()], sums: vec![vec![0.0; width]; labels.len()], labels }
    }

    fn add(&mut self, values: &ArrayRef, goals: &[Option<f64>]) {
        let missing = self.labels.len() - 1;
        match &mut self.bins {
            Bins::None => {}
            Bins::Edges { edges, is_time } => {
                let whole =
                    if *is_time { cast(&cast(values, &MICROSECONDS), &DataType::Int64) } else { values.clone() };
                let floats = cast(&whole, &DataType::Float64);
                let floats = floats.as_primitive::<Float64Type>();
                for (row, goal) in goals.iter().enumerate() {
                    let bin = if floats.is_valid(row) {
                        let above = edges.partition_point(|edge| *edge <= floats.value(row));
                        above.saturating_sub(1).min(missing.saturating_sub(1))
                    } else {
                        missing
                    };
                    count(&mut self.rows, &mut self.sums, bin, *goal);
                }
            }
            Bins::Labels(known) => {
                let keys = Keys::of(values);
                let is_there = presence(values);
                for (row, goal) in goals.iter().enumerate() {
                    let labels = &self.labels;
                    let mut place = || {
                        *known.entry(keys.at(row)).or_insert_with(|| {
                            let text = shown(values, row);
                            labels[..missing].iter().position(|label| *label == text)
                        })
                    };
                    let bin = if is_there(row) { place().unwrap_or(missing.saturating_sub(1)) } else { missing };
                    count(&mut self.rows, &mut self.sums, bin, *goal);
                }
            }
        }
    }

    fn bins(self) -> Vec<TargetBin> {
        self.labels
            .into_iter()
            .zip(self.rows)
            .zip(self.sums)
            .filter(|((_, rows), _)| *rows > 0)
            .map(|((label, rows), sums)| TargetBin {
                label,
                rows,
                values: sums.into_iter().map(|sum| sum / rows as f64).collect(),
            })
            .collect()
    }
}

fn count(rows: &mut [u64], sums: &mut [Vec<f64>], bin: usize, goal: Option<f64>) {
    let Some(goal) = goal else { return };
    rows[bin] += 1;
    if sums[bin].len() == 1 {
        sums[bin][0] += goal;
    } else {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the place of a class")]
        let class = goal as usize;
        sums[bin][class] += 1.0;
    }
}
