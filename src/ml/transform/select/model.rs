//! What a linear model says of columns: its coefficients.

use std::convert::Infallible;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chosen::{need, promise};
use super::kept::refused;
use crate::ml::features::{Feature, FeatureMatrix};
use crate::ml::linear::{LinearWeights, LogisticOptions, fit_logistic, fit_ridge};
use crate::ml::transform::TransformError;
use crate::ml::transform::column::numbers;
use crate::ml::transform::frame::Frame;
use crate::ml::transform::learn::{BYTES_PER_KEPT_VALUE, FitFacts, Learner, LearningRows};
use crate::ml::transform::plan::{Plan, Planning};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::stats::whole;

/// How strongly the model is held back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SelectionModel")]
pub(super) struct Model {
    /// For classes, logistic regression: the inverse strength of its penalty.
    #[serde(default = "one")]
    #[schemars(range(min = 0))]
    c: f64,
    /// For a number, ridge regression: the strength of its penalty.
    #[serde(default = "one")]
    #[schemars(range(min = 0))]
    alpha: f64,
    /// The most steps of logistic regression.
    #[serde(default = "thousand")]
    #[schemars(range(min = 1))]
    max_iter: usize,
}

fn one() -> f64 {
    1.0
}

fn thousand() -> usize {
    1000
}

impl Default for Model {
    fn default() -> Model {
        Model { c: one(), alpha: one(), max_iter: thousand() }
    }
}

impl Model {
    /// What is wrong with the params.
    pub(super) fn check(&self) -> Result<(), String> {
        match () {
            () if !(self.c > 0.0 && self.c.is_finite()) => Err(format!("`model.c: {}` must be greater than 0", self.c)),
            () if !(self.alpha >= 0.0 && self.alpha.is_finite()) => {
                Err(format!("`model.alpha: {}` must be 0 or more", self.alpha))
            }
            () if self.max_iter == 0 => Err("`model.max_iter` must be 1 or more".to_owned()),
            () => Ok(()),
        }
    }
}

/// The plan of a transform that judges columns by a model of them; `choose` says which ones go on.
pub(super) fn plan(
    key: &'static str,
    model: Model,
    planning: &Planning<'_>,
    choose: impl FnOnce(&Sheet) -> Result<Unit, TransformError> + 'static,
) -> Result<Plan, TransformError> {
    if planning.is_open {
        return Ok(Plan::Wait);
    }
    need(key, planning)?;
    let sheet = Sheet::new(key, model, planning);
    Ok(Plan::Learn(Box::new(Judging { sheet, choose }), promise(planning)?))
}

/// Keeps all rows, on which columns are judged at last.
struct Judging<Choose> {
    sheet: Sheet,
    choose: Choose,
}

impl<Choose: FnOnce(&Sheet) -> Result<Unit, TransformError>> Learner for Judging<Choose> {
    fn learn(&mut self, frame: &Frame, rows: &LearningRows<'_>) -> Result<(), TransformError> {
        self.sheet.learn(frame, rows)
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        (self.choose)(&self.sheet)
    }

    /// The rows, with the copy that a fit takes.
    fn kept_bytes(&self, rows: u64) -> u64 {
        rows.saturating_mul((self.sheet.names.len() as u64 + 2) * BYTES_PER_KEPT_VALUE)
    }
}

/// All rows of some columns, for fits on any of them.
pub(super) struct Sheet {
    key: &'static str,
    model: Model,
    classes: usize,
    /// The columns.
    pub(super) names: Vec<String>,
    /// Row by row.
    values: Vec<f32>,
    targets: Vec<f64>,
}

impl Sheet {
    /// Of the planned columns, for the transform `key`.
    fn new(key: &'static str, model: Model, planning: &Planning<'_>) -> Sheet {
        let FitFacts { classes, .. } = planning.facts;
        let (names, classes) = (planning.columns.to_vec(), classes.len());
        Sheet { key, model, classes, names, values: Vec::new(), targets: Vec::new() }
    }

    /// Takes in the next rows.
    fn learn(&mut self, frame: &Frame, rows: &LearningRows<'_>) -> Result<(), TransformError> {
        let width = self.names.len();
        let start = self.values.len();
        self.values.resize(start + frame.rows() * width, 0.0);
        for (place, name) in self.names.iter().enumerate() {
            for (row, value) in numbers(&frame.column(name)?.array)?.iter().enumerate() {
                #[expect(clippy::cast_possible_truncation, reason = "what overflows becomes infinite and is refused")]
                let value = value.map_or(f32::NAN, |value| value as f32);
                if !value.is_finite() {
                    return Err(refused(self.key, name));
                }
                self.values[start + row * width + place] = value;
            }
        }
        self.targets.extend(rows.targets);
        Ok(())
    }

    /// The coefficients of the columns at `places`, those of all outputs for each.
    pub(super) fn coefficients(&self, places: &[usize]) -> Result<Vec<Vec<f64>>, TransformError> {
        let width = self.names.len();
        let feature = |place: &usize| Feature { name: self.names[*place].clone(), categories: None };
        let features = places.iter().map(feature).collect();
        let rows = self.values.chunks_exact(width);
        let values = rows.flat_map(|row| places.iter().map(|place| row[*place])).collect();
        let matrix = FeatureMatrix::from_parts(features, values, Vec::new());
        let weights = self.fit(&matrix)?;
        let of_place = |place: usize| {
            let outputs = weights.coefficients.chunks_exact(weights.width);
            outputs.map(|coefficients| coefficients[place]).collect()
        };
        Ok((0..places.len()).map(of_place).collect())
    }

    fn fit(&self, matrix: &FeatureMatrix) -> Result<LinearWeights, TransformError> {
        if self.classes == 0 {
            return fit_ridge(matrix, &self.targets, None, self.model.alpha).map_err(|error| {
                TransformError::input("dependent_columns", format!("`{}`: {error}", self.key))
                    .help("give `model: {alpha: ...}` above 0, or take `drop_correlated` before")
            });
        }
        let labels: Vec<usize> = self.targets.iter().map(|target| whole(*target)).collect();
        let options = LogisticOptions { c: self.model.c, max_iterations: self.model.max_iter, tolerance: 1e-9 };
        let fitted = fit_logistic(matrix, &labels, self.classes, None, options, |_, _| Ok::<(), Infallible>(()));
        Ok(match fitted {
            Ok(fitted) => fitted.weights,
            Err(never) => match never {},
        })
    }
}
