//! The table of the columns that transforms have judged: which stay, which go, and why.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;

use crate::ml::transform::FittedPipeline;
use crate::step::{StepContext, StepError};

/// Publishes the output `selection` if a transform has chosen among columns.
pub(super) fn write(context: &mut StepContext, pipeline: &FittedPipeline) -> Result<(), StepError> {
    let choices = pipeline.choices();
    if choices.is_empty() {
        return Ok(());
    }
    let schema = Arc::new(Schema::new(vec![
        Field::new("column", DataType::Utf8, false),
        Field::new("transform", DataType::Utf8, false),
        Field::new("kept", DataType::Boolean, false),
        Field::new("score", DataType::Float64, true),
        Field::new("reason", DataType::Utf8, false),
    ]));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(choices.iter().map(|choice| &choice.column))),
        Arc::new(StringArray::from_iter_values(choices.iter().map(|choice| &choice.transform))),
        Arc::new(choices.iter().map(|choice| Some(choice.kept)).collect::<BooleanArray>()),
        Arc::new(choices.iter().map(|choice| choice.score).collect::<Float64Array>()),
        Arc::new(StringArray::from_iter_values(choices.iter().map(|choice| &choice.reason))),
    ];
    let mut table = context.create_table(&schema)?;
    table.write(&RecordBatch::try_new(schema, columns)?)?;
    context.finish_table("selection", table)?;
    let gone: Vec<&str> = choices.iter().filter(|choice| !choice.kept).map(|choice| choice.column.as_str()).collect();
    context.log(format!("{} of {} judged columns go: {}", gone.len(), choices.len(), gone.join(", ")));
    context.metric("columns_dropped", gone.len() as f64);
    Ok(())
}
