//! `log`, `sqrt`, `reciprocal` and `arcsinh`: fixed functions of one number.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ml::transform::TransformError;
use crate::ml::transform::column::{map_present, numbers};
use crate::ml::transform::fitted::{Fitted, Rows};
use crate::ml::transform::frame::{Column, Frame};
use crate::ml::transform::needs::{domain, need_numbers};
use crate::ml::transform::plan::{Plan, Planning, Transform};
use crate::ml::transform::registry::Unit;

/// The base of a logarithm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "LogBase")]
pub(in crate::ml::transform) enum Base {
    /// Euler's number.
    #[default]
    #[serde(rename = "e")]
    E,
    /// Ten.
    #[serde(rename = "10")]
    Ten,
    /// Two.
    #[serde(rename = "2")]
    Two,
}

/// Takes the logarithm (feature-engine's `LogTransformer`). Values of 0 or less are refused; `log1p` takes zeros. A bare
/// word is the base: `log: "10"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::ml::transform) struct Log {
    /// The base.
    #[serde(default)]
    base: Base,
}

/// Takes the square root (feature-engine's `PowerTransformer`). Negative values are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::ml::transform) struct Sqrt {}

/// Takes `1 / x` (feature-engine's `ReciprocalTransformer`). Zeros are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::ml::transform) struct Reciprocal {}

/// Takes the inverse hyperbolic sine of `(x - loc) / scale` (feature-engine's `ArcSinhTransformer`): like a logarithm
/// for large values of either sign, and like the value itself for small ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::ml::transform) struct Arcsinh {
    /// What is subtracted first.
    #[serde(default)]
    loc: f64,
    /// What is divided by then.
    #[serde(default = "one")]
    scale: f64,
}

fn one() -> f64 {
    1.0
}

impl Transform for Log {
    const BARE: Option<&'static str> = Some("base");
    const EXAMPLE: &'static str = "{log: {base: \"10\"}, columns: [amount]}";

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        math("log", planning, Function::Log { base: self.base }).map(Unit::Log).map(Plan::Ready)
    }
}

impl Transform for Sqrt {
    const EXAMPLE: &'static str = "{sqrt: {}, columns: [amount]}";

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        math("sqrt", planning, Function::Sqrt).map(Unit::Sqrt).map(Plan::Ready)
    }
}

impl Transform for Reciprocal {
    const EXAMPLE: &'static str = "{reciprocal: {}, columns: [months]}";

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        math("reciprocal", planning, Function::Reciprocal).map(Unit::Reciprocal).map(Plan::Ready)
    }
}

impl Transform for Arcsinh {
    const EXAMPLE: &'static str = "{arcsinh: {scale: 10}, columns: [amount]}";

    fn check(&self) -> Result<(), String> {
        if self.scale > 0.0 && self.scale.is_finite() && self.loc.is_finite() {
            Ok(())
        } else {
            Err(format!("`loc: {}` must be a number and `scale: {}` greater than 0", self.loc, self.scale))
        }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let function = Function::Arcsinh { loc: self.loc, scale: self.scale };
        math("arcsinh", planning, function).map(Unit::Arcsinh).map(Plan::Ready)
    }
}

fn math(key: &str, planning: &Planning<'_>, function: Function) -> Result<Math, TransformError> {
    let (name, column) = planning.one()?;
    need_numbers(key, name, column)?;
    Ok(Math { column: name.to_owned(), function })
}

/// A function of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Math {
    column: String,
    #[serde(flatten)]
    function: Function,
}

/// A function with its domain.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "function", rename_all = "snake_case")]
enum Function {
    Log { base: Base },
    Sqrt,
    Reciprocal,
    Arcsinh { loc: f64, scale: f64 },
}

impl Function {
    fn of(self, value: f64) -> f64 {
        match self {
            Function::Log { base: Base::E } => value.ln(),
            Function::Log { base: Base::Ten } => value.log10(),
            Function::Log { base: Base::Two } => value.log2(),
            Function::Sqrt => value.sqrt(),
            Function::Reciprocal => value.recip(),
            Function::Arcsinh { loc, scale } => ((value - loc) / scale).asinh(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Function::Log { .. } => "log",
            Function::Sqrt => "sqrt",
            Function::Reciprocal => "reciprocal",
            Function::Arcsinh { .. } => "arcsinh",
        }
    }

    /// Which values it takes, in words, and whether this is one.
    fn takes(self, value: f64) -> (&'static str, bool) {
        match self {
            Function::Log { .. } => ("greater than 0", value > 0.0),
            Function::Sqrt => ("0 or more", value >= 0.0),
            Function::Reciprocal => ("other than 0", value != 0.0),
            Function::Arcsinh { .. } => ("numbers", true),
        }
    }
}

impl Fitted for Math {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let values = numbers(&frame.column(&self.column)?.array)?;
        for (row, value) in values.iter().enumerate() {
            let Some(value) = value else { continue };
            if let (range, false) = self.function.takes(value) {
                let name = self.function.name();
                return Err(domain(name, name, &self.column, Some(row), value, range).help(
                    "`winsorize` or `derive` the column into range before, or use `arcsinh`, which takes any number",
                ));
            }
        }
        let mapped = map_present(&values, |value| self.function.of(value));
        frame.set(&self.column, Column::number(Arc::new(mapped)));
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn outputs(&self) -> Vec<&str> {
        vec![&self.column]
    }
}
