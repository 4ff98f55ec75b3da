//! `impute`: puts a value in the place of a missing one.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ml::transform::category::{Category, Dictionary};
use crate::ml::transform::column::numbers;
use crate::ml::transform::fitted::{Fitted, Rows};
use crate::ml::transform::frame::{Column, Frame, Kind};
use crate::ml::transform::learn::{BYTES_PER_KEPT_VALUE, Learner, LearningRows};
use crate::ml::transform::needs::{infinite, nothing_to_learn};
use crate::ml::transform::plan::{Plan, Planning, Promise, Transform};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::stats::{Moments, quantile};
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
}

/// Fills missing values (scikit-learn's `SimpleImputer`). A bare word is the strategy: `impute: median`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Impute")]
pub(in crate::ml::transform) struct Params {
    /// Which value to put in.
    pub(in crate::ml::transform) strategy: Strategy,
    /// The value for `constant`; 0 for numbers and `missing_value` for text if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fill_value: Option<Value>,
    /// Whether to add a column `NAME_missing` that is 1 where the value was missing.
    #[serde(default)]
    add_indicator: bool,
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("strategy");
    const EXAMPLE: &'static str = "{impute: {strategy: median, add_indicator: true}, columns: [amount]}";

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        let found = column.column_type();
        let indicator = self.indicator(name);
        let is_number = matches!(found, ColumnType::Int | ColumnType::Float);
        match self.strategy {
            Strategy::Mean | Strategy::Median if !is_number => Err(TransformError::input(
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
            Strategy::Constant => {
                let (fill, column_type) = self.constant(name, found)?;
                Ok(Plan::Ready(Unit::Impute(Impute { column: name.to_owned(), column_type, fill, indicator })))
            }
            Strategy::MostFrequent => {
                let promise = self.promised(Promise::same(found, Kind::of(found)), name);
                let learner = Frequencies { name: name.to_owned(), found, indicator, ..Frequencies::default() };
                Ok(Plan::Learn(Box::new(learner), promise))
            }
            Strategy::Mean => {
                let learner = Mean { name: name.to_owned(), indicator, moments: Moments::default() };
                Ok(Plan::Learn(Box::new(learner), self.promised(Promise::numbers(), name)))
            }
            Strategy::Median => {
                let learner = Median { name: name.to_owned(), indicator, values: Vec::new() };
                Ok(Plan::Learn(Box::new(learner), self.promised(Promise::numbers(), name)))
            }
        }
    }
}

impl Params {
    /// What the column called `name` will be, and the indicator beside it.
    fn promised(&self, promise: Promise, name: &str) -> Promise {
        promise.and(self.indicator(name).iter(), Kind::Encoded)
    }

    fn indicator(&self, name: &str) -> Option<String> {
        self.add_indicator.then(|| format!("{name}_missing"))
    }

    /// The value to fill in and the type of the column then.
    fn constant(&self, name: &str, found: ColumnType) -> Result<(Category, ColumnType), TransformError> {
        let Some(value) = &self.fill_value else {
            return Ok(match found {
                ColumnType::Int => (Category::Int(0), found),
                ColumnType::Float => (Category::Float(0.0), found),
                ColumnType::Bool => (Category::Bool(false), found),
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

impl Fitted for Impute {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let column = frame.column(&self.column)?;
        let array = Arc::clone(&column.array);
        let kind = if column.kind == Kind::Encoded { Kind::Encoded } else { Kind::of(self.column_type) };
        if let Some(indicator) = &self.indicator {
            let missing = (0..array.len()).map(|row| f64::from(u8::from(array.is_null(row))));
            frame.set(indicator, Column::encoded(Arc::new(Float64Array::from_iter_values(missing))));
        }
        let array =
            if array.data_type() == &self.column_type.arrow() { array } else { Arc::new(numbers(&array)?) as ArrayRef };
        let array = if array.null_count() == 0 { array } else { self.filled(&array) };
        frame.set(&self.column, Column { array, kind, categories: None });
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn outputs(&self) -> Vec<&str> {
        std::iter::once(&self.column).chain(&self.indicator).map(String::as_str).collect()
    }

    fn fills(&self, column: &str) -> bool {
        self.column == column
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
            // `plan` gives fill and column the same type.
            _ => Arc::clone(array),
        }
    }
}

struct Mean {
    name: String,
    indicator: Option<String>,
    moments: Moments,
}

impl Learner for Mean {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        let column = frame.column(&self.name)?;
        let values = numbers(&column.array)?;
        self.moments.merge(&Moments::of(values.iter().flatten()));
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        if self.moments.count == 0.0 {
            return Err(nothing_to_learn(&self.name, "impute"));
        }
        if !self.moments.mean.is_finite() {
            return Err(infinite(&self.name, "impute"));
        }
        Ok(number_unit(self.name, self.moments.mean, self.indicator))
    }
}

struct Median {
    name: String,
    indicator: Option<String>,
    values: Vec<f64>,
}

impl Learner for Median {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        let column = frame.column(&self.name)?;
        self.values.extend(numbers(&column.array)?.iter().flatten());
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Unit, TransformError> {
        if self.values.is_empty() {
            return Err(nothing_to_learn(&self.name, "impute"));
        }
        self.values.sort_unstable_by(f64::total_cmp);
        let median = quantile(&self.values, 0.5);
        if !median.is_finite() {
            return Err(infinite(&self.name, "impute"));
        }
        Ok(number_unit(self.name, median, self.indicator))
    }

    fn kept_bytes(&self, rows: u64) -> u64 {
        rows * BYTES_PER_KEPT_VALUE
    }
}

fn number_unit(column: String, fill: f64, indicator: Option<String>) -> Unit {
    Unit::Impute(Impute { column, column_type: ColumnType::Float, fill: Category::Float(fill), indicator })
}

struct Frequencies {
    name: String,
    found: ColumnType,
    indicator: Option<String>,
    values: Dictionary,
    counts: Vec<u64>,
}

impl Default for Frequencies {
    fn default() -> Frequencies {
        Frequencies {
            name: String::new(),
            found: ColumnType::Text,
            indicator: None,
            values: Dictionary::default(),
            counts: Vec::new(),
        }
    }
}

impl Learner for Frequencies {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        let column = frame.column(&self.name)?;
        let codes = self.values.learn(&self.name, &column.array)?;
        self.counts.resize(self.values.len(), 0);
        for code in codes {
            self.counts[code as usize] += 1;
        }
        Ok(())
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
        let Some((_, fill)) = best else { return Err(nothing_to_learn(&self.name, "impute")) };
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
