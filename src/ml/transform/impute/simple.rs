//! `impute`: puts a value in the place of a missing one.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Float64Array, Int32Array, Int64Array, StringArray,
};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::numbers::{Level, Numbers};
use crate::ml::transform::category::{Category, Dictionary};
use crate::ml::transform::column::numbers;
use crate::ml::transform::fitted::{Fitted, Rows};
use crate::ml::transform::frame::{Column, Frame, Kind};
use crate::ml::transform::learn::{Learner, LearningRows};
use crate::ml::transform::needs::{infinite, nothing_to_learn};
use crate::ml::transform::plan::{Plan, Planning, Promise, Transform};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::{ColumnType, TransformError};

/// Which value takes the place of a missing one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ImputeStrategy")]
pub(in crate::ml::transform) enum Strategy {
    /// The mean of the fit table's values.
    Mean,
    /// Their median.
    Median,
    /// The value that is there most often, the smallest of these if there are several.
    MostFrequent,
    /// `fill_value`.
    Constant,
    /// For texts: `fill_value`, or else `Missing` (feature-engine's `CategoricalImputer`).
    MissingLabel,
    /// A number at the end of the distribution, so that missing values stand apart (feature-engine's
    /// `EndTailImputer`).
    EndTail,
}

/// How the end of a distribution is found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ImputeMethod")]
pub(super) enum Method {
    /// `fold` standard deviations (of a sample) from the mean.
    #[default]
    Gaussian,
    /// `fold` interquartile ranges beyond the quartile.
    Iqr,
    /// `fold` times the largest value.
    Max,
}

/// Which end of a distribution.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ImputeTail")]
pub(super) enum Tail {
    /// Large values.
    #[default]
    Right,
    /// Small values.
    Left,
}

/// Fills missing values (scikit-learn's `SimpleImputer`, and some of feature-engine's). A bare word is the strategy:
/// `impute: median`. `median` and `end_tail` with `iqr` keep the column's values while they learn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Impute")]
pub(in crate::ml::transform) struct Params {
    /// Which value to put in.
    pub(in crate::ml::transform) strategy: Strategy,
    /// The value for `constant`; 0 for numbers and `missing_value` for text if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fill_value: Option<Value>,
    /// For `end_tail`: how the end is found.
    #[serde(default)]
    method: Method,
    /// For `end_tail`: which end.
    #[serde(default)]
    tail: Tail,
    /// For `end_tail`: how far out, in the method's own measure; 3 if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fold: Option<f64>,
    /// Whether a column without any value in the fit table is filled with `fill_value`, or else with 0 or
    /// `missing_value`, instead of being refused.
    #[serde(default)]
    keep_empty_features: bool,
    /// Whether to add a column `NAME_missing` that is 1 where the value was missing.
    #[serde(default)]
    add_indicator: bool,
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("strategy");
    const EXAMPLE: &'static str = "{impute: {strategy: median, add_indicator: true}, columns: [amount]}";

    fn check(&self) -> Result<(), String> {
        match self.fold {
            Some(fold) if self.strategy != Strategy::EndTail => {
                Err(format!("`fold: {fold}` is for `strategy: end_tail`"))
            }
            Some(fold) if !(fold > 0.0 && fold.is_finite()) => Err(format!("`fold: {fold}` must be greater than 0")),
            _ => Ok(()),
        }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        let found = column.column_type();
        let indicator = self.indicator(name);
        let is_number = matches!(found, ColumnType::Int | ColumnType::Float);
        match self.strategy {
            Strategy::Mean | Strategy::Median | Strategy::EndTail if !is_number => Err(TransformError::input(
                "column_type",
                format!("column `{name}` holds {}, which has no {}", found.describe(), self.strategy.as_str()),
            )
            .help(
                "use `impute: most_frequent` or `impute: {strategy: constant}` for it; a CSV column without any value is \
                 read as text unless `types` of `ingest.csv` names its type",
            )),
            _ if matches!(found, ColumnType::Date | ColumnType::Timestamp) => Err(TransformError::input(
                "column_type",
                format!("column `{name}` holds {}, which `impute` does not fill", found.describe()),
            )
            .help("turn it into numbers with `date_parts` before")),
            Strategy::MissingLabel if found != ColumnType::Text => Err(TransformError::input(
                "column_type",
                format!("column `{name}` holds {}, and `missing_label` is for text", found.describe()),
            )
            .help("use another strategy for it, such as `median` or `most_frequent`")),
            Strategy::Constant | Strategy::MissingLabel => {
                let (fill, column_type) = self.constant(name, found)?;
                Ok(Plan::Ready(Unit::Impute(Impute { column: name.to_owned(), column_type, fill, indicator })))
            }
            Strategy::MostFrequent => {
                let promise = self.promised(name, found, column.kind);
                let learner = Frequencies {
                    name: name.to_owned(),
                    found,
                    indicator,
                    empty: self.empty(name, found)?,
                    values: Dictionary::default(),
                    counts: Vec::new(),
                };
                Ok(Plan::Learn(Box::new(learner), promise))
            }
            Strategy::Mean | Strategy::Median | Strategy::EndTail => {
                let empty = match self.empty(name, found)? {
                    Some(Category::Float(value)) => Some(value),
                    Some(Category::Int(value)) => Some(value as f64),
                    _ => None,
                };
                let learner = Numbers::new(name, self.level(), indicator, empty);
                Ok(Plan::Learn(Box::new(learner), self.promised(name, ColumnType::Float, column.kind)))
            }
        }
    }
}

impl Params {
    /// What the column called `name` will be, and the indicator beside it.
    fn promised(&self, name: &str, column_type: ColumnType, before: Kind) -> Promise {
        let kind = if before == Kind::Encoded { before } else { Kind::of(column_type) };
        Promise::same(column_type, kind).and(self.indicator(name).iter(), Kind::Encoded)
    }

    fn indicator(&self, name: &str) -> Option<String> {
        self.add_indicator.then(|| format!("{name}_missing"))
    }

    /// Which number is learnt.
    fn level(&self) -> Level {
        match self.strategy {
            Strategy::Median => Level::Median,
            Strategy::EndTail => {
                Level::EndTail { method: self.method, tail: self.tail, fold: self.fold.unwrap_or(3.0) }
            }
            _ => Level::Mean,
        }
    }

    /// What a column without any value is filled with, if it is not refused.
    fn empty(&self, name: &str, found: ColumnType) -> Result<Option<Category>, TransformError> {
        if self.keep_empty_features { self.constant(name, found).map(|(fill, _)| Some(fill)) } else { Ok(None) }
    }

    /// The value to fill in and the type of the column then.
    fn constant(&self, name: &str, found: ColumnType) -> Result<(Category, ColumnType), TransformError> {
        let Some(value) = &self.fill_value else {
            return Ok(match found {
                ColumnType::Int => (Category::Int(0), found),
                ColumnType::Float => (Category::Float(0.0), found),
                ColumnType::Bool => (Category::Bool(false), found),
                _ if self.strategy == Strategy::MissingLabel => {
                    (Category::Text("Missing".to_owned()), ColumnType::Text)
                }
                _ => (Category::Text("missing_value".to_owned()), ColumnType::Text),
            });
        };
        match (found, value) {
            (ColumnType::Int, Value::Number(number)) if number.is_i64() => {
                Ok((Category::Int(number.as_i64().unwrap_or(0)), ColumnType::Int))
            }
            (ColumnType::Int | ColumnType::Float, Value::Number(number)) => {
                Ok((Category::Float(number.as_f64().unwrap_or(0.0)), ColumnType::Float))
            }
            (ColumnType::Text, Value::String(text)) => Ok((Category::Text(text.clone()), found)),
            (ColumnType::Bool, Value::Bool(value)) => Ok((Category::Bool(*value), found)),
            _ => {
                let message =
                    format!("`fill_value: {value}` does not fit column `{name}`, which holds {}", found.describe());
                Err(TransformError::input("param_value", message).help("give a value of the column's type"))
            }
        }
    }
}

impl Strategy {
    fn as_str(self) -> &'static str {
        match self {
            Strategy::Mean => "mean",
            Strategy::Median => "median",
            Strategy::MostFrequent => "most frequent value",
            Strategy::Constant => "constant",
            Strategy::MissingLabel => "missing label",
            Strategy::EndTail => "end of a distribution",
        }
    }
}

/// A fitted imputation of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Impute {
    column: String,
    column_type: ColumnType,
    fill: Category,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    indicator: Option<String>,
}

impl Impute {
    /// Numbers filled with `fill`.
    pub(super) fn number(column: String, fill: f64, indicator: Option<String>) -> Impute {
        Impute { column, column_type: ColumnType::Float, fill: Category::Float(fill), indicator }
    }
}

/// A 0/1 column that says where `array` is missing.
pub(super) fn indicate(array: &dyn Array) -> Column {
    let missing = (0..array.len()).map(|row| f64::from(u8::from(array.is_null(row))));
    Column::encoded(Arc::new(Float64Array::from_iter_values(missing)))
}

impl Fitted for Impute {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let column = frame.column(&self.column)?;
        let (array, found) = (Arc::clone(&column.array), column.column_type());
        let kind = if column.kind == Kind::Encoded { Kind::Encoded } else { Kind::of(self.column_type) };
        if let Some(indicator) = &self.indicator {
            frame.set(indicator, indicate(&array));
        }
        let array = if found == self.column_type { array } else { Arc::new(numbers(&array)?) as ArrayRef };
        let array = if array.null_count() == 0 { array } else { self.filled(&array) };
        frame.set(&self.column, Column { array, kind, categories: None });
        Ok(())
    }

    fn takes_encoded(&self) -> bool {
        true
    }

    fn inputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn outputs(&self) -> Vec<&str> {
        std::iter::once(&self.column).chain(&self.indicator).map(String::as_str).collect()
    }

    fn fills(&self, column: &str) -> bool {
        self.outputs().contains(&column)
    }
}

impl Impute {
    fn filled(&self, array: &ArrayRef) -> ArrayRef {
        match (&self.fill, array.data_type()) {
            (Category::Float(fill), DataType::Float64) => {
                let values = array.as_primitive::<Float64Type>().iter().map(|value| value.unwrap_or(*fill));
                Arc::new(Float64Array::from_iter_values(values))
            }
            (Category::Int(fill), DataType::Int64) => {
                let values = array.as_primitive::<Int64Type>().iter().map(|value| value.unwrap_or(*fill));
                Arc::new(Int64Array::from_iter_values(values))
            }
            (Category::Bool(fill), DataType::Boolean) => {
                Arc::new(array.as_boolean().iter().map(|value| Some(value.unwrap_or(*fill))).collect::<BooleanArray>())
            }
            (Category::Text(fill), DataType::Utf8) => {
                let values = array.as_string::<i32>().iter().map(|value| value.unwrap_or(fill));
                Arc::new(StringArray::from_iter_values(values))
            }
            (Category::Text(fill), DataType::Dictionary(..)) => filled_encoded(array.as_dictionary(), fill),
            // `plan` gives fill and column the same type.
            _ => Arc::clone(array),
        }
    }
}

/// Texts with their dictionary, with one more text for rows that have none.
fn filled_encoded(encoded: &DictionaryArray<Int32Type>, fill: &str) -> ArrayRef {
    let texts = encoded.values().as_string::<i32>();
    let last = i32::try_from(texts.len()).expect("a dictionary of texts is not longer than a batch");
    let keys: Int32Array = encoded.keys().iter().map(|key| Some(key.unwrap_or(last))).collect();
    let texts: StringArray = texts.iter().chain([Some(fill)]).collect();
    Arc::new(DictionaryArray::try_new(keys, Arc::new(texts)).expect("every key has a text"))
}

struct Frequencies {
    name: String,
    found: ColumnType,
    indicator: Option<String>,
    /// What a column without any value is filled with.
    empty: Option<Category>,
    values: Dictionary,
    counts: Vec<u64>,
}

impl Learner for Frequencies {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        let column = frame.column(&self.name)?;
        let codes = self.values.learn("impute", &self.name, &column.array)?;
        self.counts.resize(self.values.len(), 0);
        for code in codes {
            self.counts[code as usize] += 1;
        }
        Ok(())
    }

    fn takes_encoded(&self) -> bool {
        true
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let (values, order) = self.values.sorted();
        let mut best: Option<(u64, &Category)> = None;
        for (value, old) in values.categories().iter().zip(order) {
            let count = self.counts[old];
            if *value != Category::Null && best.is_none_or(|(most, _)| count > most) {
                best = Some((count, value));
            }
        }
        let Some(fill) = best.map(|(_, fill)| fill).or(self.empty.as_ref()) else {
            return Err(nothing_to_learn(&self.name, "impute"));
        };
        if let (ColumnType::Int, Category::Float(value)) = (self.found, fill) {
            let message = format!(
                "`fill_value: {value}` does not fit column `{}`, which holds an integer and has no value in the fit table",
                self.name
            );
            return Err(TransformError::input("param_value", message).help("give a whole number without a point"));
        }
        if matches!(fill, Category::Float(value) if !value.is_finite()) {
            return Err(infinite(&self.name, "impute"));
        }
        Ok(Unit::Impute(Impute {
            column: self.name,
            column_type: self.found,
            fill: fill.clone(),
            indicator: self.indicator,
        }))
    }
}
