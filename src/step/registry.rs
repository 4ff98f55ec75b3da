//! The explicit list of all kinds of steps.

use std::collections::BTreeMap;

use serde_json::Value;

use super::contract::{Effect, ParamErrors, Step, StepKind};
use crate::phase::Phase;

/// What is known of a kind without a step of it.
pub struct KindInfo {
    /// The name in `uses`.
    pub name: &'static str,
    /// Part of the cache key.
    pub version: u32,
    /// Where it usually stands.
    pub phase: Phase,
    /// One sentence.
    pub summary: &'static str,
    /// Whether results may be reused.
    pub effect: Effect,
    /// A step of this kind as YAML.
    pub example: &'static str,
    /// Another program that runs steps of this kind, if there is one; [`Step::needs_program`] says which of them.
    pub program: Option<&'static str>,
    /// Makes the JSON Schema of `with`.
    pub schema: fn() -> schemars::Schema,
    build: fn(Value) -> Result<Box<dyn Step>, ParamErrors>,
}

impl KindInfo {
    /// A step of this kind with `params` as `with` (an object, or null for none).
    ///
    /// # Errors
    /// Everything that is wrong with the params.
    pub fn build(&self, params: Value) -> Result<Box<dyn Step>, ParamErrors> {
        (self.build)(params)
    }
}

/// Words that people know from elsewhere for what a kind here does with a param.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("split.stratified", "split.random"),
    ("split.holdout", "split.random"),
    ("split.stratified_group_k_fold", "split.group_k_fold"),
    ("balance.edited_nearest_neighbours", "balance.enn"),
];

/// A kind that no `uses` may name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no step kind `{name}`")]
pub struct UnknownKind {
    /// The name as written.
    pub name: String,
    /// The name that was probably meant.
    pub nearest: Option<&'static str>,
}

/// All kinds by name.
pub struct StepRegistry {
    kinds: BTreeMap<&'static str, KindInfo>,
}

impl StepRegistry {
    /// The kinds that this program knows.
    pub fn builtin() -> StepRegistry {
        let mut registry = StepRegistry { kinds: BTreeMap::new() };
        registry.register::<super::Approval>();
        registry.register::<super::command::Command>();
        registry.register::<super::deployment::DeployEndpoint>();
        registry.register::<super::understanding::IngestArrow>();
        registry.register::<super::understanding::IngestCsv>();
        registry.register::<super::understanding::IngestExcel>();
        registry.register::<super::understanding::IngestHttp>();
        registry.register::<super::understanding::IngestJson>();
        registry.register::<super::understanding::IngestParquet>();
        registry.register::<super::understanding::IngestSql>();
        registry.register::<super::data_engineering::DataSql>();
        registry.register::<super::data_engineering::DataLags>();
        registry.register::<super::data_engineering::DataAsOf>();
        registry.register::<super::understanding::ProfileTable>();
        registry.register::<super::understanding::ValidateTable>();
        registry.register::<super::data_engineering::SplitRandom>();
        registry.register::<super::data_engineering::SplitTime>();
        registry.register::<super::data_engineering::SplitGroup>();
        registry.register::<super::data_engineering::SplitKFold>();
        registry.register::<super::data_engineering::SplitStratifiedKFold>();
        registry.register::<super::data_engineering::SplitGroupKFold>();
        registry.register::<super::data_engineering::SplitTimeSeries>();
        registry.register::<super::data_engineering::BalanceRandomOver>();
        registry.register::<super::data_engineering::BalanceRandomUnder>();
        registry.register::<super::data_engineering::BalanceSmote>();
        registry.register::<super::data_engineering::BalanceSmotenc>();
        registry.register::<super::data_engineering::BalanceBorderlineSmote>();
        registry.register::<super::data_engineering::BalanceAdasyn>();
        registry.register::<super::data_engineering::BalanceNearMiss>();
        registry.register::<super::data_engineering::BalanceTomekLinks>();
        registry.register::<super::data_engineering::BalanceEnn>();
        registry.register::<super::data_engineering::BalanceSmoteTomek>();
        registry.register::<super::data_engineering::BalanceSmoteEnn>();
        registry.register::<super::data_engineering::BalanceClassWeight>();
        registry.register::<super::data_engineering::AugmentNoise>();
        registry.register::<super::data_engineering::AugmentMixup>();
        registry.register::<super::data_engineering::AugmentText>();
        registry.register::<super::data_engineering::OutliersIqr>();
        registry.register::<super::data_engineering::OutliersZscore>();
        registry.register::<super::data_engineering::OutliersIsolationForest>();
        registry.register::<super::data_engineering::OutliersLocalOutlierFactor>();
        registry.register::<super::data_engineering::FeaturePipeline>();
        registry.register::<super::model_engineering::TrainLogistic>();
        registry.register::<super::model_engineering::TrainLinear>();
        registry.register::<super::model_engineering::TrainMlp>();
        registry.register::<super::model_engineering::SelectBest>();
        registry.register::<super::model_engineering::CompareAblation>();
        registry.register::<super::evaluation::EvaluateClassifier>();
        registry.register::<super::evaluation::EvaluateRegressor>();
        registry.register::<super::monitoring::MonitorDrift>();
        registry
    }

    /// A registry that begins with one kind, for programs that run few.
    pub fn of<K: StepKind>() -> StepRegistry {
        let mut registry = StepRegistry { kinds: BTreeMap::new() };
        registry.register::<K>();
        registry
    }

    /// Adds a kind.
    ///
    /// # Panics
    /// The name is taken.
    pub fn register<K: StepKind>(&mut self) {
        let info = KindInfo {
            name: K::NAME,
            version: K::VERSION,
            phase: K::PHASE,
            summary: K::SUMMARY,
            effect: K::EFFECT,
            example: K::EXAMPLE,
            program: K::PROGRAM,
            schema: || schemars::schema_for!(K::Params),
            build: build::<K>,
        };
        let earlier = self.kinds.insert(K::NAME, info);
        assert!(earlier.is_none(), "step kind `{}` is registered twice", K::NAME);
    }

    /// The kind that `uses: name` means.
    pub fn kind(&self, name: &str) -> Result<&KindInfo, UnknownKind> {
        self.kinds.get(name).ok_or_else(|| {
            let other_word = OTHER_WORDS.iter().find(|(word, _)| *word == name).map(|(_, known)| *known);
            let nearest = self
                .kinds
                .keys()
                .map(|known| (strsim::damerau_levenshtein(known, name), *known))
                .min()
                .filter(|(distance, _)| *distance <= 3)
                .map(|(_, known)| known);
            UnknownKind { name: name.to_owned(), nearest: other_word.or(nearest) }
        })
    }

    /// All kinds, by name.
    pub fn kinds(&self) -> impl Iterator<Item = &KindInfo> {
        self.kinds.values()
    }
}

fn build<K: StepKind>(params: Value) -> Result<Box<dyn Step>, ParamErrors> {
    let params = if params.is_null() { Value::Object(serde_json::Map::new()) } else { params };
    let params: K::Params = serde_path_to_error::deserialize(K::adapt(params)?).map_err(|error| {
        let path: Vec<String> = error
            .path()
            .iter()
            .filter_map(|segment| match segment {
                serde_path_to_error::Segment::Map { key } => Some(key.clone()),
                serde_path_to_error::Segment::Seq { index } => Some(index.to_string()),
                _ => None,
            })
            .collect();
        ParamErrors::one(path.iter().map(String::as_str), error.inner().to_string())
    })?;
    Ok(Box::new(K::new(params)?))
}
