//! The values of the columns that a selection looks at all together, in memory.

use arrow::array::Array;

use crate::ml::transform::TransformError;
use crate::ml::transform::category::Dictionary;
use crate::ml::transform::column::numbers;
use crate::ml::transform::frame::{Frame, Kind};
use crate::ml::transform::needs::need_categories;
use crate::ml::transform::plan::Planning;

/// What becomes of missing values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// They are refused.
    Refused,
    /// They are kept as NaN.
    Kept,
}

/// All values of one column; of a category its code.
pub(super) struct Kept {
    /// The column.
    pub(super) name: String,
    /// The categories, if it is no number.
    pub(super) categories: Option<Dictionary>,
    /// The values, in the order of the rows.
    pub(super) values: Vec<f64>,
}

impl Kept {
    /// The column called `name`, for the transform `key`.
    pub(super) fn of(key: &str, name: &str, planning: &Planning<'_>) -> Result<Kept, TransformError> {
        let column = planning.frame.column(name)?;
        need_categories(key, name, column)?;
        let categories = (column.kind == Kind::Category).then(Dictionary::default);
        Ok(Kept { name: name.to_owned(), categories, values: Vec::new() })
    }

    /// Takes in the next rows.
    pub(super) fn learn(&mut self, key: &str, frame: &Frame, missing: Missing) -> Result<(), TransformError> {
        let array = &frame.column(&self.name)?.array;
        if missing == Missing::Refused && array.null_count() > 0 {
            return Err(refused(key, &self.name));
        }
        if let Some(categories) = &mut self.categories {
            let codes = categories.learn(key, &self.name, array)?;
            let value = |(row, code): (usize, &u32)| if array.is_null(row) { f64::NAN } else { f64::from(*code) };
            self.values.extend(codes.iter().enumerate().map(value));
            return Ok(());
        }
        let values = numbers(array)?;
        if values.iter().flatten().any(f64::is_infinite) {
            return Err(refused(key, &self.name));
        }
        self.values.extend(values.iter().map(|value| value.unwrap_or(f64::NAN)));
        Ok(())
    }
}

/// The error for values that a selection cannot judge.
pub(super) fn refused(key: &str, name: &str) -> TransformError {
    TransformError::input(
        "missing_values",
        format!("column `{name}` has missing or infinite values, which `{key}` cannot judge"),
    )
    .help(format!("`impute` `{name}` before"))
}
