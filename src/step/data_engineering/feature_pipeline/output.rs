//! The tables of a feature pipeline: features, target, weight, and the raw columns for slices and drift.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use indexmap::IndexSet;

use crate::ml::transform::{ColumnType, FittedPipeline, InputColumn, TransformError, canonical, pieces};
use crate::step::{Progress, StepContext, StepError};
use crate::table::TableReader;
use crate::table::roles::{RAW_PREFIX, Role};

/// Transforms one split and publishes it as the output of the same name.
pub(super) fn write_split(
    context: &mut StepContext,
    split: &'static str,
    table: &TableReader,
    pipeline: &FittedPipeline,
    kept: &[InputColumn],
    drops_null: bool,
) -> Result<(), StepError> {
    let in_split = |error: TransformError| match error {
        TransformError::Input { code, message, help } => {
            TransformError::Input { code, message: format!("{message} (in `{split}`)"), help }
        }
        other => other,
    };
    let missing = |column: &&str| !table.columns().any(|known| known == *column);
    if let Some(column) = needed(pipeline, kept).into_iter().find(missing) {
        let there = table.columns().collect::<Vec<_>>().join(", ");
        return Err(StepError::input(
            "column_missing",
            format!("the table `{split}` has no column `{column}`, which the fit table has"),
        )
        .help(format!("make both tables by the same steps; `{split}` has: {there}")));
    }
    let schema = schema(pipeline, kept)?;
    let taken = if drops_null { Vec::new() } else { as_stored(pipeline, kept, split == "fit") };
    let stored = table.stored(&schema, &taken)?;
    let rewritten: Vec<InputColumn> = kept.iter().filter(|column| !stored.has(&raw_name(column))).cloned().collect();
    let columns = needed(pipeline, &rewritten);
    let mut output = context.create_table_with(&schema, stored)?;
    let most = pipeline.rows_at_once();
    let (mut done, mut first, mut nulls) = (0, 0, vec![0; pipeline.features().len()]);
    for batch in table.select_encoded(&columns, &|name| pipeline.takes_encoded(name))? {
        for mut batch in pieces(&batch?, most) {
            context.check_cancelled()?;
            done += batch.num_rows() as u64;
            if drops_null {
                batch = pipeline.with_target(&batch).map_err(in_split)?;
            }
            let rows = (split == "fit").then_some(first);
            let written = self::batch(pipeline, &rewritten, &batch, rows).map_err(in_split)?;
            for (count, column) in nulls.iter_mut().zip(written.columns()) {
                *count += column.null_count();
            }
            output.write(&written)?;
            first += batch.num_rows() as u64;
            let note = format!("transform {split}");
            context.progress(&Progress { done, total: Some(table.rows()), unit: "rows", note });
        }
    }
    for (feature, count) in pipeline.features().iter().zip(nulls).filter(|(_, count)| *count > 0) {
        context.log(format!(
            "{split}: feature `{}` is missing in {count} rows; `impute` it if the model needs it",
            feature.name
        ));
    }
    context.finish_table(split, output)?;
    lineage(context, split, pipeline, kept)
}

/// The columns to read: for features, target and weight, and those that are copied.
fn needed<'name>(pipeline: &'name FittedPipeline, kept: &'name [InputColumn]) -> Vec<&'name str> {
    let columns = kept.iter().chain(pipeline.needed_columns()).map(|column| column.name.as_str());
    let others = [pipeline.target.column.as_str()].into_iter().chain(pipeline.weight.as_deref());
    let columns: IndexSet<&str> = columns.chain(others).collect();
    columns.into_iter().collect()
}

/// The columns that can be copied as they are stored, with their names here. Of floats that is known only where the fit has
/// seen that there is no NaN, which is a missing value here.
fn as_stored<'name>(
    pipeline: &'name FittedPipeline,
    kept: &'name [InputColumn],
    is_fit: bool,
) -> Vec<(&'name str, String)> {
    let seen: HashSet<&str> = pipeline.needed_columns().map(|column| column.name.as_str()).collect();
    let is_whole = |column: &InputColumn| is_fit && !column.nullable && seen.contains(column.name.as_str());
    let kept = kept.iter().filter(|column| column.column_type != ColumnType::Float || is_whole(column));
    kept.map(|column| (column.name.as_str(), raw_name(column))).collect()
}

fn raw_name(column: &InputColumn) -> String {
    format!("{RAW_PREFIX}{}", column.name)
}

fn schema(pipeline: &FittedPipeline, kept: &[InputColumn]) -> Result<SchemaRef, StepError> {
    let mut fields = pipeline.feature_fields();
    let target = &pipeline.target.column;
    let target_type = if pipeline.target.task().classes().is_empty() { DataType::Float64 } else { DataType::Int64 };
    fields.push(Role::Target.mark(Field::new(target, target_type, false)));
    if let Some(weight) = &pipeline.weight {
        fields.push(Role::Weight.mark(Field::new(weight, DataType::Float64, false)));
    }
    for column in kept {
        fields.push(Role::Raw.mark(Field::new(raw_name(column), column.column_type.arrow(), true)));
    }
    let mut names = std::collections::BTreeSet::new();
    if let Some(twice) = fields.iter().find(|field| !names.insert(field.name())) {
        let message = format!("two output columns would be called `{}`", twice.name());
        return Err(StepError::input("duplicate_column", message).help("rename a column or a derived feature"));
    }
    Ok(pipeline.target.task().mark(Schema::new(fields)).into())
}

fn batch(
    pipeline: &FittedPipeline,
    kept: &[InputColumn],
    batch: &RecordBatch,
    learnt_from: Option<u64>,
) -> Result<RecordBatch, TransformError> {
    let features = match learnt_from {
        Some(first) => pipeline.transform_learnt(batch, first)?,
        None => pipeline.transform(batch)?,
    };
    let mut fields: Vec<_> = features.schema_ref().fields().iter().cloned().collect();
    let mut arrays: Vec<ArrayRef> = features.columns().to_vec();
    let mut push = |name: String, array: ArrayRef| {
        fields.push(Arc::new(Field::new(name, array.data_type().clone(), true)));
        arrays.push(array);
    };
    let by_name = |name: &str| batch.column_by_name(name).expect("the reader gave every column asked for");
    let target = &pipeline.target;
    push(target.column.clone(), target.column(target.values(by_name(&target.column))?));
    if let Some(weight) = &pipeline.weight {
        push(weight.clone(), weights(weight, by_name(weight))?);
    }
    for column in kept {
        push(raw_name(column), canonical(&column.name, by_name(&column.name), column.column_type)?);
    }
    Ok(RecordBatch::try_new(Schema::new(fields).into(), arrays)?)
}

fn weights(name: &str, array: &ArrayRef) -> Result<ArrayRef, TransformError> {
    let array = canonical(name, array, ColumnType::Float)?;
    let values = array.as_primitive::<Float64Type>();
    if values.null_count() > 0 || values.values().iter().any(|value| !(value.is_finite() && *value >= 0.0)) {
        let message = format!("the weight `{name}` has missing, negative or infinite values");
        return Err(TransformError::input("weight", message).help("every row needs a weight of 0 or more"));
    }
    Ok(array)
}

/// Says which output column comes from which input column.
fn lineage(
    context: &mut StepContext,
    split: &'static str,
    pipeline: &FittedPipeline,
    kept: &[InputColumn],
) -> Result<(), StepError> {
    let mut edge =
        |column: &str, from: &str, transform: &str| context.column_from(split, column, split, from, transform);
    for feature in pipeline.features() {
        feature.sources.iter().try_for_each(|source| edge(&feature.name, source, &feature.transform))?;
    }
    edge(&pipeline.target.column, &pipeline.target.column, "target")?;
    if let Some(weight) = &pipeline.weight {
        edge(weight, weight, "weight")?;
    }
    for column in kept {
        edge(&raw_name(column), &column.name, "identity")?;
    }
    Ok(())
}
