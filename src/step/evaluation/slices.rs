//! Groups of test rows by the value of a column from before the transforms.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::step::StepError;
use crate::table::TableReader;
use crate::table::roles::RAW_PREFIX;

/// Columns with more values than this are cut into quarters if they are numbers, and refused if not.
const MAX_GROUPS: usize = 20;

/// The groups of one column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SliceColumn {
    pub(super) name: String,
    pub(super) slices: Vec<Slice>,
}

/// The rows of one group.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slice {
    pub(super) value: String,
    pub(super) rows: Vec<usize>,
}

/// Groups the rows of `table` by the column `raw.name`. Missing values are a group of their own.
///
/// # Errors
/// When the column is not there, or has too many values to be groups.
pub(super) fn slice(table: &TableReader, name: &str) -> Result<SliceColumn, StepError> {
    let column = format!("{RAW_PREFIX}{name}");
    if !table.columns().any(|known| known == column) {
        let known: Vec<&str> = table.columns().filter_map(|known| known.strip_prefix(RAW_PREFIX)).collect();
        let message = format!("slice column `{name}` is not kept in the test table");
        let help = if known.is_empty() {
            "the test table has no columns from before the transforms; take it from `feature.pipeline`".to_owned()
        } else {
            format!("it keeps: {}", known.join(", "))
        };
        return Err(StepError::input("slice_column_missing", message).help(help));
    }
    let mut labels: Vec<Option<String>> = Vec::new();
    let mut numbers: Vec<f64> = Vec::new();
    let mut is_numeric = true;
    for batch in table.select(&[&column])? {
        let batch = batch?;
        let array = batch.column(0);
        let formatter = ArrayFormatter::try_new(array.as_ref(), &FormatOptions::default())?;
        labels.extend((0..array.len()).map(|row| (!array.is_null(row)).then(|| formatter.value(row).to_string())));
        is_numeric &= array.data_type().is_numeric();
        if is_numeric {
            let floats = cast(array, &DataType::Float64)?;
            let floats = floats.as_primitive::<Float64Type>();
            numbers.extend((0..floats.len()).map(|row| if floats.is_null(row) { f64::NAN } else { floats.value(row) }));
        }
    }
    let groups = if is_numeric { by_number(&labels, &numbers) } else { by_label(&labels) };
    if groups.len() > MAX_GROUPS + 1 {
        let message = format!("slice column `{name}` has {} different values", groups.len());
        return Err(StepError::input("too_many_slices", message).help(format!(
            "slice by a column of at most {MAX_GROUPS} values, or by a number, which is cut into quarters"
        )));
    }
    Ok(SliceColumn { name: name.to_owned(), slices: groups })
}

fn by_label(labels: &[Option<String>]) -> Vec<Slice> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, label) in labels.iter().enumerate() {
        groups.entry(label.as_deref().unwrap_or("(missing)")).or_default().push(row);
    }
    groups.into_iter().map(|(value, rows)| Slice { value: value.to_owned(), rows }).collect()
}

/// One group per number in their order, or quarters when there are many numbers.
fn by_number(labels: &[Option<String>], numbers: &[f64]) -> Vec<Slice> {
    let mut sorted: Vec<f64> = numbers.iter().copied().filter(|number| !number.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let mut distinct = sorted.clone();
    distinct.dedup();
    if distinct.len() <= MAX_GROUPS {
        let mut groups = by_label(labels);
        groups.sort_by(|left, right| numbers[left.rows[0]].total_cmp(&numbers[right.rows[0]]));
        return groups;
    }
    let quarter = |part: usize| sorted[(sorted.len() - 1) * part / 4];
    let mut ends: Vec<f64> = (1..4).map(quarter).collect();
    ends.dedup();
    let place = |number: f64| if number.is_nan() { ends.len() + 1 } else { ends.partition_point(|end| *end < number) };
    let mut groups = vec![Vec::new(); ends.len() + 2];
    for (row, number) in numbers.iter().enumerate() {
        groups[place(*number)].push(row);
    }
    let value = |group: usize| match group {
        0 => format!("up to {}", ends[0]),
        _ if group < ends.len() => format!("{} to {}", ends[group - 1], ends[group]),
        _ if group == ends.len() => format!("above {}", ends[group - 1]),
        _ => "(missing)".to_owned(),
    };
    let named = groups.into_iter().enumerate().filter(|(_, rows)| !rows.is_empty());
    named.map(|(group, rows)| Slice { value: value(group), rows }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(slices: &[Slice]) -> Vec<String> {
        slices.iter().map(|slice| format!("{}: {}", slice.value, slice.rows.len())).collect()
    }

    #[test]
    fn few_numbers_are_groups_in_their_order() {
        let numbers = [10.0, 2.0, f64::NAN, 2.0];
        let labels: Vec<Option<String>> =
            numbers.iter().map(|number| (!number.is_nan()).then(|| number.to_string())).collect();
        assert_eq!(described(&by_number(&labels, &numbers)), ["2: 2", "10: 1", "(missing): 1"]);
    }

    #[test]
    fn many_numbers_are_cut_into_quarters() {
        let numbers: Vec<f64> = (0..100).map(f64::from).collect();
        let labels = vec![None; 100];
        assert_eq!(
            described(&by_number(&labels, &numbers)),
            ["up to 24: 25", "24 to 49: 25", "49 to 74: 25", "above 74: 25"]
        );
    }
}
