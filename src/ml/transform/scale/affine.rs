//! Shift and scale: what `standardize`, `min_max` and their like have in common.

use std::sync::Arc;

use arrow::array::Float64Array;
use serde::{Deserialize, Serialize};

use crate::ml::transform::TransformError;
use crate::ml::transform::column::numbers;
use crate::ml::transform::fitted::{Fitted, Rows};
use crate::ml::transform::frame::{Column, Frame};

/// A fitted shift and scale of one column: `(value - center) / divisor + offset`, cut to `clip`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Affine {
    pub(super) column: String,
    pub(super) center: f64,
    pub(super) divisor: f64,
    #[serde(default)]
    pub(super) offset: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) clip: Option<[f64; 2]>,
}

impl Fitted for Affine {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let values = numbers(&frame.column(&self.column)?.array)?;
        let scaled: Float64Array = values.unary(|value| (value - self.center) / self.divisor + self.offset);
        let scaled = match self.clip {
            Some([low, high]) => scaled.unary(|value| value.clamp(low, high)),
            None => scaled,
        };
        frame.set(&self.column, Column::number(Arc::new(scaled)));
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn outputs(&self) -> Vec<&str> {
        vec![&self.column]
    }
}
