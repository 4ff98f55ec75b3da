//! Rows between two others.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use super::super::retyped;
use super::table::{floats, is_number};
use crate::step::StepError;
use crate::table::TableReader;
use crate::table::roles::{Role, Task};

/// The column that rows stand for.
pub(super) struct Target {
    pub(super) name: String,
    is_number: bool,
}

impl Target {
    /// The one named, or the one that is marked.
    pub(super) fn of(table: &TableReader, named: Option<&str>) -> Result<Target, StepError> {
        let fields = table.schema().fields();
        let marked = fields.iter().find(|field| Role::of(field) == Some(Role::Target));
        let name = match (named, marked) {
            (Some(name), _) => name.to_owned(),
            (None, Some(field)) => field.name().clone(),
            (None, None) => {
                return Err(StepError::input("no_target", "no column is marked as the target")
                    .help("name it: `with: {target: ...}`"));
            }
        };
        // The reader's own error names the columns that there are.
        drop(table.select(&[&name])?);
        let field = table.schema().field_with_name(&name)?;
        let is_marked = Role::of(field) == Some(Role::Target);
        let is_number = match Task::of(table.schema()).filter(|_| is_marked) {
            Some(task) => task == Task::Regression,
            None => field.data_type().is_floating(),
        };
        Ok(Target { name, is_number })
    }
}

/// A row to be made of two.
struct New {
    one: u32,
    other: u32,
    /// The share of `one`.
    share: f64,
    /// Which of them it has the label of.
    labelled: u32,
    weight: f64,
}

impl New {
    /// The one with the larger share.
    fn major(&self) -> u32 {
        if self.share >= 0.5 { self.one } else { self.other }
    }
}

/// All rows, and the pairs that wait to be mixed.
pub(super) struct Mixed {
    schema: SchemaRef,
    all: RecordBatch,
    /// Whether each column is mixed; the others are taken from one row.
    blends: Vec<bool>,
    /// The place of the target if it holds classes.
    classes: Option<usize>,
    /// The class of each row, for telling whether two are the same.
    labels: Option<ArrayRef>,
    /// The place of the weight, if classes need one.
    weight: Option<usize>,
    has_new_column: bool,
    pairs: Vec<(u32, u32, f64)>,
}

impl Mixed {
    /// Reads the table.
    pub(super) fn new(
        table: &TableReader,
        target: &Target,
        names: &[String],
        weight: &str,
    ) -> Result<Mixed, StepError> {
        let mut fields = table.schema().fields().to_vec();
        let target_place = table.schema().index_of(&target.name)?;
        let has_roles = fields.iter().any(|field| Role::of(field).is_some());
        let blends = fields.iter().map(|field| {
            names.contains(field.name()) || (target.is_number && *field.name() == target.name && is_number(field))
        });
        let blends: Vec<bool> = blends.collect();
        let classes = (!target.is_number).then_some(target_place);
        let marked = fields.iter().position(|field| Role::of(field) == Some(Role::Weight));
        let has_new_column = classes.is_some() && marked.is_none();
        if has_new_column {
            if fields.iter().any(|field| field.name() == weight) {
                return Err(StepError::input("duplicate_column", format!("the table already has a column `{weight}`"))
                    .help("give the weights another name with `weight`"));
            }
            let field = Field::new(weight, DataType::Float64, false);
            fields.push(Arc::new(if has_roles { Role::Weight.mark(field) } else { field }));
        }
        let weight = if has_new_column { Some(fields.len() - 1) } else { marked.filter(|_| classes.is_some()) };
        let schema = Arc::new(Schema::new_with_metadata(fields, table.schema().metadata().clone()));
        let all = table.read_all()?;
        let labels = classes.map(|place| arrow::compute::cast(all.column(place), &DataType::Utf8)).transpose()?;
        Ok(Mixed { schema, all, blends, classes, labels, weight, has_new_column, pairs: Vec::new() })
    }

    /// The schema of what comes out.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> u32 {
        u32::try_from(self.all.num_rows()).unwrap_or(u32::MAX)
    }

    /// Whether rows that there are go out as they came in.
    pub(super) fn is_as_before(&self) -> bool {
        !self.has_new_column
    }

    /// Rows that there are, with the weight one.
    pub(super) fn weighted(&self, batch: &RecordBatch) -> Result<RecordBatch, StepError> {
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new(Float64Array::from(vec![1.0; batch.num_rows()])));
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }

    /// A pair to be mixed, with the share of the first.
    pub(super) fn push(&mut self, one: u32, other: u32, share: f64) {
        self.pairs.push((one, other, share));
    }

    /// How many pairs wait.
    pub(super) fn waiting(&self) -> usize {
        self.pairs.len()
    }

    /// The new rows of all pairs that wait.
    pub(super) fn take(&mut self) -> Result<RecordBatch, StepError> {
        let pairs = std::mem::take(&mut self.pairs);
        let mut rows: Vec<New> = Vec::new();
        for (one, other, share) in pairs {
            let is_one_class = self.labels.as_ref().is_none_or(|labels| same(labels, one, other));
            if is_one_class {
                rows.push(New { one, other, share, labelled: one, weight: 1.0 });
            } else {
                rows.push(New { one, other, share, labelled: one, weight: share });
                rows.push(New { one, other, share, labelled: other, weight: 1.0 - share });
            }
        }
        // A row without weight teaches nothing.
        rows.retain(|row| row.weight > 0.0);
        let places = |pick: fn(&New) -> u32| rows.iter().map(pick).collect::<UInt32Array>();
        let (ones, others) = (places(|row| row.one), places(|row| row.other));
        let (labelled, majors) = (places(|row| row.labelled), places(New::major));
        let mut columns = Vec::new();
        for (place, column) in self.all.columns().iter().enumerate() {
            if self.blends[place] {
                let (one, other) = (floats(&take(column, &ones, None)?)?, floats(&take(column, &others, None)?)?);
                let mixed = one.iter().zip(&other).zip(&rows).map(|((one, other), row)| match (one, other) {
                    (Some(one), Some(other)) => Some(row.share * one + (1.0 - row.share) * other),
                    _ => None,
                });
                columns.push(retyped::like(&take(column, &majors, None)?, mixed.collect())?);
            } else if self.classes == Some(place) {
                columns.push(take(column, &labelled, None)?);
            } else if self.weight == Some(place) {
                let known = floats(&take(column, &labelled, None)?)?;
                let weights = known.iter().zip(&rows).map(|(known, row)| known.map(|known| known * row.weight));
                let weights: ArrayRef = Arc::new(weights.collect::<Float64Array>());
                columns.push(arrow::compute::cast(&weights, column.data_type())?);
            } else {
                columns.push(take(column, &majors, None)?);
            }
        }
        if self.has_new_column {
            columns.push(Arc::new(rows.iter().map(|row| Some(row.weight)).collect::<Float64Array>()));
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

/// Whether two rows have the same label.
fn same(labels: &ArrayRef, one: u32, other: u32) -> bool {
    let labels = labels.as_string::<i32>();
    let label = |row: u32| labels.is_valid(row as usize).then(|| labels.value(row as usize));
    label(one) == label(other)
}
