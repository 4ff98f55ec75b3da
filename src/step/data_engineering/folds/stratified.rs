//! `split.stratified_k_fold`: folds with the same shares of classes.

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::codes::{Codes, Missing};
use super::super::strata::MAX_STRATA;
use super::assign;
use super::write::{self, Folds};
use crate::phase::Phase;
use crate::step::{ParamErrors, Ports, StepContext, StepError, StepKind};

/// Splits a table into folds with the same share of each class, as scikit-learn's `StratifiedKFold`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The column whose values get the same shares in every fold: usually the target of a classification.
    pub stratify: String,
    /// How many folds there are.
    #[serde(default = "super::k_fold::five")]
    pub n_splits: usize,
    /// Write `train` and `valid` of this fold, counted from 0, instead of all `folds`. Usually `${{ matrix.fold }}`.
    #[serde(default)]
    pub fold: Option<usize>,
    /// Deal rows to folds at random instead of in blocks.
    #[serde(default)]
    pub shuffle: bool,
    /// Another seed than the run's, for `shuffle`.
    #[serde(default)]
    pub seed: Option<u64>,
}

/// A step that splits into stratified folds.
pub struct SplitStratifiedKFold {
    params: Params,
}

impl StepKind for SplitStratifiedKFold {
    const NAME: &'static str = "split.stratified_k_fold";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::DataEngineering;
    const SUMMARY: &'static str = "Splits a table into folds that have the same share of each class.";
    const EXAMPLE: &'static str = "\
matrix: {fold: [0, 1, 2, 3, 4]}
uses: split.stratified_k_fold
inputs: {table: split.train}
with:
  stratify: Churn
  n_splits: 5
  fold: ${{ matrix.fold }}
  shuffle: true
  seed: 7
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        write::check(params.n_splits, params.fold)?;
        write::check_seed(params.shuffle, params.seed)?;
        Ok(SplitStratifiedKFold { params })
    }

    fn ports(&self) -> Ports {
        write::ports(self.params.fold)
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let Params { stratify, n_splits, fold, shuffle, seed } = &self.params;
        let (table, _) = write::table(context)?;
        let classes = Codes::of(&table, stratify, "class", Missing::Value, MAX_STRATA, context)?;
        warn_of_rare(context, &classes, *n_splits);
        let seed = shuffle.then(|| seed.unwrap_or_else(|| context.seed()));
        let of_row = assign::stratified(&classes, *n_splits, seed)?;
        write::write(context, &table, &Folds::OfRow { of_row, n_splits: *n_splits }, *fold)
    }
}

/// Logs the classes that cannot be in every fold.
pub(super) fn warn_of_rare(context: &mut StepContext, classes: &Codes, n_splits: usize) {
    let rare = classes.values.iter().zip(&classes.counts).filter(|(_, count)| **count < n_splits);
    let rare: Vec<String> = rare.map(|(value, count)| format!("`{value}` ({count})")).collect();
    if !rare.is_empty() {
        context.log(format!("warning: fewer rows than the {n_splits} folds have {}", rare.join(", ")));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::step::testing::{Ran, Workbench, batch, show, texts};

    fn split(with: Value, classes: &[&str]) -> Result<Ran, StepError> {
        let bench = Workbench::new();
        let table = bench.table(&batch(&[("class", texts(classes.iter().copied()))]));
        bench.run("split.stratified_k_fold", with, &[("table", &table)])
    }

    #[test]
    fn classes_have_their_shares_and_rare_ones_are_named() {
        let ran = split(json!({"stratify": "class", "n_splits": 2}), &["b", "a", "b", "a", "c", "b", "b"]).unwrap();
        insta::assert_snapshot!(show(&ran.table("folds")), @r"
        class:Utf8 fold:Int64
        b 0
        a 0
        b 0
        a 1
        c 0
        b 1
        b 1
        ");
        assert_eq!(ran.log[1..], ["warning: fewer rows than the 2 folds have `c` (1)"]);
    }

    #[test]
    fn classes_that_are_all_too_rare_are_refused() {
        let refused = split(json!({"stratify": "class", "n_splits": 3}), &["a", "b", "a", "b"]).err().unwrap();
        insta::assert_snapshot!(refused, @"no class has 3 rows, one for each fold; the most frequent has 2");
    }
}
