//! Where the line between outliers and others is drawn.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ml::quantile::Ranks;

/// Which share of the rows are outliers: `auto` for the line of the method, or a share above 0 and up to 0.5.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Contamination {
    /// The line that the method's authors draw.
    Auto(Auto),
    /// A share of the rows learned from.
    Share(f64),
}

/// By the method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Auto {
    /// By the method.
    #[default]
    Auto,
}

impl Default for Contamination {
    fn default() -> Contamination {
        Contamination::Auto(Auto::Auto)
    }
}

impl Contamination {
    /// Whether it is `auto` or a share that makes sense.
    pub fn is_valid(self) -> bool {
        match self {
            Contamination::Auto(_) => true,
            Contamination::Share(share) => share > 0.0 && share <= 0.5,
        }
    }

    /// The score below which a row is an outlier; `scores` are asked for only if they decide.
    pub(super) fn offset<E>(self, auto: f64, scores: impl FnOnce() -> Result<Vec<f64>, E>) -> Result<f64, E> {
        match self {
            Contamination::Auto(_) => Ok(auto),
            Contamination::Share(share) => Ok(Ranks::of(scores()?).quantile(share)),
        }
    }
}
