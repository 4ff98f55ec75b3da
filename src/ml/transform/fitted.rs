//! What every fitted transform can do: change the columns of a batch, and say which ones.

use std::io;
use std::path::Path;

use super::TransformError;
use super::frame::Frame;
use super::select::chosen::Choice;
use crate::ml::sentence::Models;

/// Which rows are being transformed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rows<'batch> {
    /// Rows of the fit table, in its order: encoders that saw their targets use for each row only what others taught.
    Learnt {
        /// The number of the first row.
        first: u64,
        /// The target of each row: the class index, or the number.
        targets: &'batch [f64],
    },
    /// Any other rows.
    Fresh,
}

/// A fitted transform: plain data that is written to `transform.json` and applied to any batch.
pub(super) trait Fitted {
    /// Replaces, adds or takes away columns of `frame`. What a row gets may depend on nothing but that row.
    fn apply(&self, frame: &mut Frame, rows: Rows<'_>) -> Result<(), TransformError>;

    /// The columns that it reads.
    fn inputs(&self) -> Vec<&str>;

    /// The columns that it makes or changes.
    fn outputs(&self) -> Vec<&str>;

    /// Whether it sees to it that `column`, which it makes or changes, has no missing value.
    fn fills(&self, _column: &str) -> bool {
        false
    }

    /// Whether it also reads texts that come with their dictionary.
    fn takes_encoded(&self) -> bool {
        false
    }

    /// Which columns it judged, and why they stay or go.
    fn choices(&self) -> &[Choice] {
        &[]
    }

    /// How many rows it should get at once, if many take long.
    fn rows_at_once(&self) -> Option<usize> {
        None
    }

    /// Writes what does not go into `transform.json` beside it, in `folder`.
    fn save_files(&self, _folder: &Path) -> io::Result<()> {
        Ok(())
    }

    /// Reads what [`Fitted::save_files`] wrote.
    fn open_files(&mut self, _folder: &Path, _models: &Models) -> Result<(), TransformError> {
        Ok(())
    }

    /// Whether it may put its column in the place of one that it does not read.
    fn overwrites(&self) -> bool {
        false
    }
}

/// Names as an owner of strings lends them.
pub(super) fn names(columns: &[String]) -> Vec<&str> {
    columns.iter().map(String::as_str).collect()
}
