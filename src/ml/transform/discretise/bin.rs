//! `bin`: numbers into intervals.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ml::transform::column::numbers;
use crate::ml::transform::fitted::{Fitted, Rows, names};
use crate::ml::transform::frame::{Column, Frame, Kind};
use crate::ml::transform::learn::{BYTES_PER_KEPT_VALUE, Learner, LearningRows};
use crate::ml::transform::needs::{infinite, need_numbers, nothing_to_learn};
use crate::ml::transform::plan::{Plan, Planning, Promise, Transform};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::stats::{Moments, whole};
use crate::ml::transform::{ColumnType, TransformError};

/// Bins narrower than this are merged, scikit-learn's rule.
const NARROWEST: f64 = 1e-8;

/// How the limits of the bins are found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "BinStrategy")]
pub(in crate::ml::transform) enum Strategy {
    /// Bins with about the same number of rows.
    #[default]
    Quantile,
    /// Bins of the same width.
    Uniform,
}

/// What takes the place of the column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "BinEncode")]
pub(in crate::ml::transform) enum Encode {
    /// A 0/1 column `NAME_bin0`, `NAME_bin1`, ... for each bin; all are 0 where the value is missing.
    #[default]
    Onehot,
    /// The number of the bin, from 0.
    Ordinal,
}

/// Sorts numbers into bins (scikit-learn's `KBinsDiscretizer`). Values beyond the fit table's range go to the outermost
/// bins. A bare number is `n_bins`: `bin: 10`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Bin")]
pub(in crate::ml::transform) struct Params {
    /// The number of bins; there are fewer where many rows have the same value.
    #[serde(default = "five")]
    #[schemars(range(min = 2, max = 1000))]
    n_bins: u32,
    /// How their limits are found.
    #[serde(default)]
    strategy: Strategy,
    /// What takes the place of the column.
    #[serde(default)]
    encode: Encode,
}

fn five() -> u32 {
    5
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("n_bins");
    const EXAMPLE: &'static str = "{bin: {n_bins: 4, encode: ordinal}, columns: [amount]}";

    fn check(&self) -> Result<(), String> {
        if (2..=1000).contains(&self.n_bins) {
            Ok(())
        } else {
            Err(format!("`n_bins: {}` must be from 2 to 1000", self.n_bins))
        }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        need_numbers("bin", name, column)?;
        let promise = match self.encode {
            Encode::Onehot => Promise::open(Kind::Encoded),
            Encode::Ordinal => Promise::same(ColumnType::Int, Kind::Encoded),
        };
        let learner =
            Edges { name: name.to_owned(), params: self.clone(), moments: Moments::default(), values: Vec::new() };
        Ok(Plan::Learn(Box::new(learner), promise))
    }
}

struct Edges {
    name: String,
    params: Params,
    moments: Moments,
    values: Vec<f64>,
}

impl Learner for Edges {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        let column = frame.column(&self.name)?;
        let values = numbers(&column.array)?;
        self.moments.merge(&Moments::of(values.iter().flatten()));
        if self.params.strategy == Strategy::Quantile {
            self.values.extend(values.iter().flatten());
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Unit, TransformError> {
        let Moments { count, min, max, .. } = self.moments;
        if count == 0.0 {
            return Err(nothing_to_learn(&self.name, "bin"));
        }
        if !(min.is_finite() && max.is_finite()) {
            return Err(infinite(&self.name, "bin"));
        }
        let bins = f64::from(self.params.n_bins);
        let levels = (0..=self.params.n_bins).map(f64::from);
        let edges: Vec<f64> = match self.params.strategy {
            _ if min.total_cmp(&max).is_eq() => Vec::new(),
            Strategy::Uniform => {
                let step = (max - min) / bins;
                levels.map(|level| if level.total_cmp(&bins).is_eq() { max } else { level * step + min }).collect()
            }
            Strategy::Quantile => {
                self.values.sort_unstable_by(f64::total_cmp);
                let mut edges: Vec<f64> = Vec::new();
                let all: Vec<f64> = levels.map(|level| averaged_inverted_cdf(&self.values, level, bins)).collect();
                for (place, edge) in all.iter().enumerate() {
                    if place == 0 || edge - all[place - 1] > NARROWEST {
                        edges.push(*edge);
                    }
                }
                edges
            }
        };
        // Values beyond the outermost edges belong to the outermost bins, so only the inner edges matter.
        let inner = if edges.len() > 2 { edges[1..edges.len() - 1].to_vec() } else { Vec::new() };
        let columns = match self.params.encode {
            Encode::Onehot => (0..=inner.len()).map(|bin| format!("{}_bin{bin}", self.name)).collect(),
            Encode::Ordinal => Vec::new(),
        };
        Ok(Unit::Bin(Bin { column: self.name, edges: inner, columns }))
    }

    fn kept_bytes(&self, rows: u64) -> u64 {
        if self.params.strategy == Strategy::Quantile { rows * BYTES_PER_KEPT_VALUE } else { 0 }
    }
}

/// The quantile `level / levels`: the value at that place in the list, or the middle of two where it falls between
/// them (numpy's `averaged_inverted_cdf`).
fn averaged_inverted_cdf(sorted: &[f64], level: f64, levels: f64) -> f64 {
    let last = sorted.len() - 1;
    // As numpy does: percent first, then a share, so that rounding falls the same way.
    let share = level * (100.0 / levels) / 100.0;
    let position = sorted.len() as f64 * share;
    let above = position.floor();
    if position > above {
        return sorted[whole(above).min(last)];
    }
    let below = whole((above - 1.0).max(0.0)).min(last);
    let above = whole(above).min(last);
    f64::midpoint(sorted[below], sorted[above])
}

/// The fitted bins of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Bin {
    column: String,
    /// The edges between bins.
    edges: Vec<f64>,
    /// The 0/1 columns; none if the column holds the number of the bin.
    columns: Vec<String>,
}

impl Fitted for Bin {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let values = numbers(&frame.column(&self.column)?.array)?;
        let bin = |value: f64| self.edges.partition_point(|edge| *edge <= value);
        if self.columns.is_empty() {
            let codes = values.iter().map(|value| value.and_then(|value| i64::try_from(bin(value)).ok()));
            let array: ArrayRef = Arc::new(codes.collect::<Int64Array>());
            let categories = Some(self.edges.len() + 1);
            frame.set(&self.column, Column { array, kind: Kind::Encoded, categories });
            return Ok(());
        }
        let bins: Vec<Option<usize>> = values.iter().map(|value| value.map(bin)).collect();
        let columns = self.columns.iter().enumerate().map(|(wanted, name)| {
            let values = bins.iter().map(|bin| f64::from(u8::from(*bin == Some(wanted))));
            (name.clone(), Column::encoded(Arc::new(Float64Array::from_iter_values(values))))
        });
        frame.replace(&self.column, columns.collect::<Vec<_>>());
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn outputs(&self) -> Vec<&str> {
        if self.columns.is_empty() { vec![&self.column] } else { names(&self.columns) }
    }
}
