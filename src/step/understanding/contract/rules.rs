//! What a contract says of values, as expectations of the one catalogue of checks.

use arrow::datatypes::Schema;
use serde_json::{Map, Value, json};

use super::document::{Contract, ContractColumn};
use crate::step::understanding::csv::ColumnType;
use crate::step::understanding::validate::Expectation;

/// Everything that a contract says of values.
pub(super) fn of(contract: &Contract) -> Vec<Expectation> {
    let mut rules: Vec<Expectation> = contract.columns.iter().flat_map(of_column).collect();
    if !contract.primary_key.is_empty() {
        rules.push(expectation(json!({"check": "primary_key", "columns": contract.primary_key})));
    }
    rules.extend(contract.checks.iter().cloned());
    rules
}

impl Contract {
    /// The whole contract as expectations of a table with these columns. Nothing is asked of an optional column that it lacks.
    pub fn expectations(&self, schema: &Schema) -> Vec<Expectation> {
        let is_there = |name: &str| schema.index_of(name).is_ok();
        let wanted: Vec<&ContractColumn> =
            self.columns.iter().filter(|column| !column.optional || is_there(&column.name)).collect();
        let names: Vec<&str> = wanted.iter().map(|column| column.name.as_str()).collect();
        let is_exact = !self.evolution.adds() && !self.evolution.ignores();
        let mut all = vec![expectation(
            json!({"check": "columns_match", "columns": names, "exact": is_exact, "ordered": self.ordered}),
        )];
        if !self.evolution.widens() {
            all.extend(wanted.iter().map(|column| {
                let of_checks = match column.column_type {
                    ColumnType::Int64 => "int",
                    ColumnType::Float64 | ColumnType::Decimal { .. } => "float",
                    ColumnType::Text => "text",
                    ColumnType::Bool => "bool",
                    ColumnType::Date => "date",
                    ColumnType::Timestamp | ColumnType::Instant => "timestamp",
                };
                expectation(json!({"check": "dtype", "column": column.name, "type": of_checks}))
            }));
        }
        let missing = |name: &&str| self.column(name).is_some_and(|column| column.optional) && !is_there(name);
        all.extend(of(self).into_iter().filter(|rule| !rule.named_columns().iter().any(missing)));
        all
    }
}

/// What a contract says of the values of one column.
fn of_column(column: &ContractColumn) -> Vec<Expectation> {
    let mut rules = Vec::new();
    let mut add = |check: &str, arguments: Value| {
        let mut fields = Map::new();
        fields.insert("check".to_owned(), check.into());
        fields.insert("column".to_owned(), column.name.as_str().into());
        if let Value::Object(arguments) = arguments {
            fields.extend(arguments.into_iter().filter(|(_, value)| !value.is_null()));
        }
        rules.push(expectation(Value::Object(fields)));
    };
    if !column.nullable {
        add("not_null", json!({}));
    }
    if let Some(allowed) = column.allowed.as_ref().filter(|allowed| !allowed.is_empty()) {
        add("in_set", json!({"values": allowed}));
    }
    if column.min.is_some() || column.max.is_some() {
        add("between", json!({"min": column.min, "max": column.max}));
    }
    if let Some(pattern) = &column.pattern {
        add("regex", json!({"pattern": pattern}));
    }
    if let Some(format) = &column.format {
        add("format", json!({"kind": format}));
    }
    if column.min_length.is_some() || column.max_length.is_some() {
        add("length_between", json!({"min": column.min_length, "max": column.max_length}));
    }
    if column.unique {
        add("unique", json!({}));
    }
    rules
}

fn expectation(fields: Value) -> Expectation {
    serde_json::from_value(fields).expect("what a contract says of values is an expectation")
}
