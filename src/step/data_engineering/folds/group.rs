//! `split.group_k_fold`: folds that keep groups whole.

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::codes::{Codes, Missing};
use super::super::room;
use super::super::strata::MAX_STRATA;
use super::assign;
use super::stratified::warn_of_rare;
use super::write::{self, Folds};
use crate::phase::Phase;
use crate::step::{ParamErrors, Ports, StepContext, StepError, StepKind};

/// Splits a table into folds that keep rows of one group together, as scikit-learn's `GroupKFold`, and with
/// `stratify` as its `StratifiedGroupKFold`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The column that says which rows belong together, such as a customer's number.
    pub group: String,
    /// A column whose values get about the same shares in every fold, as far as whole groups allow.
    #[serde(default)]
    pub stratify: Option<String>,
    /// How many folds there are.
    #[serde(default = "super::k_fold::five")]
    pub n_splits: usize,
    /// Write `train` and `valid` of this fold, counted from 0, instead of all `folds`. Usually `${{ matrix.fold }}`.
    #[serde(default)]
    pub fold: Option<usize>,
    /// Deal groups to folds at random, in equal numbers, instead of by their sizes.
    #[serde(default)]
    pub shuffle: bool,
    /// Another seed than the run's, for `shuffle`.
    #[serde(default)]
    pub seed: Option<u64>,
}

/// A step that splits whole groups into folds.
pub struct SplitGroupKFold {
    params: Params,
}

impl StepKind for SplitGroupKFold {
    const NAME: &'static str = "split.group_k_fold";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::DataEngineering;
    const SUMMARY: &'static str = "Splits a table into folds such that rows of one group are never in two of them.";
    const EXAMPLE: &'static str = "\
matrix: {fold: [0, 1, 2, 3, 4]}
uses: split.group_k_fold
inputs: {table: split.train}
with:
  group: customer
  n_splits: 5
  fold: ${{ matrix.fold }}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        write::check(params.n_splits, params.fold)?;
        write::check_seed(params.shuffle, params.seed)?;
        Ok(SplitGroupKFold { params })
    }

    fn ports(&self) -> Ports {
        write::ports(self.params.fold)
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let Params { group, stratify, n_splits, fold, shuffle, seed } = &self.params;
        let (table, _) = write::table(context)?;
        let groups = Codes::of(&table, group, "group", Missing::Refused, usize::MAX, context)?;
        let seed = shuffle.then(|| seed.unwrap_or_else(|| context.seed()));
        let of_row = match stratify {
            None => assign::group(&groups, *n_splits, seed)?,
            Some(column) => {
                let classes = Codes::of(&table, column, "class", Missing::Value, MAX_STRATA, context)?;
                warn_of_rare(context, &classes, *n_splits);
                let cells = (classes.len() as u64).saturating_mul(groups.len() as u64);
                let what = format!("counting {} classes in {} groups", classes.len(), groups.len());
                room::claim(context, &what, cells.saturating_mul(8), "stratify by a column with fewer values")?;
                assign::stratified_group(&classes, &groups, *n_splits, seed)?
            }
        };
        context.metric("groups", groups.len() as f64);
        write::write(context, &table, &Folds::OfRow { of_row, n_splits: *n_splits }, *fold)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::step::testing::{Ran, Workbench, batch, ints, show, texts};

    fn split(with: Value, groups: &[Option<i64>]) -> Result<Ran, StepError> {
        let bench = Workbench::new();
        let classes = texts((0..groups.len()).map(|row| ["no", "yes"][row % 2]));
        let table = bench.table(&batch(&[("group", ints(groups.iter().copied())), ("class", classes)]));
        bench.run("split.group_k_fold", with, &[("table", &table)])
    }

    #[test]
    fn large_groups_are_placed_first_and_whole() {
        let groups = [10, 9, 10, 9, 10, 2, 2].map(Some);
        let ran = split(json!({"group": "group", "n_splits": 2}), &groups).unwrap();
        insta::assert_snapshot!(show(&ran.table("folds").project(&[0, 2]).unwrap()), @r"
        group:Int64 fold:Int64
        10 0
        9 1
        10 0
        9 1
        10 0
        2 1
        2 1
        ");
        let stratified = split(json!({"group": "group", "n_splits": 2, "stratify": "class"}), &groups).unwrap();
        assert!(stratified.has("folds"));
    }

    #[test]
    fn rows_without_a_group_and_too_few_groups_are_refused() {
        let refused = |groups: &[Option<i64>]| split(json!({"group": "group"}), groups).err().unwrap().to_string();
        insta::assert_snapshot!(refused(&[Some(1), None]), @"row 2 has no value in column `group`, which says its group");
        insta::assert_snapshot!(refused(&[Some(1), Some(1), Some(2)]), @"there are 2 groups, too few for 5 folds");
    }

    #[test]
    fn many_groups_of_many_classes_say_their_need_before() {
        let mut bench = Workbench::new();
        bench.memory_bytes = Some(8000);
        let table = bench.table(&batch(&[("group", ints(0..40)), ("class", ints(0..40))]));
        let with = json!({"group": "group", "stratify": "class", "n_splits": 2});
        let error = bench.run("split.group_k_fold", with, &[("table", &table)]).err().unwrap();
        insta::assert_snapshot!(error, @"counting 40 classes in 40 groups needs 12.5 KiB of memory, and `resources.memory` is 7.8 KiB");
    }
}
