//! `impute_random_sample`: a value of another row, which the row's own values choose.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ml::transform::category::Category;
use crate::ml::transform::chance;
use crate::ml::transform::fitted::{Fitted, Rows};
use crate::ml::transform::frame::{Frame, missing};
use crate::ml::transform::gather::Sample;
use crate::ml::transform::learn::{Learner, LearningRows};
use crate::ml::transform::needs::{infinite, need_categories, nothing_to_learn};
use crate::ml::transform::plan::{Plan, Planning, Promise, Same, Transform};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::{ColumnType, TransformError};

/// Fills a missing value with that of a row of the fit table, so that the column keeps its distribution (feature-engine's
/// `RandomSampleImputer` with a seed by observation). Which row it is follows from the values of the columns `seed_from`,
/// so the same row always gets the same value, in a table and in a request; rows that agree in all of them get the same
/// one. A bare list is `seed_from`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ImputeRandomSample")]
pub(in crate::ml::transform) struct Params {
    /// The columns that choose; best ones whose values differ from row to row.
    seed_from: Vec<String>,
    /// How many values are kept to choose from, themselves chosen at random.
    #[serde(default = "thousand")]
    #[schemars(range(min = 1, max = 100_000))]
    values: u32,
}

fn thousand() -> u32 {
    1000
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("seed_from");
    const EXAMPLE: &'static str = "{impute_random_sample: [months], columns: [amount, plan]}";

    fn check(&self) -> Result<(), String> {
        if self.seed_from.is_empty() {
            return Err("`seed_from` is empty".to_owned());
        }
        if (1..=100_000).contains(&self.values) {
            Ok(())
        } else {
            Err(format!("`values: {}` must be from 1 to 100000", self.values))
        }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        need_categories("impute_random_sample", name, column)?;
        if let Some(unknown) = self.seed_from.iter().find(|from| !planning.frame.has(from)) {
            if planning.is_open {
                return Ok(Plan::Wait);
            }
            return Err(missing(unknown, planning.frame.columns().map(|(name, _)| name)));
        }
        if self.seed_from.iter().any(|from| from == name) {
            let message = format!("`seed_from` names `{name}`, whose missing values it shall choose");
            return Err(TransformError::input("param_value", message).help("name columns that say something then"));
        }
        let learner = Drawing {
            name: name.to_owned(),
            column_type: column.column_type(),
            params: self.clone(),
            seed: planning.facts.seed,
            drawn: Sample::new(planning.facts.seed, self.values as usize),
        };
        let same = Same::Changed(column.column_type(), column.kind);
        Ok(Plan::Learn(Box::new(learner), Promise { same, ..Promise::default() }))
    }
}

struct Drawing {
    name: String,
    column_type: ColumnType,
    params: Params,
    seed: u64,
    drawn: Sample<Category>,
}

impl Learner for Drawing {
    fn learn(&mut self, frame: &Frame, rows: &LearningRows<'_>) -> Result<(), TransformError> {
        let array = &frame.column(&self.name)?.array;
        let floats = array.as_primitive_opt::<Float64Type>();
        if floats.is_some_and(|floats| floats.iter().flatten().any(f64::is_infinite)) {
            return Err(infinite(&self.name, "impute_random_sample"));
        }
        for (place, row) in (0..array.len()).zip(rows.first..) {
            if array.is_null(place) {
                continue;
            }
            self.drawn.offer(row, || match array.data_type() {
                DataType::Utf8 => Category::Text(array.as_string::<i32>().value(place).to_owned()),
                DataType::Int64 => Category::Int(array.as_primitive::<Int64Type>().value(place)),
                DataType::Float64 => Category::Float(array.as_primitive::<Float64Type>().value(place)),
                _ => Category::Bool(array.as_boolean().value(place)),
            });
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let values = self.drawn.by_chance();
        if values.is_empty() {
            return Err(nothing_to_learn(&self.name, "impute_random_sample"));
        }
        Ok(Unit::ImputeRandomSample(RandomSample {
            column: self.name,
            column_type: self.column_type,
            seed_from: self.params.seed_from,
            seed: self.seed,
            values,
        }))
    }
}

/// The values that the missing ones of a column are chosen from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct RandomSample {
    column: String,
    column_type: ColumnType,
    seed_from: Vec<String>,
    seed: u64,
    values: Vec<Category>,
}

impl RandomSample {
    /// The place of the value for one row of `columns`.
    fn choice(&self, columns: &[&ArrayRef], row: usize) -> usize {
        let mut state = self.seed;
        let mut mix = |word: u64| state = chance::bits(state, word);
        for array in columns {
            if array.is_null(row) {
                mix(u64::MAX);
                continue;
            }
            match array.data_type() {
                DataType::Utf8 => array.as_string::<i32>().value(row).bytes().for_each(|byte| mix(u64::from(byte))),
                DataType::Int64 => mix(array.as_primitive::<Int64Type>().value(row).cast_unsigned()),
                // Both zeros are one value.
                DataType::Float64 => mix((array.as_primitive::<Float64Type>().value(row) + 0.0).to_bits()),
                DataType::Boolean => mix(u64::from(array.as_boolean().value(row))),
                DataType::Date32 => {
                    let days = array.as_primitive::<arrow::datatypes::Date32Type>().value(row);
                    mix(i64::from(days).cast_unsigned());
                }
                _ => {
                    let moments = array.as_primitive_opt::<arrow::datatypes::TimestampMicrosecondType>();
                    mix(moments.map_or(0, |moments| moments.value(row).cast_unsigned()));
                }
            }
            // So that `a` beside `bc` is not `ab` beside `c`.
            mix(1);
        }
        let count = self.values.len() as u64;
        usize::try_from(state % count).expect("the place is smaller than a length")
    }
}

impl Fitted for RandomSample {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let array = &frame.column(&self.column)?.array;
        if array.null_count() == 0 {
            return Ok(());
        }
        let columns: Vec<&ArrayRef> =
            self.seed_from.iter().map(|name| Ok(&frame.column(name)?.array)).collect::<Result<_, TransformError>>()?;
        let chosen = |row: usize| array.is_null(row).then(|| &self.values[self.choice(&columns, row)]);
        let rows = 0..array.len();
        let filled: ArrayRef = match self.column_type {
            ColumnType::Float => {
                let values = array.as_primitive::<Float64Type>();
                let filled = rows.map(|row| match chosen(row) {
                    Some(Category::Float(value)) => Some(*value),
                    _ => values.is_valid(row).then(|| values.value(row)),
                });
                Arc::new(filled.collect::<Float64Array>())
            }
            ColumnType::Int => {
                let values = array.as_primitive::<Int64Type>();
                let filled = rows.map(|row| match chosen(row) {
                    Some(Category::Int(value)) => Some(*value),
                    _ => values.is_valid(row).then(|| values.value(row)),
                });
                Arc::new(filled.collect::<Int64Array>())
            }
            ColumnType::Bool => {
                let values = array.as_boolean();
                let filled = rows.map(|row| match chosen(row) {
                    Some(Category::Bool(value)) => Some(*value),
                    _ => values.is_valid(row).then(|| values.value(row)),
                });
                Arc::new(filled.collect::<BooleanArray>())
            }
            // Moments are refused when it is planned.
            ColumnType::Text | ColumnType::Date | ColumnType::Timestamp => {
                let values = array.as_string::<i32>();
                let filled = rows.map(|row| match chosen(row) {
                    Some(Category::Text(value)) => Some(value.as_str()),
                    _ => values.is_valid(row).then(|| values.value(row)),
                });
                Arc::new(filled.collect::<StringArray>())
            }
        };
        let mut column = frame.column(&self.column)?.clone();
        column.array = filled;
        frame.set(&self.column, column);
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        std::iter::once(&self.column).chain(&self.seed_from).map(String::as_str).collect()
    }

    fn outputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn fills(&self, column: &str) -> bool {
        self.column == column
    }
}
