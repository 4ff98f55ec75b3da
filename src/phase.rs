//! The six phases of CRISP-ML(Q), in their order.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A phase of CRISP-ML(Q); ordered as a run passes through them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Business and data understanding.
    Understanding,
    /// Data engineering.
    DataEngineering,
    /// Model engineering.
    ModelEngineering,
    /// Evaluation.
    Evaluation,
    /// Deployment.
    Deployment,
    /// Monitoring and maintenance.
    Monitoring,
}

impl Phase {
    /// All phases, in order.
    pub const ALL: [Phase; 6] = [
        Self::Understanding,
        Self::DataEngineering,
        Self::ModelEngineering,
        Self::Evaluation,
        Self::Deployment,
        Self::Monitoring,
    ];

    /// The phase as written in manifests, SQL and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Understanding => "understanding",
            Self::DataEngineering => "data_engineering",
            Self::ModelEngineering => "model_engineering",
            Self::Evaluation => "evaluation",
            Self::Deployment => "deployment",
            Self::Monitoring => "monitoring",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for Phase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == text).ok_or_else(|| format!("`{text}` is not a phase"))
    }
}
