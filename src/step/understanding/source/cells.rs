//! Rows of cells to Arrow batches, for sources whose values carry types: JSON and databases.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder,
    StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use crate::step::StepError;
use crate::step::understanding::csv::{ColumnType, value};
use crate::table::{BATCH_ROWS, iso_date, iso_timestamp};

/// A batch of so many bytes is written whatever its rows: the texts of a column end before 2 GiB.
const BATCH_BYTES: usize = 16 << 20;
/// What every cell takes.
const CELL_BYTES: usize = 8;
/// A longer text is refused: two of them could not be in one batch.
const MOST_TEXT_BYTES: usize = 1 << 30;

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Missing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number; NaN counts as missing.
    Float(f64),
    /// A text.
    Text(String),
    /// Days since 1970.
    Date(i32),
    /// Microseconds since 1970 without time zone.
    Timestamp(i64),
    /// Microseconds since 1970 in UTC.
    Instant(i64),
}

impl Cell {
    /// The value as text for messages.
    pub fn shown(&self) -> String {
        match self {
            Cell::Null => "null".to_owned(),
            Cell::Bool(value) => value.to_string(),
            Cell::Int(value) | Cell::Timestamp(value) | Cell::Instant(value) => value.to_string(),
            Cell::Float(value) => value.to_string(),
            Cell::Date(days) => days.to_string(),
            Cell::Text(text) => text.chars().take(60).collect(),
        }
    }

    /// Why it is none of the type that is wanted.
    pub fn misfit(&self, wanted: ColumnType) -> String {
        match self {
            Cell::Text(text) if wanted == ColumnType::Text && is_too_long(text.len()) => too_long(text.len()),
            _ => format!("`{}` is no {wanted}", self.shown()),
        }
    }

    /// About how many bytes it takes in a batch.
    fn bytes(&self) -> usize {
        match self {
            Cell::Text(text) => CELL_BYTES + text.len(),
            _ => CELL_BYTES,
        }
    }
}

fn is_too_long(bytes: usize) -> bool {
    bytes > MOST_TEXT_BYTES
}

fn too_long(bytes: usize) -> String {
    format!("it is a text of {bytes} bytes, and a text has at most {MOST_TEXT_BYTES}")
}

enum Builder {
    Decimal(Decimal128Builder, u8, u8),
    Int(Int64Builder),
    Float(Float64Builder),
    Text(StringBuilder),
    Bool(BooleanBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Instant(TimestampMicrosecondBuilder),
}

/// Collects cells into a batch.
pub struct Cells {
    schema: SchemaRef,
    builders: Vec<Builder>,
    rows: usize,
    bytes: usize,
    dropped: Vec<usize>,
}

impl Cells {
    /// A collector for columns with these names and types.
    pub fn new(columns: &[(String, ColumnType)]) -> Cells {
        let field = |(name, kind): &(String, ColumnType)| Field::new(name, kind.data_type(), true);
        let fields: Vec<Field> = columns.iter().map(field).collect();
        let builders = columns.iter().map(|(_, kind)| Builder::new(*kind)).collect();
        Cells { schema: Arc::new(Schema::new(fields)), builders, rows: 0, bytes: 0, dropped: Vec::new() }
    }

    /// The schema of the batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many rows are waiting, with those that will be left out.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Whether the waiting rows are enough for a batch.
    pub fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    /// Appends a value to a column; a value that does not fit comes back. Texts are parsed where another type is wanted.
    pub fn push(&mut self, column: usize, cell: Cell) -> Result<(), Cell> {
        let bytes = cell.bytes();
        self.append(column, cell)?;
        self.bytes += bytes;
        Ok(())
    }

    fn append(&mut self, column: usize, cell: Cell) -> Result<(), Cell> {
        match (&mut self.builders[column], cell) {
            (builder, Cell::Null) => builder.append_null(),
            (Builder::Int(builder), Cell::Int(value)) => builder.append_value(value),
            (Builder::Float(builder), Cell::Float(value)) => builder.append_option((!value.is_nan()).then_some(value)),
            (Builder::Float(builder), Cell::Int(value)) => builder.append_value(value as f64),
            (Builder::Text(builder), Cell::Text(value)) if !is_too_long(value.len()) => {
                builder.append_value(value);
            }
            (Builder::Text(builder), Cell::Bool(value)) => builder.append_value(value.to_string()),
            (Builder::Text(builder), Cell::Int(value)) => builder.append_value(value.to_string()),
            (Builder::Text(builder), Cell::Float(value)) => builder.append_value(value.to_string()),
            (Builder::Text(builder), Cell::Date(days)) => {
                builder.append_value(iso_date(days).ok_or(Cell::Date(days))?);
            }
            (Builder::Text(builder), Cell::Timestamp(micros)) => {
                builder.append_value(iso_timestamp(micros).ok_or(Cell::Timestamp(micros))?);
            }
            (Builder::Text(builder), Cell::Instant(micros)) => {
                builder.append_value(iso_timestamp(micros).ok_or(Cell::Instant(micros))? + "Z");
            }
            (Builder::Bool(builder), Cell::Bool(value)) => builder.append_value(value),
            (Builder::Bool(builder), Cell::Int(value @ (0 | 1))) => builder.append_value(value == 1),
            (Builder::Date(builder), Cell::Date(value)) => builder.append_value(value),
            (Builder::Timestamp(builder), Cell::Timestamp(value))
            | (Builder::Instant(builder), Cell::Instant(value)) => {
                builder.append_value(value);
            }
            (builder, Cell::Text(text)) => return builder.append_parsed(text),
            (builder @ Builder::Decimal(..), Cell::Int(value)) => {
                return builder.append_parsed(value.to_string()).map_err(|_| Cell::Int(value));
            }
            // The shortest way to write it, as people did.
            (builder @ Builder::Decimal(..), Cell::Float(value)) => {
                return builder.append_parsed(value.to_string()).map_err(|_| Cell::Float(value));
            }
            (_, cell) => return Err(cell),
        }
        Ok(())
    }

    /// Ends a row that has a value in every column.
    pub fn end_row(&mut self) {
        self.rows += 1;
    }

    /// Ends a row that only has values in its first `pushed` columns, and leaves it out.
    pub fn drop_row(&mut self, pushed: usize) {
        self.builders[pushed..].iter_mut().for_each(Builder::append_null);
        self.bytes += (self.builders.len() - pushed) * CELL_BYTES;
        self.dropped.push(self.rows);
        self.rows += 1;
    }

    /// Forgets all rows.
    pub fn clear(&mut self) {
        for builder in &mut self.builders {
            builder.finish();
        }
        self.dropped.clear();
        (self.rows, self.bytes) = (0, 0);
    }

    /// The same where there are enough for a batch.
    pub fn clear_if_full(&mut self) {
        if self.is_full() {
            self.clear();
        }
    }

    /// The rows so far as a batch; the collector is empty afterwards.
    pub fn finish(&mut self) -> Result<RecordBatch, StepError> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let arrays = self.builders.iter_mut().map(Builder::finish).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays)?;
        if self.dropped.is_empty() {
            return Ok(batch);
        }
        let mut kept = vec![true; rows];
        for row in self.dropped.drain(..) {
            kept[row] = false;
        }
        Ok(filter_record_batch(&batch, &BooleanArray::from(kept))?)
    }
}

impl Builder {
    fn new(column_type: ColumnType) -> Builder {
        match column_type {
            ColumnType::Decimal { precision, scale } => {
                let builder = Decimal128Builder::new().with_data_type(column_type.data_type());
                Builder::Decimal(builder, precision, scale)
            }
            ColumnType::Int64 => Builder::Int(Int64Builder::new()),
            ColumnType::Float64 => Builder::Float(Float64Builder::new()),
            ColumnType::Text => Builder::Text(StringBuilder::new()),
            ColumnType::Bool => Builder::Bool(BooleanBuilder::new()),
            ColumnType::Date => Builder::Date(Date32Builder::new()),
            ColumnType::Timestamp => Builder::Timestamp(TimestampMicrosecondBuilder::new()),
            ColumnType::Instant => Builder::Instant(TimestampMicrosecondBuilder::new().with_timezone("+00:00")),
        }
    }

    fn append_null(&mut self) {
        match self {
            Builder::Decimal(builder, ..) => builder.append_null(),
            Builder::Int(builder) => builder.append_null(),
            Builder::Float(builder) => builder.append_null(),
            Builder::Text(builder) => builder.append_null(),
            Builder::Bool(builder) => builder.append_null(),
            Builder::Date(builder) => builder.append_null(),
            Builder::Timestamp(builder) | Builder::Instant(builder) => builder.append_null(),
        }
    }

    fn append_parsed(&mut self, text: String) -> Result<(), Cell> {
        let bytes = text.trim().as_bytes();
        let moment = |is_zoned: bool| value::timestamp(bytes).filter(|(_, zoned)| *zoned == is_zoned).map(|it| it.0);
        let done = match self {
            Builder::Decimal(builder, precision, scale) => {
                value::decimal(bytes, b'.', *precision, *scale).map(|value| builder.append_value(value))
            }
            Builder::Int(builder) => value::int(bytes).map(|value| builder.append_value(value)),
            Builder::Float(builder) => value::float(bytes, b'.').map(|value| builder.append_value(value)),
            Builder::Bool(builder) => value::boolean(bytes).map(|value| builder.append_value(value)),
            Builder::Date(builder) => value::date(bytes).map(|value| builder.append_value(value)),
            Builder::Timestamp(builder) => moment(false).map(|value| builder.append_value(value)),
            Builder::Instant(builder) => moment(true).map(|value| builder.append_value(value)),
            Builder::Text(_) => None,
        };
        done.ok_or(Cell::Text(text))
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Builder::Decimal(builder, ..) => Arc::new(builder.finish()),
            Builder::Int(builder) => Arc::new(builder.finish()),
            Builder::Float(builder) => Arc::new(builder.finish()),
            Builder::Text(builder) => Arc::new(builder.finish()),
            Builder::Bool(builder) => Arc::new(builder.finish()),
            Builder::Date(builder) => Arc::new(builder.finish()),
            Builder::Timestamp(builder) | Builder::Instant(builder) => Arc::new(builder.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_every_digit_or_come_back() {
        let mut cells = Cells::new(&[("d".to_owned(), ColumnType::Decimal { precision: 5, scale: 2 })]);
        cells.push(0, Cell::Text("1.5".to_owned())).unwrap();
        cells.end_row();
        assert_eq!(cells.push(0, Cell::Int(1000)), Err(Cell::Int(1000)));
        cells.push(0, Cell::Float(0.1)).unwrap();
        cells.end_row();
        assert_eq!(cells.push(0, Cell::Float(0.1 + 0.2)), Err(Cell::Float(0.1 + 0.2)));
        assert_eq!(crate::step::testing::show(&cells.finish().unwrap()), "d:Decimal128(5, 2)\n1.50\n0.10");
    }

    #[test]
    fn a_value_that_does_not_fit_comes_back() {
        let columns = [("n".to_owned(), ColumnType::Int64), ("day".to_owned(), ColumnType::Date)];
        let mut cells = Cells::new(&columns);
        assert_eq!(cells.push(0, Cell::Text("5".to_owned())), Ok(()));
        assert_eq!(cells.push(1, Cell::Text("2024-02-30".to_owned())), Err(Cell::Text("2024-02-30".to_owned())));
        assert_eq!(cells.push(1, Cell::Null), Ok(()));
        cells.end_row();
        assert_eq!(cells.finish().unwrap().num_rows(), 1);
        assert_eq!(cells.push(0, Cell::Float(0.5)), Err(Cell::Float(0.5)));
    }

    #[test]
    fn a_batch_is_full_by_its_bytes_too() {
        let mut cells = Cells::new(&[("t".to_owned(), ColumnType::Text), ("n".to_owned(), ColumnType::Int64)]);
        for row in 0..16 {
            assert!(!cells.is_full(), "{row}");
            cells.push(0, Cell::Text("x".repeat(1 << 20))).unwrap();
            cells.drop_row(1);
        }
        assert!(cells.is_full());
        cells.finish().unwrap();
        assert!(!cells.is_full());
        for _ in 0..BATCH_ROWS {
            cells.push(0, Cell::Null).unwrap();
            cells.push(1, Cell::Int(1)).unwrap();
            cells.end_row();
        }
        assert!(cells.is_full());
    }

    #[test]
    fn a_text_that_is_too_long_is_told_with_its_size() {
        assert!(!is_too_long(1 << 30) && is_too_long((1 << 30) + 1));
        assert_eq!(too_long(5 << 28), "it is a text of 1342177280 bytes, and a text has at most 1073741824");
        assert_eq!(Cell::Text("x".to_owned()).misfit(ColumnType::Int64), "`x` is no int64");
    }

    #[test]
    fn days_and_moments_beyond_the_calendar_are_no_texts() {
        let mut cells = Cells::new(&[("t".to_owned(), ColumnType::Text)]);
        for beyond in [Cell::Date(i32::MAX), Cell::Timestamp(i64::MAX), Cell::Instant(i64::MIN)] {
            assert_eq!(cells.push(0, beyond.clone()), Err(beyond));
        }
        cells.push(0, Cell::Date(0)).unwrap();
        cells.end_row();
        assert_eq!(crate::step::testing::show(&cells.finish().unwrap()), "t:Utf8\n1970-01-01");
    }

    #[test]
    fn a_dropped_row_leaves_the_others() {
        let mut cells = Cells::new(&[("n".to_owned(), ColumnType::Int64), ("t".to_owned(), ColumnType::Text)]);
        for number in 0..3 {
            cells.push(0, Cell::Int(number)).unwrap();
            if number == 1 {
                cells.drop_row(1);
            } else {
                cells.push(1, Cell::Null).unwrap();
                cells.end_row();
            }
        }
        assert_eq!(cells.rows(), 3);
        assert_eq!(crate::step::testing::show(&cells.finish().unwrap()), "n:Int64 t:Utf8\n0 ~\n2 ~");
    }
}
