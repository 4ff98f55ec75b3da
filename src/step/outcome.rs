//! What a finished step hands back besides bytes: metrics, column lineage and registrations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::artifact::ArtifactRef;
use crate::id::{EndpointName, OutputName};

/// One measured value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// The metric's name under scikit-learn's terms where it has one, such as `roc_auc`; may carry a split: `valid.roc_auc`.
    pub name: String,
    /// The slice it was measured on, such as `SeniorCitizen=1`; none for all rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<String>,
    /// The value; none when it is undefined, which no gate counts as passed.
    pub value: Option<f64>,
    /// Lower end of the 95 % confidence interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Upper end of the 95 % confidence interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

impl Metric {
    /// A metric over all rows, without interval. A value that is not finite counts as undefined.
    pub fn new(name: impl Into<String>, value: f64) -> Metric {
        Metric { name: name.into(), slice: None, value: value.is_finite().then_some(value), low: None, high: None }
    }
}

/// How one output column came from one input column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnEdge {
    /// The output that has the column.
    pub output: OutputName,
    /// The output column.
    pub column: String,
    /// The digest of the input table.
    pub from: crate::artifact::Digest,
    /// The input column.
    pub from_column: String,
    /// How, such as `identity`, `standardize` or `one_hot`.
    pub transform: String,
}

/// A model version that an endpoint shall answer with, carried out by the engine in one transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Registration {
    /// The endpoint, which is also the model's name.
    pub endpoint: EndpointName,
    /// The alias that moves to the new version, such as `champion`.
    pub alias: String,
    /// The bundle that serves: model, transform and schema in one folder.
    pub bundle: ArtifactRef,
    /// The trained model inside it.
    pub model: ArtifactRef,
}

/// Everything that a successful attempt hands back.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StepOutcome {
    /// The committed outputs.
    pub outputs: BTreeMap<OutputName, ArtifactRef>,
    /// The measured values, in the order reported.
    pub metrics: Vec<Metric>,
    /// Which output columns came from which input columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnEdge>,
    /// Model versions to register.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registrations: Vec<Registration>,
    /// What it warned of in its log, the first lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}
