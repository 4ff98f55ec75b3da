//! `relative`: columns held against others.

use std::sync::Arc;

use arrow::array::Float64Array;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ml::transform::TransformError;
use crate::ml::transform::column::numbers;
use crate::ml::transform::fitted::{Fitted, Rows, names};
use crate::ml::transform::frame::{Column, Frame};
use crate::ml::transform::needs::need_numbers;
use crate::ml::transform::plan::{Plan, Planning, Scope, Transform};
use crate::ml::transform::registry::Unit;

/// What is done with a column and its reference, with feature-engine's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "RelativeFunction")]
pub(in crate::ml::transform) enum Function {
    /// The column plus the reference.
    Add,
    /// The column minus the reference.
    Sub,
    /// The column times the reference.
    Mul,
    /// The column divided by the reference.
    Div,
    /// The whole part of that, rounded down.
    Floordiv,
    /// What that leaves, with the sign of the reference.
    Mod,
    /// The column to the power of the reference.
    Pow,
}

/// Adds each selected column held against each reference (feature-engine's `RelativeFeatures`), under names such as
/// `total_div_months`. A bare list is the references. Selected columns that are references are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Relative")]
pub(in crate::ml::transform) struct Params {
    /// The columns that others are held against.
    reference: Vec<String>,
    /// What is done with a column and its reference.
    #[serde(default = "ratio")]
    func: Vec<Function>,
    /// What a division by zero gives; missing if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fill_value: Option<f64>,
}

fn ratio() -> Vec<Function> {
    vec![Function::Div]
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("reference");
    const SCOPE: Scope = Scope::Together;
    const EXAMPLE: &'static str = "{relative: {reference: [months], func: [div, sub]}, columns: [amount]}";

    fn check(&self) -> Result<(), String> {
        match () {
            () if self.reference.is_empty() => Err("`reference` is empty".to_owned()),
            () if self.func.is_empty() => Err("`func` is empty".to_owned()),
            () if self.fill_value.is_some_and(|value| !value.is_finite()) => {
                Err("`fill_value` must be finite".to_owned())
            }
            () => Ok(()),
        }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        if planning.is_open && self.reference.iter().any(|name| !planning.frame.has(name)) {
            return Ok(Plan::Wait);
        }
        let others = planning.columns.iter().filter(|name| !self.reference.contains(name));
        let variables: Vec<String> = others.cloned().collect();
        for name in variables.iter().chain(&self.reference) {
            need_numbers("relative", name, planning.frame.column(name)?)?;
        }
        let mut relative =
            Relative { terms: Vec::new(), reads: Vec::new(), columns: Vec::new(), fill_value: self.fill_value };
        for function in &self.func {
            for reference in &self.reference {
                for variable in &variables {
                    relative.columns.push(format!("{variable}_{}_{reference}", function.as_str()));
                    relative.terms.push((variable.clone(), *function, reference.clone()));
                }
            }
        }
        relative.reads = variables.into_iter().chain(self.reference.iter().cloned()).collect();
        Ok(Plan::Ready(Unit::Relative(relative)))
    }
}

impl Function {
    fn as_str(self) -> &'static str {
        match self {
            Function::Add => "add",
            Function::Sub => "sub",
            Function::Mul => "mul",
            Function::Div => "div",
            Function::Floordiv => "floordiv",
            Function::Mod => "mod",
            Function::Pow => "pow",
        }
    }

    /// The result; none for a division by zero.
    fn of(self, value: f64, reference: f64) -> Option<f64> {
        let divides = matches!(self, Function::Div | Function::Floordiv | Function::Mod);
        if divides && reference == 0.0 {
            return None;
        }
        Some(match self {
            Function::Add => value + reference,
            Function::Sub => value - reference,
            Function::Mul => value * reference,
            Function::Div => value / reference,
            Function::Floordiv => (value / reference).floor(),
            Function::Mod => {
                let rest = value % reference;
                if rest != 0.0 && (rest < 0.0) != (reference < 0.0) { rest + reference } else { rest }
            }
            Function::Pow => value.powf(reference),
        })
    }
}

/// Columns held against others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Relative {
    terms: Vec<(String, Function, String)>,
    reads: Vec<String>,
    columns: Vec<String>,
    fill_value: Option<f64>,
}

impl Fitted for Relative {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        for ((variable, function, reference), name) in self.terms.iter().zip(&self.columns) {
            let values = numbers(&frame.column(variable)?.array)?;
            let references = numbers(&frame.column(reference)?.array)?;
            let result = |(value, reference): (Option<f64>, Option<f64>)| {
                let found = function.of(value?, reference?).or(self.fill_value)?;
                (!found.is_nan()).then_some(found)
            };
            let result: Float64Array = values.iter().zip(references.iter()).map(result).collect();
            frame.set(name, Column::number(Arc::new(result)));
        }
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        names(&self.reads)
    }

    fn outputs(&self) -> Vec<&str> {
        names(&self.columns)
    }
}
