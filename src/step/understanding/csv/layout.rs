//! The names and types of the columns of CSV files.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use indexmap::IndexMap;

use super::ColumnType;
use super::column::Plan;
use super::records::Records;
use super::value::Class;
use crate::step::StepError;
use crate::step::understanding::source;

/// What the manifest says about names and types.
#[derive(Debug, Clone, Default)]
pub struct Shape {
    /// Whether the first record of each file holds names.
    pub has_header: bool,
    /// The names, if the manifest gives them.
    pub names: Vec<String>,
    /// The types that the manifest gives, by name.
    pub types: IndexMap<String, ColumnType>,
    /// Columns that are text where the manifest gives no type, whatever their values look like.
    pub texts: Vec<String>,
    /// How many rows are looked at before the first guess.
    pub sample_rows: usize,
}

/// The columns of a table, in order.
#[derive(Debug, Clone)]
pub struct Layout {
    columns: Vec<(String, Plan)>,
}

impl Layout {
    /// The layout of a file that begins with `first`: its header, or its first row.
    pub(super) fn begin(shape: &Shape, file: &str, first: &Records) -> Result<Layout, StepError> {
        let names: Vec<String> = if !shape.names.is_empty() {
            if shape.names.len() != first.width() {
                return Err(StepError::input(
                    "csv_columns",
                    format!("`{file}` has {} columns, and `columns` names {}", first.width(), shape.names.len()),
                )
                .help("`columns` names every column, in the order of the file"));
            }
            shape.names.clone()
        } else if shape.has_header {
            header(first)
        } else {
            (1..=first.width()).map(|number| format!("column_{number}")).collect()
        };
        check_names(file, &names)?;
        for name in shape.types.keys() {
            if !names.contains(name) {
                let nearest = names.iter().min_by_key(|known| strsim::damerau_levenshtein(known, name));
                return Err(StepError::input(
                    "column_missing",
                    format!("`types` names the column `{name}`, which `{file}` does not have"),
                )
                .help(nearest.map_or_else(String::new, |nearest| format!("did you mean `{nearest}`?"))));
            }
        }
        let plan = |name: &String| match shape.types.get(name) {
            Some(declared) => Plan::Declared(*declared),
            None if shape.texts.contains(name) => Plan::Declared(ColumnType::Text),
            None => Plan::Guessed(Class::Unseen),
        };
        Ok(Layout {
            columns: names.into_iter().map(|name| (plan(&name), name)).map(|(plan, name)| (name, plan)).collect(),
        })
    }

    /// How many columns there are.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// The name of a column.
    pub fn name(&self, column: usize) -> &str {
        &self.columns[column].0
    }

    /// How a column is read.
    pub(super) fn plan(&self, column: usize) -> Plan {
        self.columns[column].1
    }

    /// The class of a guessed column.
    pub(super) fn guessed(&mut self, column: usize) -> Option<&mut Class> {
        match &mut self.columns[column].1 {
            Plan::Guessed(class) => Some(class),
            Plan::Declared(_) => None,
        }
    }

    /// The names of columns that never had a value.
    pub fn unseen(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().filter(|(_, plan)| *plan == Plan::Guessed(Class::Unseen)).map(|(name, _)| name.as_str())
    }

    /// The schema of the table.
    pub fn schema(&self) -> SchemaRef {
        let field = |(name, plan): &(String, Plan)| Field::new(name, plan.column_type().data_type(), true);
        Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }

    /// For each column of the table, which field of `file` holds it. Files may order their columns differently, but
    /// must have the same ones.
    pub(super) fn match_header(
        &self,
        file: &str,
        first_file: &str,
        header_row: &Records,
    ) -> Result<Vec<usize>, StepError> {
        let found = header(header_row);
        check_names(file, &found)?;
        let refuse = |message: String| {
            StepError::input("csv_columns", message).help("files that are read together have the same columns")
        };
        if let Some(extra) = found.iter().find(|name| !self.columns.iter().any(|(known, _)| known == *name)) {
            return Err(refuse(format!("`{file}` has a column `{extra}` that `{first_file}` does not have")));
        }
        self.columns
            .iter()
            .map(|(name, _)| {
                found
                    .iter()
                    .position(|other| other == name)
                    .ok_or_else(|| refuse(format!("the column `{name}` of `{first_file}` is missing from `{file}`")))
            })
            .collect()
    }
}

fn header(records: &Records) -> Vec<String> {
    (0..records.width()).map(|column| records.text(0, column).trim().to_owned()).collect()
}

fn check_names(file: &str, names: &[String]) -> Result<(), StepError> {
    source::check_names(&format!("`{file}`"), names.iter().map(String::as_str)).map_err(|wrong| {
        StepError::input("csv_header", wrong).help("give it a name of its own in the file, or all names in `columns`")
    })
}
