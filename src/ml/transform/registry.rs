//! The list of all transforms, and what is made of it: one enum of params, one of fitted transforms, one table of keys.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::TransformError;
use super::fitted::Fitted;
use super::plan::{Columns, Plan, Planning, Scope, Transform};
use super::{create, discretise, encode, impute, outliers, reduce, scale, select, text};

/// What the list says of one transform.
#[derive(Debug)]
pub(super) struct Entry {
    /// The key in manifests, in `transform.json` and in lineage.
    pub(super) key: &'static str,
    /// What it is for, with others.
    pub(super) family: &'static str,
    /// The param that a bare value stands for.
    pub(super) bare: Option<&'static str>,
    /// Params that are written beside the key.
    pub(super) beside: &'static [(&'static str, &'static str)],
    /// Where its columns come from.
    pub(super) columns: Columns,
    /// Whether it works on each of them alone.
    pub(super) scope: Scope,
    /// One item of `transforms`, in YAML.
    pub(super) example: &'static str,
    /// Its params, from their JSON.
    pub(super) read: fn(Value) -> Result<Operation, String>,
    /// The schema of its params.
    pub(super) schema: fn(&mut SchemaGenerator) -> Schema,
}

macro_rules! transforms {
    ($($family:literal: { $($key:literal => $variant:ident($params:ty, $fitted:ty),)+ })+) => {
        /// What a transform does: its params.
        #[derive(Debug, Clone)]
        pub(super) enum Operation {
            $($($variant($params),)+)+
        }

        /// A fitted transform, as `transform.json` holds it.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "transform")]
        pub(super) enum Unit {
            $($(#[serde(rename = $key)] $variant($fitted),)+)+
        }

        /// All transforms, by family.
        pub(super) static ENTRIES: &[Entry] = &[$($(Entry {
            key: $key,
            family: $family,
            bare: <$params>::BARE,
            beside: <$params>::BESIDE,
            columns: <$params>::COLUMNS,
            scope: <$params>::SCOPE,
            example: <$params>::EXAMPLE,
            read: |value| read(value).map(Operation::$variant),
            schema: <$params>::json_schema,
        },)+)+];

        impl Operation {
            /// What is wrong with the params themselves.
            pub(super) fn check(&self) -> Result<(), String> {
                match self {
                    $($(Operation::$variant(params) => params.check(),)+)+
                }
            }

            /// Files and folders that it reads.
            pub(super) fn files(&self) -> Vec<&str> {
                match self {
                    $($(Operation::$variant(params) => params.files(),)+)+
                }
            }

            /// What it takes to have it.
            pub(super) fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
                match self {
                    $($(Operation::$variant(params) => params.plan(planning),)+)+
                }
            }
        }

        impl Unit {
            /// What it does.
            pub(super) fn fitted(&self) -> &dyn Fitted {
                match self {
                    $($(Unit::$variant(fitted) => fitted,)+)+
                }
            }

            /// The same, to be changed.
            pub(super) fn fitted_mut(&mut self) -> &mut dyn Fitted {
                match self {
                    $($(Unit::$variant(fitted) => fitted,)+)+
                }
            }

            /// Its key in manifests and lineage.
            pub(super) fn key(&self) -> &'static str {
                match self {
                    $($(Unit::$variant(_) => $key,)+)+
                }
            }
        }
    };
}

transforms! {
    "Missing values": {
        "impute" => Impute(impute::simple::Params, impute::simple::Impute),
        "impute_knn" => ImputeKnn(impute::knn::Params, impute::knn::Knn),
        "impute_iterative" => ImputeIterative(impute::iterative::Params, impute::iterative::Iterative),
        "impute_random_sample" => ImputeRandomSample(impute::random_sample::Params, impute::random_sample::RandomSample),
        "missing_indicator" => MissingIndicator(impute::indicator::Params, impute::indicator::Indicators),
    }
    "Outliers": {
        "winsorize" => Winsorize(outliers::winsorize::Params, outliers::winsorize::Winsorize),
    }
    "Scale": {
        "standardize" => Standardize(scale::standardize::Params, scale::affine::Affine),
        "min_max" => MinMax(scale::min_max::Params, scale::affine::Affine),
        "max_abs" => MaxAbs(scale::max_abs::Params, scale::affine::Affine),
        "robust" => Robust(scale::robust::Params, scale::affine::Affine),
        "mean_norm" => MeanNorm(scale::mean_norm::Params, scale::affine::Affine),
        "normalizer" => Normalizer(scale::normalizer::Params, scale::normalizer::Normalizer),
        "quantile" => Quantile(scale::quantile::Params, scale::quantile::Quantile),
        "power" => Power(scale::power::Params, scale::power::Power),
        "log1p" => Log1p(scale::log1p::Params, scale::log1p::Log1p),
        "log" => Log(scale::math::Log, scale::math::Math),
        "sqrt" => Sqrt(scale::math::Sqrt, scale::math::Math),
        "reciprocal" => Reciprocal(scale::math::Reciprocal, scale::math::Math),
        "arcsinh" => Arcsinh(scale::math::Arcsinh, scale::math::Math),
    }
    "Encode categories": {
        "one_hot" => OneHot(encode::one_hot::Params, encode::one_hot::OneHot),
        "ordinal" => Ordinal(encode::ordinal::Params, encode::ordinal::Ordinal),
        "target" => Target(encode::target::Params, encode::means::Encoding),
        "m_estimate" => MEstimate(encode::target::MEstimate, encode::means::Encoding),
        "woe" => Woe(encode::target::Woe, encode::means::Encoding),
        "leave_one_out" => LeaveOneOut(encode::others::LeaveOneOut, encode::others::Encoding),
        "catboost" => CatBoost(encode::others::CatBoost, encode::others::Encoding),
        "count" => Count(encode::count::Params, encode::count::Count),
        "rare_label" => RareLabel(encode::rare_label::Params, encode::rare_label::RareLabel),
        "binary" => Binary(encode::binary::Params, encode::binary::Binary),
        "hash" => Hash(encode::hash::Params, encode::hash::Hash),
    }
    "Discretise": {
        "bin" => Bin(discretise::bin::Params, discretise::bin::Bin),
        "geometric_width" => GeometricWidth(discretise::geometric_width::Params, discretise::intervals::Intervals),
        "tree_bins" => TreeBins(discretise::tree_bins::Params, discretise::intervals::Intervals),
    }
    "Create columns": {
        "date_parts" => DateParts(create::date_parts::Params, create::date_parts::DateParts),
        "derive" => Derive(create::derive::Params, create::derive::Derive),
        "polynomial" => Polynomial(create::polynomial::Params, create::polynomial::Polynomial),
        "spline" => Spline(create::spline::Params, create::spline::Spline),
        "cyclical" => Cyclical(create::cyclical::Params, create::cyclical::Cyclical),
        "relative" => Relative(create::relative::Params, create::relative::Relative),
    }
    "Texts": {
        "count_vectorizer" => CountVectorizer(text::vocabulary::CountParams, text::vocabulary::Vocabulary),
        "tfidf" => Tfidf(text::vocabulary::TfidfParams, text::vocabulary::Vocabulary),
        "hashing_vectorizer" => HashingVectorizer(text::hashing::Params, text::hashing::HashedTerms),
        "sentence_embedding" => SentenceEmbedding(text::embedding::Params, text::embedding::Embedding),
        "text_stats" => TextStats(text::stats::Params, text::stats::TextStats),
    }
    "Reduce": {
        "pca" => Pca(reduce::pca::Params, reduce::components::Projection),
        "truncated_svd" => TruncatedSvd(reduce::svd::Params, reduce::components::Projection),
        "random_projection" => RandomProjection(reduce::projection::Params, reduce::components::Projection),
    }
    "Choose columns": {
        "drop" => Drop(select::by_name::Drop, select::by_name::Dropped),
        "select" => Select(select::by_name::Select, select::by_name::Dropped),
        "variance_threshold" => VarianceThreshold(select::variance::Params, select::chosen::Chosen),
        "k_best" => KBest(select::k_best::Params, select::chosen::Chosen),
        "drop_correlated" => DropCorrelated(select::correlated::Params, select::chosen::Chosen),
        "drop_high_psi" => DropHighPsi(select::psi::Params, select::chosen::Chosen),
        "information_value" => InformationValue(select::information_value::Params, select::chosen::Chosen),
        "from_model" => FromModel(select::from_model::Params, select::chosen::Chosen),
        "rfe" => Rfe(select::rfe::Params, select::chosen::Chosen),
    }
}

/// What there is to know of a transform before any table: for docs and for tests over all transforms.
#[derive(Debug)]
pub struct Listed {
    /// The key in manifests.
    pub key: &'static str,
    /// What it is for, with others.
    pub family: &'static str,
    /// One item of `transforms`, in YAML.
    pub example: &'static str,
    /// The columns that it works on if the manifest does not say; none if it names them itself.
    pub columns: Option<&'static str>,
    /// The schema of its params, with its definitions.
    pub schema: Schema,
}

/// All transforms, by family.
pub fn catalogue() -> Vec<Listed> {
    let listed = |entry: &Entry| {
        let mut generator = SchemaGenerator::default();
        let mut schema = (entry.schema)(&mut generator);
        schema.insert("$defs".to_owned(), Value::Object(generator.take_definitions(true)));
        let columns = match entry.columns {
            Columns::Selected(default) => Some(default),
            Columns::Value | Columns::Named => None,
        };
        Listed { key: entry.key, family: entry.family, example: entry.example, columns, schema }
    };
    ENTRIES.iter().map(listed).collect()
}

/// Whether `key` names a transform.
pub fn is_known(key: &str) -> bool {
    ENTRIES.iter().any(|entry| entry.key == key)
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        if path == "." { format!(": {}", error.inner()) } else { format!(".{path}: {}", error.inner()) }
    })
}
