//! Shift and scale: what `standardize`, `min_max` and their like have in common.

use std::sync::Arc;

use arrow::array::{Array, Float64Array};
use serde::{Deserialize, Serialize};

use crate::ml::transform::TransformError;
use crate::ml::transform::column::numbers;
use crate::ml::transform::fitted::{Fitted, Rows};
use crate::ml::transform::frame::{Column, Frame};
use crate::ml::transform::needs::{infinite, nothing_to_learn};
use crate::ml::transform::stats::Moments;

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

/// Gathers the moments of one column.
pub(super) struct Range {
    name: String,
    moments: Moments,
}

impl Range {
    /// Of the column called `name`.
    pub(super) fn of(name: &str) -> Range {
        Range { name: name.to_owned(), moments: Moments::default() }
    }

    /// Takes in the next rows.
    pub(super) fn learn(&mut self, frame: &Frame) -> Result<(), TransformError> {
        let values = numbers(&frame.column(&self.name)?.array)?;
        self.moments.merge(&if values.null_count() == 0 {
            Moments::of(values.values().iter().copied())
        } else {
            Moments::of(values.iter().flatten())
        });
        Ok(())
    }

    /// The name and the moments, for the transform called `transform`.
    ///
    /// # Errors
    /// When there is no value, or an infinite one.
    pub(super) fn finish(self, transform: &str) -> Result<(String, Moments), TransformError> {
        if self.moments.count == 0.0 {
            return Err(nothing_to_learn(&self.name, transform));
        }
        if !(self.moments.min.is_finite() && self.moments.max.is_finite()) {
            return Err(infinite(&self.name, transform));
        }
        Ok((self.name, self.moments))
    }
}
