//! What stands between two layers.

use candle_core::{Result, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The function between two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Activation {
    #[default]
    Relu,
    Gelu,
    Silu,
    Tanh,
}

impl Activation {
    pub(super) fn apply(self, values: &Tensor) -> Result<Tensor> {
        match self {
            Self::Relu => values.relu(),
            Self::Gelu => values.gelu_erf(),
            Self::Silu => values.silu(),
            Self::Tanh => values.tanh(),
        }
    }
}
