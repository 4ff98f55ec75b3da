//! `bin`: numbers into intervals.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kmeans::cluster;
use crate::ml::quantile::Ranks;
use crate::ml::transform::column::numbers;
use crate::ml::transform::fitted::{Fitted, Rows, names};
use crate::ml::transform::frame::{Column, Frame, Kind};
use crate::ml::transform::gather::{Range, Values};
use crate::ml::transform::learn::{Learner, LearningRows};
use crate::ml::transform::needs::{need_numbers, too_large};
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
    /// Bins around the centres of clusters (k-means in one dimension, from evenly spread centres on).
    Kmeans,
    /// The limits are `edges`.
    Edges,
}

/// Where a quantile lies that falls between two rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "BinQuantileMethod")]
pub(in crate::ml::transform) enum QuantileMethod {
    /// At the row below, or in the middle where it falls on a row's end.
    #[default]
    AveragedInvertedCdf,
    /// At the row below.
    InvertedCdf,
    /// On the line between the two.
    Linear,
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

/// Sorts numbers into bins (scikit-learn's `KBinsDiscretizer`). A value on a limit belongs to the bin above it; values
/// beyond the fit table's range go to the outermost bins; a missing value is in no bin. `quantile` and `kmeans` keep the
/// column's values while they learn. A bare number is `n_bins`: `bin: 10`.
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
    /// For `quantile`: where a quantile lies that falls between two rows.
    #[serde(default)]
    quantile_method: QuantileMethod,
    /// For `edges`: the limits between the bins, ascending; `[18, 65]` makes three bins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    edges: Vec<f64>,
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
        let rises = self.edges.iter().all(|edge| edge.is_finite()) && self.edges.is_sorted_by(|one, two| one < two);
        match (self.strategy, self.edges.len()) {
            _ if !(2..=1000).contains(&self.n_bins) => Err(format!("`n_bins: {}` must be from 2 to 1000", self.n_bins)),
            (Strategy::Edges, 1..=999) if rises => Ok(()),
            (Strategy::Edges, _) => Err("`edges` must be from 1 to 999 numbers that rise".to_owned()),
            (_, 0) => Ok(()),
            _ => Err("`edges` are for `strategy: edges`".to_owned()),
        }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        need_numbers("bin", name, column)?;
        if self.strategy == Strategy::Edges {
            return Ok(Plan::Ready(Unit::Bin(Bin::new(name.to_owned(), self.edges.clone(), self.encode))));
        }
        let promise = match self.encode {
            Encode::Onehot => Promise::open(Kind::Encoded),
            Encode::Ordinal => Promise::same(ColumnType::Int, Kind::Encoded),
        };
        let learner = Edges { params: self.clone(), range: Range::of(name), values: Values::of(name) };
        Ok(Plan::Learn(Box::new(learner), promise))
    }
}

struct Edges {
    params: Params,
    range: Range,
    values: Values,
}

impl Learner for Edges {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        match self.params.strategy {
            Strategy::Uniform | Strategy::Edges => self.range.learn(frame),
            Strategy::Quantile | Strategy::Kmeans => self.values.learn(frame),
        }
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let Edges { params, range, values } = *self;
        let bins = f64::from(params.n_bins);
        let levels = (0..=params.n_bins).map(f64::from);
        let spread = |min: f64, max: f64| {
            let step = (max - min) / bins;
            let levels = levels.clone();
            levels.map(move |level| if level.total_cmp(&bins).is_eq() { max } else { level * step + min })
        };
        if params.strategy == Strategy::Uniform {
            let (column, Moments { min, max, .. }) = range.finish("bin")?;
            let edges = if min.total_cmp(&max).is_eq() { Vec::new() } else { spread(min, max).collect() };
            return Ok(Unit::Bin(Bin::new(column, inner(&edges), params.encode)));
        }
        let (column, mut ranks) = values.ranks("bin")?;
        let (min, max) = (ranks.at(0), ranks.at(ranks.len() - 1));
        if params.strategy == Strategy::Kmeans && !(max - min).is_finite() {
            return Err(too_large(&[&column], "bin"));
        }
        let all: Vec<f64> = match params.strategy {
            _ if min.total_cmp(&max).is_eq() => Vec::new(),
            Strategy::Kmeans => {
                let sorted = ranks.sorted();
                let spread: Vec<f64> = spread(min, max).collect();
                let centres = spread.windows(2).map(|edges| f64::midpoint(edges[0], edges[1])).collect();
                let centres = cluster(&sorted, centres);
                let between = centres.windows(2).map(|centres| f64::midpoint(centres[0], centres[1]));
                std::iter::once(min).chain(between).chain([max]).collect()
            }
            _ => {
                let near = levels.clone().map(|level| whole((ranks.len() as f64 * (level / bins)).floor()));
                let places: Vec<usize> = near.map(|place| place.min(ranks.len() - 1)).collect();
                ranks.find(&places);
                levels.clone().map(|level| params.quantile_method.of(&mut ranks, level, bins)).collect()
            }
        };
        let wide = |place: &usize| *place == 0 || all[*place] - all[*place - 1] > NARROWEST;
        let edges: Vec<f64> = (0..all.len()).filter(wide).map(|place| all[place]).collect();
        Ok(Unit::Bin(Bin::new(column, inner(&edges), params.encode)))
    }

    fn kept_bytes(&self, rows: u64) -> u64 {
        match self.params.strategy {
            Strategy::Uniform | Strategy::Edges => 0,
            Strategy::Quantile | Strategy::Kmeans => Values::kept_bytes(rows),
        }
    }
}

/// Values beyond the outermost edges belong to the outermost bins, so only the inner edges matter.
fn inner(edges: &[f64]) -> Vec<f64> {
    if edges.len() > 2 { edges[1..edges.len() - 1].to_vec() } else { Vec::new() }
}

impl QuantileMethod {
    /// The quantile `level / levels` of values.
    fn of(self, ranks: &mut Ranks, level: f64, levels: f64) -> f64 {
        match self {
            QuantileMethod::AveragedInvertedCdf => averaged_inverted_cdf(ranks, level, levels),
            QuantileMethod::InvertedCdf => {
                let share = level * (100.0 / levels) / 100.0;
                let position = (ranks.len() as f64 * share).ceil() - 1.0;
                ranks.at(whole(position.max(0.0)).min(ranks.len() - 1))
            }
            QuantileMethod::Linear => ranks.quantile(level * (100.0 / levels) / 100.0),
        }
    }
}

/// The quantile `level / levels`: the value at that place in the list, or the middle of two where it falls between
/// them (numpy's `averaged_inverted_cdf`).
fn averaged_inverted_cdf(ranks: &mut Ranks, level: f64, levels: f64) -> f64 {
    let last = ranks.len() - 1;
    // As numpy does: percent first, then a share, so that rounding falls the same way.
    let share = level * (100.0 / levels) / 100.0;
    let position = ranks.len() as f64 * share;
    let above = position.floor();
    if position > above {
        return ranks.at(whole(above).min(last));
    }
    let below = whole((above - 1.0).max(0.0)).min(last);
    let above = whole(above).min(last);
    f64::midpoint(ranks.at(below), ranks.at(above))
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

impl Bin {
    fn new(column: String, edges: Vec<f64>, encode: Encode) -> Bin {
        let columns = match encode {
            Encode::Onehot => (0..=edges.len()).map(|bin| format!("{column}_bin{bin}")).collect(),
            Encode::Ordinal => Vec::new(),
        };
        Bin { column, edges, columns }
    }
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
