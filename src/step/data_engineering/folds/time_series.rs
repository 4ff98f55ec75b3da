//! `split.time_series`: folds that validate on what comes after.

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::moments;
use super::windows::{Window, Windows};
use super::write::{self, Folds};
use crate::phase::Phase;
use crate::step::{ParamErrors, Ports, StepContext, StepError, StepKind};

/// Splits a table into folds that train on the past and validate on what follows, as scikit-learn's
/// `TimeSeriesSplit`. Sizes count rows.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The column that says when: a date, a moment, a number that grows with time, or a text such as `2026-02-28`. Rows
    /// of one moment keep their order. Without it, rows are taken to be in the order of time.
    #[serde(default)]
    pub column: Option<String>,
    /// How many folds there are.
    #[serde(default = "super::k_fold::five")]
    pub n_splits: usize,
    /// Write `train` and `valid` of this fold, counted from 0, instead of all `folds`. Usually `${{ matrix.fold }}`.
    #[serde(default)]
    pub fold: Option<usize>,
    /// How many rows between training and validation are left out.
    #[serde(default)]
    pub gap: usize,
    /// How many rows each validation set has; by default rows / (n_splits + 1).
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub test_size: Option<usize>,
    /// How many of the latest rows a fold trains on at most; by default all that come before.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub max_train_size: Option<usize>,
}

/// A step that splits into folds by time.
pub struct SplitTimeSeries {
    params: Params,
}

impl StepKind for SplitTimeSeries {
    const NAME: &'static str = "split.time_series";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::DataEngineering;
    const SUMMARY: &'static str = "Splits a table into folds that train on the past and validate on what follows.";
    const EXAMPLE: &'static str = "\
matrix: {fold: [0, 1, 2, 3, 4]}
uses: split.time_series
inputs: {table: split.train}
with:
  column: sold_at
  n_splits: 5
  fold: ${{ matrix.fold }}
  gap: 7
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        write::check(params.n_splits, params.fold)?;
        for (name, size) in [("test_size", params.test_size), ("max_train_size", params.max_train_size)] {
            if size == Some(0) {
                return Err(ParamErrors::one([name], "a set needs at least one row"));
            }
        }
        Ok(SplitTimeSeries { params })
    }

    fn ports(&self) -> Ports {
        write::ports(self.params.fold)
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let Params { n_splits, gap, test_size, max_train_size, fold, .. } = self.params;
        let (table, rows) = write::table(context)?;
        let windows = Windows { n_splits, gap, test_size, max_train_size }.over(rows)?;
        let rank = match &self.params.column {
            None => None,
            Some(column) => {
                let moments = moments::of(&table, column, moments::Day::Begins, context)?.0;
                let order = order(&moments);
                warn_of_ties(context, column, &windows, |rank| moments[order[rank] as usize]);
                Some(ranks(&order))
            }
        };
        write::write(context, &table, &Folds::Windows { rank, windows }, fold)
    }
}

/// Logs the folds that train on rows of the very moment that they validate on.
fn warn_of_ties(context: &mut StepContext, column: &str, windows: &[Window], moment: impl Fn(usize) -> f64) {
    let is_tied = |window: &Window| {
        let last = window.train.end.checked_sub(1).filter(|last| window.train.contains(last));
        last.is_some_and(|last| moment(last).total_cmp(&moment(window.valid.start)).is_eq())
    };
    let tied: Vec<String> =
        windows.iter().enumerate().filter(|(_, window)| is_tied(window)).map(|(fold, _)| fold.to_string()).collect();
    if !tied.is_empty() {
        let folds = tied.join(", ");
        context.log(format!("warning: of rows with the same `{column}`, some train and some validate in fold {folds}"));
    }
}

/// The rows in the order of time; rows of one moment keep their order.
fn order(moments: &[f64]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..).take(moments.len()).collect();
    order.sort_by(|one, other| moments[*one as usize].total_cmp(&moments[*other as usize]));
    order
}

/// The place of each row in an order.
fn ranks(order: &[u32]) -> Vec<u32> {
    let mut ranks = vec![0; order.len()];
    for (rank, row) in (0_u32..).zip(order) {
        ranks[*row as usize] = rank;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    use serde_json::{Value, json};

    use crate::step::testing::{Workbench, batch, column, ints, show, texts};

    const DAYS: [&str; 6] = ["2024-06-01", "2024-05-01", "2024-04-01", "2024-03-01", "2024-02-01", "2024-01-01"];

    fn split(with: Value) -> Result<String, String> {
        let bench = Workbench::new();
        let table = bench.table(&batch(&[("row", ints(0..6)), ("at", texts(DAYS))]));
        let ran = bench.run("split.time_series", with, &[("table", &table)]).map_err(|error| error.to_string())?;
        if ran.has("folds") {
            return Ok(show(&ran.table("folds").project(&[0, 2]).unwrap()));
        }
        let rows = |output: &str| column(&ran.table(output), "row").as_primitive::<Int64Type>().values().to_vec();
        Ok(format!("train {:?} valid {:?}", rows("train"), rows("valid")))
    }

    #[test]
    fn the_past_trains_and_what_follows_validates() {
        assert_eq!(split(json!({"n_splits": 2, "fold": 0})).unwrap(), "train [0, 1] valid [2, 3]");
        assert_eq!(split(json!({"n_splits": 2, "fold": 1})).unwrap(), "train [0, 1, 2, 3] valid [4, 5]");
        let by_day = json!({"column": "at", "n_splits": 2, "fold": 1, "gap": 1, "max_train_size": 2});
        assert_eq!(split(by_day).unwrap(), "train [3, 4] valid [0, 1]");
        insta::assert_snapshot!(split(json!({"column": "at", "n_splits": 2})).unwrap(), @r"
        row:Int64 fold:Int64
        0 1
        1 1
        2 0
        3 0
        4 ~
        5 ~
        ");
    }

    #[test]
    fn rows_of_one_moment_on_both_sides_of_a_fold_are_told() {
        let bench = Workbench::new();
        let table = bench.table(&batch(&[("n", ints([1, 2, 2, 3, 3, 3]))]));
        let warnings = |with: Value| {
            let ran = bench.run("split.time_series", with, &[("table", &table)]).unwrap();
            ran.log.into_iter().filter(|line| line.contains("warning")).collect::<Vec<_>>()
        };
        let told = "warning: of rows with the same `n`, some train and some validate in fold 0, 1";
        assert_eq!(warnings(json!({"column": "n", "n_splits": 2})), [told]);
        assert!(warnings(json!({"column": "n", "n_splits": 2, "gap": 1})).is_empty());
        assert!(warnings(json!({"n_splits": 2})).is_empty());
    }

    #[test]
    fn windows_that_do_not_fit_are_refused() {
        insta::assert_snapshot!(split(json!({"n_splits": 6})).unwrap_err(), @"the table has 6 rows, too few for 6 folds and the rows before them");
        insta::assert_snapshot!(split(json!({"n_splits": 2, "gap": 2})).unwrap_err(), @"2 folds of 2 rows and a gap of 2 leave nothing of 6 rows to train the first on");
        insta::assert_snapshot!(split(json!({"test_size": 0})).unwrap_err(), @"test_size: a set needs at least one row");
    }
}
