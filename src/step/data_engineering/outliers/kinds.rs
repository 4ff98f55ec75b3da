//! The kinds and their params.

use super::run::{Method, Outliers};
use crate::ml::outlier::{Contamination, Tail};

/// Declares a kind of step that leaves outliers out.
macro_rules! outliers_kind {
    (
        $(#[doc = $doc:literal])+
        $module:ident::$kind:ident $name:literal, $summary:literal, with $with:literal
        params { $($(#[$meta:meta])* $field:ident: $type:ty,)* }
        method $method:expr
    ) => {
        pub use $module::$kind;

        mod $module {
            use super::*;

            $(#[doc = $doc])+
            #[derive(Debug, Clone, serde::Deserialize, schemars::JsonSchema)]
            #[serde(deny_unknown_fields)]
            pub struct Params {
                /// The columns that are looked at; by default the features, or where none are marked all numbers. Name
                /// them if the target is a number.
                #[serde(default)]
                pub columns: Option<Vec<String>>,
                $($(#[$meta])* pub $field: $type,)*
            }

            /// A step that leaves outliers out.
            pub struct $kind {
                outliers: Outliers,
            }

            impl $crate::step::StepKind for $kind {
                const NAME: &'static str = $name;
                const VERSION: u32 = 1;
                const PHASE: $crate::phase::Phase = $crate::phase::Phase::DataEngineering;
                const SUMMARY: &'static str = $summary;
                const EXAMPLE: &'static str =
                    concat!("uses: ", $name, "\ninputs: {fit: split.train}\nwith: ", $with, "\n");
                type Params = Params;

                fn new(params: Params) -> Result<Self, $crate::step::ParamErrors> {
                    let method: fn(&Params) -> Method = $method;
                    let outliers = Outliers { name: $name, method: method(&params), columns: params.columns };
                    outliers.check()?;
                    Ok($kind { outliers })
                }

                fn ports(&self) -> $crate::step::Ports {
                    Outliers::ports()
                }

                fn run(&self, context: &mut $crate::step::StepContext) -> Result<(), $crate::step::StepError> {
                    self.outliers.run(context)
                }
            }
        }
    };
}

fn one_and_a_half() -> f64 {
    1.5
}

fn three() -> f64 {
    3.0
}

fn hundred() -> usize {
    100
}

fn twenty() -> usize {
    20
}

fn all() -> f64 {
    1.0
}

outliers_kind! {
    /// Leaves out rows with a value far beyond the quartiles of its column, as feature-engine's `OutlierTrimmer` with
    /// `iqr`. Missing values are no outliers.
    iqr::OutliersIqr "outliers.iqr",
    "Leaves out rows with a value far beyond the quartiles of its column, and lists them.",
    with "{columns: [income, age], fold: 1.5}"
    params {
        /// How many times the distance between the quartiles a value may be beyond them.
        #[serde(default = "one_and_a_half")]
        fold: f64,
        /// Which values are looked at: `both`, `left` for small ones, `right` for large ones.
        #[serde(default)]
        tail: Tail,
    }
    method |params| Method::Iqr { fold: params.fold, tail: params.tail }
}

outliers_kind! {
    /// Leaves out rows with a value many standard deviations from the mean of its column, as feature-engine's
    /// `OutlierTrimmer` with `gaussian`. Missing values are no outliers.
    zscore::OutliersZscore "outliers.zscore",
    "Leaves out rows with a value many standard deviations from the mean of its column, and lists them.",
    with "{columns: [income, age], threshold: 3}"
    params {
        /// How many standard deviations a value may be from the mean.
        #[serde(default = "three")]
        threshold: f64,
        /// Which values are looked at: `both`, `left` for small ones, `right` for large ones.
        #[serde(default)]
        tail: Tail,
    }
    method |params| Method::Zscore { threshold: params.threshold, tail: params.tail }
}

outliers_kind! {
    /// Leaves out rows that few random cuts set apart from the others, as scikit-learn's `IsolationForest`.
    isolation_forest::OutliersIsolationForest "outliers.isolation_forest",
    "Leaves out rows that few random cuts set apart from the others, and lists them.",
    with "{n_estimators: 100, contamination: 0.02, seed: 7}"
    params {
        /// How many trees there are.
        #[serde(default = "hundred")]
        #[schemars(range(min = 1))]
        n_estimators: usize,
        /// How many rows each tree sees; by default 256, or all if there are fewer.
        #[serde(default)]
        #[schemars(range(min = 1))]
        max_samples: Option<usize>,
        /// The share of columns that each tree may cut.
        #[serde(default = "all")]
        #[schemars(range(min = 0, max = 1))]
        max_features: f64,
        /// Whether a tree may see a row more than once.
        #[serde(default)]
        bootstrap: bool,
        /// Which share of the fit rows are outliers; `auto` for scores below -0.5.
        #[serde(default)]
        contamination: Contamination,
        /// Another seed than the run's.
        #[serde(default)]
        seed: Option<u64>,
    }
    method |params| Method::IsolationForest {
        n_estimators: params.n_estimators,
        max_samples: params.max_samples,
        max_features: params.max_features,
        bootstrap: params.bootstrap,
        contamination: params.contamination,
        seed: params.seed,
    }
}

outliers_kind! {
    /// Leaves out rows whose neighbourhood is much thinner than that of their neighbours, as scikit-learn's
    /// `LocalOutlierFactor`. Rows beside the fit table are held against its rows (`novelty`).
    local_outlier_factor::OutliersLocalOutlierFactor "outliers.local_outlier_factor",
    "Leaves out rows whose neighbourhood is much thinner than that of their neighbours, and lists them.",
    with "{n_neighbors: 20, contamination: auto}"
    params {
        /// How many neighbours make a neighbourhood.
        #[serde(default = "twenty")]
        #[schemars(range(min = 1))]
        n_neighbors: usize,
        /// Which share of the fit rows are outliers; `auto` for factors above 1.5.
        #[serde(default)]
        contamination: Contamination,
    }
    method |params| Method::LocalOutlierFactor { n_neighbors: params.n_neighbors, contamination: params.contamination }
}
