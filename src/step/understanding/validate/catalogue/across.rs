//! Several columns of a row, and expressions.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::kernels::cmp;
use arrow::datatypes::{DataType, Float64Type};

use super::super::check::State;
use super::super::column::Column;
use super::super::definition::{Definition, Target};
use super::super::expectation::{Expectation, IgnoreRowIf};
use super::super::row_test::{RowTest, Shown};
use super::super::setting::Setting;
use crate::table::cast;

pub(super) const CHECKS: &[Definition] = &[
    Definition::new(
        "columns_equal",
        "expect_column_pair_values_to_be_equal",
        "Rows: the values of `columns` are equal.",
        Target::Several,
        columns_equal,
    )
    .takes(&["ignore_row_if", "mostly"]),
    Definition::new(
        "greater_than",
        "expect_column_pair_values_a_to_be_greater_than_b",
        "Rows: the first of `columns` is greater than the second; with `or_equal`, not less.",
        Target::Pair,
        greater_than,
    )
    .takes(&["or_equal", "ignore_row_if", "mostly"]),
    Definition::new(
        "sum_equals",
        "expect_multicolumn_sum_to_equal",
        "Rows: the sum of `columns` is `total`, or at most `tolerance` away from it.",
        Target::Several,
        sum_equals,
    )
    .needs(&["total"])
    .takes(&["tolerance", "ignore_row_if", "mostly"]),
    Definition::new("expr", "", "Rows: the expression `expr` holds.", Target::Table, expr)
        .needs(&["expr"])
        .takes(&["mostly"]),
];

/// The columns in one type, or why they have none.
fn alike(columns: Vec<Column>) -> Result<Vec<Column>, String> {
    let known: Vec<&Column> = columns.iter().filter(|column| !column.is_null()).collect();
    let Some(first) = known.first() else { return Ok(columns) };
    let kind = if known.iter().all(|column| column.kind == first.kind) {
        first.kind.clone()
    } else if known.iter().all(|column| column.is_number()) {
        DataType::Float64
    } else if known.iter().all(|column| column.is_time()) {
        crate::table::MICROSECONDS
    } else {
        let other = known.iter().find(|column| column.kind != first.kind).unwrap_or(first);
        return Err(format!("column `{}` is {} and column `{}` is {}", first.name, first.kind, other.name, other.kind));
    };
    Ok(columns.into_iter().map(|column| column.read_as(kind.clone())).collect())
}

/// Whether a row is left out.
fn is_ignored(values: &[ArrayRef], row: usize, ignore: IgnoreRowIf) -> bool {
    ignore.leaves_out(values.iter().filter(|value| value.is_null(row)).count(), values.len())
}

fn columns_equal(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let columns = setting.the_columns(expectation)?;
    let columns = if setting.need_digits(&columns)? {
        columns.into_iter().map(Column::into_digits).collect()
    } else {
        alike(columns)?
    };
    let ignore = expectation.ignore_row_if.unwrap_or_default();
    if columns.len() == 2 {
        return Ok(setting.of_rows(RowTest::of(columns, move |values| compared(values, cmp::eq, ignore))));
    }
    // Of more than two, two missing values are equal.
    let test = RowTest::of(columns, move |values| {
        let equal: Vec<BooleanArray> =
            values[1..].iter().map(|value| cmp::eq(&values[0], value).expect("columns of one type")).collect();
        let same = |other: usize, row: usize| match (values[0].is_null(row), values[other + 1].is_null(row)) {
            (false, false) => equal[other].value(row),
            (first, other) => first && other,
        };
        (0..values[0].len())
            .map(|row| (!is_ignored(values, row, ignore)).then(|| (0..equal.len()).all(|other| same(other, row))))
            .collect::<BooleanArray>()
    });
    Ok(setting.of_rows(test.by_name()))
}

fn greater_than(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let columns = alike(setting.the_columns(expectation)?)?;
    let ignore = expectation.ignore_row_if.unwrap_or_default();
    let or_equal = expectation.or_equal.unwrap_or(false);
    Ok(setting.of_rows(RowTest::of(columns, move |values| {
        if or_equal { compared(values, cmp::gt_eq, ignore) } else { compared(values, cmp::gt, ignore) }
    })))
}

/// A comparison of two columns; a row that is not left out and lacks a value fails.
fn compared(
    values: &[ArrayRef],
    kernel: fn(&dyn arrow::array::Datum, &dyn arrow::array::Datum) -> Result<BooleanArray, arrow::error::ArrowError>,
    ignore: IgnoreRowIf,
) -> BooleanArray {
    if *values[0].data_type() == DataType::Null {
        // Two columns without a single value: nothing to compare, or nothing that is equal.
        return std::iter::repeat_n((ignore == IgnoreRowIf::Neither).then_some(false), values[0].len()).collect();
    }
    let compared = kernel(&values[0], &values[1]).expect("both columns were prepared in one type");
    if ignore == IgnoreRowIf::EitherValueIsMissing || compared.null_count() == 0 {
        return compared;
    }
    (0..compared.len())
        .map(|row| (!is_ignored(values, row, ignore)).then(|| compared.is_valid(row) && compared.value(row)))
        .collect()
}

#[expect(clippy::float_cmp, reason = "without a tolerance the sum is the total or it is not, as in Great Expectations")]
fn sum_equals(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let columns: Vec<Column> = expectation
        .named_columns()
        .into_iter()
        .map(|name| setting.number_column(expectation, name))
        .collect::<Result<_, _>>()?;
    let total = expectation.total.unwrap_or_default();
    let tolerance = expectation.tolerance.unwrap_or(0.0);
    let ignore = expectation.ignore_row_if.unwrap_or_default();
    let test = RowTest::of(columns, move |values| {
        let numbers: Vec<_> = values.iter().map(AsArray::as_primitive::<Float64Type>).collect();
        let sum = |row: usize| {
            // With a value missing there is no sum, and so it is not the total.
            let add =
                |sum: f64, column: &&arrow::array::Float64Array| column.is_valid(row).then(|| sum + column.value(row));
            numbers.iter().try_fold(0.0, add)
        };
        let is_total = |row: usize| {
            sum(row).is_some_and(|sum| if tolerance == 0.0 { sum == total } else { (sum - total).abs() <= tolerance })
        };
        (0..values[0].len())
            .map(|row| (!is_ignored(values, row, ignore)).then(|| is_total(row)))
            .collect::<BooleanArray>()
    });
    Ok(setting.of_rows(test.by_name()))
}

fn expr(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let expr = setting.condition(expectation.expr.as_deref(), "expr")?.ok_or("`expr` is missing")?;
    let columns = expr.paths().iter().map(|path| setting.column(&path.join("."))).collect::<Result<Vec<_>, _>>()?;
    Ok(setting.of_rows(RowTest {
        columns,
        shown: Shown::Plain,
        only_first: false,
        remembers: false,
        by_text: false,
        test: Box::new(move |batch, _| {
            let holds = expr.eval_column(batch).map_err(|error| error.message)?;
            Ok(cast(&holds, &DataType::Boolean).as_boolean().clone())
        }),
    }))
}
