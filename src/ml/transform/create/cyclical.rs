//! `cyclical`: hours, weekdays and other values that begin again.

use std::f64::consts::TAU;
use std::sync::Arc;

use arrow::array::Float64Array;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ml::transform::TransformError;
use crate::ml::transform::column::numbers;
use crate::ml::transform::fitted::{Fitted, Rows, names};
use crate::ml::transform::frame::{Column, Frame, Kind};
use crate::ml::transform::learn::{Learner, LearningRows};
use crate::ml::transform::needs::{infinite, need_numbers, nothing_to_learn};
use crate::ml::transform::plan::{Plan, Planning, Promise, Transform};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::stats::Moments;

/// Adds the sine `NAME_sin` and cosine `NAME_cos` of a value on its circle (feature-engine's `CyclicalFeatures`), so
/// that the last hour of a day is next to the first. A bare number is `max_value`: `cyclical: 24`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Cyclical")]
pub(in crate::ml::transform) struct Params {
    /// Where the circle closes, such as 24 for hours and 7 for days of the week from 0; by default the largest value of
    /// the fit table.
    #[serde(default)]
    max_value: Option<f64>,
    /// Take the column itself away.
    #[serde(default)]
    drop_original: bool,
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("max_value");
    const EXAMPLE: &'static str = "{cyclical: {max_value: 12, drop_original: true}, columns: [months]}";

    fn check(&self) -> Result<(), String> {
        match self.max_value {
            Some(value) if !(value.is_finite() && value != 0.0) => {
                Err("`max_value` must be a number other than 0".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        need_numbers("cyclical", name, column)?;
        let cyclical = Cyclical {
            column: name.to_owned(),
            max_value: self.max_value.unwrap_or(1.0),
            drop_original: self.drop_original,
            columns: ["sin", "cos"].map(|wave| format!("{name}_{wave}")).to_vec(),
        };
        if self.max_value.is_some() {
            return Ok(Plan::Ready(Unit::Cyclical(cyclical)));
        }
        let promise = if self.drop_original {
            Promise::replaced_by(&cyclical.columns, Kind::Number)
        } else {
            Promise::same(column.column_type(), column.kind).and(&cyclical.columns, Kind::Number)
        };
        Ok(Plan::Learn(Box::new(Largest { cyclical, moments: Moments::default() }), promise))
    }
}

struct Largest {
    cyclical: Cyclical,
    moments: Moments,
}

impl Learner for Largest {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        let values = numbers(&frame.column(&self.cyclical.column)?.array)?;
        self.moments.merge(&Moments::of(values.iter().flatten()));
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Unit, TransformError> {
        let column = &self.cyclical.column;
        if self.moments.count == 0.0 {
            return Err(nothing_to_learn(column, "cyclical"));
        }
        if !self.moments.max.is_finite() {
            return Err(infinite(column, "cyclical"));
        }
        if self.moments.max == 0.0 {
            let message = format!("the largest value of column `{column}` is 0, on which no circle closes");
            return Err(TransformError::input("constant", message).help("say where it closes with `max_value`"));
        }
        self.cyclical.max_value = self.moments.max;
        Ok(Unit::Cyclical(self.cyclical))
    }
}

/// Sine and cosine of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Cyclical {
    column: String,
    max_value: f64,
    drop_original: bool,
    columns: Vec<String>,
}

impl Fitted for Cyclical {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let values = numbers(&frame.column(&self.column)?.array)?;
        let turn = TAU / self.max_value;
        let waves = [f64::sin, f64::cos].map(|wave| {
            // An infinite value is nowhere on a circle.
            let at = |value: f64| value.is_finite().then(|| wave(value * turn)).filter(|wave| !wave.is_nan());
            Column::number(Arc::new(values.iter().map(|value| value.and_then(at)).collect::<Float64Array>()))
        });
        let waves = self.columns.iter().cloned().zip(waves);
        if self.drop_original {
            frame.replace(&self.column, waves);
        } else {
            waves.for_each(|(name, wave)| frame.set(&name, wave));
        }
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn outputs(&self) -> Vec<&str> {
        names(&self.columns)
    }
}
