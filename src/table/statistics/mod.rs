//! Statistics of a table in bounded memory: of every column in one pass, a few hundred kilobytes for each column; then, in a
//! second pass whose bins come from the first, of columns against one another and against a target, with up to 64 MiB to tell
//! repeated rows.

mod across;
mod column;
mod leakage;
mod scan;
mod target;

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use super::{cast, digits, value_type};

pub use across::{Across, Matrix, across};
pub use column::{Bin, ColumnStatistics, HISTOGRAM_BINS, Kind, Spread};
pub use leakage::{LEAK, Leakage};
pub use scan::statistics;
pub use target::{TargetBin, TargetColumn, TargetKind, TargetStatistics, against_target};

/// A column as its values are told apart and named: as it is [`computed`](super::computed), but with every digit.
fn named(column: &ArrayRef, computed: &ArrayRef) -> ArrayRef {
    match value_type(column.data_type()) {
        DataType::UInt64 => cast(column, &DataType::UInt64),
        DataType::Decimal64(precision @ 16.., scale) | DataType::Decimal128(precision @ 16.., scale) => {
            cast(column, &DataType::Decimal128(*precision, *scale))
        }
        DataType::Decimal256(16.., _) => digits(column),
        _ => Arc::clone(computed),
    }
}

/// The scale of decimals that are [`named`] by their digits.
fn decimal_scale(data_type: &DataType) -> Option<i8> {
    match value_type(data_type) {
        DataType::Decimal64(16.., scale) | DataType::Decimal128(16.., scale) => Some(*scale),
        _ => None,
    }
}
