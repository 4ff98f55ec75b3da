//! What all reductions share: rows of several columns at once, their products, and the fitted projection.

use std::sync::Arc;

use arrow::array::{Array, Float64Array};
use serde::{Deserialize, Serialize};

use crate::ml::transform::TransformError;
use crate::ml::transform::column::numbers;
use crate::ml::transform::fitted::{Fitted, Rows, names};
use crate::ml::transform::frame::{Column, Frame};
use crate::ml::transform::needs::need_numbers;
use crate::ml::transform::plan::Planning;

/// More columns than this take minutes to turn.
const MOST: usize = 2000;

/// Refuses columns that are no numbers, and more of them than can be turned.
pub(super) fn need(key: &str, planning: &Planning<'_>) -> Result<(), TransformError> {
    for name in planning.columns {
        need_numbers(key, name, planning.frame.column(name)?)?;
    }
    if planning.columns.len() > MOST {
        let message = format!("`{key}` of {} columns takes too long; {MOST} are the most", planning.columns.len());
        return Err(TransformError::input("too_many_columns", message)
            .help("select fewer `columns`, or take `random_projection` before"));
    }
    Ok(())
}

/// The columns `reads` of a frame, none of them with a missing or infinite value.
pub(super) fn whole(key: &str, reads: &[String], frame: &Frame) -> Result<Vec<Float64Array>, TransformError> {
    let columns: Vec<Float64Array> =
        reads.iter().map(|name| numbers(&frame.column(name)?.array)).collect::<Result<_, _>>()?;
    for (name, column) in reads.iter().zip(&columns) {
        if column.null_count() > 0 || column.values().iter().any(|value| !value.is_finite()) {
            let message = format!("column `{name}` has missing or infinite values, which `{key}` cannot learn from");
            return Err(TransformError::input("missing_values", message).help(format!("`impute` `{name}` before")));
        }
    }
    Ok(columns)
}

/// Sums of products of columns, around a centre, batch by batch.
pub(super) struct Products {
    pub(super) count: f64,
    pub(super) sums: Vec<f64>,
    pub(super) cells: Vec<f64>,
}

impl Products {
    pub(super) fn new(width: usize) -> Products {
        Products { count: 0.0, sums: vec![0.0; width], cells: vec![0.0; width * width] }
    }

    /// Adds the values of a batch to the sums.
    pub(super) fn sum(&mut self, columns: &[Float64Array]) {
        self.count += columns.first().map_or(0, Array::len) as f64;
        for (sum, column) in self.sums.iter_mut().zip(columns) {
            *sum += column.values().iter().sum::<f64>();
        }
    }

    /// Adds the products of a batch.
    pub(super) fn multiply(&mut self, columns: &[Float64Array], centre: &[f64]) {
        let width = columns.len();
        let centred: Vec<Vec<f64>> = columns
            .iter()
            .zip(centre)
            .map(|(column, centre)| column.values().iter().map(|value| value - centre).collect())
            .collect();
        for one in 0..width {
            for other in one..width {
                let product: f64 = centred[one].iter().zip(&centred[other]).map(|(a, b)| a * b).sum();
                self.cells[one * width + other] += product;
                if one != other {
                    self.cells[other * width + one] += product;
                }
            }
        }
    }
}

/// Columns that are sums of others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Projection {
    pub(super) reads: Vec<String>,
    pub(super) columns: Vec<String>,
    /// What is subtracted from each column before; none if nothing is.
    pub(super) centre: Vec<f64>,
    /// For each new column the factor of each column.
    pub(super) factors: Vec<Vec<f64>>,
}

impl Fitted for Projection {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let columns: Vec<Float64Array> =
            self.reads.iter().map(|name| numbers(&frame.column(name)?.array)).collect::<Result<_, _>>()?;
        let rows = frame.rows();
        let is_missing = |row: usize| columns.iter().any(|column| column.is_null(row));
        let missing: Vec<bool> = (0..rows).map(is_missing).collect();
        let mut made = Vec::new();
        for (name, factors) in self.columns.iter().zip(&self.factors) {
            let mut values = vec![0.0; rows];
            for (place, (column, factor)) in columns.iter().zip(factors).enumerate() {
                let centre = self.centre.get(place).copied().unwrap_or(0.0);
                for (sum, value) in values.iter_mut().zip(column.values()) {
                    *sum += (value - centre) * factor;
                }
            }
            let values = values.into_iter().zip(&missing);
            let values = values.map(|(value, is_missing)| (!is_missing && !value.is_nan()).then_some(value));
            made.push((name.clone(), Column::number(Arc::new(values.collect::<Float64Array>()))));
        }
        let Some((last, others)) = self.reads.split_last() else { return Ok(()) };
        for name in others {
            frame.remove(name);
        }
        frame.replace(last, made);
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        names(&self.reads)
    }

    fn outputs(&self) -> Vec<&str> {
        names(&self.columns)
    }
}
