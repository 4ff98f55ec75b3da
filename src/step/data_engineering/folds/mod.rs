//! Cross-validation: every row is in the validation set of one fold, and training happens on others.
//!
//! Without `fold` a step saves the whole split as a table with a column `fold`; with it, it writes the train and valid
//! set of that fold, so a matrix over `fold` fits and measures once for each. The rules are scikit-learn's.

mod assign;
mod group;
mod k_fold;
mod stratified;
mod time_series;
mod windows;
mod write;

pub use group::SplitGroupKFold;
pub use k_fold::SplitKFold;
pub use stratified::SplitStratifiedKFold;
pub use time_series::SplitTimeSeries;
