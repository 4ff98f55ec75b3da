//! Checks of a whole column: counts, range, mean, spread, quantiles, age.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type, TimestampMicrosecondType};
use serde_json::{Map, Value, json};

use super::check::{Outcome, Part};
use super::expectation::{CheckName, Expectation};
use super::shape::parse_age;
use crate::expr::Expr;
use crate::table::keys::{KeySet, Keys};
use crate::table::sketch::{Moments, Quantiles};
use crate::table::{MICROSECONDS, cast, iso_date, iso_timestamp};

/// One measured number of a column.
pub(super) struct Aggregate {
    pub(super) column: Option<Expr>,
    pub(super) measure: Measure,
    pub(super) rows: u64,
    pub(super) missing: u64,
}

/// What is measured.
pub(super) enum Measure {
    Rows,
    Missing,
    Distinct(KeySet<u128>),
    Moments(Moments),
    Quantiles(Quantiles),
    /// The least and greatest text.
    Texts(Option<(String, String)>),
    /// The least and greatest microsecond, and whether the column holds dates.
    Times {
        range: Option<(i64, i64)>,
        is_date: bool,
    },
    /// The newest microsecond, and the one that counts as now.
    Newest {
        newest: Option<i64>,
        now: i64,
    },
}

/// How many values keep quantiles exact: 32 MiB.
pub(super) const EXACT_QUANTILES: usize = 4 << 20;

impl Aggregate {
    pub(super) fn new(column: Option<Expr>, measure: Measure) -> Aggregate {
        Aggregate { column, measure, rows: 0, missing: 0 }
    }

    pub(super) fn batch(&mut self, part: &Part) -> Result<(), String> {
        self.rows += part.batch.num_rows() as u64;
        let Some(column) = &self.column else { return Ok(()) };
        let values = column.eval_column(&part.batch).map_err(|error| error.message)?;
        self.missing += values.logical_null_count() as u64;
        self.measure.take(&values);
        Ok(())
    }

    /// Whether what was measured lies where the expectation wants it.
    pub(super) fn outcome(&self, expectation: &Expectation) -> Result<Outcome, String> {
        let mut result = Map::new();
        if let (Measure::Quantiles(sketch), Some(ranges)) = (&self.measure, &expectation.quantiles) {
            return Ok(quantiles(sketch, ranges));
        }
        let observed = self.observed(expectation.check);
        result.insert("observed_value".to_owned(), observed.clone());
        if let Measure::Quantiles(sketch) = &self.measure
            && !sketch.is_exact()
        {
            result.insert("approximate".to_owned(), json!(true));
        }
        let success = match &self.measure {
            Measure::Newest { newest, now } => {
                let limit = expectation.max_age.as_deref().and_then(parse_age).ok_or("`max_age` is no duration")?;
                let age = newest.map(|newest| i128::from(*now) - i128::from(newest));
                result.insert("age_seconds".to_owned(), json!(age.map(|age| age as f64 / 1e6)));
                age.is_some_and(|age| age <= limit.as_micros().try_into().unwrap_or(i128::MAX))
            }
            _ => lies_between(&observed, expectation)?,
        };
        Ok(Outcome { success, vacuous: false, result })
    }

    fn observed(&self, check: CheckName) -> Value {
        let present = self.rows - self.missing;
        let share = |part: u64, whole: u64| if whole == 0 { Value::Null } else { json!(part as f64 / whole as f64) };
        match &self.measure {
            Measure::Rows => json!(self.rows),
            Measure::Missing => share(self.missing, self.rows),
            Measure::Distinct(seen) if check == CheckName::DistinctRatio => share(seen.len() as u64, present),
            Measure::Distinct(seen) => json!(seen.len()),
            Measure::Moments(moments) => match check {
                CheckName::Min => json!(moments.min()),
                CheckName::Max => json!(moments.max()),
                CheckName::Mean => json!(moments.mean()),
                CheckName::Stdev => json!(moments.stdev()),
                _ => json!(moments.sum()),
            },
            Measure::Quantiles(sketch) => json!(sketch.at(&[0.5])[0]),
            Measure::Texts(range) => {
                json!(range.as_ref().map(|(low, high)| if check == CheckName::Min { low } else { high }))
            }
            Measure::Times { range, is_date } => {
                let value = range.map(|(low, high)| if check == CheckName::Min { low } else { high });
                json!(value.and_then(|micros| written(micros, *is_date)))
            }
            Measure::Newest { newest, .. } => json!(newest.and_then(iso_timestamp)),
        }
    }
}

impl Measure {
    fn take(&mut self, values: &ArrayRef) {
        match self {
            Measure::Rows | Measure::Missing => {}
            Measure::Distinct(seen) => {
                let keys = Keys::of(values);
                seen.extend((0..values.len()).filter(|row| values.is_valid(*row)).map(|row| keys.at(row)));
            }
            Measure::Moments(moments) => moments.merge(&moments_of(values)),
            Measure::Quantiles(sketch) => {
                let values = cast(values, &DataType::Float64);
                sketch.extend(values.as_primitive::<Float64Type>().iter().flatten());
            }
            Measure::Texts(range) => {
                for text in values.as_string::<i32>().iter().flatten() {
                    match range {
                        None => *range = Some((text.to_owned(), text.to_owned())),
                        Some((low, _)) if text < low.as_str() => text.clone_into(low),
                        Some((_, high)) if text > high.as_str() => text.clone_into(high),
                        Some(_) => {}
                    }
                }
            }
            Measure::Times { range, .. } => {
                let times = cast(values, &MICROSECONDS);
                for time in times.as_primitive::<TimestampMicrosecondType>().iter().flatten() {
                    let (low, high) = range.unwrap_or((time, time));
                    *range = Some((low.min(time), high.max(time)));
                }
            }
            Measure::Newest { newest, .. } => {
                let times = cast(values, &MICROSECONDS);
                let latest = times.as_primitive::<TimestampMicrosecondType>().iter().flatten().max();
                *newest = (*newest).max(latest);
            }
        }
    }
}

/// The moments of a numeric column.
pub(super) fn moments_of(values: &ArrayRef) -> Moments {
    let values = cast(values, &DataType::Float64);
    let floats = values.as_primitive::<Float64Type>();
    if floats.null_count() == 0 {
        Moments::of(floats.values().iter().copied())
    } else {
        Moments::of(floats.iter().flatten())
    }
}

fn written(micros: i64, is_date: bool) -> Option<String> {
    if is_date { iso_date(i32::try_from(micros.div_euclid(86_400_000_000)).ok()?) } else { iso_timestamp(micros) }
}

fn quantiles(sketch: &Quantiles, ranges: &std::collections::BTreeMap<String, [Option<f64>; 2]>) -> Outcome {
    let mut wanted: Vec<(f64, [Option<f64>; 2])> =
        ranges.iter().map(|(share, range)| (share.parse().unwrap_or(f64::NAN), *range)).collect();
    wanted.sort_by(|left, right| left.0.total_cmp(&right.0));
    let shares: Vec<f64> = wanted.iter().map(|(share, _)| *share).collect();
    let values = sketch.nearest(&shares);
    let successes: Vec<bool> = values
        .iter()
        .zip(&wanted)
        .map(|(value, (_, [min, max]))| {
            value.is_some_and(|value| min.is_none_or(|min| value >= min) && max.is_none_or(|max| value <= max))
        })
        .collect();
    let mut result = Map::new();
    result.insert("observed_value".to_owned(), json!({"quantiles": shares, "values": values}));
    result.insert("details".to_owned(), json!({"success_details": successes}));
    if !sketch.is_exact() {
        result.insert("approximate".to_owned(), json!(true));
    }
    Outcome { success: successes.iter().all(|success| *success), vacuous: false, result }
}

/// Whether a value lies within `equals`, or `min` and `max`. A value that could not be measured does not.
pub(super) fn lies_between(observed: &Value, expectation: &Expectation) -> Result<bool, String> {
    if observed.is_null() {
        return Ok(false);
    }
    if let Some(equals) = expectation.equals {
        return Ok(observed.as_u64() == Some(equals));
    }
    let bound = |bound: &Option<Value>, strict: Option<bool>, wanted: std::cmp::Ordering| match bound {
        None => Ok(true),
        Some(bound) => {
            let order = match (observed.as_f64(), bound.as_f64()) {
                (Some(observed), Some(bound)) => observed.partial_cmp(&bound),
                _ => match (observed.as_str(), bound.as_str()) {
                    // ISO dates and timestamps of one kind are in the order of their text.
                    (Some(observed), Some(bound)) => Some(observed.cmp(&bound.replace(' ', "T"))),
                    _ => return Err(format!("the measured value {observed} cannot be compared with {bound}")),
                },
            };
            Ok(order.is_some_and(|order| order == wanted || (order.is_eq() && !strict.unwrap_or(false))))
        }
    };
    Ok(bound(&expectation.min, expectation.strict_min, std::cmp::Ordering::Greater)?
        && bound(&expectation.max, expectation.strict_max, std::cmp::Ordering::Less)?)
}
