//! `impute_knn`: what the most similar rows have.

use std::sync::Arc;

use arrow::array::{Array, Float64Array};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::simple::indicate;
use crate::ml::transform::TransformError;
use crate::ml::transform::column::numbers;
use crate::ml::transform::fitted::{Fitted, Rows};
use crate::ml::transform::frame::{Column, Frame, Kind};
use crate::ml::transform::gather::Sample;
use crate::ml::transform::learn::{Learner, LearningRows};
use crate::ml::transform::needs::{infinite, need_numbers, nothing_to_learn};
use crate::ml::transform::plan::{Plan, Planning, Promise, Scope, Transform};
use crate::ml::transform::registry::Unit;

/// How much each neighbour counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "KnnWeights")]
pub(in crate::ml::transform) enum Weights {
    /// All the same.
    #[default]
    Uniform,
    /// The nearer, the more: the inverse of the distance.
    Distance,
}

/// Fills a missing number with the mean of the rows that are nearest by the other selected columns and have it
/// (scikit-learn's `KNNImputer`; the distance is the root of the mean square over the columns that both rows have, times
/// their number). The rows of the fit table become a part of the fitted pipeline, so choose few, or set `subsample`;
/// scale the columns before, or the widest one decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ImputeKnn")]
pub(in crate::ml::transform) struct Params {
    /// How many rows.
    #[serde(default = "five")]
    #[schemars(range(min = 1, max = 1000))]
    n_neighbors: usize,
    /// How much each of them counts.
    #[serde(default)]
    weights: Weights,
    /// Keep only this many rows of the fit table, chosen at random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subsample: Option<u32>,
    /// Whether to add a column `NAME_missing` for each selected column that is 1 where the value was missing.
    #[serde(default)]
    add_indicator: bool,
}

fn five() -> usize {
    5
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("n_neighbors");
    const SCOPE: Scope = Scope::Together;
    const EXAMPLE: &'static str = "{impute_knn: {n_neighbors: 3, weights: distance}, columns: [amount, months]}";

    fn check(&self) -> Result<(), String> {
        match self.subsample {
            _ if !(1..=1000).contains(&self.n_neighbors) => {
                Err(format!("`n_neighbors: {}` must be from 1 to 1000", self.n_neighbors))
            }
            Some(0) => Err("`subsample: 0` must be at least 1".to_owned()),
            _ => Ok(()),
        }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        for name in planning.columns {
            need_numbers("impute_knn", name, planning.frame.column(name)?)?;
        }
        let columns = planning.columns.to_vec();
        let indicators: Vec<String> =
            columns.iter().filter(|_| self.add_indicator).map(|name| format!("{name}_missing")).collect();
        let promise = Promise::numbers().and(&indicators, Kind::Encoded);
        let learner = Neighbours {
            params: self.clone(),
            sums: vec![(0.0, 0.0); columns.len()],
            columns,
            indicators,
            rows: Sample::new(planning.facts.seed, self.subsample.map_or(usize::MAX, |most| most as usize)),
        };
        Ok(Plan::Learn(Box::new(learner), promise))
    }
}

struct Neighbours {
    params: Params,
    columns: Vec<String>,
    indicators: Vec<String>,
    rows: Sample<Vec<Option<f64>>>,
    /// The sum and the count of each column's values.
    sums: Vec<(f64, f64)>,
}

impl Learner for Neighbours {
    fn learn(&mut self, frame: &Frame, rows: &LearningRows<'_>) -> Result<(), TransformError> {
        let columns = read(&self.columns, frame)?;
        for ((name, column), (sum, count)) in self.columns.iter().zip(&columns).zip(&mut self.sums) {
            for value in column.iter().flatten() {
                if !value.is_finite() {
                    return Err(infinite(name, "impute_knn"));
                }
                *sum += value;
                *count += 1.0;
            }
        }
        for (place, row) in (0..frame.rows()).zip(rows.first..) {
            let value = |column: &Float64Array| column.is_valid(place).then(|| column.value(place));
            self.rows.offer(row, || columns.iter().map(value).collect());
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        if let Some((name, _)) = self.columns.iter().zip(&self.sums).find(|(_, (_, count))| *count == 0.0) {
            return Err(nothing_to_learn(name, "impute_knn"));
        }
        Ok(Unit::ImputeKnn(Knn {
            rows: self.rows.by_row(),
            means: self.sums.iter().map(|(sum, count)| sum / count).collect(),
            columns: self.columns,
            indicators: self.indicators,
            n_neighbors: self.params.n_neighbors,
            weights: self.params.weights,
        }))
    }

    fn kept_bytes(&self, rows: u64) -> u64 {
        let rows = self.params.subsample.map_or(rows, |most| rows.min(u64::from(most)));
        // Each row is a list of its own, once as it is gathered and once as it is fitted.
        rows.saturating_mul(2 * (48 + 16 * self.columns.len() as u64))
    }
}

fn read(columns: &[String], frame: &Frame) -> Result<Vec<Float64Array>, TransformError> {
    columns.iter().map(|name| numbers(&frame.column(name)?.array)).collect()
}

/// The rows that others are compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Knn {
    columns: Vec<String>,
    indicators: Vec<String>,
    n_neighbors: usize,
    weights: Weights,
    /// For rows that have nothing in common with any other.
    means: Vec<f64>,
    rows: Vec<Vec<Option<f64>>>,
}

impl Knn {
    /// The distance between two rows; none if they have no column in common.
    fn distance(&self, one: &[Option<f64>], other: &[Option<f64>]) -> Option<f64> {
        let (mut sum, mut present) = (0.0, 0.0);
        for (one, other) in one.iter().zip(other) {
            if let (Some(one), Some(other)) = (one, other) {
                sum += (one - other) * (one - other);
                present += 1.0;
            }
        }
        (present > 0.0).then(|| (self.columns.len() as f64 / present * sum).sqrt())
    }

    /// The value of column `place` by the nearest of the rows with these `distances`.
    fn value(&self, place: usize, distances: &[Option<f64>]) -> f64 {
        let donors = self.rows.iter().zip(distances);
        let mut donors: Vec<(f64, f64)> =
            donors.filter_map(|(row, distance)| Some(((*distance)?, row[place]?))).collect();
        if donors.is_empty() {
            return self.means[place];
        }
        let most = self.n_neighbors.min(donors.len());
        // A stable order: of equally near rows the earlier.
        donors.sort_by(|one, two| one.0.total_cmp(&two.0));
        donors.truncate(most);
        let is_same = donors[0].0 == 0.0;
        let weight = |distance: f64| match self.weights {
            Weights::Uniform => 1.0,
            // Rows that do not differ at all leave nothing to the others.
            Weights::Distance if is_same => f64::from(u8::from(distance == 0.0)),
            Weights::Distance => 1.0 / distance,
        };
        let (sum, total) = donors.iter().fold((0.0, 0.0), |(sum, total), (distance, value)| {
            (sum + weight(*distance) * value, total + weight(*distance))
        });
        sum / total
    }
}

impl Fitted for Knn {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let columns = read(&self.columns, frame)?;
        let mut filled: Vec<Vec<Option<f64>>> = columns.iter().map(|column| column.iter().collect()).collect();
        for row in 0..frame.rows() {
            let values: Vec<Option<f64>> = filled.iter().map(|column| column[row]).collect();
            if values.iter().all(Option::is_some) {
                continue;
            }
            let distances: Vec<Option<f64>> = self.rows.iter().map(|other| self.distance(&values, other)).collect();
            for (place, value) in values.iter().enumerate() {
                if value.is_none() {
                    filled[place][row] = Some(self.value(place, &distances));
                }
            }
        }
        for (name, column) in self.indicators.iter().zip(&columns) {
            frame.set(name, indicate(column));
        }
        for (name, values) in self.columns.iter().zip(filled) {
            frame.set(name, Column::number(Arc::new(values.into_iter().collect::<Float64Array>())));
        }
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        self.columns.iter().map(String::as_str).collect()
    }

    fn outputs(&self) -> Vec<&str> {
        self.columns.iter().chain(&self.indicators).map(String::as_str).collect()
    }

    fn fills(&self, column: &str) -> bool {
        self.outputs().contains(&column)
    }
}
