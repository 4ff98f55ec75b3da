//! Statistics of a table in bounded memory: of every column in one pass, a few hundred kilobytes for each column; then, in a
//! second pass whose bins come from the first, of columns against one another and against a target, with up to 64 MiB to tell
//! repeated rows.

mod across;
mod column;
mod leakage;
mod scan;
mod target;

pub use across::{Across, Matrix, across};
pub use column::{Bin, ColumnStatistics, HISTOGRAM_BINS, Kind, Spread};
pub use leakage::{LEAK, Leakage};
pub use scan::statistics;
pub use target::{TargetBin, TargetColumn, TargetKind, TargetStatistics, against_target};
