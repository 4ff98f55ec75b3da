//! `split.time`: the past for training, the future for the test.

use schemars::JsonSchema;
use serde::Deserialize;

use super::moments;
use super::parts::{self, Part, Shares};
use super::room;
use crate::phase::Phase;
use crate::step::understanding::csv::value;
use crate::step::{ParamErrors, Ports, StepContext, StepError, StepKind};

/// Splits a table by time: rows before a cut train, later ones validate, the latest test.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The column that says when: a date, a moment, a number that grows with time, or a text such as `2026-02-28`.
    pub column: String,
    /// Rows from this day or moment on are the test set. For a column of numbers, a number.
    #[serde(default)]
    pub test_from: Option<Cut>,
    /// Rows from this day or moment on, and before `test_from`, are the validation set.
    #[serde(default)]
    pub valid_from: Option<Cut>,
    /// Instead of a day: the share of the latest rows for the test. Rows of one moment stay together.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub test: Option<f64>,
    /// Instead of a day: the share of rows before the test for validation.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub valid: Option<f64>,
}

/// A point in time.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Cut {
    /// A number, for columns of numbers.
    Number(f64),
    /// A day or moment: `2026-02-28`, `2026-02-28 12:00`, `2026-02-28T12:00:00Z`.
    Moment(String),
}

impl Cut {
    /// The cut on the scale of the column.
    fn key(&self, is_time: bool) -> Option<f64> {
        match self {
            Cut::Number(number) => (!is_time).then_some(*number),
            Cut::Moment(text) if is_time => value::timestamp(text.as_bytes()).map(|(micros, _)| micros as f64),
            Cut::Moment(_) => None,
        }
    }
}

/// A step that splits by time.
pub struct SplitTime {
    params: Params,
    shares: Option<Shares>,
}

impl StepKind for SplitTime {
    const NAME: &'static str = "split.time";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::DataEngineering;
    const SUMMARY: &'static str = "Splits a table by time into train (past), valid and test (future).";
    const EXAMPLE: &'static str = "\
uses: split.time
inputs: {table: checked}
with: {column: signed_up, valid_from: 2026-01-01, test_from: 2026-03-01}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        let by_moment = params.test_from.is_some() || params.valid_from.is_some();
        let by_share = params.test.is_some() || params.valid.is_some();
        if by_moment == by_share {
            return Err(ParamErrors::one(
                ["test_from"],
                "give the cuts either as moments (`test_from`, `valid_from`) or as shares (`test`, `valid`)",
            ));
        }
        for (name, cut) in [("test_from", &params.test_from), ("valid_from", &params.valid_from)] {
            if let Some(Cut::Moment(text)) = cut
                && value::timestamp(text.as_bytes()).is_none()
            {
                return Err(ParamErrors::one([name], format!("`{text}` is no day or moment such as 2026-02-28")));
            }
        }
        if let (Some(valid), Some(test)) = (&params.valid_from, &params.test_from) {
            let keys = [true, false].map(|is_time| (valid.key(is_time), test.key(is_time)));
            if !keys.iter().any(|(valid, test)| valid.is_some() && test.is_some() && valid < test) {
                return Err(ParamErrors::one(["valid_from"], "`valid_from` is not before `test_from`"));
            }
        }
        let shares =
            if by_share { Some(Shares::new(params.valid.unwrap_or(0.0), params.test.unwrap_or(0.0))?) } else { None };
        Ok(SplitTime { params, shares })
    }

    fn ports(&self) -> Ports {
        parts::ports(&self.sets())
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let table = context.table("table")?;
        let per_row = if self.shares.is_some() { 16 } else { 8 };
        room::claim(context, "the time of each row", table.rows().saturating_mul(per_row), "split fewer rows")?;
        let (keys, is_time) = moments::of(&table, &self.params.column, moments::Day::Begins, context)?;
        let (valid_from, test_from) = match self.shares {
            Some(shares) => cuts(shares, &keys),
            None => (
                self.cut(self.params.valid_from.as_ref(), is_time)?,
                self.cut(self.params.test_from.as_ref(), is_time)?,
            ),
        };
        let first = valid_from.min(test_from);
        if !keys.is_empty() && keys.iter().all(|key| *key >= first) {
            let message =
                format!("no row is before the first cut of column `{}`, so none is left for train", self.params.column);
            return Err(StepError::input("train_empty", message).help("cut later; rows of one moment stay together"));
        }
        parts::write(context, &table, &self.sets(), &mut |row| {
            let key = usize::try_from(row).ok().and_then(|row| keys.get(row)).copied().unwrap_or(f64::NEG_INFINITY);
            Some(if key >= test_from {
                Part::Test
            } else if key >= valid_from {
                Part::Valid
            } else {
                Part::Train
            })
        })
    }
}

impl SplitTime {
    fn sets(&self) -> Vec<Part> {
        match self.shares {
            Some(shares) => shares.sets(),
            None => Part::ALL
                .into_iter()
                .filter(|part| match part {
                    Part::Train => true,
                    Part::Valid => self.params.valid_from.is_some(),
                    Part::Test => self.params.test_from.is_some(),
                })
                .collect(),
        }
    }

    fn cut(&self, cut: Option<&Cut>, is_time: bool) -> Result<f64, StepError> {
        let Some(cut) = cut else { return Ok(f64::INFINITY) };
        cut.key(is_time).ok_or_else(|| {
            let (holds, wants) = if is_time { ("times", "a day such as 2026-02-28") } else { ("numbers", "a number") };
            StepError::input("split_cut", format!("column `{}` holds {holds}, and a cut is not", self.params.column))
                .help(format!("give {wants}"))
        })
    }
}

/// The first moment of validation and of test, so that they get about their shares of rows.
fn cuts(shares: Shares, keys: &[f64]) -> (f64, f64) {
    let mut sorted = keys.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let [train, valid, _] = shares.counts(keys.len() as u64).map(|count| usize::try_from(count).unwrap_or(usize::MAX));
    let at = |rank: usize| sorted.get(rank).copied().unwrap_or(f64::INFINITY);
    let test_from = if shares.of(Part::Test) > 0.0 { at(train + valid) } else { f64::INFINITY };
    let valid_from = if shares.of(Part::Valid) > 0.0 { at(train) } else { f64::INFINITY };
    (valid_from, test_from)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, AsArray, BooleanArray, Date32Array, DictionaryArray, NullArray, StringViewArray, TimestampSecondArray,
    };
    use arrow::datatypes::Int32Type;
    use serde_json::{Value, json};

    use crate::step::testing::{Workbench, batch, column, floats, ints, texts};

    /// The rows of each set by number, or the error.
    fn check(times: &[&str], with: Value) -> String {
        let bench = Workbench::new();
        let rows = i64::try_from(times.len()).unwrap();
        let numbers = ints(times.iter().map(|time| time.parse::<i64>().ok()));
        let table = batch(&[("row", ints(0..rows)), ("at", texts(times.iter().copied())), ("n", numbers)]);
        match bench.run("split.time", with, &[("table", &bench.table(&table))]) {
            Err(error) => error.to_string(),
            Ok(ran) => ["train", "valid", "test"]
                .iter()
                .filter(|output| ran.has(output))
                .map(|output| {
                    let table = ran.table(output);
                    let rows = column(&table, "row").as_primitive::<arrow::datatypes::Int64Type>().values().to_vec();
                    format!("{output} {rows:?}")
                })
                .collect::<Vec<_>>()
                .join(" "),
        }
    }

    const DAYS: [&str; 5] = ["2024-03-01", "2024-01-01", "2024-02-01", "2024-02-01 12:00", "2024-04-01"];

    #[test]
    fn the_future_is_the_test() {
        let with = json!({"column": "at", "valid_from": "2024-02-01", "test_from": "2024-03-01"});
        assert_eq!(check(&DAYS, with), "train [1] valid [2, 3] test [0, 4]");
        assert_eq!(check(&DAYS, json!({"column": "at", "test_from": "2024-04-01"})), "train [0, 1, 2, 3] test [4]");
        assert_eq!(
            check(&DAYS, json!({"column": "at", "test": 0.4, "valid": 0.2})),
            "train [1, 2] valid [3] test [0, 4]"
        );
        assert_eq!(check(&["1", "2", "3", "4"], json!({"column": "n", "test_from": 3})), "train [0, 1] test [2, 3]");
    }

    #[test]
    fn rows_of_one_moment_stay_together() {
        assert_eq!(check(&["1", "2", "2", "2"], json!({"column": "n", "test": 0.25})), "train [0] test [1, 2, 3]");
    }

    #[test]
    fn what_has_no_place_in_time_is_refused_and_every_type_that_has_one_is_taken() {
        let bench = Workbench::new();
        let split = |times: ArrayRef| {
            let table = bench.table(&batch(&[("at", times)]));
            let ran = bench.run("split.time", json!({"column": "at", "test": 0.5}), &[("table", &table)]);
            ran.map(|ran| ran.table("test").num_rows()).map_err(|error| error.to_string())
        };
        insta::assert_snapshot!(split(floats([1.0, f64::NAN, 2.0])).unwrap_err(), @"row 2 has a value that has no place in time in column `at`");
        let far = TimestampSecondArray::from(vec![0, i64::MAX]);
        insta::assert_snapshot!(split(Arc::new(far)).unwrap_err(), @"row 2 has a value that has no place in time in column `at`");
        insta::assert_snapshot!(split(Arc::new(NullArray::new(2))).unwrap_err(), @"row 1 has no value in column `at`");
        insta::assert_snapshot!(split(Arc::new(BooleanArray::from(vec![true, false]))).unwrap_err(), @"column `at` of type Boolean cannot order rows");
        assert_eq!(split(Arc::new(StringViewArray::from(DAYS.to_vec()))), Ok(2));
        assert_eq!(split(Arc::new(DAYS.iter().copied().collect::<DictionaryArray<Int32Type>>())), Ok(2));
        assert_eq!(split(Arc::new(Date32Array::from(vec![i32::MAX, 0, 1, i32::MIN]))), Ok(2));
    }

    #[test]
    fn cuts_that_make_no_sense_are_refused() {
        let refused = |with: Value| check(&DAYS, with);
        insta::assert_snapshot!(refused(json!({"column": "at", "test_from": "spring"})), @"test_from: `spring` is no day or moment such as 2026-02-28");
        insta::assert_snapshot!(refused(json!({"column": "at", "valid_from": "2024-02-01", "test_from": "2024-01-01"})), @"valid_from: `valid_from` is not before `test_from`");
        insta::assert_snapshot!(refused(json!({"column": "at"})), @"test_from: give the cuts either as moments (`test_from`, `valid_from`) or as shares (`test`, `valid`)");
        insta::assert_snapshot!(refused(json!({"column": "at", "test_from": 5})), @"column `at` holds times, and a cut is not");
        insta::assert_snapshot!(refused(json!({"column": "n", "test": 0.5})), @"row 1 has no value in column `n`");
        insta::assert_snapshot!(refused(json!({"column": "at", "test_from": "2023-01-01"})), @"no row is before the first cut of column `at`, so none is left for train");
        insta::assert_snapshot!(check(&["2", "2", "2"], json!({"column": "n", "test": 0.3})), @"no row is before the first cut of column `n`, so none is left for train");
    }
}
