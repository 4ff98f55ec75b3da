//! `power`: bends numbers until they are as normal as can be.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::brent::minimum;
use crate::ml::transform::TransformError;
use crate::ml::transform::column::{map_present, numbers};
use crate::ml::transform::fitted::{Fitted, Rows};
use crate::ml::transform::frame::{Column, Frame};
use crate::ml::transform::gather::Values;
use crate::ml::transform::learn::{Learner, LearningRows};
use crate::ml::transform::needs::{domain, need_numbers};
use crate::ml::transform::plan::{Plan, Planning, Promise, Transform};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::stats::Moments;

/// How exactly the exponent is found, scipy's value.
const TOLERANCE: f64 = 1.48e-8;
/// Half of the exponents of a double: powers within it have a variance that does not overflow.
const EXPONENTS: f64 = 340.0;

/// Which family of powers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "PowerMethod")]
pub(in crate::ml::transform) enum Method {
    /// Yeo and Johnson's, for any numbers.
    #[default]
    YeoJohnson,
    /// Box and Cox's, for numbers greater than 0 only.
    BoxCox,
}

/// Raises to the power that makes the fit table's values most like a normal distribution (scikit-learn's
/// `PowerTransformer`; the power has the greatest likelihood). Keeps the column's values while it learns. A bare word is
/// the method: `power: box-cox`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Power")]
pub(in crate::ml::transform) struct Params {
    /// Which family of powers.
    #[serde(default)]
    method: Method,
    /// Whether the result gets mean 0 and variance 1.
    #[serde(default = "yes")]
    standardize: bool,
}

fn yes() -> bool {
    true
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("method");
    const EXAMPLE: &'static str = "{power: yeo-johnson, columns: [amount]}";

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        need_numbers("power", name, column)?;
        let learner = Likelihood { params: self.clone(), values: Values::of(name) };
        Ok(Plan::Learn(Box::new(learner), Promise::numbers()))
    }
}

struct Likelihood {
    params: Params,
    values: Values,
}

impl Learner for Likelihood {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        self.values.learn(frame)
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let (column, values) = self.values.finish("power")?;
        let method = self.params.method;
        let moments = Moments::of(values.iter().copied());
        let lambda = match method {
            Method::BoxCox if moments.min <= 0.0 => {
                return Err(domain("power", "box-cox", &column, None, moments.min, "greater than 0")
                    .help("use `method: yeo-johnson`, which takes any numbers"));
            }
            // A constant has no likelihood; a power of 1 leaves it as it is.
            _ if moments.is_constant() => 1.0,
            Method::BoxCox => {
                let logs: Vec<f64> = values.iter().map(|value| value.ln()).collect();
                let bound = EXPONENTS / logs.iter().fold(f64::MIN_POSITIVE, |most, log| log.abs().max(most));
                let bound = bound.min(1e6);
                minimum(-bound, bound, TOLERANCE, |lambda| -box_cox_likelihood(&logs, lambda))
            }
            Method::YeoJohnson => {
                let (low, high) = yeo_johnson_bounds(&moments);
                minimum(low, high, TOLERANCE, |lambda| -yeo_johnson_likelihood(&values, lambda))
            }
        };
        let bent = values.iter().map(|value| method.apply(*value, lambda));
        let bent = Moments::of(bent);
        let (center, divisor) = if self.params.standardize { (bent.mean, bent.scale()) } else { (0.0, 1.0) };
        Ok(Unit::Power(Power { column, method, lambda, center, divisor }))
    }

    fn kept_bytes(&self, rows: u64) -> u64 {
        Values::kept_bytes(rows)
    }
}

impl Method {
    fn apply(self, value: f64, lambda: f64) -> f64 {
        match self {
            Method::BoxCox => power_of_log(value.ln(), lambda),
            Method::YeoJohnson if value >= 0.0 => power_of_log(value.ln_1p(), lambda),
            Method::YeoJohnson => -power_of_log((-value).ln_1p(), 2.0 - lambda),
        }
    }
}

/// `(e^(lambda log) - 1) / lambda`, which tends to `log` for a small `lambda`.
fn power_of_log(log: f64, lambda: f64) -> f64 {
    if lambda.abs() < f64::EPSILON { log } else { (lambda * log).exp_m1() / lambda }
}

/// Box and Cox (1964), up to a constant.
fn box_cox_likelihood(logs: &[f64], lambda: f64) -> f64 {
    let rows = logs.len() as f64;
    let sum: f64 = logs.iter().sum();
    let log_variance = if lambda.abs() < f64::EPSILON {
        Moments::of(logs.iter().copied()).variance().ln()
    } else {
        // The greatest power is taken out, so that no power overflows.
        let most = logs.iter().map(|log| lambda * log).fold(f64::NEG_INFINITY, f64::max);
        let powers = logs.iter().map(|log| (lambda * log - most).exp_m1());
        Moments::of(powers).variance().ln() + 2.0 * most - 2.0 * lambda.abs().ln()
    };
    finite((lambda - 1.0) * sum - rows / 2.0 * log_variance)
}

/// Yeo and Johnson (2000), up to a constant.
fn yeo_johnson_likelihood(values: &[f64], lambda: f64) -> f64 {
    let bent = values.iter().map(|value| Method::YeoJohnson.apply(*value, lambda));
    let log_variance = Moments::of(bent).variance().ln();
    let sum: f64 = values.iter().map(|value| value.abs().ln_1p().copysign(*value)).sum();
    finite((lambda - 1.0) * sum - values.len() as f64 / 2.0 * log_variance)
}

/// An infinite likelihood comes from a variance that vanished, and is never the best.
fn finite(likelihood: f64) -> f64 {
    if likelihood.is_finite() { likelihood } else { f64::NEG_INFINITY }
}

/// Powers beyond these would overflow for values up to twenty times as large as those of the fit table.
fn yeo_johnson_bounds(moments: &Moments) -> (f64, f64) {
    let largest = (20.0 * moments.max.abs().max(moments.min.abs())).ln_1p();
    let (low, high) =
        ((f64::MIN_POSITIVE.ln() - f64::EPSILON.ln()) / 2.0, f64::midpoint(f64::MAX.ln(), f64::EPSILON.ln()));
    let (low, high) = (low / largest, high / largest);
    if moments.max < 0.0 {
        (2.0 - high, 2.0 - low)
    } else if moments.min < 0.0 {
        (low.max(2.0 - high), high.min(2.0 - low))
    } else {
        (low, high)
    }
}

/// A fitted power of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Power {
    column: String,
    method: Method,
    lambda: f64,
    center: f64,
    divisor: f64,
}

impl Fitted for Power {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let values = numbers(&frame.column(&self.column)?.array)?;
        if self.method == Method::BoxCox
            && let Some((row, value)) =
                values.iter().enumerate().find(|(_, value)| value.is_some_and(|value| value <= 0.0))
        {
            let value = value.unwrap_or_default();
            return Err(domain("power", "box-cox", &self.column, Some(row), value, "greater than 0")
                .help("use `method: yeo-johnson`, which takes any numbers"));
        }
        let bent = map_present(&values, |value| (self.method.apply(value, self.lambda) - self.center) / self.divisor);
        frame.set(&self.column, Column::number(Arc::new(bent)));
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn outputs(&self) -> Vec<&str> {
        vec![&self.column]
    }
}
