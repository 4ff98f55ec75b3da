//! `split.k_fold`: folds of equal size.

use schemars::JsonSchema;
use serde::Deserialize;

use super::assign;
use super::write::{self, Folds};
use crate::phase::Phase;
use crate::step::{ParamErrors, Ports, StepContext, StepError, StepKind};

/// Splits a table into folds of equal size, as scikit-learn's `KFold`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
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

pub(super) fn five() -> usize {
    5
}

/// A step that splits into folds.
pub struct SplitKFold {
    params: Params,
}

impl StepKind for SplitKFold {
    const NAME: &'static str = "split.k_fold";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::DataEngineering;
    const SUMMARY: &'static str = "Splits a table into folds for cross-validation, or writes the sets of one fold.";
    const EXAMPLE: &'static str = "\
matrix: {fold: [0, 1, 2, 3, 4]}
uses: split.k_fold
inputs: {table: split.train}
with:
  n_splits: 5
  fold: ${{ matrix.fold }}
  shuffle: true
  seed: 7
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        write::check(params.n_splits, params.fold)?;
        write::check_seed(params.shuffle, params.seed)?;
        Ok(SplitKFold { params })
    }

    fn ports(&self) -> Ports {
        write::ports(self.params.fold)
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let Params { n_splits, fold, shuffle, seed } = self.params;
        let (table, rows) = write::table(context)?;
        let seed = shuffle.then(|| seed.unwrap_or_else(|| context.seed()));
        let of_row = assign::k_fold(rows, n_splits, seed)?;
        write::write(context, &table, &Folds::OfRow { of_row, n_splits }, fold)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    use serde_json::{Value, json};

    use super::*;
    use crate::step::testing::{Ran, Workbench, batch, column, ints};

    fn split(rows: i64, with: Value) -> Result<Ran, StepError> {
        let bench = Workbench::new();
        let table = bench.table(&batch(&[("id", ints(0..rows))]));
        bench.run("split.k_fold", with, &[("table", &table)])
    }

    fn ids(ran: &Ran, output: &str, name: &str) -> Vec<i64> {
        column(&ran.table(output), name).as_primitive::<Int64Type>().values().to_vec()
    }

    #[test]
    fn all_folds_are_a_column_of_the_table() {
        let ran = split(5, json!({"n_splits": 2})).unwrap();
        assert_eq!(ids(&ran, "folds", "fold"), [0, 0, 0, 1, 1]);
        assert_eq!(ids(&ran, "folds", "id"), [0, 1, 2, 3, 4]);
        assert_eq!(
            ran.report("report")["folds"],
            json!([{"fold": 0, "train_rows": 2, "valid_rows": 3}, {"fold": 1, "train_rows": 3, "valid_rows": 2}])
        );
        assert!(!ran.has("train"));
    }

    #[test]
    fn the_sets_of_single_folds_agree_with_the_column() {
        let with = |fold: Option<usize>| json!({"n_splits": 3, "shuffle": true, "seed": 3, "fold": fold});
        let folds = ids(&split(40, with(None)).unwrap(), "folds", "fold");
        for fold in 0..3_i64 {
            let ran = split(40, with(usize::try_from(fold).ok())).unwrap();
            let wanted = |is_valid: bool| -> Vec<i64> {
                (0..40).filter(|row| (folds[usize::try_from(*row).unwrap()] == fold) == is_valid).collect()
            };
            assert_eq!(ids(&ran, "train", "id"), wanted(false));
            assert_eq!(ids(&ran, "valid", "id"), wanted(true));
        }
    }

    #[test]
    fn folds_that_make_no_sense_are_refused() {
        let refused = |rows, with| split(rows, with).err().unwrap().to_string();
        insta::assert_snapshot!(refused(9, json!({"n_splits": 1})), @"n_splits: cross-validation needs at least 2 folds");
        insta::assert_snapshot!(refused(9, json!({"fold": 5})), @"fold: there is no fold 5: 5 folds are 0 to 4");
        insta::assert_snapshot!(refused(9, json!({"seed": 5})), @"seed: a seed has no effect without `shuffle: true`");
        insta::assert_snapshot!(refused(4, json!({})), @"the table has 4 rows, too few for 5 folds");
        insta::assert_snapshot!(refused(0, json!({})), @"the table has no rows to split");
        let bench = Workbench::new();
        let table = bench.table(&batch(&[("fold", ints(0..9))]));
        let taken = bench.run("split.k_fold", json!({}), &[("table", &table)]).err().unwrap();
        insta::assert_snapshot!(taken, @"the table already has a column `fold`");
    }
}
