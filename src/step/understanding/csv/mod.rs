//! Reading CSV: bytes to records, records to typed columns, with a second look where the first guess was wrong.
//!
//! The way: [`Dialect`] and [`reader`] cut bytes into fields, [`value`] says what a text could be, [`column`] builds
//! arrays, [`layout`] finds names and types, [`read`] runs it all in batches on a thread of its own.

mod bad_row;
mod column;
mod column_type;
mod dialect;
mod encoding;
mod layout;
mod read;
mod reader;
mod records;
pub mod value;

pub use column_type::ColumnType;
pub use dialect::{Dialect, Nulls};
pub use encoding::{Compression, Encoding, is_damage};
pub use layout::{Layout, Shape};
pub use read::{Csv, Halt};
