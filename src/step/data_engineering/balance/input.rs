//! A training table as classes, points and categories.

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type};

use super::super::codes::{Codes, Missing};
use super::super::parts;
use super::super::strata::MAX_STRATA;
use crate::ml::neighbours::{self, Points};
use crate::ml::resample::Rows;
use crate::step::{StepContext, StepError};
use crate::table::TableReader;
use crate::table::roles::{CATEGORIES, Role, Task};

/// How many columns a message names.
const SHOWN_COLUMNS: usize = 6;
/// The square of a larger number is infinite.
const LARGEST: f64 = 1e150;

/// What becomes of columns that are no numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Categories {
    /// They stay with their row: the method only copies and drops rows.
    Carried,
    /// New rows could not have them, so there must be none.
    Refused,
    /// They take part, those named or all.
    Used(Option<Vec<String>>),
}

/// Which columns are what.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) target: String,
    pub(super) numbers: Vec<String>,
    pub(super) categories: Vec<String>,
}

impl Layout {
    /// The columns that a method needs.
    pub(super) fn of(
        table: &TableReader,
        target: Option<&str>,
        columns: Option<&[String]>,
        categories: &Categories,
        needs_points: bool,
    ) -> Result<Layout, StepError> {
        let target = target_of(table, target)?;
        let mut layout = Layout { target, numbers: Vec::new(), categories: Vec::new() };
        if !needs_points {
            return Ok(layout);
        }
        let fields = table.schema().fields();
        let has_roles = fields.iter().any(|field| Role::of(field) == Some(Role::Feature));
        let is_candidate = |field: &Field| match columns {
            Some(columns) => columns.contains(field.name()),
            None if has_roles => Role::of(field) == Some(Role::Feature),
            None => *field.name() != layout.target && Role::of(field).is_none(),
        };
        let named = match categories {
            Categories::Used(Some(named)) => named.as_slice(),
            _ => &[],
        };
        for name in columns.unwrap_or_default().iter().chain(named) {
            parts::known(table, name)?;
            if *name == layout.target {
                return Err(StepError::input(
                    "column_role",
                    format!("`{name}` is the target and says not where a row is"),
                )
                .help("leave it out of `columns`"));
            }
        }
        let (mut numbers, mut categorical) = (Vec::new(), Vec::new());
        for field in fields.iter().filter(|field| is_candidate(field) || named.contains(field.name())) {
            let is_code = field.metadata().contains_key(CATEGORIES);
            let is_number = field.data_type().is_numeric() && !is_code;
            let is_named = named.contains(field.name());
            match categories {
                Categories::Used(None) if !is_number => categorical.push(field.name().clone()),
                Categories::Used(Some(_)) if is_named => categorical.push(field.name().clone()),
                _ if is_number => numbers.push(field.name().clone()),
                Categories::Carried if columns.is_none() => {}
                _ => return Err(no_number(field, is_code, categories)),
            }
        }
        if numbers.is_empty() {
            return Err(StepError::input("no_numbers", "no column says in numbers where a row is")
                .help("name some under `columns`, or pass the table through `feature.pipeline`"));
        }
        if matches!(categories, Categories::Used(_)) && categorical.is_empty() {
            return Err(
                StepError::input("no_categories", "no column is a category").help("take `balance.smote` instead")
            );
        }
        layout.numbers = numbers;
        layout.categories = categorical;
        Ok(layout)
    }
}

fn target_of(table: &TableReader, named: Option<&str>) -> Result<String, StepError> {
    let field = parts::target(table, named)?;
    let name = field.name();
    let is_number = Role::of(field) == Some(Role::Target) && Task::of(table.schema()) == Some(Task::Regression);
    if is_number || field.data_type().is_floating() {
        return Err(StepError::input(
            "target_is_number",
            format!("the target `{name}` is a number and has no classes"),
        )
        .help("balance classes only; for a number, give rows weights with `feature.pipeline`'s `weight`"));
    }
    Ok(name.clone())
}

fn no_number(field: &Field, is_code: bool, categories: &Categories) -> StepError {
    let name = field.name();
    let what = if is_code { "the code of a category".to_owned() } else { format!("of type {}", field.data_type()) };
    let help = match categories {
        Categories::Used(_) => "name it under `categorical_features`, or leave it out of `columns`",
        Categories::Refused => {
            "take `balance.smotenc`, which knows categories, encode it in `feature.pipeline` before, or name the numbers \
             under `columns`; new rows then have nothing in the others"
        }
        Categories::Carried => "leave it out of `columns`; it stays with its row",
    };
    StepError::input("not_a_number", format!("column `{name}` is {what} and no number")).help(help)
}

/// The rows of a table, and the values behind the codes of its categories.
pub(super) struct Input {
    pub(super) rows: Rows,
    /// For each category its values, and the code that means missing.
    pub(super) values: Vec<(Vec<String>, Option<u32>)>,
}

/// The labels of the classes and the class of each row.
pub(super) fn classes(table: &TableReader, target: &str, context: &StepContext) -> Result<Codes, StepError> {
    let mut codes = Codes::of(table, target, "class", Missing::Refused, MAX_STRATA, context)?;
    let is_marked = table.schema().field_with_name(target).is_ok_and(|field| Role::of(field) == Some(Role::Target));
    if let Some(task) = Task::of(table.schema()).filter(|_| is_marked) {
        for value in &mut codes.values {
            if let Some(label) = value.parse::<usize>().ok().and_then(|class| task.classes().get(class)) {
                label.clone_into(value);
            }
        }
    }
    Ok(codes)
}

impl Input {
    /// Reads the columns of `layout` beside the classes.
    pub(super) fn load(
        table: &TableReader,
        classes: Codes,
        layout: &Layout,
        context: &StepContext,
    ) -> Result<Input, StepError> {
        let rows = classes.of_row.len();
        let points = points(table, &layout.numbers, context)?;
        let mut values = Vec::new();
        let mut codes = vec![0; rows * layout.categories.len()];
        for (place, name) in layout.categories.iter().enumerate() {
            let column = Codes::of(table, name, "category", Missing::Value, usize::MAX, context)?;
            for (row, code) in column.of_row.iter().enumerate() {
                codes[row * layout.categories.len() + place] = *code;
            }
            values.push((column.values, column.missing));
        }
        let categories = neighbours::Categories { width: layout.categories.len(), codes };
        let rows = Rows { classes: classes.of_row, labels: classes.values, points, categories };
        Ok(Input { rows, values })
    }
}

/// The columns `names` as points.
pub(in crate::step::data_engineering) fn points(
    table: &TableReader,
    names: &[String],
    context: &StepContext,
) -> Result<Points, StepError> {
    let mut points = Points::new(names.len());
    let mut bad = vec![0_usize; names.len()];
    let columns: Vec<&str> = names.iter().map(String::as_str).collect();
    if columns.is_empty() {
        return Ok(points);
    }
    for batch in table.select(&columns)? {
        context.check_cancelled()?;
        let batch = batch?;
        let first = points.rows();
        points.grow(batch.num_rows());
        for (column, array) in batch.columns().iter().enumerate() {
            let numbers = cast(array, &DataType::Float64)?;
            let numbers = numbers.as_primitive::<Float64Type>();
            for row in 0..numbers.len() {
                let value = numbers.value(row);
                bad[column] += usize::from(numbers.is_null(row) || value.is_nan() || value.abs() > LARGEST);
                points.set(first + row, column, value);
            }
        }
    }
    let bad: Vec<String> = names
        .iter()
        .zip(bad)
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("`{name}` ({count})"))
        .collect();
    if bad.is_empty() {
        return Ok(points);
    }
    let shown = bad.iter().take(SHOWN_COLUMNS).cloned().collect::<Vec<_>>().join(", ");
    let more = match bad.len().saturating_sub(SHOWN_COLUMNS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!("columns with values that are missing, infinite or too large to measure: {shown}{more}");
    Err(StepError::input("missing_values", message)
        .help("fill them in `feature.pipeline` before, for example with `{impute: median, columns: \"@numeric\"}`"))
}
