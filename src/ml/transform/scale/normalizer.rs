//! `normalizer`: every row as long as 1.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ml::transform::TransformError;
use crate::ml::transform::column::{nan_to_null, numbers};
use crate::ml::transform::fitted::{Fitted, Rows, names};
use crate::ml::transform::frame::{Column, Frame};
use crate::ml::transform::needs::need_numbers;
use crate::ml::transform::plan::{Plan, Planning, Scope, Transform};
use crate::ml::transform::registry::Unit;

/// How long a row is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Norm")]
pub(in crate::ml::transform) enum Norm {
    /// The sum of absolute values.
    L1,
    /// The root of the sum of squares.
    #[default]
    L2,
    /// The largest absolute value.
    Max,
}

/// Divides the selected columns of each row by the row's length (scikit-learn's `Normalizer`). Missing values do not
/// count and stay missing; a row of zeros stays as it is. A bare word is the norm: `normalizer: l1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Normalizer")]
pub(in crate::ml::transform) struct Params {
    /// How long a row is.
    #[serde(default)]
    norm: Norm,
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("norm");
    const SCOPE: Scope = Scope::Together;
    const EXAMPLE: &'static str = "{normalizer: l2, columns: [amount, months]}";

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        for name in planning.columns {
            need_numbers("normalizer", name, planning.frame.column(name)?)?;
        }
        Ok(Plan::Ready(Unit::Normalizer(Normalizer { columns: planning.columns.to_vec(), norm: self.norm })))
    }
}

/// Columns whose rows become as long as 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Normalizer {
    columns: Vec<String>,
    norm: Norm,
}

impl Fitted for Normalizer {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let columns: Vec<Float64Array> =
            self.columns.iter().map(|name| numbers(&frame.column(name)?.array)).collect::<Result<_, _>>()?;
        let length = |row: usize| {
            let values = columns.iter().filter(|column| column.is_valid(row)).map(|column| column.value(row));
            match self.norm {
                Norm::L1 => values.map(f64::abs).sum::<f64>(),
                Norm::L2 => values.map(|value| value * value).sum::<f64>().sqrt(),
                Norm::Max => values.map(f64::abs).fold(0.0, f64::max),
            }
        };
        let lengths: Vec<f64> = (0..frame.rows()).map(length).collect();
        for (name, column) in self.columns.iter().zip(&columns) {
            let scaled = column
                .iter()
                .zip(&lengths)
                .map(|(value, length)| value.map(|value| if *length == 0.0 { value } else { value / length }));
            // An infinite value among others has no share of an infinite length.
            let scaled: ArrayRef = Arc::new(scaled.collect::<Float64Array>());
            frame.set(name, Column::number(nan_to_null(&scaled)));
        }
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        names(&self.columns)
    }

    fn outputs(&self) -> Vec<&str> {
        names(&self.columns)
    }
}
