//! `spline`: a number as a few bell-shaped curves over its range.

use std::sync::Arc;

use arrow::array::Float64Array;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ml::quantile::quantile;
use crate::ml::transform::TransformError;
use crate::ml::transform::column::numbers;
use crate::ml::transform::fitted::{Fitted, Rows, names};
use crate::ml::transform::frame::{Column, Frame, Kind};
use crate::ml::transform::learn::{BYTES_PER_KEPT_VALUE, Learner, LearningRows};
use crate::ml::transform::needs::{infinite, need_numbers, nothing_to_learn};
use crate::ml::transform::plan::{Plan, Planning, Promise, Transform};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::stats::Moments;

/// Where the knots are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SplineKnots")]
pub(in crate::ml::transform) enum Knots {
    /// At equal distances.
    #[default]
    Uniform,
    /// With about the same number of rows between them.
    Quantile,
}

/// What becomes of values beyond the fit table's range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SplineExtrapolation")]
pub(in crate::ml::transform) enum Extrapolation {
    /// They count as the end of the range.
    #[default]
    Constant,
    /// The curves go on as straight lines.
    Linear,
    /// The curves go on as they are.
    Continue,
    /// They are refused.
    Error,
}

/// Replaces a number by the values of B-splines, `NAME_sp_0`, `NAME_sp_1`, ... (scikit-learn's `SplineTransformer`), with
/// which a linear model follows a curve. A bare number is `n_knots`: `spline: 5`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Spline")]
pub(in crate::ml::transform) struct Params {
    /// How many knots there are, the ends of the range included.
    #[serde(default = "five")]
    #[schemars(range(min = 2, max = 1000))]
    n_knots: u32,
    /// The degree of the curves between knots.
    #[serde(default = "three")]
    #[schemars(range(min = 0, max = 10))]
    degree: u32,
    /// Where the knots are.
    #[serde(default)]
    knots: Knots,
    /// What becomes of values beyond the fit table's range.
    #[serde(default)]
    extrapolation: Extrapolation,
    /// Whether to keep the last curve, although all of them sum to 1.
    #[serde(default = "yes")]
    include_bias: bool,
}

fn five() -> u32 {
    5
}

fn three() -> u32 {
    3
}

fn yes() -> bool {
    true
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("n_knots");
    const EXAMPLE: &'static str = "{spline: {n_knots: 4, degree: 3, knots: quantile}, columns: [months]}";

    fn check(&self) -> Result<(), String> {
        match (self.n_knots, self.degree) {
            (2..=1000, 0..=10) => Ok(()),
            (2..=1000, degree) => Err(format!("`degree: {degree}` must be from 0 to 10")),
            (knots, _) => Err(format!("`n_knots: {knots}` must be from 2 to 1000")),
        }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        need_numbers("spline", name, column)?;
        let curves = self.n_knots + self.degree - 1;
        let curves = if self.include_bias { curves } else { curves.saturating_sub(1) };
        let columns: Vec<String> = (0..curves).map(|curve| format!("{name}_sp_{curve}")).collect();
        let promise = Promise::replaced_by(&columns, Kind::Number);
        let learner = Range {
            name: name.to_owned(),
            params: self.clone(),
            columns,
            moments: Moments::default(),
            values: Vec::new(),
        };
        Ok(Plan::Learn(Box::new(learner), promise))
    }
}

struct Range {
    name: String,
    params: Params,
    columns: Vec<String>,
    moments: Moments,
    values: Vec<f64>,
}

impl Learner for Range {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        let values = numbers(&frame.column(&self.name)?.array)?;
        self.moments.merge(&Moments::of(values.iter().flatten()));
        if self.params.knots == Knots::Quantile {
            self.values.extend(values.iter().flatten());
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Unit, TransformError> {
        let Moments { count, min, max, .. } = self.moments;
        if count == 0.0 {
            return Err(nothing_to_learn(&self.name, "spline"));
        }
        if !(min.is_finite() && max.is_finite()) {
            return Err(infinite(&self.name, "spline"));
        }
        let last = f64::from(self.params.n_knots - 1);
        let levels = (0..self.params.n_knots).map(f64::from);
        let base: Vec<f64> = match self.params.knots {
            Knots::Uniform => {
                let step = (max - min) / last;
                levels.map(|level| if level < last { level * step + min } else { max }).collect()
            }
            Knots::Quantile => {
                self.values.sort_unstable_by(f64::total_cmp);
                levels.map(|level| quantile(&self.values, level / last)).collect()
            }
        };
        if base[0] >= base[1] || base[base.len() - 2] >= base[base.len() - 1] {
            let message = format!("column `{}` has too few different values for {} knots", self.name, base.len());
            return Err(TransformError::input("constant", message)
                .help("take fewer `n_knots`, `knots: uniform`, or put the column under `drop`"));
        }
        let Params { degree, extrapolation, .. } = self.params;
        let knots = extended(&base, degree);
        Ok(Unit::Spline(Spline { column: self.name, columns: self.columns, knots, degree, extrapolation }))
    }

    fn kept_bytes(&self, rows: u64) -> u64 {
        if self.params.knots == Knots::Quantile { rows * BYTES_PER_KEPT_VALUE } else { 0 }
    }
}

/// The knots with `degree` more at either end, at the distance of the outermost ones.
fn extended(base: &[f64], degree: u32) -> Vec<f64> {
    let last = base.len() - 1;
    let (below, above) = (base[1] - base[0], base[last] - base[last - 1]);
    let before = (1..=degree).rev().map(|place| base[0] - f64::from(place) * below);
    let after = (1..=degree).map(|place| base[last] + f64::from(place) * above);
    before.chain(base.iter().copied()).chain(after).collect()
}

/// The splines of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Spline {
    column: String,
    columns: Vec<String>,
    /// Where the curves are joined, with those beyond the range.
    knots: Vec<f64>,
    degree: u32,
    extrapolation: Extrapolation,
}

impl Spline {
    /// How many curves there are, the one that may be left out included.
    fn curves(&self) -> usize {
        self.knots.len() - self.degree as usize - 1
    }

    /// The values of all curves at `value`, which may lie beyond the range, and of those of the degree before (de Boor's
    /// recurrence, from the piece of the range that is nearest).
    fn basis(&self, value: f64, degree: usize) -> Vec<f64> {
        let (knots, full) = (&self.knots, self.degree as usize);
        let pieces = self.curves();
        let piece = knots[full + 1..pieces].partition_point(|knot| *knot <= value) + full;
        // A piece without width has no curve of its own.
        let piece = (full..=piece).rev().find(|piece| knots[*piece] < knots[*piece + 1]).unwrap_or(piece);
        let mut basis = vec![0.0; knots.len() - 1];
        basis[piece] = 1.0;
        for degree in 1..=degree {
            for curve in (piece - degree)..=piece {
                let part = |from: usize, to: usize, share: f64| {
                    let width = knots[to] - knots[from];
                    if width > 0.0 { share / width } else { 0.0 }
                };
                let rising = part(curve, curve + degree, value - knots[curve]) * basis[curve];
                let falling = part(curve + 1, curve + degree + 1, knots[curve + degree + 1] - value) * basis[curve + 1];
                basis[curve] = rising + falling;
            }
        }
        basis
    }

    /// The slopes of all curves.
    fn slopes(&self, value: f64) -> Vec<f64> {
        let degree = self.degree as usize;
        if degree == 0 {
            return vec![0.0; self.curves()];
        }
        let below = self.basis(value, degree - 1);
        let part = |curve: usize| {
            let width = self.knots[curve + degree] - self.knots[curve];
            if width > 0.0 { below[curve] * f64::from(self.degree) / width } else { 0.0 }
        };
        (0..self.curves()).map(|curve| part(curve) - part(curve + 1)).collect()
    }

    fn values(&self, value: f64) -> Result<Vec<f64>, TransformError> {
        let degree = self.degree as usize;
        let (low, high) = (self.knots[degree], self.knots[self.knots.len() - degree - 1]);
        let inside = value.clamp(low, high);
        let at = |value: f64| {
            let mut basis = self.basis(value, degree);
            basis.truncate(self.curves());
            basis
        };
        if value >= low && value <= high {
            return Ok(at(value));
        }
        match self.extrapolation {
            Extrapolation::Constant => Ok(at(inside)),
            Extrapolation::Continue => Ok(at(value)),
            Extrapolation::Linear => {
                let lines = at(inside).into_iter().zip(self.slopes(inside));
                Ok(lines
                    .map(|(start, slope)| if slope == 0.0 { start } else { start + (value - inside) * slope })
                    .collect())
            }
            Extrapolation::Error => {
                let message =
                    format!("column `{}` has the value {value}, beyond {low} to {high} of the fit table", self.column);
                Err(TransformError::input("out_of_range", message)
                    .help("choose another `extrapolation`, or `winsorize` the column before"))
            }
        }
    }
}

impl Fitted for Spline {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let values = numbers(&frame.column(&self.column)?.array)?;
        let mut curves: Vec<Vec<Option<f64>>> = vec![Vec::with_capacity(frame.rows()); self.columns.len()];
        for value in &values {
            let at = value.map(|value| self.values(value)).transpose()?;
            for (curve, column) in curves.iter_mut().enumerate() {
                column.push(at.as_ref().map(|at| at[curve]).filter(|value| !value.is_nan()));
            }
        }
        let columns = self.columns.iter().cloned().zip(curves);
        let columns = columns.map(|(name, values)| (name, Column::number(Arc::new(Float64Array::from(values)))));
        frame.replace(&self.column, columns.collect::<Vec<_>>());
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn outputs(&self) -> Vec<&str> {
        names(&self.columns)
    }
}
