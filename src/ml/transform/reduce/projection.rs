//! `random_projection`: sums of columns at random, which keep distances on average.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::components::Projection;
use super::pca::columns;
use crate::ml::normal::draw;
use crate::ml::transform::TransformError;
use crate::ml::transform::needs::need_numbers;
use crate::ml::transform::plan::{Plan, Planning, Scope, Transform};
use crate::ml::transform::registry::Unit;

/// How the sums are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ProjectionKind")]
pub(in crate::ml::transform) enum How {
    /// Factors from a normal distribution.
    #[default]
    Gaussian,
    /// Most factors are zero, the others plus or minus the same.
    Sparse,
}

/// Replaces columns by fewer sums of them, drawn at random, `proj0`, `proj1`, ... (scikit-learn's
/// `GaussianRandomProjection` and `SparseRandomProjection`); distances between rows stay about the same. A row with a
/// missing value has none of them. A bare number is `n_components`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RandomProjection")]
pub(in crate::ml::transform) struct Params {
    /// How many sums there are.
    #[schemars(range(min = 1, max = 10000))]
    n_components: usize,
    /// How they are drawn.
    #[serde(default)]
    kind: How,
    /// The share of factors that are not zero, for `sparse`; by default one over the root of the number of columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    density: Option<f64>,
    /// The beginning of the new columns' names.
    #[serde(default = "prefix")]
    prefix: String,
}

fn prefix() -> String {
    "proj".to_owned()
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("n_components");
    const SCOPE: Scope = Scope::Together;
    const EXAMPLE: &'static str = "{random_projection: {n_components: 2, kind: sparse}, columns: [amount, months]}";

    fn check(&self) -> Result<(), String> {
        if !(1..=10_000).contains(&self.n_components) {
            return Err(format!("`n_components: {}` must be from 1 to 10000", self.n_components));
        }
        match self.density {
            Some(density) if !(density > 0.0 && density <= 1.0) => {
                Err(format!("`density: {density}` must be above 0 and up to 1"))
            }
            _ => Ok(()),
        }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        if planning.is_open {
            return Ok(Plan::Wait);
        }
        for name in planning.columns {
            need_numbers("random_projection", name, planning.frame.column(name)?)?;
        }
        let reads = planning.columns.to_vec();
        Ok(Plan::Ready(Unit::RandomProjection(Projection {
            factors: self.draw(reads.len(), planning.facts.seed),
            columns: columns(&self.prefix, self.n_components),
            centre: Vec::new(),
            reads,
        })))
    }
}

impl Params {
    fn draw(&self, width: usize, seed: u64) -> Vec<Vec<f64>> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let components = self.n_components as f64;
        let density = self.density.unwrap_or(1.0 / (width as f64).sqrt());
        let mut factor = || match self.kind {
            How::Gaussian => draw(&mut random) / components.sqrt(),
            How::Sparse => {
                let size = (1.0 / (density * components)).sqrt();
                let drawn = random.random::<f64>();
                match () {
                    () if drawn < density / 2.0 => size,
                    () if drawn < density => -size,
                    () => 0.0,
                }
            }
        };
        (0..self.n_components).map(|_| (0..width).map(|_| factor()).collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_stay_about_the_same() {
        for kind in [How::Gaussian, How::Sparse] {
            let params = Params { n_components: 400, kind, density: None, prefix: prefix() };
            let factors = params.draw(300, 7);
            assert_eq!(factors, params.draw(300, 7));
            assert_ne!(factors, params.draw(300, 8));
            let gap: Vec<f64> = (0..300).map(|column| f64::from(column % 17) - 8.0).collect();
            let length = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>().sqrt();
            let projected: Vec<f64> =
                factors.iter().map(|row| row.iter().zip(&gap).map(|(factor, gap)| factor * gap).sum()).collect();
            let ratio = length(&projected) / length(&gap);
            assert!((ratio - 1.0).abs() < 0.1, "{kind:?}: {ratio}");
        }
    }
}
