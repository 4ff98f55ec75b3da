//! Fitted intervals whose limits belong to the interval below, as `pandas.cut` has it.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array};
use serde::{Deserialize, Serialize};

use super::tree::Steps;
use crate::ml::transform::TransformError;
use crate::ml::transform::chance::fold;
use crate::ml::transform::column::numbers;
use crate::ml::transform::fitted::{Fitted, Rows};
use crate::ml::transform::frame::{Column, Frame, Kind};

/// The intervals of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Intervals {
    column: String,
    /// The limits between them.
    limits: Vec<f64>,
    /// What a value in each becomes; none if it becomes the number of the interval.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    values: Vec<f64>,
    /// What each fold of the fit table gets; of no use later, so it is not saved.
    #[serde(skip)]
    learnt: Option<Learnt>,
}

#[derive(Debug, Clone, PartialEq)]
struct Learnt {
    seed: u64,
    folds: Vec<Steps>,
}

impl Intervals {
    /// Values become the number of their interval, from 0.
    pub(super) fn numbered(column: String, limits: Vec<f64>) -> Intervals {
        Intervals { column, limits, values: Vec::new(), learnt: None }
    }

    /// Values become the prediction of the tree, those of the fit table that of a tree grown without their fold.
    pub(super) fn predicted(column: String, all: Steps, seed: u64, folds: Vec<Steps>) -> Intervals {
        Intervals { column, limits: all.limits, values: all.means, learnt: Some(Learnt { seed, folds }) }
    }
}

impl Fitted for Intervals {
    fn apply(&self, frame: &mut Frame, rows: Rows<'_>) -> Result<(), TransformError> {
        let values = numbers(&frame.column(&self.column)?.array)?;
        let interval = |value: f64| self.limits.partition_point(|limit| *limit < value);
        if self.values.is_empty() {
            let codes = values.iter().map(|value| value.and_then(|value| i64::try_from(interval(value)).ok()));
            let array: ArrayRef = Arc::new(codes.collect::<Int64Array>());
            frame.set(&self.column, Column { array, kind: Kind::Encoded, categories: Some(self.limits.len() + 1) });
            return Ok(());
        }
        let predicted: Float64Array = match (rows, &self.learnt) {
            (Rows::Learnt { first, .. }, Some(Learnt { seed, folds })) => {
                let count = u32::try_from(folds.len()).expect("at most 100 folds");
                let of_row = |(value, row): (Option<f64>, u64)| {
                    let steps = &folds[fold(*seed, row, count) as usize];
                    value.map(|value| steps.means[steps.leaf(value)])
                };
                values.iter().zip(first..).map(of_row).collect()
            }
            _ => values.iter().map(|value| value.map(|value| self.values[interval(value)])).collect(),
        };
        frame.set(&self.column, Column::number(Arc::new(predicted)));
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn outputs(&self) -> Vec<&str> {
        vec![&self.column]
    }
}
