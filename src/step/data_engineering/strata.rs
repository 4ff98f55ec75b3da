//! The values of a column as strata: which row belongs to which, and how many rows each has.

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::DataType;

use super::codes::{Groups, MISSING};
use crate::step::{StepContext, StepError};
use crate::table::TableReader;

/// More strata than this is an identifier and not a class.
pub(super) const MAX_STRATA: usize = 10_000;

/// Rows grouped by the value of a column.
pub(super) struct Strata {
    /// The stratum of each row; empty if there is one only.
    of_row: Vec<u32>,
    counts: Vec<(String, u64)>,
}

impl Strata {
    /// All rows in one stratum.
    pub(super) fn single(rows: u64) -> Strata {
        Strata { of_row: Vec::new(), counts: vec![(String::new(), rows)] }
    }

    /// One stratum per value of `column`, missing values included, in the order of their texts.
    pub(super) fn of(table: &TableReader, column: &str, context: &StepContext) -> Result<Strata, StepError> {
        let mut groups = Groups::default();
        for batch in table.select(&[column])? {
            context.check_cancelled()?;
            let texts = cast(batch?.column(0), &DataType::Utf8).map_err(|error| {
                StepError::input("stratify_type", format!("`{column}` cannot hold classes")).caused_by(error)
            })?;
            groups.add(texts.as_string());
            if groups.len() > MAX_STRATA {
                return Err(StepError::input(
                    "stratify_values",
                    format!("column `{column}` has more than {MAX_STRATA} values, too many to stratify by"),
                )
                .help("stratify by a column with few values, such as the target"));
            }
        }
        // Numbered by their texts, so that the order of rows does not decide which random stream a value gets.
        let (counted, of_row) = groups.sorted(Ord::cmp);
        let named = |(text, rows): (Option<String>, usize)| (text.unwrap_or_else(|| MISSING.to_owned()), rows as u64);
        Ok(Strata { of_row, counts: counted.into_iter().map(named).collect() })
    }

    /// The value of each stratum and how many rows have it.
    pub(super) fn counts(&self) -> &[(String, u64)] {
        &self.counts
    }

    /// The stratum of a row.
    pub(super) fn stratum(&self, row: u64) -> usize {
        usize::try_from(row).ok().and_then(|row| self.of_row.get(row)).map_or(0, |stratum| *stratum as usize)
    }
}
