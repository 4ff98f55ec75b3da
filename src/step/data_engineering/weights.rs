//! The column with the weights of rows: the one that is marked, or a new one.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};

use crate::step::StepError;
use crate::table::TableReader;
use crate::table::roles::Role;

/// Where the weights of rows go.
pub(super) struct Weights {
    /// The column that is marked; none if there is none, and weights are a new column at the end.
    marked: Option<usize>,
    /// The schema of the table with weights.
    pub(super) schema: SchemaRef,
}

impl Weights {
    /// For `table`; a new column is called `name`, which is what the param `param` says.
    pub(super) fn of(table: &TableReader, name: &str, param: &str) -> Result<Weights, StepError> {
        let mut fields = table.schema().fields().to_vec();
        let has_roles = fields.iter().any(|field| Role::of(field).is_some());
        let marked = fields.iter().position(|field| Role::of(field) == Some(Role::Weight));
        if marked.is_none() {
            if table.columns().any(|column| column == name) {
                return Err(StepError::input("duplicate_column", format!("the table already has a column `{name}`"))
                    .help(format!("give the weights another name with `{param}`")));
            }
            let field = Field::new(name, DataType::Float64, false);
            fields.push(Arc::new(if has_roles { Role::Weight.mark(field) } else { field }));
        }
        let schema = Arc::new(Schema::new_with_metadata(fields, table.schema().metadata().clone()));
        Ok(Weights { marked, schema })
    }

    /// Whether the table has no weights yet.
    pub(super) fn is_new(&self) -> bool {
        self.marked.is_none()
    }

    /// Puts `weights` beside the columns of a table, or multiplies those that are there by them.
    pub(super) fn put(&self, columns: &mut Vec<ArrayRef>, weights: Float64Array) -> Result<(), StepError> {
        let Some(place) = self.marked else {
            columns.push(Arc::new(weights));
            return Ok(());
        };
        let known = cast(&columns[place], &DataType::Float64)?;
        let product = arrow::compute::kernels::numeric::mul(known.as_primitive::<Float64Type>(), &weights)?;
        columns[place] = cast(&product, columns[place].data_type())?;
        Ok(())
    }
}
