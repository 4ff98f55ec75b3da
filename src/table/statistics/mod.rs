//! Statistics of every column of a table in one pass and bounded memory: a few hundred kilobytes for each column.

mod column;
mod scan;

pub use column::{Bin, ColumnStatistics, HISTOGRAM_BINS, Kind, Spread};
pub use scan::statistics;
