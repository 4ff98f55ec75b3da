//! One number of a column between bounds.

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use serde_json::{Map, Value, json};

use super::super::check::{Outcome, State};
use super::super::column::{Column, numbers};
use super::super::counts::Counts;
use super::super::definition::{Definition, Target};
use super::super::expectation::Expectation;
use super::super::setting::Setting;
use super::super::summary::{EXACT_QUANTILES, Observed, Seen, Summary};
use crate::table::sketch::{Moments, Quantiles};
use crate::table::{iso_date, iso_timestamp};
use crate::units;

const RANGE: &[&str] = &["min", "max"];
const STRICT: &[&str] = &["strict_min", "strict_max"];

/// A check of one measured number.
const fn measure(
    name: &'static str,
    gx: &'static str,
    summary: &'static str,
    prepare: super::super::definition::Prepare,
) -> Definition {
    Definition::new(name, gx, summary, Target::Column, prepare).needs_one_of(RANGE).takes(STRICT)
}

pub(super) const CHECKS: &[Definition] = &[
    measure("min", "expect_column_min_to_be_between", "The least value lies between `min` and `max`.", least),
    measure("max", "expect_column_max_to_be_between", "The greatest value lies between `min` and `max`.", greatest),
    measure("mean", "expect_column_mean_to_be_between", "The mean lies between `min` and `max`.", |setting, it| {
        number(setting, it, Number::Mean)
    }),
    measure("median", "expect_column_median_to_be_between", "The median lies between `min` and `max`.", median),
    measure("sum", "expect_column_sum_to_be_between", "The sum lies between `min` and `max`.", |setting, it| {
        number(setting, it, Number::Sum)
    }),
    measure(
        "stdev",
        "expect_column_stdev_to_be_between",
        "The standard deviation of the sample lies between `min` and `max`.",
        |setting, it| number(setting, it, Number::Stdev),
    ),
    measure("variance", "", "The variance of the sample lies between `min` and `max`.", |setting, it| {
        number(setting, it, Number::Variance)
    }),
    measure("skewness", "", "The skewness of the sample lies between `min` and `max`.", |setting, it| {
        number(setting, it, Number::Skewness)
    }),
    measure("kurtosis", "", "The excess kurtosis of the sample lies between `min` and `max`.", |setting, it| {
        number(setting, it, Number::Kurtosis)
    }),
    measure("entropy", "", "The entropy of the values, in nats, lies between `min` and `max`.", entropy),
    Definition::new(
        "quantiles",
        "expect_column_quantile_values_to_be_between",
        "Each quantile of `quantiles` lies in its range.",
        Target::Column,
        quantiles,
    )
    .needs(&["quantiles"]),
    Definition::new("freshness", "", "The newest timestamp is at most `max_age` old.", Target::Column, freshness)
        .needs(&["max_age"]),
];

/// Which number of the moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Min,
    Max,
    Mean,
    Sum,
    Stdev,
    Variance,
    Skewness,
    Kurtosis,
}

/// The moments of numbers.
struct Numbers {
    wanted: Number,
    moments: Moments,
    /// How many values are minus and plus infinity.
    infinite: [u64; 2],
}

impl Numbers {
    fn observed(&self) -> Option<f64> {
        let moments = &self.moments;
        let [low, high] = self.infinite.map(|count| count > 0);
        match self.wanted {
            Number::Min if low => Some(f64::NEG_INFINITY),
            Number::Min => moments.min().or(high.then_some(f64::INFINITY)),
            Number::Max if high => Some(f64::INFINITY),
            Number::Max => moments.max().or(low.then_some(f64::NEG_INFINITY)),
            Number::Mean | Number::Sum if low && high => None,
            Number::Mean | Number::Sum if low => Some(f64::NEG_INFINITY),
            Number::Mean | Number::Sum if high => Some(f64::INFINITY),
            Number::Mean => moments.mean(),
            Number::Sum => Some(moments.sum()),
            _ if low || high => None,
            Number::Stdev => moments.stdev(),
            Number::Variance => moments.variance(),
            Number::Skewness => moments.skewness(),
            Number::Kurtosis => moments.kurtosis(),
        }
    }
}

impl Summary for Numbers {
    fn take(&mut self, values: &[ArrayRef]) -> Result<(), String> {
        let values = numbers(&values[0]);
        self.infinite[0] += values.clone().filter(|value| *value == f64::NEG_INFINITY).count() as u64;
        self.infinite[1] += values.clone().filter(|value| *value == f64::INFINITY).count() as u64;
        self.moments.merge(&Moments::of(values.filter(|value| value.is_finite())));
        Ok(())
    }

    fn outcome(&self, _: Seen, expectation: &Expectation) -> Result<Outcome, String> {
        Observed::number(self.observed()).judge(expectation)
    }
}

fn number(setting: &Setting<'_>, expectation: &Expectation, wanted: Number) -> Result<State, String> {
    let column = setting.number_column(expectation, expectation.column.as_deref().unwrap_or_default())?;
    let summary = Numbers { wanted, moments: Moments::default(), infinite: [0; 2] };
    Ok(State::of_columns(vec![column], summary))
}

fn least(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    extreme(setting, expectation, Number::Min)
}

fn greatest(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    extreme(setting, expectation, Number::Max)
}

fn extreme(setting: &Setting<'_>, expectation: &Expectation, wanted: Number) -> Result<State, String> {
    let column = setting.the_column(expectation)?;
    let is_least = wanted == Number::Min;
    if column.is_text() {
        return Ok(State::of_columns(vec![column], Texts { is_least, found: None }));
    }
    if column.is_time() {
        let is_date = column.kind == DataType::Date32;
        return Ok(State::of_columns(vec![column.into_moments()], Times { is_least, is_date, found: None }));
    }
    number(setting, expectation, wanted)
}

/// The least or greatest text.
struct Texts {
    is_least: bool,
    found: Option<String>,
}

impl Summary for Texts {
    fn take(&mut self, values: &[ArrayRef]) -> Result<(), String> {
        let texts = values[0].as_string::<i32>().iter().flatten();
        let best = if self.is_least { texts.min() } else { texts.max() };
        let wins =
            |best: &&str| self.found.as_deref().is_none_or(|found| (*best < found) == self.is_least && *best != found);
        if let Some(best) = best.filter(wins) {
            self.found = Some(best.to_owned());
        }
        Ok(())
    }

    fn outcome(&self, _: Seen, expectation: &Expectation) -> Result<Outcome, String> {
        self.found.clone().map_or(Observed::Nothing, Observed::Text).judge(expectation)
    }
}

/// The least or greatest microsecond.
struct Times {
    is_least: bool,
    is_date: bool,
    found: Option<i64>,
}

impl Summary for Times {
    fn take(&mut self, values: &[ArrayRef]) -> Result<(), String> {
        let times = values[0].as_primitive::<TimestampMicrosecondType>().iter().flatten().chain(self.found);
        self.found = if self.is_least { times.min() } else { times.max() };
        Ok(())
    }

    fn outcome(&self, _: Seen, expectation: &Expectation) -> Result<Outcome, String> {
        let written = |micros: i64| {
            if self.is_date {
                iso_date(i32::try_from(micros.div_euclid(86_400_000_000)).ok()?)
            } else {
                iso_timestamp(micros)
            }
        };
        self.found.and_then(written).map_or(Observed::Nothing, Observed::Moment).judge(expectation)
    }
}

/// Quantiles: exact to four million values, then near.
struct Middle(Quantiles);

impl Summary for Middle {
    fn take(&mut self, values: &[ArrayRef]) -> Result<(), String> {
        self.0.extend(numbers(&values[0]));
        Ok(())
    }

    fn outcome(&self, _: Seen, expectation: &Expectation) -> Result<Outcome, String> {
        let outcome = match &expectation.quantiles {
            None => Observed::number(self.0.at(&[0.5])[0]).judge(expectation)?,
            Some(ranges) => {
                let mut wanted: Vec<(f64, [Option<f64>; 2])> =
                    ranges.iter().map(|(share, range)| (share.parse().unwrap_or(f64::NAN), *range)).collect();
                wanted.sort_by(|left, right| left.0.total_cmp(&right.0));
                let shares: Vec<f64> = wanted.iter().map(|(share, _)| *share).collect();
                let values = self.0.nearest(&shares);
                let lies = |(value, (_, range)): (&Option<f64>, &(f64, [Option<f64>; 2]))| {
                    value.is_some_and(|value| is_in(value, *range))
                };
                let successes: Vec<bool> = values.iter().zip(&wanted).map(lies).collect();
                let shown: Vec<Value> = values.iter().map(|value| Observed::number(*value).to_json()).collect();
                Outcome::observed(
                    successes.iter().all(|success| *success),
                    json!({"quantiles": shares, "values": shown}),
                )
                .with("details", json!({"success_details": successes}))
            }
        };
        Ok(if self.0.is_exact() { outcome } else { outcome.with("approximate", json!(true)) })
    }
}

/// Whether a quantile lies in its range, whose ends reach a ten-thousandth further, as in Great Expectations.
fn is_in(value: f64, [min, max]: [Option<f64>; 2]) -> bool {
    let near = |bound: f64| (value - bound).abs() <= 1e-8 + 1e-4 * bound.abs();
    min.is_none_or(|min| value >= min || near(min)) && max.is_none_or(|max| value <= max || near(max))
}

fn median(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    middle(setting, expectation)
}

fn quantiles(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    middle(setting, expectation)
}

fn middle(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let column = setting.number_column(expectation, expectation.column.as_deref().unwrap_or_default())?;
    Ok(State::of_columns(vec![column], Middle(Quantiles::new(EXACT_QUANTILES))))
}

/// The entropy of the values.
struct Entropy(Counts);

impl Summary for Entropy {
    fn take(&mut self, values: &[ArrayRef]) -> Result<(), String> {
        self.0.take(&values[0])
    }

    fn outcome(&self, seen: Seen, expectation: &Expectation) -> Result<Outcome, String> {
        let share = |count: u64| count as f64 / seen.present() as f64;
        let entropy: f64 = self.0.all().iter().map(|(_, count)| -share(*count) * share(*count).ln()).sum();
        Observed::number((seen.present() > 0).then_some(entropy.max(0.0))).judge(expectation)
    }
}

fn entropy(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let column = setting.the_column(expectation)?.into_comparable(setting.schema);
    let entropy = Entropy(Counts::of_column(&column));
    Ok(State::of_columns(vec![column], entropy))
}

/// The newest microsecond, and the one that counts as now.
struct Newest {
    newest: Option<i64>,
    now: i64,
}

impl Summary for Newest {
    fn take(&mut self, values: &[ArrayRef]) -> Result<(), String> {
        let latest = values[0].as_primitive::<TimestampMicrosecondType>().iter().flatten().max();
        self.newest = self.newest.max(latest);
        Ok(())
    }

    fn outcome(&self, _: Seen, expectation: &Expectation) -> Result<Outcome, String> {
        let limit = expectation
            .max_age
            .as_deref()
            .and_then(|text| units::age(text.trim()))
            .ok_or("`max_age` is no duration")?;
        let age = self.newest.map(|newest| i128::from(self.now) - i128::from(newest));
        let success = age.is_some_and(|age| age <= limit.as_micros().try_into().unwrap_or(i128::MAX));
        let observed = json!(self.newest.and_then(iso_timestamp));
        Ok(Outcome { success, vacuous: false, result: Map::new() }
            .with("observed_value", observed)
            .with("age_seconds", json!(age.map(|age| age as f64 / 1e6))))
    }
}

fn freshness(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let column: Column = setting.the_column(expectation)?;
    if !(column.is_time() || column.is_text() || column.is_null()) {
        return Err(format!("`freshness` does not fit column `{}`, which is {}", column.name, column.kind));
    }
    Ok(State::of_columns(vec![column.into_moments()], Newest { newest: None, now: setting.now }))
}
