//! The methods, their thresholds, and which one is used when nobody chose.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How two samples of a column are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "DriftMethod")]
pub enum Method {
    /// Two-sample Kolmogorov-Smirnov test, for numbers; drift if p < 0.05.
    Ks,
    /// Wasserstein distance in standard deviations of the reference, for numbers; drift from 0.1 on.
    Wasserstein,
    /// Population stability index; drift from 0.1 on.
    Psi,
    /// Jensen-Shannon distance; drift from 0.1 on.
    #[serde(rename = "jensenshannon", alias = "jensen_shannon")]
    JensenShannon,
    /// Chi-squared test of the counts; drift if p < 0.05.
    #[serde(rename = "chisquare", alias = "chi_squared")]
    ChiSquare,
    /// Z-test of one share, for columns with two values; drift if p < 0.05.
    Z,
}

impl Method {
    /// Evidently's choice: by the size of the reference and the number of distinct values in both samples.
    pub fn usual(is_number: bool, reference_rows: usize, distinct: usize) -> Method {
        match (is_number && distinct > 5, reference_rows <= 1000) {
            (true, true) => Method::Ks,
            (true, false) => Method::Wasserstein,
            (false, false) => Method::JensenShannon,
            (false, true) if distinct > 2 => Method::ChiSquare,
            (false, true) => Method::Z,
        }
    }

    /// The name in manifests and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Ks => "ks",
            Method::Wasserstein => "wasserstein",
            Method::Psi => "psi",
            Method::JensenShannon => "jensenshannon",
            Method::ChiSquare => "chisquare",
            Method::Z => "z",
        }
    }

    /// Whether the method gives a p-value, where less means drift, and not a distance.
    pub fn is_test(self) -> bool {
        matches!(self, Method::Ks | Method::ChiSquare | Method::Z)
    }

    /// The threshold when nobody chose one.
    pub fn threshold(self) -> f64 {
        if self.is_test() { 0.05 } else { 0.1 }
    }

    /// Whether the method can compare columns of numbers, or of categories.
    pub fn fits(self, is_number: bool) -> bool {
        is_number || !matches!(self, Method::Ks | Method::Wasserstein)
    }
}
