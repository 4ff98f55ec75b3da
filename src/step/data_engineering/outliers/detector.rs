//! What was learned of the fit rows, and what it says of others.

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use arrow::record_batch::RecordBatch;
use serde_json::{Value, json};

use crate::ml::neighbours::Points;
use crate::ml::outlier::{Bounds, IsolationForest, LocalOutlierFactor};
use crate::step::StepError;

/// A row that is left out.
pub(super) struct Outlier {
    pub(super) reason: String,
    /// The score of a method that gives one.
    pub(super) score: Option<f64>,
}

/// What was learned.
pub(super) enum Detector<'points> {
    /// Bounds on each column that has values.
    Bounds(Vec<(String, Bounds)>),
    Forest(IsolationForest),
    Factor {
        factor: LocalOutlierFactor<'points>,
        rows: usize,
        n_neighbors: usize,
    },
}

impl Detector<'_> {
    /// The state as it is published.
    pub(super) fn to_json(&self, columns: &[String]) -> Value {
        match self {
            Detector::Bounds(bounds) => {
                let bounds =
                    bounds.iter().map(|(column, it)| json!({"column": column, "low": it.low, "high": it.high}));
                json!({"bounds": bounds.collect::<Vec<_>>()})
            }
            Detector::Forest(forest) => json!({"columns": columns, "isolation_forest": forest}),
            Detector::Factor { factor, rows, n_neighbors } => json!({
                "columns": columns,
                "local_outlier_factor": {"offset": factor.offset, "n_neighbors": n_neighbors, "rows": rows},
            }),
        }
    }

    /// The outliers among the rows of a batch. `fitted` is the number of its first row in the fit table, if it is of it.
    /// `go_on` is asked every now and then.
    pub(super) fn judge(
        &self,
        batch: &RecordBatch,
        columns: &[String],
        fitted: Option<usize>,
        go_on: &mut dyn FnMut(usize) -> Result<(), StepError>,
    ) -> Result<Vec<Option<Outlier>>, StepError> {
        let scores = match self {
            Detector::Bounds(bounds) => return self::bounds(batch, bounds),
            Detector::Forest(forest) => forest.scores(&points(batch, columns)?, go_on)?,
            Detector::Factor { factor, .. } => match fitted {
                Some(first) => factor.scores[first..first + batch.num_rows()].to_vec(),
                None => factor.of(&points(batch, columns)?, go_on)?,
            },
        };
        let (offset, what) = match self {
            Detector::Factor { factor, .. } => (factor.offset, "thinner than around its neighbours"),
            Detector::Forest(forest) => (forest.offset, "set apart by few cuts"),
            Detector::Bounds(_) => return Err(StepError::bug("bounds give no scores")),
        };
        let judge = |score: f64| {
            let reason = || format!("{what}: the score {score:.4} is below {offset:.4}");
            (score < offset).then(|| Outlier { reason: reason(), score: Some(score) })
        };
        Ok(scores.into_iter().map(judge).collect())
    }
}

fn bounds(batch: &RecordBatch, bounds: &[(String, Bounds)]) -> Result<Vec<Option<Outlier>>, StepError> {
    let mut found: Vec<Option<Outlier>> = (0..batch.num_rows()).map(|_| None).collect();
    for (name, bounds) in bounds {
        let numbers = numbers(batch, name)?;
        let numbers = numbers.as_primitive::<Float64Type>();
        for (row, outlier) in found.iter_mut().enumerate() {
            if outlier.is_some() || numbers.is_null(row) {
                continue;
            }
            let value = numbers.value(row);
            if let Some(bound) = bounds.crossed(value) {
                let side = if value < bound { "below" } else { "above" };
                *outlier = Some(Outlier { reason: format!("`{name}` is {value}, {side} {bound}"), score: None });
            }
        }
    }
    Ok(found)
}

fn numbers(batch: &RecordBatch, name: &str) -> Result<arrow::array::ArrayRef, StepError> {
    let column = batch.column_by_name(name).ok_or_else(|| {
        StepError::input("column_missing", format!("a table has no column `{name}`, which the fit table has"))
            .help("make all tables by the same steps")
    })?;
    Ok(cast(column, &DataType::Float64)?)
}

fn points(batch: &RecordBatch, columns: &[String]) -> Result<Points, StepError> {
    let mut points = Points::new(columns.len());
    points.grow(batch.num_rows());
    for (place, name) in columns.iter().enumerate() {
        let numbers = numbers(batch, name)?;
        let numbers = numbers.as_primitive::<Float64Type>();
        for row in 0..numbers.len() {
            if numbers.is_null(row) || !numbers.value(row).is_finite() {
                let message = format!("column `{name}` has values that are missing or infinite");
                return Err(StepError::input("missing_values", message)
                    .help("fill them in `feature.pipeline` before, for example with `{impute: median}`"));
            }
            points.set(row, place, numbers.value(row));
        }
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::outlier::Contamination;
    use crate::step::testing::{batch, floats};

    #[test]
    fn rows_beside_the_fit_table_are_no_longer_judged_once_the_run_is_cancelled() {
        let mut fitted = Points::new(1);
        (0..30).for_each(|row| fitted.push(&[f64::from(row)]));
        let go_on = &mut |_| Ok::<(), StepError>(());
        let factor = LocalOutlierFactor::fit(&fitted, 5, Contamination::default(), 1, go_on).unwrap();
        let detector = Detector::Factor { factor, rows: 30, n_neighbors: 5 };
        let rows = batch(&[("x", floats([1.5, 900.0]))]);
        let columns = ["x".to_owned()];
        let judged = detector.judge(&rows, &columns, None, go_on).unwrap();
        assert_eq!(judged.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true]);
        let off = detector.judge(&rows, &columns, None, &mut |_| Err(StepError::input("off", "called off")));
        assert_eq!(off.err().unwrap().code(), "off");
    }
}
