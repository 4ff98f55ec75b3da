//! `truncated_svd`: the directions in which rows are long, for counts of words and other columns that are mostly zero.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::components::{Products, Projection, need, whole};
use super::eigen::symmetric;
use super::pca::columns;
use crate::ml::transform::TransformError;
use crate::ml::transform::frame::{Frame, Kind};
use crate::ml::transform::learn::{Learner, LearningRows};
use crate::ml::transform::plan::{Plan, Planning, Promise, Scope, Transform};
use crate::ml::transform::registry::Unit;

/// Replaces columns by the directions in which rows are longest, without centring them, `svd0`, `svd1`, ...
/// (scikit-learn's `TruncatedSVD`, exactly and not at random). A bare number is `n_components`: `truncated_svd: 5`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TruncatedSvd")]
pub(in crate::ml::transform) struct Params {
    /// How many components are kept.
    #[serde(default = "two")]
    #[schemars(range(min = 1))]
    n_components: usize,
    /// The beginning of the new columns' names.
    #[serde(default = "prefix")]
    prefix: String,
}

fn two() -> usize {
    2
}

fn prefix() -> String {
    "svd".to_owned()
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("n_components");
    const SCOPE: Scope = Scope::Together;
    const EXAMPLE: &'static str = "{truncated_svd: 1, columns: [months]}";

    fn check(&self) -> Result<(), String> {
        if self.n_components == 0 { Err("`n_components` must be 1 or more".to_owned()) } else { Ok(()) }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        if planning.is_open {
            return Ok(Plan::Wait);
        }
        need("truncated_svd", planning)?;
        let width = planning.columns.len();
        if self.n_components > width {
            let message = format!("`truncated_svd` makes {} components of {width} columns", self.n_components);
            return Err(TransformError::input("too_many_components", message)
                .help(format!("take `n_components: {width}` or fewer")));
        }
        let promise = Promise::replaced_by(&columns(&self.prefix, self.n_components), Kind::Number);
        let learner =
            Lengths { params: self.clone(), reads: planning.columns.to_vec(), products: Products::new(width) };
        Ok(Plan::Learn(Box::new(learner), promise))
    }
}

struct Lengths {
    params: Params,
    reads: Vec<String>,
    products: Products,
}

impl Learner for Lengths {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        let columns = whole("truncated_svd", &self.reads, frame)?;
        self.products.multiply(&columns, &vec![0.0; self.reads.len()]);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let Lengths { params, reads, products } = *self;
        let found = symmetric(products.cells, reads.len());
        let factors = found.into_iter().take(params.n_components).map(|(_, vector)| vector).collect();
        let columns = columns(&params.prefix, params.n_components);
        Ok(Unit::TruncatedSvd(Projection { reads, columns, centre: Vec::new(), factors }))
    }
}
