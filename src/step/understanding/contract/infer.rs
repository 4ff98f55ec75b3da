//! A contract made from a table: what held for every row of it.

use serde_json::{Map, Value, json};

use super::document::{Contract, ContractColumn};
use super::types::type_of;
use crate::step::understanding::csv::ColumnType;
use crate::step::understanding::validate::flow;
use crate::step::{Progress, StepContext, StepError};
use crate::table::statistics::{ColumnStatistics, statistics};
use crate::table::{TableReader, iso_date, iso_timestamp};

/// Fewer rows say too little of values.
const LEAST_ROWS: u64 = 20;
/// A text column with at most so many values is a category.
const MOST_VALUES: usize = 20;
/// Values that are at most so large a share of the rows are categories.
const CATEGORICAL: f64 = 0.1;
/// Texts of this length may have been cut.
const CUT: usize = 60;

/// How a contract is made.
#[derive(Debug, Clone)]
pub struct Inferring {
    /// The contract's name.
    pub name: String,
    /// Whether the least and the greatest value become rules.
    pub ranges: bool,
}

/// The contract that a table keeps: its columns with their types, which of them have no missing values, which tell all rows
/// apart, and the values of categories.
///
/// # Errors
/// A column has a type that no step works with, or the table cannot be read.
pub fn infer(context: &mut StepContext, table: &TableReader, how: &Inferring) -> Result<Contract, StepError> {
    let threads = context.surroundings().threads;
    let counted = statistics(table, threads, |done| {
        context.progress(&Progress { done, total: Some(table.rows()), unit: "rows", note: String::new() });
        context.check_cancelled().is_ok()
    })?;
    context.check_cancelled()?;
    let fields = table.schema().fields().iter();
    let columns = fields
        .zip(counted.iter().flatten())
        .map(|(field, counted)| {
            let column_type = type_of(field.data_type()).ok_or_else(|| {
                let message =
                    format!("column `{}` is {}, for which contracts have no word", field.name(), field.data_type());
                StepError::input("column_type", message).help("leave it out, or flatten it first")
            })?;
            Ok(column(column_type, counted, how))
        })
        .collect::<Result<Vec<_>, StepError>>()?;
    Ok(Contract {
        name: how.name.clone(),
        version: 1,
        description: None,
        evolution: super::Evolution::default(),
        ordered: false,
        primary_key: Vec::new(),
        columns,
        checks: Vec::new(),
    })
}

fn column(column_type: ColumnType, counted: &ColumnStatistics, how: &Inferring) -> ContractColumn {
    let mut column = ContractColumn::of(&counted.name, column_type);
    let present = counted.rows - counted.missing;
    // Infinities count as missing in statistics and are values to a contract.
    column.nullable = counted.missing > counted.infinite || counted.rows == 0;
    if present < LEAST_ROWS {
        return column;
    }
    let (distinct, is_exact) = counted.distinct();
    let tells_apart = matches!(column_type, ColumnType::Text | ColumnType::Int64) && is_exact && distinct == present;
    column.unique = tells_apart;
    if column_type == ColumnType::Text && !tells_apart {
        let (values, is_complete) = counted.top(MOST_VALUES + 1);
        let is_category = values.len() <= MOST_VALUES && distinct as f64 / present as f64 <= CATEGORICAL;
        if is_complete && is_category && values.iter().all(|(value, _)| value.chars().count() < CUT) {
            let mut values: Vec<Value> = values.into_iter().map(|(value, _)| Value::from(value)).collect();
            values.sort_by_key(Value::to_string);
            column.allowed = Some(values);
        }
    }
    if how.ranges
        && counted.infinite == 0
        && let Some(spread) = counted.spread()
    {
        (column.min, column.max) = (bound(column_type, spread.min), bound(column_type, spread.max));
    }
    column
}

/// An end of the range of a column; none for types that have none, or that a float cannot hold exactly.
fn bound(column_type: ColumnType, value: f64) -> Option<Value> {
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and within the range that floats hold exactly")]
    let whole = || (value.abs() < 9_007_199_254_740_992.0 && value.fract() == 0.0).then_some(value as i64);
    match column_type {
        ColumnType::Int64 => whole().map(Value::from),
        ColumnType::Float64 | ColumnType::Decimal { .. } => Some(json!(value)),
        ColumnType::Date => whole()
            .and_then(|micros| i32::try_from(micros.div_euclid(86_400_000_000)).ok())
            .and_then(iso_date)
            .map(Value::from),
        ColumnType::Timestamp | ColumnType::Instant => whole().and_then(iso_timestamp).map(Value::from),
        ColumnType::Text | ColumnType::Bool => None,
    }
}

/// A contract as YAML, a line for each column, with `remarks` above it as comments.
///
/// # Errors
/// Never but by a bug: a contract is plain data.
pub fn write(contract: &Contract, remarks: &[String]) -> Result<String, StepError> {
    let document = serde_json::to_value(contract).map_err(|error| StepError::bug("a contract").caused_by(error))?;
    let Value::Object(mut fields) = document else {
        return Err(StepError::bug("a contract is no map"));
    };
    let columns = fields.remove("columns").unwrap_or_default();
    let checks = fields.remove("checks").unwrap_or_default();
    let mut text = remarks.iter().flat_map(|remark| ["# ", remark, "\n"]).collect::<String>();
    for key in ["contract", "version", "description", "evolution", "ordered", "primary_key"] {
        if let Some(value) = fields.get(key) {
            text.extend([key, ": ", &flow(value), "\n"]);
        }
    }
    for (key, items) in [("columns", columns), ("checks", checks)] {
        let Value::Array(items) = items else { continue };
        let lines: Vec<String> = items.iter().map(|item| format!("  - {}\n", flow(&in_order(item)))).collect();
        text.extend([key, ":\n", &lines.concat()]);
    }
    Ok(text)
}

/// Name and type first.
fn in_order(item: &Value) -> Value {
    let Value::Object(fields) = item else { return item.clone() };
    let mut ordered = Map::new();
    let first = ["name", "type", "check", "column", "columns"].iter().filter_map(|key| fields.get_key_value(*key));
    for (key, value) in first.chain(fields) {
        ordered.insert(key.clone(), value.clone());
    }
    Value::Object(ordered)
}
