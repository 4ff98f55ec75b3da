//! `winsorize`: cuts numbers to limits learnt from the fit table.

use std::sync::Arc;

use arrow::array::Float64Array;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ml::quantile::Ranks;
use crate::ml::transform::TransformError;
use crate::ml::transform::column::numbers;
use crate::ml::transform::fitted::{Fitted, Rows};
use crate::ml::transform::frame::{Column, Frame};
use crate::ml::transform::learn::{BYTES_PER_KEPT_VALUE, Learner, LearningRows};
use crate::ml::transform::needs::{infinite, need_numbers, nothing_to_learn};
use crate::ml::transform::plan::{Plan, Planning, Promise, Transform};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::stats::Moments;

/// The median absolute deviation of a normal distribution whose standard deviation is 1, with feature-engine's digits.
const NORMAL_MAD: f64 = 0.674_49;

/// How the limits are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "WinsorizeMethod")]
pub(in crate::ml::transform) enum Method {
    /// The `fold` and `1 - fold` quantiles; `fold` is 0.05 if it is not given.
    Quantiles,
    /// `fold` interquartile ranges beyond the quartiles; 1.5 if it is not given.
    Iqr,
    /// `fold` standard deviations around the mean; 3 if it is not given.
    Gaussian,
    /// `fold` median absolute deviations, as wide as a normal's standard deviation, around the median; 3.29 if it is not
    /// given.
    Mad,
}

/// Which side is cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "WinsorizeTail")]
pub(in crate::ml::transform) enum Tail {
    /// Both sides.
    #[default]
    Both,
    /// Small values.
    Left,
    /// Large values.
    Right,
}

/// Cuts values beyond limits to the limits (feature-engine's `Winsorizer`). A bare word is the method:
/// `winsorize: iqr`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Winsorize")]
pub(in crate::ml::transform) struct Params {
    /// How the limits are found.
    #[serde(default = "quantiles")]
    method: Method,
    /// How far out the limits are, in the method's own measure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fold: Option<f64>,
    /// Which side is cut.
    #[serde(default)]
    tail: Tail,
}

fn quantiles() -> Method {
    Method::Quantiles
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("method");
    const EXAMPLE: &'static str = "{winsorize: {method: iqr, fold: 3}, columns: [amount]}";

    fn check(&self) -> Result<(), String> {
        let fold = self.fold();
        let fits = if self.method == Method::Quantiles { fold > 0.0 && fold < 0.5 } else { fold > 0.0 };
        let range = if self.method == Method::Quantiles { "between 0 and 0.5" } else { "greater than 0" };
        if fits { Ok(()) } else { Err(format!("`fold: {fold}` must be {range}")) }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        need_numbers("winsorize", name, column)?;
        let learner =
            Limits { name: name.to_owned(), params: self.clone(), moments: Moments::default(), values: Vec::new() };
        Ok(Plan::Learn(Box::new(learner), Promise::numbers()))
    }
}

impl Params {
    fn keeps_values(&self) -> bool {
        self.method != Method::Gaussian
    }

    fn fold(&self) -> f64 {
        self.fold.unwrap_or(match self.method {
            Method::Quantiles => 0.05,
            Method::Iqr => 1.5,
            Method::Gaussian => 3.0,
            Method::Mad => 3.29,
        })
    }
}

struct Limits {
    name: String,
    params: Params,
    moments: Moments,
    values: Vec<f64>,
}

impl Learner for Limits {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        let column = frame.column(&self.name)?;
        let values = numbers(&column.array)?;
        if self.params.keeps_values() {
            self.values.extend(values.iter().flatten());
        }
        self.moments.merge(&Moments::of_present(&values));
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let fold = self.params.fold();
        if self.moments.count == 0.0 {
            return Err(nothing_to_learn(&self.name, "winsorize"));
        }
        let (low, high) = match self.params.method {
            Method::Gaussian => {
                let spread = fold * self.moments.variance().sqrt();
                (self.moments.mean - spread, self.moments.mean + spread)
            }
            Method::Quantiles => {
                let mut ranks = Ranks::of(self.values);
                (ranks.quantile(fold), ranks.quantile(1.0 - fold))
            }
            Method::Iqr => {
                let mut ranks = Ranks::of(self.values);
                let (first, third) = (ranks.quantile(0.25), ranks.quantile(0.75));
                (first - fold * (third - first), third + fold * (third - first))
            }
            Method::Mad => {
                let mut ranks = Ranks::of(self.values);
                let median = ranks.quantile(0.5);
                let mut distances = ranks.into_values();
                for value in &mut distances {
                    *value = (*value - median).abs();
                }
                let spread = fold * Ranks::of(distances).quantile(0.5) / NORMAL_MAD;
                (median - spread, median + spread)
            }
        };
        if !(low.is_finite() && high.is_finite()) {
            return Err(infinite(&self.name, "winsorize"));
        }
        if low >= high && self.moments.min < self.moments.max {
            return Err(no_spread(&self.name, low));
        }
        Ok(Unit::Winsorize(Winsorize {
            column: self.name,
            low: (self.params.tail != Tail::Right).then_some(low),
            high: (self.params.tail != Tail::Left).then_some(high),
        }))
    }

    fn kept_bytes(&self, rows: u64) -> u64 {
        if self.params.keeps_values() { rows * BYTES_PER_KEPT_VALUE } else { 0 }
    }
}

/// The error for limits that leave one value only, which would take all information out of the column.
fn no_spread(column: &str, value: f64) -> TransformError {
    let message = format!("`winsorize` would cut all values of column `{column}` to {value}, since most rows have it");
    TransformError::input("no_spread", message)
        .help(format!("leave it out with `except: {column}`, or use `method: quantiles` with a smaller `fold`"))
}

/// Fitted limits of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Winsorize {
    column: String,
    low: Option<f64>,
    high: Option<f64>,
}

impl Fitted for Winsorize {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let values = numbers(&frame.column(&self.column)?.array)?;
        let low = self.low.unwrap_or(f64::NEG_INFINITY);
        let high = self.high.unwrap_or(f64::INFINITY);
        let cut: Float64Array = values.unary(|value| value.max(low).min(high));
        frame.set(&self.column, Column::number(Arc::new(cut)));
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn outputs(&self) -> Vec<&str> {
        vec![&self.column]
    }
}
