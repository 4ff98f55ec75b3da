//! The values of a column as codes: which row has which of them, numbered in the order of the values.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use super::room;
use crate::step::{StepContext, StepError};
use crate::table::TableReader;

/// How a missing value is shown.
pub(super) const MISSING: &str = "(missing)";

/// What a different value takes besides its text, until the values are in order.
const BYTES_PER_VALUE: u64 = 160;

/// What becomes of a row without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// It is refused.
    Refused,
    /// Having no value is a value of its own, after the others.
    Value,
}

/// Rows grouped by the value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Codes {
    /// The code of each row.
    pub(super) of_row: Vec<u32>,
    /// The values by code: numbers by size, everything else by its text.
    pub(super) values: Vec<String>,
    /// The code that means missing, if there is one.
    pub(super) missing: Option<u32>,
    /// How many rows have each code.
    pub(super) counts: Vec<usize>,
}

impl Codes {
    /// The values of `column`, at most `limit` different ones. `what` says what a value is, such as `group`.
    pub(super) fn of(
        table: &TableReader,
        column: &str,
        what: &str,
        missing: Missing,
        limit: usize,
        context: &StepContext,
    ) -> Result<Codes, StepError> {
        let mut groups = Groups::default();
        let mut is_numeric = false;
        for batch in table.select(&[column])? {
            context.check_cancelled()?;
            let batch = batch?;
            is_numeric = batch.column(0).data_type().is_numeric();
            if missing == Missing::Refused && batch.column(0).logical_null_count() > 0 {
                let nulls = batch.column(0).logical_nulls();
                let first = (0..batch.num_rows()).find(|row| nulls.as_ref().is_some_and(|nulls| nulls.is_null(*row)));
                let row = groups.of_row.len() + first.unwrap_or(0) + 1;
                let message = format!("row {row} has no value in column `{column}`, which says its {what}");
                return Err(StepError::input("value_missing", message).help("filter such rows out before"));
            }
            let texts = cast(batch.column(0), &DataType::Utf8).map_err(|error| {
                StepError::input("column_type", format!("column `{column}` cannot say the {what} of a row"))
                    .caused_by(error)
                    .help("take a column of texts, numbers or dates")
            })?;
            groups.add(texts.as_string());
            let values = format!("the {} different values of column `{column}`", groups.len());
            room::check(context, &values, groups.bytes(), "take a column with fewer")?;
            if groups.len() > limit {
                let message = format!("column `{column}` has more than {limit} values, too many for a {what}");
                return Err(StepError::input("too_many_values", message)
                    .help("take a column with few values, such as the target"));
            }
        }
        Ok(groups.codes(is_numeric))
    }

    /// How many different values there are.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }
}

/// Rows grouped by the texts of a column, numbered as they come.
#[derive(Debug, Default)]
pub(super) struct Groups {
    known: BTreeMap<String, u32>,
    /// The number of rows without a value.
    missing: Option<u32>,
    counts: Vec<usize>,
    of_row: Vec<u32>,
    text_bytes: usize,
}

impl Groups {
    /// Takes in the next rows.
    pub(super) fn add(&mut self, texts: &StringArray) {
        let mut last: Option<(Option<&str>, u32)> = None;
        for value in texts {
            let group = match last {
                Some((same, group)) if same == value => group,
                _ => self.number(value),
            };
            last = Some((value, group));
            self.counts[group as usize] += 1;
            self.of_row.push(group);
        }
    }

    /// The number of a text, the next one if it is new.
    fn number(&mut self, text: Option<&str>) -> u32 {
        let known = text.map_or(self.missing, |text| self.known.get(text).copied());
        known.unwrap_or_else(|| {
            let next = u32::try_from(self.counts.len()).unwrap_or(u32::MAX);
            self.counts.push(0);
            match text {
                Some(text) => {
                    self.text_bytes += text.len();
                    self.known.insert(text.to_owned(), next);
                }
                None => self.missing = Some(next),
            }
            next
        })
    }

    /// How many groups there are.
    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    /// What they take, at most: rows and values.
    fn bytes(&self) -> u64 {
        let rows = self.of_row.capacity() * size_of::<u32>();
        (rows + self.text_bytes) as u64 + self.len() as u64 * BYTES_PER_VALUE
    }

    /// The texts with the numbers of rows, and the group of each row: in the order of the texts, a missing one first, or in
    /// that of `compare`.
    pub(super) fn sorted(
        mut self,
        compare: impl Fn(&Option<String>, &Option<String>) -> Ordering,
    ) -> (Vec<(Option<String>, usize)>, Vec<u32>) {
        let known = self.known.into_iter().map(|(text, group)| (Some(text), group));
        let mut order: Vec<(Option<String>, u32)> =
            self.missing.map(|group| (None, group)).into_iter().chain(known).collect();
        order.sort_by(|(one, _), (other, _)| compare(one, other));
        let mut renumbered = vec![0; order.len()];
        for ((_, old), new) in order.iter().zip(0..) {
            renumbered[*old as usize] = new;
        }
        for group in &mut self.of_row {
            *group = renumbered[*group as usize];
        }
        let counted = order.into_iter().map(|(text, old)| (text, self.counts[old as usize])).collect();
        (counted, self.of_row)
    }

    fn codes(self, is_numeric: bool) -> Codes {
        let number = |text: &Option<String>| text.as_ref().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN);
        let (counted, of_row) = self.sorted(|one, other| {
            let by_size = if is_numeric { number(one).total_cmp(&number(other)) } else { Ordering::Equal };
            one.is_none().cmp(&other.is_none()).then(by_size).then_with(|| one.cmp(other))
        });
        let is_missing = counted.last().is_some_and(|(text, _)| text.is_none());
        let missing = is_missing.then(|| u32::try_from(counted.len() - 1).unwrap_or(u32::MAX));
        let (texts, counts) = counted.into_iter().unzip::<_, _, Vec<_>, _>();
        let values = texts.into_iter().map(|text| text.unwrap_or_else(|| MISSING.to_owned())).collect();
        Codes { of_row, values, missing, counts }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::ArrayRef;

    use super::*;
    use crate::step::testing::{Workbench, batch, floats, ints, texts};

    fn codes(column: ArrayRef, missing: Missing, limit: usize) -> Result<Codes, String> {
        codes_within(None, column, missing, limit)
    }

    fn codes_within(
        memory_bytes: Option<u64>,
        column: ArrayRef,
        missing: Missing,
        limit: usize,
    ) -> Result<Codes, String> {
        let mut bench = Workbench::new();
        bench.memory_bytes = memory_bytes;
        let table = bench.table(&batch(&[("v", column)]));
        let (context, _) = bench.context(&[("table", &table)]);
        let told = |error: StepError| format!("{error} ({})", error.remedy().unwrap_or_default());
        Codes::of(&context.table("table").unwrap(), "v", "group", missing, limit, &context).map_err(told)
    }

    #[test]
    fn values_are_numbered_in_their_own_order() {
        let numbers = codes(ints([10, 9, 10, -1]), Missing::Refused, 9).unwrap();
        assert_eq!((numbers.of_row, numbers.counts), (vec![2, 1, 2, 0], vec![1, 1, 2]));
        assert_eq!(numbers.values, ["-1", "9", "10"]);
        let words = codes(texts([Some("ö"), Some("10"), None, Some("9"), Some("")]), Missing::Value, 9).unwrap();
        assert_eq!(words.values, ["", "10", "9", "ö", "(missing)"]);
        assert_eq!(words.of_row, [3, 1, 4, 2, 0]);
        assert_eq!(codes(floats([0.5, 1e300, -2.0]), Missing::Refused, 9).unwrap().of_row, [1, 2, 0]);
    }

    #[test]
    fn missing_and_too_many_values_are_refused_with_their_remedies() {
        let missing = codes(ints([Some(1), None]), Missing::Refused, 9).unwrap_err();
        insta::assert_snapshot!(missing, @"row 2 has no value in column `v`, which says its group (filter such rows out before)");
        let many = codes(ints(0..9), Missing::Refused, 8).unwrap_err();
        insta::assert_snapshot!(many, @"column `v` has more than 8 values, too many for a group (take a column with few values, such as the target)");
    }
    #[test]
    fn values_that_take_more_memory_than_there_is_are_refused_and_few_of_them_are_not() {
        let rows = 20_000;
        assert!(codes_within(Some(1 << 20), ints((0..rows).map(|row| row % 7)), Missing::Refused, usize::MAX).is_ok());
        let many = codes_within(Some(1 << 20), ints(0..rows), Missing::Refused, usize::MAX).unwrap_err();
        assert!(many.contains("different values of column `v` needs"), "{many}");
        assert!(many.contains("or take a column with fewer"), "{many}");
    }
}
