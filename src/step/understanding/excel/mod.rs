//! Reading workbooks: the only place that names `calamine`.
//!
//! The way: [`Book`] opens a file and gives the rows of a sheet, [`value`] says what a cell means, [`place`] names cells and
//! ranges, and [`Layout`] finds names and types. Sheets of `.xlsx` and `.xlsb` are streamed, with the texts that they share
//! in memory; `.xls` and `.ods` are read whole.

mod book;
mod layout;
mod merged;
mod parts;
mod place;
mod value;

#[cfg(test)]
mod tests;

pub use book::{Book, Row};
pub use layout::{Layout, Names};
pub use merged::Merged;
pub use place::{Area, cell_name, column_name};
pub use value::{Found, Kind};
