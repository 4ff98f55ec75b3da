//! The sets without their outliers, and the outliers with their reasons.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use serde_json::{Map, Value, json};

use super::detector::{Detector, Outlier};
use crate::step::data_engineering::parts;
use crate::step::{Progress, StagedTable, StepContext, StepError};
use crate::table::{TableReader, free_name};

/// Writes all bound sets, the table of what was dropped, the detector and the report.
pub(super) fn sets(
    context: &mut StepContext,
    kind: &str,
    columns: &[String],
    detector: &Detector<'_>,
) -> Result<(), StepError> {
    let fit = context.table("fit")?;
    let names: Vec<String> = fit.columns().map(str::to_owned).collect();
    let schema = dropped_schema(fit.schema());
    let mut dropped = context.create_table(&schema)?;
    let mut counts = Map::new();
    for set in ["fit", "valid", "test"] {
        let Some(table) = context.optional_table(set)? else { continue };
        let mut left = context.create_table(table.schema())?;
        let gone = one(context, set, &table, &names, columns, detector, &mut left, &mut dropped)?;
        if set == "fit" && gone == table.rows() {
            return Err(StepError::input("nothing_left", "every row of the fit table would be left out")
                .help("look at fewer `columns`, or draw the line farther out"));
        }
        if set != "fit" && gone > 0 {
            context.log(format!("warning: {gone} rows of `{set}` are left out, so it no longer stands for all rows"));
        }
        context.finish_table(set, left)?;
        context.log(format!("{set}: {gone} of {} rows are left out", table.rows()));
        context.metric(format!("{set}_dropped"), gone as f64);
        counts.insert(set.to_owned(), json!({"rows": table.rows(), "dropped": gone}));
        parts::identity(context, set, set, &table)?;
    }
    context.finish_table("dropped", dropped)?;
    context.commit_report("detector", &detector.to_json(columns))?;
    let report = json!({"method": kind, "columns": columns, "sets": Value::Object(counts)});
    context.commit_report("report", &report)?;
    Ok(())
}

/// Writes one set and says how many rows were left out.
#[expect(clippy::too_many_arguments, reason = "two tables are read and two are written, and a row is judged between")]
fn one(
    context: &mut StepContext,
    set: &str,
    table: &TableReader,
    names: &[String],
    columns: &[String],
    detector: &Detector<'_>,
    left: &mut StagedTable,
    dropped: &mut StagedTable,
) -> Result<u64, StepError> {
    let schema = dropped_schema(context.table("fit")?.schema());
    let (mut first, mut gone) = (0_usize, 0_u64);
    for batch in table.batches()? {
        context.check_cancelled()?;
        let batch = batch?;
        let judged =
            detector.judge(&batch, columns, (set == "fit").then_some(first), &mut |_| context.check_cancelled())?;
        let places = |is_gone: bool| -> UInt32Array {
            (0_u32..).zip(&judged).filter(|(_, outlier)| outlier.is_some() == is_gone).map(|(row, _)| row).collect()
        };
        left.write(&take_record_batch(&batch, &places(false))?)?;
        let out = places(true);
        if !out.is_empty() {
            gone += out.len() as u64;
            let outliers: Vec<&Outlier> = judged.iter().flatten().collect();
            dropped.write(&excerpt(&schema, set, names, &batch, &out, &outliers, first)?)?;
        }
        first += batch.num_rows();
        context.progress(&Progress {
            done: first as u64,
            total: Some(table.rows()),
            unit: "rows",
            note: set.to_owned(),
        });
    }
    Ok(gone)
}

fn dropped_schema(table: &Schema) -> SchemaRef {
    let free = |name: &str| free_name(name, |name| table.index_of(name).is_ok());
    let own = [
        Field::new(free("set"), DataType::Utf8, false),
        Field::new(free("reason"), DataType::Utf8, false),
        Field::new(free("score"), DataType::Float64, true),
        Field::new(free("row_number"), DataType::Int64, false),
    ];
    let theirs = table.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(own.into_iter().chain(theirs).collect::<Vec<_>>()))
}

fn excerpt(
    schema: &SchemaRef,
    set: &str,
    names: &[String],
    batch: &RecordBatch,
    places: &UInt32Array,
    outliers: &[&Outlier],
    first: usize,
) -> Result<RecordBatch, StepError> {
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(outliers.iter().map(|_| set))),
        Arc::new(StringArray::from_iter_values(outliers.iter().map(|outlier| &outlier.reason))),
        Arc::new(outliers.iter().map(|outlier| outlier.score).collect::<Float64Array>()),
        Arc::new(places.values().iter().map(|row| i64::try_from(first + *row as usize).ok()).collect::<Int64Array>()),
    ];
    let taken = take_record_batch(batch, places)?;
    for (place, name) in names.iter().enumerate() {
        let column = taken.column_by_name(name).filter(|it| it.data_type() == schema.field(4 + place).data_type());
        let column = column.ok_or_else(|| {
            let message = format!("the table `{set}` has no column `{name}` of the type that the fit table has");
            StepError::input("column_missing", message).help("make all tables by the same steps")
        })?;
        columns.push(Arc::clone(column));
    }
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
