//! Values against bounds.

use arrow::array::{ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use serde_json::{Value, json};

use super::super::check::State;
use super::super::column::Column;
use super::super::definition::{Definition, Target};
use super::super::expectation::{Expectation, OutlierMethod};
use super::super::outliers::{OutlierCheck, Rule};
use super::super::row_test::RowTest;
use super::super::setting::{Setting, microseconds};
use crate::ml::outlier::Contamination;
use crate::table::{MICROSECONDS, cast};

pub(super) const CHECKS: &[Definition] = &[
    Definition::new(
        "between",
        "expect_column_values_to_be_between",
        "Rows: the value lies between `min` and `max`.",
        Target::Column,
        between,
    )
    .needs_one_of(&["min", "max"])
    .takes(&["strict_min", "strict_max", "mostly"]),
    Definition::new("positive", "", "Rows: the number is greater than 0.", Target::Column, positive).takes(&["mostly"]),
    Definition::new("non_negative", "", "Rows: the number is at least 0.", Target::Column, non_negative)
        .takes(&["mostly"]),
    Definition::new(
        "zscore_below",
        "expect_column_value_z_scores_to_be_less_than",
        "Rows: the value is fewer than `threshold` standard deviations above the mean; with `double_sided`, also below.",
        Target::Column,
        zscore_below,
    )
    .needs(&["threshold"])
    .takes(&["double_sided", "mostly"]),
    Definition::new(
        "no_outliers",
        "expect_column_values_to_not_be_outliers",
        "Rows: the value is not further away than `multiplier` (1.5) times the distance of the quartiles (`method: iqr`), or \
         standard deviations from the mean (`method: std`); or no outlier to an isolation forest with scikit-learn's defaults, \
         `contamination` and `seed` (`method: isolation_forest`).",
        Target::Column,
        no_outliers,
    )
    .takes(&["method", "multiplier", "contamination", "seed", "mostly"]),
];

/// Bounds, each with whether the bound itself is refused.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Range<T> {
    min: Option<(T, bool)>,
    max: Option<(T, bool)>,
}

impl<T: PartialOrd> Range<T> {
    pub(super) fn contains(&self, value: &T) -> bool {
        self.min.as_ref().is_none_or(|(min, strict)| value > min || (!strict && value == min))
            && self.max.as_ref().is_none_or(|(max, strict)| value < max || (!strict && value == max))
    }
}

/// Bounds in the type in which they are compared.
enum Limits {
    Whole(Range<i64>),
    Real(Range<f64>),
    Text(Range<String>),
    /// Microseconds since 1970.
    Time(Range<i64>),
}

impl Limits {
    fn test(&self, values: &ArrayRef) -> BooleanArray {
        match self {
            Limits::Whole(range) => {
                BooleanArray::from_unary(values.as_primitive::<Int64Type>(), |value| range.contains(&value))
            }
            Limits::Real(range) => {
                let values = cast(values, &DataType::Float64);
                BooleanArray::from_unary(values.as_primitive::<Float64Type>(), |value| range.contains(&value))
            }
            Limits::Time(range) => {
                let values = cast(values, &MICROSECONDS);
                let times = values.as_primitive::<TimestampMicrosecondType>();
                BooleanArray::from_unary(times, |value| range.contains(&value))
            }
            Limits::Text(range) => {
                let lies = |text: &str| {
                    range.min.as_ref().is_none_or(|(min, strict)| text > min.as_str() || (!strict && text == min))
                        && range
                            .max
                            .as_ref()
                            .is_none_or(|(max, strict)| text < max.as_str() || (!strict && text == max))
                };
                values.as_string::<i32>().iter().map(|text| text.map(lies)).collect()
            }
        }
    }
}

fn between(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    within(setting, expectation)
}

fn positive(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    above_zero(setting, expectation, true)
}

fn non_negative(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    above_zero(setting, expectation, false)
}

fn above_zero(setting: &Setting<'_>, expectation: &Expectation, is_strict: bool) -> Result<State, String> {
    let bounded = Expectation { min: Some(json!(0)), strict_min: Some(is_strict), ..expectation.clone() };
    setting.number_column(expectation, expectation.column.as_deref().unwrap_or_default())?;
    within(setting, &bounded)
}

fn within(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let column = setting.the_column(expectation)?;
    let limits = limits(expectation, &column)?;
    Ok(setting.of_rows(RowTest::of(vec![column], move |values| limits.test(&values[0]))))
}

fn zscore_below(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let threshold = expectation.threshold.unwrap_or_default();
    let double_sided = expectation.double_sided.unwrap_or(false);
    judged(setting, expectation, Rule::Score { threshold, double_sided })
}

fn no_outliers(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let multiplier = expectation.multiplier.unwrap_or(1.5);
    let rule = match expectation.outlier_method()? {
        OutlierMethod::Iqr => Rule::Quartiles(multiplier),
        OutlierMethod::Std => Rule::Deviations(multiplier),
        OutlierMethod::IsolationForest => {
            // Each value is kept, and put into one tree or another.
            setting.afford(expectation, setting.rows * 16)?;
            let share = expectation.contamination.map(Contamination::Share);
            Rule::Forest { contamination: share.unwrap_or_default(), seed: expectation.seed.unwrap_or_default() }
        }
    };
    judged(setting, expectation, rule)
}

fn judged(setting: &Setting<'_>, expectation: &Expectation, rule: Rule) -> Result<State, String> {
    let column = setting.number_column(expectation, expectation.column.as_deref().unwrap_or_default())?;
    Ok(State::Outliers(OutlierCheck::new(column, rule, setting.limit)))
}

/// `min` and `max` in the type in which the column is compared with them.
fn limits(expectation: &Expectation, column: &Column) -> Result<Limits, String> {
    let misfit = |value: &Value| format!("column `{}` is {}, and the bound {value} is not", column.name, column.kind);
    let bounds = [&expectation.min, &expectation.max];
    match column.kind {
        DataType::Int64 if bounds.iter().all(|bound| bound.as_ref().is_none_or(Value::is_i64)) => {
            Ok(Limits::Whole(range(expectation, Value::as_i64, misfit)?))
        }
        DataType::Int64 | DataType::Float64 | DataType::Boolean => {
            Ok(Limits::Real(range(expectation, Value::as_f64, misfit)?))
        }
        DataType::Utf8 => Ok(Limits::Text(range(expectation, |value| value.as_str().map(str::to_owned), misfit)?)),
        DataType::Date32 | DataType::Timestamp(..) => {
            Ok(Limits::Time(range(expectation, |value| microseconds(value.as_str()?), misfit)?))
        }
        // A column without a single value fits every range.
        _ => Ok(Limits::Real(Range { min: None, max: None })),
    }
}

/// The bounds as `read` understands them.
pub(super) fn range<T>(
    expectation: &Expectation,
    read: impl Fn(&Value) -> Option<T>,
    misfit: impl Fn(&Value) -> String,
) -> Result<Range<T>, String> {
    let one = |bound: &Option<Value>, strict: Option<bool>| match bound {
        None => Ok(None),
        Some(value) => read(value).map(|bound| Some((bound, strict.unwrap_or(false)))).ok_or_else(|| misfit(value)),
    };
    Ok(Range {
        min: one(&expectation.min, expectation.strict_min)?,
        max: one(&expectation.max, expectation.strict_max)?,
    })
}
