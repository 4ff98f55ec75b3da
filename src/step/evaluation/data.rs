//! What all evaluation steps share: reading the model and the tables, and writing the outputs.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, StringArray};
use arrow::datatypes::{Field, Schema};
use arrow::record_batch::RecordBatch;

use super::card;
use super::findings::Findings;
use super::measured;
use super::slices::{self, SliceColumn};
use crate::artifact::ArtifactKind;
use crate::ml::dataset::Dataset;
use crate::ml::importance::{Importance, feature_groups, permutation_importance};
use crate::ml::model::{Predictions, TrainedModel};
use crate::step::model_engineering::training::in_input;
use crate::step::{InputPort, OutputPort, Ports, StepContext, StepError};
use crate::table::roles::RAW_PREFIX;

/// More rows than this add nothing to an importance but time.
const IMPORTANCE_ROWS: usize = 10_000;

/// The ports of every evaluation step.
pub(super) fn ports() -> Ports {
    Ports::new(
        [InputPort::one("model", ArtifactKind::Model), InputPort::one("test", ArtifactKind::Table).measuring()],
        [
            OutputPort::new("report", ArtifactKind::Report),
            OutputPort::new("card_md", ArtifactKind::File),
            OutputPort::new("card_html", ArtifactKind::File),
            OutputPort::new("predictions", ArtifactKind::Table),
        ],
    )
}

/// A model with the rows it is measured on.
pub(super) struct Subject {
    pub(super) model: TrainedModel,
    pub(super) test: Dataset,
    pub(super) predictions: Predictions,
    pub(super) slices: Vec<SliceColumn>,
    raw_columns: Vec<String>,
}

impl Subject {
    /// Reads `model` and `test`, predicts, and groups the rows by the columns `slices`.
    pub(super) fn load(context: &StepContext, slice_columns: &[String]) -> Result<Subject, StepError> {
        let model = TrainedModel::load(&context.path(&context.input("model")?.artifact)?)?;
        let table = context.table("test")?;
        let slices = slice_columns.iter().map(|name| slices::slice(&table, name)).collect::<Result<_, _>>()?;
        let raw_columns = table.columns().filter_map(|name| name.strip_prefix(RAW_PREFIX)).map(str::to_owned).collect();
        let test = load_like(&model, "test", context)?;
        let predictions = model.predict_matrix(&test.features)?;
        Ok(Subject { model, test, predictions, slices, raw_columns })
    }

    /// Permutation importances by the score that suits the task.
    pub(super) fn importance(&self, score: &str, repeats: usize, seed: u64) -> Result<Vec<Importance>, StepError> {
        if repeats == 0 {
            return Ok(Vec::new());
        }
        let groups = feature_groups(self.model.features(), &self.raw_columns);
        let every = self.test.rows().div_ceil(IMPORTANCE_ROWS);
        let sampled: Vec<usize> = (0..self.test.rows()).step_by(every).collect();
        let sample = self.test.take(&sampled);
        Ok(permutation_importance(&self.model, &sample, &groups, score, repeats, seed)?)
    }
}

/// Reads the table bound to `input`, which must have what `model` was trained on.
pub(super) fn load_like(model: &TrainedModel, input: &str, context: &StepContext) -> Result<Dataset, StepError> {
    let dataset = Dataset::load(&context.table(input)?).map_err(|error| in_input(input, error))?;
    let same_pipeline = "take it from the same `feature.pipeline` step as the table that the model was trained on";
    if dataset.task != *model.task() {
        let message = format!("input `{input}` has another target than the model was trained on");
        return Err(StepError::input("other_target", message).help(same_pipeline));
    }
    if dataset.features.features() != model.features() {
        let missing = model.features().iter().find(|feature| !dataset.features.features().contains(feature));
        let detail = missing.map_or(String::new(), |feature| format!("; it lacks `{}`", feature.name));
        let message = format!("input `{input}` has other features than the model was trained on{detail}");
        return Err(StepError::input("other_features", message).help(same_pipeline));
    }
    Ok(dataset)
}

/// Publishes everything that was found: metrics, report, cards and predictions.
pub(super) fn publish(
    context: &mut StepContext,
    subject: &Subject,
    findings: &Findings,
    threshold: f64,
) -> Result<(), StepError> {
    measured::report_metrics(context, &findings.metrics, &findings.slices);
    context.commit_report("report", &findings.to_json())?;
    let record = context.surroundings().record.clone();
    let card = card::Card::new(findings, &record);
    for (output, text) in [("card_md", card.markdown()), ("card_html", card.html())] {
        let staged = context.stage(ArtifactKind::File)?;
        std::fs::write(staged.path(), text)?;
        context.commit(output, staged, None)?;
    }
    let batch = prediction_rows(subject, threshold)?;
    let mut table = context.create_table(&batch.schema())?;
    table.write(&batch)?;
    context.finish_table("predictions", table)?;
    Ok(())
}

/// One row per test row: the slice columns, the truth and what the model says.
fn prediction_rows(subject: &Subject, threshold: f64) -> Result<RecordBatch, StepError> {
    let rows = subject.test.rows();
    let classes = subject.test.task.classes();
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for column in &subject.slices {
        let mut values = vec![None; rows];
        for slice in &column.slices {
            slice.rows.iter().for_each(|row| values[*row] = Some(slice.value.as_str()));
        }
        columns.push((column.name.clone(), Arc::new(StringArray::from(values))));
    }
    if classes.is_empty() {
        let predicted: Float64Array = (0..rows).map(|row| subject.predictions.value(row)).collect();
        columns.push(("target".to_owned(), Arc::new(Float64Array::from(subject.test.target.clone()))));
        columns.push(("predicted".to_owned(), Arc::new(predicted)));
    } else {
        let text = |labels: Vec<usize>| -> ArrayRef {
            Arc::new(labels.into_iter().map(|label| Some(classes[label].as_str())).collect::<StringArray>())
        };
        let predicted = (0..rows).filter_map(|row| subject.predictions.class(row, threshold)).collect();
        columns.push(("target".to_owned(), text(subject.test.labels())));
        columns.push(("predicted".to_owned(), text(predicted)));
        let probabilities: Vec<Vec<f64>> = (0..rows).map(|row| subject.predictions.probabilities(row)).collect();
        for (class, label) in classes.iter().enumerate() {
            let column: Float64Array = probabilities.iter().map(|row| Some(row[class])).collect();
            columns.push((format!("probability.{label}"), Arc::new(column)));
        }
    }
    let field = |(name, array): &(String, ArrayRef)| Field::new(name, array.data_type().clone(), true);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<Field>>());
    Ok(RecordBatch::try_new(Arc::new(schema), columns.into_iter().map(|(_, array)| array).collect())?)
}
