//! The values of a column as strata: which row belongs to which, and how many rows each has.

use std::collections::BTreeMap;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::DataType;

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
        let mut known: BTreeMap<Option<String>, u32> = BTreeMap::new();
        let mut counts: Vec<(String, u64)> = Vec::new();
        let mut of_row = Vec::with_capacity(usize::try_from(table.rows()).unwrap_or(0));
        for batch in table.select(&[column])? {
            context.check_cancelled()?;
            let values = cast(batch?.column(0), &DataType::Utf8).map_err(|error| {
                StepError::input("stratify_type", format!("`{column}` cannot hold classes")).caused_by(error)
            })?;
            let values = values.as_string::<i32>();
            let mut last: Option<(Option<&str>, u32)> = None;
            for value in values {
                let stratum = match last {
                    Some((same, stratum)) if same == value => stratum,
                    _ => {
                        let key = value.map(str::to_owned);
                        let next = u32::try_from(counts.len()).unwrap_or(u32::MAX);
                        *known.entry(key).or_insert_with(|| {
                            counts.push((value.unwrap_or("(missing)").to_owned(), 0));
                            next
                        })
                    }
                };
                last = Some((value, stratum));
                counts[stratum as usize].1 += 1;
                of_row.push(stratum);
            }
            if counts.len() > MAX_STRATA {
                return Err(StepError::input(
                    "stratify_values",
                    format!("column `{column}` has more than {MAX_STRATA} values, too many to stratify by"),
                )
                .help("stratify by a column with few values, such as the target"));
            }
        }
        // Numbered by their texts, so that the order of rows does not decide which random stream a value gets.
        let mut renumbered = vec![0; counts.len()];
        let mut sorted = Vec::with_capacity(counts.len());
        for (number, old) in known.into_values().enumerate() {
            renumbered[old as usize] = u32::try_from(number).unwrap_or(u32::MAX);
            sorted.push(counts[old as usize].clone());
        }
        for stratum in &mut of_row {
            *stratum = renumbered[*stratum as usize];
        }
        Ok(Strata { of_row, counts: sorted })
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
