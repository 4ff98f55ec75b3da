//! A few facts about each column of a table, in one pass over its batches.

use super::{TableError, TableReader};
use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::{cast, max, max_string, min, min_string, sum};
use arrow::datatypes::DataType;

/// What is known of one column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnFacts {
    /// Its name.
    pub name: String,
    /// Its Arrow type.
    pub kind: String,
    /// How many values are null.
    pub nulls: usize,
    /// From where to where its values go.
    pub range: ValueRange,
}

/// The range of a column's values.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueRange {
    /// Of numbers and booleans.
    Numbers {
        /// The smallest.
        min: f64,
        /// The largest.
        max: f64,
        /// All of them together.
        sum: f64,
        /// How many there are.
        count: usize,
    },
    /// Of texts and whatever else is ordered as its text.
    Texts {
        /// The first.
        min: String,
        /// The last.
        max: String,
    },
    /// There is no value.
    Empty,
}

impl ColumnFacts {
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
                    ValueRange::Texts { min, max } => {
                        ValueRange::Texts { min: low.min(min).to_owned(), max: high.max(max).to_owned() }
                    }
                    _ => ValueRange::Texts { min: low.to_owned(), max: high.to_owned() },
                };
            }
        }
        Ok(())
    }

    fn add_numbers(&mut self, numbers: &Float64Array) {
        let (Some(low), Some(high), Some(total)) = (min(numbers), max(numbers), sum(numbers)) else { return };
        let present = numbers.len() - numbers.null_count();
        self.range = match self.range {
            ValueRange::Numbers { min, max, sum, count } => {
                ValueRange::Numbers { min: min.min(low), max: max.max(high), sum: sum + total, count: count + present }
            }
            _ => ValueRange::Numbers { min: low, max: high, sum: total, count: present },
        };
    }
}

/// Facts about all columns, in order, which takes a pass over the whole table.
pub fn column_facts(table: &TableReader) -> Result<Vec<ColumnFacts>, TableError> {
    let fields = table.schema().fields().iter();
    let mut facts: Vec<ColumnFacts> = fields
        .map(|field| ColumnFacts {
            name: field.name().clone(),
            kind: field.data_type().to_string(),
            nulls: 0,
            range: ValueRange::Empty,
        })
        .collect();
    for batch in table.batches()? {
        for (facts, column) in facts.iter_mut().zip(batch?.columns()) {
            facts.add(column)?;
        }
    }
    Ok(facts)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, Int64Array, RecordBatch, StringArray};

    use super::super::TableWriter;
    use super::*;

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
        let numbers = |min, max, sum, count| ValueRange::Numbers { min, max, sum, count };
        let texts = ValueRange::Texts { min: "a".to_owned(), max: "c".to_owned() };
        let expected = [
            ("tenure", "Int64", 1, numbers(2.0, 7.0, 11.0, 3)),
            ("name", "Utf8", 0, texts),
            ("left", "Boolean", 0, numbers(0.0, 1.0, 2.0, 4)),
            ("gone", "Int64", 4, ValueRange::Empty),
        ];
        let expected = expected.map(|(name, kind, nulls, range)| ColumnFacts {
            name: name.to_owned(),
            kind: kind.to_owned(),
            nulls,
            range,
        });
        assert_eq!(facts, expected);
    }
}
