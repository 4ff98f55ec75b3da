//! A few facts about each column of a table, in one pass over its batches.

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::{cast, max, max_string, min, min_string, sum};
use arrow::datatypes::DataType;
use serde_json::{Value, json};

use super::database::value;
use crate::table::{TableError, TableReader};

/// What is known of one column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ColumnFacts {
    /// Its name.
    pub(super) name: String,
    /// Its Arrow type.
    kind: String,
    /// How many values are null.
    nulls: usize,
    range: Range,
}

/// The range of a column's values.
#[derive(Debug, Clone, PartialEq)]
enum Range {
    /// Of numbers and booleans, with their sum and count.
    Numbers { min: f64, max: f64, sum: f64, count: usize },
    /// Of texts and whatever else is ordered as its text.
    Texts { min: String, max: String },
    /// There is no value.
    Empty,
}

impl ColumnFacts {
    pub(super) const HEADER: [&'static str; 6] = ["column", "type", "nulls", "min", "max", "mean"];

    pub(super) fn cells(&self) -> Vec<String> {
        let (min, max, mean) = match &self.range {
            Range::Numbers { min, max, sum, count } => (value(*min), value(*max), value(sum / *count as f64)),
            Range::Texts { min, max } => (shortened(min), shortened(max), String::new()),
            Range::Empty => (String::new(), String::new(), String::new()),
        };
        vec![self.name.clone(), self.kind.clone(), self.nulls.to_string(), min, max, mean]
    }

    pub(super) fn json(&self) -> Value {
        let (min, max, mean) = match &self.range {
            Range::Numbers { min, max, sum, count } => (json!(min), json!(max), json!(sum / *count as f64)),
            Range::Texts { min, max } => (json!(min), json!(max), Value::Null),
            Range::Empty => (Value::Null, Value::Null, Value::Null),
        };
        json!({"name": self.name, "type": self.kind, "nulls": self.nulls, "min": min, "max": max, "mean": mean})
    }

    fn add(&mut self, column: &ArrayRef) -> Result<(), TableError> {
        self.nulls += column.null_count();
        let is_number = column.data_type().is_numeric() || *column.data_type() == DataType::Boolean;
        if is_number {
            let numbers = cast(column, &DataType::Float64)?;
            self.add_numbers(numbers.as_primitive());
        } else if let Ok(texts) = cast(column, &DataType::Utf8) {
            let texts = texts.as_string::<i32>();
            if let (Some(low), Some(high)) = (min_string(texts), max_string(texts)) {
                self.range = match &self.range {
                    Range::Texts { min, max } => {
                        Range::Texts { min: low.min(min).to_owned(), max: high.max(max).to_owned() }
                    }
                    _ => Range::Texts { min: low.to_owned(), max: high.to_owned() },
                };
            }
        }
        Ok(())
    }

    fn add_numbers(&mut self, numbers: &Float64Array) {
        let (Some(low), Some(high), Some(total)) = (min(numbers), max(numbers), sum(numbers)) else { return };
        let present = numbers.len() - numbers.null_count();
        self.range = match self.range {
            Range::Numbers { min, max, sum, count } => {
                Range::Numbers { min: min.min(low), max: max.max(high), sum: sum + total, count: count + present }
            }
            _ => Range::Numbers { min: low, max: high, sum: total, count: present },
        };
    }
}

/// Facts about all columns, in order.
pub(super) fn column_facts(table: &TableReader) -> Result<Vec<ColumnFacts>, TableError> {
    let fields = table.schema().fields().iter();
    let mut facts: Vec<ColumnFacts> = fields
        .map(|field| ColumnFacts {
            name: field.name().clone(),
            kind: field.data_type().to_string(),
            nulls: 0,
            range: Range::Empty,
        })
        .collect();
    for batch in table.batches()? {
        for (facts, column) in facts.iter_mut().zip(batch?.columns()) {
            facts.add(column)?;
        }
    }
    Ok(facts)
}

fn shortened(text: &str) -> String {
    let text = text.replace('\n', "\\n");
    if text.chars().count() > 24 { text.chars().take(23).chain(['…']).collect() } else { text }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, Int64Array, RecordBatch, StringArray};

    use super::*;
    use crate::table::TableWriter;

    #[test]
    fn columns_are_summed_up_in_one_pass() {
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("tenure", Arc::new(Int64Array::from(vec![Some(2), None, Some(7)])) as ArrayRef, true),
            ("name", Arc::new(StringArray::from(vec!["b", "a", "c"])), true),
            ("left", Arc::new(BooleanArray::from(vec![true, false, false])), true),
            ("gone", Arc::new(Int64Array::from(vec![None, None, None])), true),
        ])
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        let mut writer = TableWriter::create(&path, &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.write(&batch.slice(0, 1)).unwrap();
        writer.close().unwrap();
        let facts = column_facts(&TableReader::open(&path).unwrap()).unwrap();
        let cells: Vec<Vec<String>> = facts.iter().map(ColumnFacts::cells).collect();
        insta::assert_snapshot!(super::super::output::table(&ColumnFacts::HEADER, &cells), @r"
        column  type     nulls  min  max    mean
        tenure  Int64        1  2    7    3.6667
        name    Utf8         0  a    c
        left    Boolean      0  0    1       0.5
        gone    Int64        4
        ");
    }
}
