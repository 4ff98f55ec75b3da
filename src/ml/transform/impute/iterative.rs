//! `impute_iterative`: what a regression on the other columns says, in rounds.

use std::sync::Arc;

use arrow::array::{Array, Float64Array};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bayesian_ridge::{Line, fit};
use super::simple::indicate;
use crate::ml::quantile::quantile;
use crate::ml::transform::TransformError;
use crate::ml::transform::column::numbers;
use crate::ml::transform::fitted::{Fitted, Rows};
use crate::ml::transform::frame::{Column, Frame, Kind};
use crate::ml::transform::learn::{Learner, LearningRows};
use crate::ml::transform::needs::{infinite, need_numbers, nothing_to_learn};
use crate::ml::transform::plan::{Plan, Planning, Promise, Scope, Transform};
use crate::ml::transform::registry::Unit;

/// What missing values are before the first round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "IterativeInitial")]
pub(in crate::ml::transform) enum Initial {
    /// The mean of the column.
    #[default]
    Mean,
    /// Its median.
    Median,
}

/// In which order the columns of a round are filled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "IterativeOrder")]
pub(in crate::ml::transform) enum Order {
    /// First those with the fewest missing values.
    #[default]
    Ascending,
    /// First those with the most.
    Descending,
    /// As they stand in the table.
    Roman,
    /// The other way round.
    Arabic,
}

/// Fills missing numbers by a Bayesian ridge regression of each column on the other selected ones, in rounds until the
/// values come to rest (scikit-learn's `IterativeImputer`). Keeps all rows of the columns while it learns; the fitted
/// pipeline keeps only the regressions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ImputeIterative")]
pub(in crate::ml::transform) struct Params {
    /// At most this many rounds.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 1000))]
    max_iter: u32,
    /// Values are at rest when no row changes by more than this share of the largest value.
    #[serde(default = "thousandth")]
    tol: f64,
    /// What missing values are before the first round.
    #[serde(default)]
    initial_strategy: Initial,
    /// In which order the columns of a round are filled.
    #[serde(default)]
    imputation_order: Order,
    /// No value below this is filled in, such as 0 for amounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_value: Option<f64>,
    /// No value above this is filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_value: Option<f64>,
    /// Whether to add a column `NAME_missing` for each selected column that is 1 where the value was missing.
    #[serde(default)]
    add_indicator: bool,
}

fn ten() -> u32 {
    10
}

fn thousandth() -> f64 {
    1e-3
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("max_iter");
    const SCOPE: Scope = Scope::Together;
    const EXAMPLE: &'static str = "{impute_iterative: {max_iter: 5}, columns: [amount, months]}";

    fn check(&self) -> Result<(), String> {
        if !(1..=1000).contains(&self.max_iter) {
            return Err(format!("`max_iter: {}` must be from 1 to 1000", self.max_iter));
        }
        if let (Some(min), Some(max)) = (self.min_value, self.max_value)
            && min >= max
        {
            return Err(format!("`min_value: {min}` must be less than `max_value: {max}`"));
        }
        if self.tol >= 0.0 { Ok(()) } else { Err(format!("`tol: {}` must be 0 or more", self.tol)) }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        for name in planning.columns {
            need_numbers("impute_iterative", name, planning.frame.column(name)?)?;
        }
        let columns = planning.columns.to_vec();
        let indicators: Vec<String> =
            columns.iter().filter(|_| self.add_indicator).map(|name| format!("{name}_missing")).collect();
        let promise = Promise::numbers().and(&indicators, Kind::Encoded);
        let learner = Rounds { params: self.clone(), values: vec![Vec::new(); columns.len()], columns, indicators };
        Ok(Plan::Learn(Box::new(learner), promise))
    }
}

struct Rounds {
    params: Params,
    columns: Vec<String>,
    indicators: Vec<String>,
    /// By column and row; NaN where missing.
    values: Vec<Vec<f64>>,
}

impl Rounds {
    /// The columns of a round, in order.
    fn order(&self) -> Vec<usize> {
        let missing = |column: &usize| self.values[*column].iter().filter(|value| value.is_nan()).count();
        let mut order: Vec<usize> = (0..self.columns.len()).collect();
        if matches!(self.params.imputation_order, Order::Ascending | Order::Descending) {
            order.sort_by_key(missing);
        }
        if matches!(self.params.imputation_order, Order::Descending | Order::Arabic) {
            order.reverse();
        }
        order
    }

    fn initial(&self, name: &str, values: &[f64]) -> Result<f64, TransformError> {
        let mut present: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        if present.is_empty() {
            return Err(nothing_to_learn(name, "impute_iterative"));
        }
        if present.iter().any(|value| value.is_infinite()) {
            return Err(infinite(name, "impute_iterative"));
        }
        if self.params.initial_strategy == Initial::Mean {
            return Ok(present.iter().sum::<f64>() / present.len() as f64);
        }
        present.sort_unstable_by(f64::total_cmp);
        Ok(quantile(&present, 0.5))
    }
}

impl Learner for Rounds {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        for (name, values) in self.columns.iter().zip(&mut self.values) {
            let column = numbers(&frame.column(name)?.array)?;
            values.extend(column.iter().map(|value| value.unwrap_or(f64::NAN)));
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let initial: Vec<f64> = self
            .columns
            .iter()
            .zip(&self.values)
            .map(|(name, values)| self.initial(name, values))
            .collect::<Result<_, _>>()?;
        let missing: Vec<Vec<bool>> =
            self.values.iter().map(|values| values.iter().map(|value| value.is_nan()).collect()).collect();
        let largest = self
            .values
            .iter()
            .flatten()
            .filter(|value| !value.is_nan())
            .fold(0.0_f64, |most, value| most.max(value.abs()));
        let order = self.order();
        let mut filled = self.values;
        for (values, initial) in filled.iter_mut().zip(&initial) {
            values.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = *initial);
        }
        let bounds = Bounds { min: self.params.min_value, max: self.params.max_value };
        let mut steps = Vec::new();
        // A column alone has nothing to be predicted from.
        let rounds = if self.columns.len() > 1 { self.params.max_iter } else { 0 };
        for _ in 0..rounds {
            let before = filled.clone();
            for column in &order {
                let others: Vec<&[f64]> =
                    (0..filled.len()).filter(|other| other != column).map(|other| filled[other].as_slice()).collect();
                let line = fit(&others, &filled[*column], &missing[*column]);
                let values: Vec<(usize, f64)> = (0..missing[*column].len())
                    .filter(|row| missing[*column][*row])
                    .map(|row| (row, bounds.cut(line.at(others.iter().map(|other| other[row])))))
                    .collect();
                for (row, value) in values {
                    filled[*column][row] = value;
                }
                steps.push(Step { column: *column, line });
            }
            let change = |row: usize| -> f64 {
                filled.iter().zip(&before).map(|(now, before)| (now[row] - before[row]).abs()).sum()
            };
            if (0..filled[0].len()).map(change).fold(0.0, f64::max) < self.params.tol * largest {
                break;
            }
        }
        let (columns, indicators) = (self.columns, self.indicators);
        Ok(Unit::ImputeIterative(Iterative { columns, indicators, initial, bounds, steps }))
    }

    fn kept_bytes(&self, rows: u64) -> u64 {
        // The values and those of the round before, which ones are missing, and room to grow.
        rows.saturating_mul(33 * self.columns.len() as u64)
    }
}

/// What no filled value goes beyond.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Bounds {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max: Option<f64>,
}

impl Bounds {
    fn cut(self, value: f64) -> f64 {
        value.max(self.min.unwrap_or(f64::NEG_INFINITY)).min(self.max.unwrap_or(f64::INFINITY))
    }
}

/// One regression of one round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Step {
    /// The column that it fills, by its place.
    column: usize,
    /// What it makes of the others.
    line: Line,
}

/// The fitted regressions, in the order in which they apply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Iterative {
    columns: Vec<String>,
    indicators: Vec<String>,
    initial: Vec<f64>,
    bounds: Bounds,
    steps: Vec<Step>,
}

impl Fitted for Iterative {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let columns: Vec<Float64Array> =
            self.columns.iter().map(|name| numbers(&frame.column(name)?.array)).collect::<Result<_, _>>()?;
        let mut filled: Vec<Vec<f64>> = columns
            .iter()
            .zip(&self.initial)
            .map(|(column, initial)| column.iter().map(|value| value.unwrap_or(*initial)).collect())
            .collect();
        for Step { column, line } in &self.steps {
            for row in 0..frame.rows() {
                if columns[*column].is_null(row) {
                    let others = (0..filled.len()).filter(|other| other != column).map(|other| filled[other][row]);
                    filled[*column][row] = self.bounds.cut(line.at(others));
                }
            }
        }
        for (name, column) in self.indicators.iter().zip(&columns) {
            frame.set(name, indicate(column));
        }
        for (name, values) in self.columns.iter().zip(filled) {
            frame.set(name, Column::number(Arc::new(Float64Array::from(values))));
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
