//! `polynomial`: products of columns.

use std::sync::Arc;

use arrow::array::{Array, Float64Array};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ml::transform::TransformError;
use crate::ml::transform::column::numbers;
use crate::ml::transform::fitted::{Fitted, Rows, names};
use crate::ml::transform::frame::{Column, Frame};
use crate::ml::transform::needs::need_numbers;
use crate::ml::transform::plan::{Plan, Planning, Scope, Transform};
use crate::ml::transform::registry::Unit;

/// More columns than this come from columns that should have been named.
const MOST: usize = 10_000;

/// Adds the products of up to `degree` of the selected columns (scikit-learn's `PolynomialFeatures`), under names such
/// as `a^2` and `a b`. The columns themselves stay as they are. A product with a missing value is missing. A bare
/// number is the degree: `polynomial: 2`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Polynomial")]
pub(in crate::ml::transform) struct Params {
    /// How many columns a product has at most.
    #[serde(default = "two")]
    #[schemars(range(min = 2, max = 10))]
    degree: u32,
    /// Only products of different columns, without powers.
    #[serde(default)]
    interaction_only: bool,
    /// Whether to add a column `1` that is always 1; models have one of their own.
    #[serde(default)]
    include_bias: bool,
}

fn two() -> u32 {
    2
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("degree");
    const SCOPE: Scope = Scope::Together;
    const EXAMPLE: &'static str = "{polynomial: {degree: 2, interaction_only: true}, columns: [amount, months]}";

    fn check(&self) -> Result<(), String> {
        if (2..=10).contains(&self.degree) {
            Ok(())
        } else {
            Err(format!("`degree: {}` must be from 2 to 10", self.degree))
        }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        for name in planning.columns {
            need_numbers("polynomial", name, planning.frame.column(name)?)?;
        }
        let reads = planning.columns.to_vec();
        let products = products(reads.len(), self.degree as usize, self.interaction_only)?;
        let bias = self.include_bias.then(Vec::new);
        let products: Vec<Vec<usize>> = bias.into_iter().chain(products).collect();
        let columns = products.iter().map(|product| name(product, &reads)).collect();
        Ok(Plan::Ready(Unit::Polynomial(Polynomial { reads, products, columns })))
    }
}

/// The columns of each product, of two at least, in scikit-learn's order.
fn products(width: usize, degree: usize, interaction_only: bool) -> Result<Vec<Vec<usize>>, TransformError> {
    let mut all: Vec<Vec<usize>> = Vec::new();
    let mut last: Vec<Vec<usize>> = (0..width).map(|column| vec![column]).collect();
    for _ in 2..=degree {
        let mut next = Vec::new();
        for product in &last {
            let first = product.last().map_or(0, |column| column + usize::from(interaction_only));
            next.extend((first..width).map(|column| [product.as_slice(), &[column]].concat()));
            if all.len() + next.len() > MOST {
                let message = format!("`polynomial` of {width} columns would make more than {MOST} others");
                return Err(TransformError::input("too_many_columns", message)
                    .help("name fewer `columns`, or take a smaller `degree` or `interaction_only: true`"));
            }
        }
        all.extend(next.iter().cloned());
        last = next;
    }
    Ok(all)
}

fn name(product: &[usize], reads: &[String]) -> String {
    if product.is_empty() {
        return "1".to_owned();
    }
    let runs = product.chunk_by(|one, other| one == other);
    let factor = |run: &[usize]| match run.len() {
        1 => reads[run[0]].clone(),
        power => format!("{}^{power}", reads[run[0]]),
    };
    runs.map(factor).collect::<Vec<_>>().join(" ")
}

/// Products of columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Polynomial {
    reads: Vec<String>,
    /// The columns of each product, by their places in `reads`.
    products: Vec<Vec<usize>>,
    columns: Vec<String>,
}

impl Fitted for Polynomial {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let factors: Vec<Float64Array> =
            self.reads.iter().map(|name| numbers(&frame.column(name)?.array)).collect::<Result<_, _>>()?;
        for (product, name) in self.products.iter().zip(&self.columns) {
            let value = |row: usize| {
                product.iter().try_fold(1.0, |value, factor| {
                    let factor = &factors[*factor];
                    (!factor.is_null(row)).then(|| value * factor.value(row))
                })
            };
            // Infinity times zero is no number.
            let values = (0..frame.rows()).map(|row| value(row).filter(|value| !value.is_nan()));
            frame.set(name, Column::number(Arc::new(values.collect::<Float64Array>())));
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
