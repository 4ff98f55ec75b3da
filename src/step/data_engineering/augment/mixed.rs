//! Rows between two others.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;

use super::super::rows::Rows;
use super::super::weights::Weights;
use super::super::{parts, retyped};
use super::table::{floats, is_number};
use crate::step::{StepContext, StepError};
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
        let field = parts::target(table, named)?;
        let is_marked = Role::of(field) == Some(Role::Target);
        let is_number = match Task::of(table.schema()).filter(|_| is_marked) {
            Some(task) => task == Task::Regression,
            None => field.data_type().is_floating(),
        };
        Ok(Target { name: field.name().clone(), is_number })
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
    all: Rows,
    /// Whether each column is mixed; the others are taken from one row.
    blends: Vec<bool>,
    /// The place of the target if it holds classes.
    classes: Option<usize>,
    /// The class of each row, for telling whether two are the same.
    labels: Option<Vec<ArrayRef>>,
    /// Where weights go, if classes need them.
    weights: Option<Weights>,
    pairs: Vec<(u32, u32, f64)>,
}

impl Mixed {
    /// Reads the table.
    pub(super) fn new(
        table: &TableReader,
        target: &Target,
        names: &[String],
        weight: &str,
        context: &StepContext,
    ) -> Result<Mixed, StepError> {
        let fields = table.schema().fields();
        let target_place = table.schema().index_of(&target.name)?;
        let blends = fields.iter().map(|field| {
            names.contains(field.name()) || (target.is_number && *field.name() == target.name && is_number(field))
        });
        let blends: Vec<bool> = blends.collect();
        let classes = (!target.is_number).then_some(target_place);
        let weights = classes.map(|_| Weights::of(table, weight, "weight")).transpose()?;
        let all = Rows::of(table, context)?;
        let texts = |place: usize| {
            let batches = all.batches().iter();
            batches.map(|batch| arrow::compute::cast(batch.column(place), &DataType::Utf8)).collect::<Result<_, _>>()
        };
        let labels = classes.map(texts).transpose()?;
        Ok(Mixed { all, blends, classes, labels, weights, pairs: Vec::new() })
    }

    /// The schema of what comes out.
    pub(super) fn schema(&self) -> SchemaRef {
        self.weights.as_ref().map_or_else(|| Arc::clone(self.all.schema()), |weights| Arc::clone(&weights.schema))
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> u32 {
        u32::try_from(self.all.len()).unwrap_or(u32::MAX)
    }

    /// Rows that there are, with the weight one if they have none.
    pub(super) fn weighted(&self, batch: RecordBatch) -> Result<RecordBatch, StepError> {
        let Some(weights) = self.weights.as_ref().filter(|weights| weights.is_new()) else { return Ok(batch) };
        let mut columns = batch.columns().to_vec();
        weights.put(&mut columns, Float64Array::from(vec![1.0; batch.num_rows()]))?;
        Ok(RecordBatch::try_new(Arc::clone(&weights.schema), columns)?)
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
            let is_one_class = self.labels.as_ref().is_none_or(|labels| self.is_same(labels, one, other));
            if is_one_class {
                rows.push(New { one, other, share, labelled: one, weight: 1.0 });
            } else {
                rows.push(New { one, other, share, labelled: one, weight: share });
                rows.push(New { one, other, share, labelled: other, weight: 1.0 - share });
            }
        }
        // A row without weight teaches nothing.
        rows.retain(|row| row.weight > 0.0);
        let take =
            |place: usize, pick: fn(&New) -> u32| self.all.take(place, rows.iter().map(|row| Some(pick(row) as usize)));
        let mut columns = Vec::new();
        for (place, field) in self.all.schema().fields().iter().enumerate() {
            if self.blends[place] {
                let (one, other) = (floats(&take(place, |row| row.one)?)?, floats(&take(place, |row| row.other)?)?);
                let mixed = one.iter().zip(&other).zip(&rows).map(|((one, other), row)| match (one, other) {
                    (Some(one), Some(other)) => Some(row.share * one + (1.0 - row.share) * other),
                    _ => None,
                });
                columns.push(retyped::like(&take(place, New::major)?, mixed.collect())?);
            } else {
                // What a row weighs goes with its label.
                let is_weight = Role::of(field) == Some(Role::Weight);
                let is_label = self.classes == Some(place) || (self.classes.is_some() && is_weight);
                columns.push(take(place, if is_label { |row| row.labelled } else { New::major })?);
            }
        }
        if let Some(weights) = &self.weights {
            weights.put(&mut columns, rows.iter().map(|row| Some(row.weight)).collect())?;
        }
        Ok(RecordBatch::try_new(self.schema(), columns)?)
    }

    /// Whether two rows have the same label.
    fn is_same(&self, labels: &[ArrayRef], one: u32, other: u32) -> bool {
        let label = |row: u32| {
            let (batch, place) = self.all.find(row as usize);
            let labels = labels[batch].as_string::<i32>();
            labels.is_valid(place).then(|| labels.value(place))
        };
        label(one) == label(other)
    }
}
