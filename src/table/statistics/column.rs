//! What is known of one column.

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray};
use arrow::datatypes::{DataType, Field, Float64Type, Int32Type};

use super::super::keys::Keys;
use super::super::sketch::{Distinct, Frequent, Moments, Quantiles};
use super::super::{MICROSECONDS, canonical, canonical_type, cast, cell, computed, encoded, iso_date, iso_timestamp};
use super::{decimal_scale, named};

/// How many different values are counted one by one; beyond, their number is estimated.
const COUNTED: usize = 20_000;
/// How many bars a histogram has.
pub const HISTOGRAM_BINS: usize = 24;
/// How long a shown text may be, in characters.
const SHOWN_CHARACTERS: usize = 60;

/// What a column holds, in the words of the expression language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers.
    Int,
    /// Numbers with a fraction.
    Float,
    /// Text.
    Text,
    /// True or false.
    Bool,
    /// Days.
    Date,
    /// Moments in time.
    Timestamp,
    /// Not a single value.
    Null,
    /// Nested or binary values, which are only counted.
    Other,
}

impl Kind {
    /// The kind of a column of this Arrow type.
    pub fn of(data_type: &DataType) -> Kind {
        match canonical_type(data_type) {
            Some(DataType::Int64) => Kind::Int,
            Some(DataType::Float64) => Kind::Float,
            Some(DataType::Utf8) => Kind::Text,
            Some(DataType::Boolean) => Kind::Bool,
            Some(DataType::Date32) => Kind::Date,
            Some(DataType::Timestamp(..)) => Kind::Timestamp,
            Some(_) => Kind::Null,
            None => Kind::Other,
        }
    }

    /// The kind as written.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Int => "int",
            Kind::Float => "float",
            Kind::Text => "text",
            Kind::Bool => "bool",
            Kind::Date => "date",
            Kind::Timestamp => "timestamp",
            Kind::Null => "null",
            Kind::Other => "other",
        }
    }
}

/// Statistics of one column, fed batch by batch.
#[derive(Debug, Clone)]
pub struct ColumnStatistics {
    /// The column's name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Its Arrow type.
    pub stored_type: String,
    /// How many digits stand behind the point of decimals that are told apart by their digits.
    pub(super) scale: Option<i8>,
    /// The number of rows.
    pub rows: u64,
    /// Rows without a value; a float that is not finite counts as none.
    pub missing: u64,
    /// How many of the missing ones are infinite.
    pub infinite: u64,
    /// How many numbers are zero.
    pub zeros: u64,
    distinct: Distinct,
    frequent: Frequent<String>,
    moments: Moments,
    quantiles: Quantiles,
}

/// Where the values of a column lie: numbers, characters of texts, or microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The least value.
    pub min: f64,
    /// The greatest value.
    pub max: f64,
    /// The mean.
    pub mean: f64,
    /// The standard deviation of the sample.
    pub stdev: Option<f64>,
    /// The skewness of the sample.
    pub skewness: Option<f64>,
    /// The quantiles 0.05, 0.25, 0.5, 0.75 and 0.95.
    pub quantiles: [f64; 5],
    /// Whether the quantiles are exact.
    pub is_exact: bool,
}

/// One bar of a histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Where it begins.
    pub low: f64,
    /// Where it ends.
    pub high: f64,
    /// How many values are in it.
    pub count: u64,
}

impl ColumnStatistics {
    /// Nothing known yet of the column that `field` describes.
    pub fn new(field: &Field) -> ColumnStatistics {
        ColumnStatistics {
            name: field.name().clone(),
            kind: Kind::of(field.data_type()),
            stored_type: field.data_type().to_string(),
            scale: decimal_scale(field.data_type()),
            rows: 0,
            missing: 0,
            infinite: 0,
            zeros: 0,
            distinct: Distinct::new(COUNTED),
            frequent: Frequent::new(COUNTED),
            moments: Moments::default(),
            quantiles: Quantiles::new(0),
        }
    }

    /// Takes a batch of the column in.
    pub fn add(&mut self, column: &ArrayRef) {
        self.rows += column.len() as u64;
        if let Some(texts) = encoded(column) {
            return self.add_encoded(texts);
        }
        let Some(values) = computed(column) else {
            self.missing += column.logical_null_count() as u64;
            return;
        };
        self.missing += values.logical_null_count() as u64;
        if self.kind == Kind::Float && values.null_count() > column.null_count() {
            let floats = cast(column, &DataType::Float64);
            let floats = floats.as_primitive::<Float64Type>();
            self.infinite += floats.iter().flatten().filter(|value| value.is_infinite()).count() as u64;
        }
        self.count_values(&named(column, &values));
        let numbers = match self.kind {
            Kind::Int | Kind::Float => cast(&values, &DataType::Float64),
            Kind::Date | Kind::Timestamp => {
                cast(&cast(&cast(&values, &MICROSECONDS), &DataType::Int64), &DataType::Float64)
            }
            Kind::Text => cast(&characters(&values), &DataType::Float64),
            Kind::Bool | Kind::Null | Kind::Other => return,
        };
        let numbers = numbers.as_primitive::<Float64Type>();
        let batch = if numbers.null_count() == 0 {
            self.quantiles.extend(numbers.values().iter().copied());
            Moments::of(numbers.values().iter().copied())
        } else {
            self.quantiles.extend(numbers.iter().flatten());
            Moments::of(numbers.iter().flatten())
        };
        self.moments.merge(&batch);
        if matches!(self.kind, Kind::Int | Kind::Float) {
            self.zeros += numbers.iter().flatten().filter(|value| *value == 0.0).count() as u64;
        }
    }

    /// Takes in texts with their dictionary: each different one is looked at once.
    fn add_encoded(&mut self, texts: &DictionaryArray<Int32Type>) {
        let values = canonical(texts.values()).expect("only texts are encoded");
        let mut counts = vec![0u64; values.len()];
        let places = || texts.keys().iter().flatten().filter_map(|place| usize::try_from(place).ok());
        places().for_each(|place| counts[place] += 1);
        self.missing += texts.keys().null_count() as u64;
        let keys = Keys::of(&values);
        for (place, count) in counts.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            let key = keys.at(place);
            if !self.frequent.insert_many(key, count, || shown(&values, place)) {
                self.distinct.insert(key);
            }
        }
        let lengths = cast(&characters(&values), &DataType::Float64);
        let lengths = lengths.as_primitive::<Float64Type>().values();
        self.quantiles.extend(places().map(|place| lengths[place]));
        self.moments.merge(&Moments::of(places().map(|place| lengths[place])));
    }

    fn count_values(&mut self, values: &ArrayRef) {
        let keys = Keys::of(values);
        let nulls = values.logical_nulls();
        for row in 0..values.len() {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                continue;
            }
            let key = keys.at(row);
            // A value that was counted before adds nothing to the number of different ones.
            if !self.frequent.insert(key, || shown(values, row)) {
                self.distinct.insert(key);
            }
        }
    }

    /// How many different values there are, and whether that is exact.
    pub fn distinct(&self) -> (u64, bool) {
        (self.distinct.count().min(self.rows - self.missing), self.distinct.is_exact())
    }

    /// The most frequent values with their counts, and whether no other could be among them.
    pub fn top(&self, most: usize) -> (Vec<(String, u64)>, bool) {
        (self.frequent.top(most), self.frequent.is_complete())
    }

    /// The share of rows without a value.
    pub fn missing_share(&self) -> f64 {
        if self.rows == 0 { 0.0 } else { self.missing as f64 / self.rows as f64 }
    }

    /// Where the values lie; none without values, and for bools.
    pub fn spread(&self) -> Option<Spread> {
        let quantiles: Vec<f64> =
            self.quantiles.at(&[0.05, 0.25, 0.5, 0.75, 0.95]).into_iter().collect::<Option<_>>()?;
        Some(Spread {
            min: self.moments.min()?,
            max: self.moments.max()?,
            mean: self.moments.mean()?,
            stdev: self.moments.stdev(),
            skewness: self.moments.skewness(),
            quantiles: quantiles.try_into().ok()?,
            is_exact: self.quantiles.is_exact(),
        })
    }

    /// The tenths of the values, each bound once; the first and the last are the least and the greatest value.
    pub fn deciles(&self) -> Vec<f64> {
        let (Some(min), Some(max)) = (self.moments.min(), self.moments.max()) else { return Vec::new() };
        let shares: Vec<f64> = (1..10).map(|tenth| f64::from(tenth) / 10.0).collect();
        let inner = self.quantiles.at(&shares).into_iter().flatten();
        let mut bounds: Vec<f64> = std::iter::once(min).chain(inner).chain(std::iter::once(max)).collect();
        bounds.dedup();
        bounds
    }

    /// The kurtosis of the numbers, as in pandas.
    pub fn kurtosis(&self) -> Option<f64> {
        self.moments.kurtosis()
    }

    /// How the values are spread over their range; whole numbers that are few get a bar each.
    pub fn histogram(&self) -> Vec<Bin> {
        let (Some(min), Some(max)) = (self.moments.min(), self.moments.max()) else { return Vec::new() };
        let is_whole = matches!(self.kind, Kind::Int | Kind::Text);
        let (low, high, bins) = if min >= max {
            (min, min + 1.0, 1)
        } else if is_whole && max - min < HISTOGRAM_BINS as f64 {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below the number of bins")]
            let values = (max - min) as usize + 1;
            (min, max + 1.0, values)
        } else {
            (min, max, HISTOGRAM_BINS)
        };
        let width = (high - low) / bins as f64;
        let counts = self.quantiles.histogram((low, high), bins);
        let bin = |(index, count): (usize, u64)| Bin {
            low: low + width * index as f64,
            high: low + width * (index + 1) as f64,
            count,
        };
        counts.into_iter().enumerate().map(bin).collect()
    }

    /// A number of [`Spread`] as people read it: dates as dates, whole numbers without a fraction.
    pub fn written(&self, number: f64) -> String {
        #[expect(clippy::cast_possible_truncation, reason = "microseconds of dates that the column holds")]
        let micros = number as i64;
        let text = match self.kind {
            Kind::Date => i32::try_from(micros.div_euclid(86_400_000_000)).ok().and_then(iso_date),
            Kind::Timestamp => iso_timestamp(micros),
            _ => None,
        };
        text.unwrap_or_else(|| significant(number))
    }
}

/// A number with at most six significant digits, as short as it goes.
fn significant(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    if number.fract() == 0.0 && number.abs() < 1e15 {
        return format!("{number}");
    }
    let size = number.abs().log10().floor();
    if !(-5.0..15.0).contains(&size) {
        return format!("{number:.3e}");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 10")]
    let decimals = (5.0 - size).clamp(0.0, 10.0) as usize;
    let text = format!("{number:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

pub(super) fn shown(values: &ArrayRef, row: usize) -> String {
    match cell(values, row) {
        serde_json::Value::String(text) if text.chars().count() > SHOWN_CHARACTERS => {
            text.chars().take(SHOWN_CHARACTERS - 1).chain(['…']).collect()
        }
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    }
}

/// The number of characters of each text.
fn characters(values: &ArrayRef) -> ArrayRef {
    let count = |text: &str| i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let texts = values.as_string::<i32>();
    std::sync::Arc::new(texts.iter().map(|text| text.map(count)).collect::<arrow::array::Int64Array>())
}
