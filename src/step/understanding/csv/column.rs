//! Records to typed Arrow arrays, and where a value refuses its type.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBufferBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder,
    StringArray, TimestampMicrosecondBuilder,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};

use super::records::Records;
use super::value::{self, Class};
use super::{ColumnType, Dialect};

/// How a column is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// As the manifest says: what does not fit is the data's fault.
    Declared(ColumnType),
    /// As all values seen so far allow: what does not fit asks for a second look.
    Guessed(Class),
}

impl Plan {
    /// The type of the column.
    pub(super) fn column_type(self) -> ColumnType {
        match self {
            Plan::Declared(column_type) => column_type,
            Plan::Guessed(class) => class.column_type(),
        }
    }
}

/// The row of the first value that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Misfit {
    /// The row among the records.
    pub(super) row: usize,
}

/// Builds the array of field `column` of all records. What does not fit becomes a null where `misfits` takes its row.
pub(super) fn build(
    records: &Records,
    column: usize,
    plan: Plan,
    dialect: &Dialect,
    mut misfits: Option<&mut Vec<usize>>,
) -> Result<ArrayRef, Misfit> {
    let rows = records.len();
    let decimal = dialect.decimal;
    // A guessed column takes only what its class takes, so that the type does not depend on which rows were looked at.
    let guessed = match plan {
        Plan::Declared(_) => None,
        Plan::Guessed(class) => Some(class),
    };
    let fits = |text: &[u8]| guessed.is_none_or(|class| class.takes(text, decimal));
    let mut each = |append: &mut dyn FnMut(usize, Option<&[u8]>) -> bool| {
        for row in 0..rows {
            let field = records.field(row, column);
            let value = (!dialect.nulls.contains(field)).then_some(field);
            if !append(row, value) {
                let Some(misfits) = &mut misfits else { return Err(Misfit { row }) };
                misfits.push(row);
                append(row, None);
            }
        }
        Ok(())
    };
    /// Appends parsed values and nulls to a builder.
    macro_rules! parsed {
        ($builder:expr, $parse:expr) => {{
            let mut builder = $builder;
            each(&mut |_, field| match field {
                None => {
                    builder.append_null();
                    true
                }
                Some(text) => match $parse(text) {
                    Some(value) => {
                        builder.append_value(value);
                        true
                    }
                    None => false,
                },
            })?;
            Arc::new(builder.finish())
        }};
    }
    Ok(match plan.column_type() {
        ColumnType::Text => {
            let (mut bytes, mut ends) = (Vec::with_capacity(rows * 8), Vec::with_capacity(rows));
            let mut present = BooleanBufferBuilder::new(rows);
            each(&mut |_, field| {
                bytes.extend_from_slice(field.unwrap_or_default());
                ends.push(bytes.len());
                present.append(field.is_some());
                true
            })?;
            let lengths = std::iter::once(0).chain(ends.iter().copied()).zip(&ends).map(|(start, end)| end - start);
            let nulls = Some(NullBuffer::new(present.finish())).filter(|nulls| nulls.null_count() > 0);
            let texts = StringArray::try_new(OffsetBuffer::from_lengths(lengths), bytes.into(), nulls);
            Arc::new(texts.expect("records are checked when they are read"))
        }
        ColumnType::Int64 => parsed!(Int64Builder::with_capacity(rows), |text: &[u8]| {
            value::int(text).filter(|_| !is_code(text) || guessed.is_none())
        }),
        ColumnType::Float64 => {
            let mut builder = Float64Builder::with_capacity(rows);
            each(&mut |_, field| {
                let Some(text) = field else {
                    builder.append_null();
                    return true;
                };
                let Some(value) = value::float(text, decimal) else { return false };
                if guessed.is_some() && (is_code(text) || text.len() > 18) && !fits(text) {
                    return false;
                }
                builder.append_option((!value.is_nan()).then_some(value));
                true
            })?;
            Arc::new(builder.finish())
        }
        ColumnType::Decimal { precision, scale } => {
            let builder = Decimal128Builder::with_capacity(rows).with_data_type(plan.column_type().data_type());
            parsed!(builder, |text: &[u8]| value::decimal(text, decimal, precision, scale))
        }
        ColumnType::Bool => {
            parsed!(BooleanBuilder::with_capacity(rows), |text: &[u8]| { value::boolean(text).filter(|_| fits(text)) })
        }
        ColumnType::Date => parsed!(Date32Builder::with_capacity(rows), |text: &[u8]| value::date(text)),
        ColumnType::Timestamp => parsed!(TimestampMicrosecondBuilder::with_capacity(rows), |text: &[u8]| {
            value::timestamp(text).filter(|(_, is_zoned)| !is_zoned).map(|(micros, _)| micros)
        }),
        ColumnType::Instant => {
            let builder = TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("+00:00");
            parsed!(builder, |text: &[u8]| {
                value::timestamp(text).filter(|(_, is_zoned)| *is_zoned).map(|(micros, _)| micros)
            })
        }
    })
}

/// Whether a number is written like a code: `007`, `-007`, `+41`.
fn is_code(text: &[u8]) -> bool {
    match text {
        [b'0', b'0'..=b'9', ..] | [b'+', ..] => true,
        [b'-', rest @ ..] => is_code(rest),
        _ => false,
    }
}

/// The class of all values of field `column`, joined to what was known before.
pub(super) fn classify(records: &Records, column: usize, mut known: Class, dialect: &Dialect) -> Class {
    for row in 0..records.len() {
        if known == Class::Text {
            break;
        }
        let field = records.field(row, column);
        if !dialect.nulls.contains(field) {
            known = known.join(Class::of(field, dialect.decimal));
        }
    }
    known
}
