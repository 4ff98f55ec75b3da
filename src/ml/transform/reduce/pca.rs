//! `pca`: the directions in which rows differ most.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::components::{Products, Projection, need, whole};
use super::eigen::symmetric;
use crate::ml::transform::TransformError;
use crate::ml::transform::frame::{Frame, Kind};
use crate::ml::transform::learn::{Learner, LearningRows};
use crate::ml::transform::plan::{Plan, Planning, Promise, Scope, Transform};
use crate::ml::transform::registry::Unit;

/// A number of components, or the share of variance that they keep.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Components")]
pub(in crate::ml::transform) enum Components {
    /// So many.
    Count(usize),
    /// As many as keep this share of the variance.
    Share(f64),
}

/// Replaces columns by the directions in which rows differ most, `pca0`, `pca1`, ... (scikit-learn's `PCA`). A row with a
/// missing value has none of them. A bare number is `n_components`: `pca: 5`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Pca")]
pub(in crate::ml::transform) struct Params {
    /// How many components are kept: a number, or a share of the variance such as 0.95; by default all.
    #[serde(default)]
    n_components: Option<Components>,
    /// Whether to bring every component to the variance 1.
    #[serde(default)]
    whiten: bool,
    /// The beginning of the new columns' names.
    #[serde(default = "prefix")]
    prefix: String,
}

fn prefix() -> String {
    "pca".to_owned()
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("n_components");
    const SCOPE: Scope = Scope::Together;
    const EXAMPLE: &'static str = "{pca: {n_components: 1}, columns: [months]}";

    fn check(&self) -> Result<(), String> {
        match self.n_components {
            Some(Components::Count(0)) => Err("`n_components` must be 1 or more".to_owned()),
            Some(Components::Share(share)) if !(share > 0.0 && share < 1.0) => {
                Err("`n_components` must be a whole number, or a share between 0 and 1".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        need("pca", planning)?;
        let width = planning.columns.len();
        let most = match self.n_components {
            Some(Components::Count(count)) if count > width => {
                let message = format!("`pca` makes {count} components of {width} columns");
                return Err(TransformError::input("too_many_components", message)
                    .help(format!("take `n_components: {width}` or fewer")));
            }
            Some(Components::Count(count)) => Some(count),
            Some(Components::Share(_)) => None,
            None => Some(width),
        };
        let promise = match most {
            Some(count) => Promise::replaced_by(&columns(&self.prefix, count), Kind::Number),
            None => Promise::open(Kind::Number),
        };
        let learner = Spread {
            params: self.clone(),
            reads: planning.columns.to_vec(),
            products: Products::new(width),
            centre: None,
        };
        Ok(Plan::Learn(Box::new(learner), promise))
    }
}

pub(super) fn columns(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|place| format!("{prefix}{place}")).collect()
}

struct Spread {
    params: Params,
    reads: Vec<String>,
    products: Products,
    /// The mean of each column, after the first pass.
    centre: Option<Vec<f64>>,
}

impl Learner for Spread {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        let columns = whole("pca", &self.reads, frame)?;
        match &self.centre {
            None => self.products.sum(&columns),
            Some(centre) => self.products.multiply(&columns, centre),
        }
        Ok(())
    }

    fn needs_another_pass(&mut self) -> Result<bool, TransformError> {
        if self.centre.is_some() {
            return Ok(false);
        }
        let count = self.products.count;
        self.centre = Some(self.products.sums.iter().map(|sum| sum / count).collect());
        Ok(true)
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let Spread { params, reads, products, centre } = *self;
        let count = products.count;
        if count < 2.0 {
            return Err(TransformError::input("too_few_rows", "`pca` needs two rows or more to learn from")
                .help("look at the split and the filters before this step"));
        }
        let found = symmetric(products.cells, reads.len());
        let variances: Vec<f64> = found.iter().map(|(value, _)| value.max(0.0) / (count - 1.0)).collect();
        let kept = match params.n_components {
            None => found.len(),
            Some(Components::Count(count)) => count,
            Some(Components::Share(share)) => {
                let all: f64 = variances.iter().sum();
                let mut sum = 0.0;
                let enough = variances.iter().position(|variance| {
                    sum += variance / all;
                    sum > share
                });
                enough.map_or(found.len(), |place| place + 1)
            }
        };
        let factors = found.into_iter().zip(&variances).take(kept).map(|((_, vector), variance)| {
            let scale = if params.whiten { variance.sqrt().max(f64::EPSILON) } else { 1.0 };
            vector.into_iter().map(|factor| factor / scale).collect()
        });
        Ok(Unit::Pca(Projection {
            factors: factors.collect(),
            columns: columns(&params.prefix, kept),
            centre: centre.unwrap_or_default(),
            reads,
        }))
    }
}
