//! The kind itself: builds the bundle, tries it, and asks for its registration.

use std::fs;
use std::path::Path;

use arrow::array::TimestampMicrosecondArray;
use arrow::array::{ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray, new_null_array};
use arrow::datatypes::{DataType, Field};
use arrow::record_batch::RecordBatch;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

use super::evidence::Evidence;
use super::gates;
use crate::artifact::ArtifactKind;
use crate::id::{EndpointName, PipelineName, is_name};
use crate::ml::bundle::{self, Bundle, BundleError, BundleRecord, InputColumn};
use crate::ml::model::TrainedModel;
use crate::ml::transform::FittedPipeline;
use crate::phase::Phase;
use crate::step::understanding::contract::{ContractFile, mismatches};
use crate::step::{Effect, InputPort, OutputPort, ParamErrors, Ports, Registration, StepContext, StepError, StepKind};
use crate::table::roles::Task;

/// Registers the model as a version of an endpoint and moves an alias to it. Refused unless all blocking gates of the
/// phases before have passed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The endpoint, which is also the name of the model.
    pub endpoint: String,
    /// The alias that moves to the new version. `champion` is what `phaseline serve` answers with.
    #[serde(default = "champion")]
    pub alias: String,
    /// Deploy although the pipeline has no gates.
    #[serde(default)]
    pub ungated: bool,
    /// The schema contract of the source: `file:contracts/customers.yaml`. It travels in the bundle, and the endpoint refuses
    /// rows that break its rules.
    #[serde(default)]
    pub contract: Option<ContractFile>,
}

fn champion() -> String {
    "champion".to_owned()
}

/// A `deploy.endpoint` step.
pub struct DeployEndpoint {
    endpoint: EndpointName,
    alias: String,
    ungated: bool,
    contract: Option<ContractFile>,
}

impl StepKind for DeployEndpoint {
    const NAME: &'static str = "deploy.endpoint";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::Deployment;
    const SUMMARY: &'static str = "Puts a model behind an endpoint, once the gates have passed.";
    const EFFECT: Effect = Effect::External;
    const EXAMPLE: &'static str = "\
uses: deploy.endpoint
inputs: {model: best, transform: features.transform, evidence: report}
with: {endpoint: churn, alias: champion}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        let endpoint = params
            .endpoint
            .parse()
            .map_err(|error: crate::id::InvalidId| ParamErrors::one(["endpoint"], error.to_string()))?;
        if !is_name(&params.alias) {
            let message = format!("`{}` is not an alias: use lower-case letters, digits or `_`", params.alias);
            return Err(ParamErrors::one(["alias"], message));
        }
        Ok(DeployEndpoint { endpoint, alias: params.alias, ungated: params.ungated, contract: params.contract })
    }

    fn ports(&self) -> Ports {
        let inputs = [
            InputPort::one("model", ArtifactKind::Model),
            InputPort::one("transform", ArtifactKind::Transform),
            InputPort::optional("evidence", ArtifactKind::Report),
        ];
        Ports::new(inputs, [OutputPort::new("bundle", ArtifactKind::Model)])
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        for warning in gates::check(&context.surroundings().record, self.ungated)? {
            context.log(warning);
        }
        let model_artifact = context.input("model")?.artifact.clone();
        let transform_artifact = context.input("transform")?.artifact.clone();
        let (model_path, transform_path) = (context.path(&model_artifact)?, context.path(&transform_artifact)?);
        let model = TrainedModel::load(&model_path).map_err(|error| unusable("model", error.into()))?;
        let memory_bytes = context.surroundings().memory_bytes;
        let transform = FittedPipeline::load(&transform_path, memory_bytes);
        let transform = transform.map_err(|error| unusable("transform", error.into()))?;
        bundle::check_fit(&model, &transform).map_err(|error| mismatch(&error))?;

        self.check_contract(&transform)?;
        let evidence = Evidence::read(context)?;
        let record =
            self.record(context, &model, &transform, evidence, (model_artifact.digest, transform_artifact.digest));
        let staged = context.stage(ArtifactKind::Model)?;
        copy_folder(&model_path, &staged.path().join(bundle::MODEL))?;
        copy_folder(&transform_path, &staged.path().join(bundle::TRANSFORM))?;
        Bundle::save_record(&record, staged.path()).map_err(|error| unusable("bundle", error))?;
        try_out(staged.path(), memory_bytes)?;

        let bundle = context.commit("bundle", staged, None)?;
        context.log(format!("{} is ready for endpoint `{}`", bundle.digest.short(), self.endpoint));
        context.register(Registration {
            endpoint: self.endpoint.clone(),
            alias: self.alias.clone(),
            bundle,
            model: model_artifact,
        });
        Ok(())
    }
}

impl DeployEndpoint {
    /// Refuses a contract that is not about the columns that the model takes.
    fn check_contract(&self, transform: &FittedPipeline) -> Result<(), StepError> {
        let Some(file) = &self.contract else { return Ok(()) };
        let found = mismatches(file.contract(), &transform.input_schema());
        if found.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = found.iter().map(|line| format!("\n  - {line}")).collect();
        let message = format!("the model does not fit {}:{}", file.contract(), lines.concat());
        Err(StepError::input("contract_mismatch", message)
            .help("bind the contract of the table that the transform was fitted on, or leave `contract` out"))
    }

    fn record(
        &self,
        context: &StepContext,
        model: &TrainedModel,
        transform: &FittedPipeline,
        evidence: Evidence,
        (model_digest, transform_digest): (crate::artifact::Digest, crate::artifact::Digest),
    ) -> BundleRecord {
        let pipeline = context.surroundings().record.get("pipeline").and_then(serde_json::Value::as_str);
        let task = model.task();
        BundleRecord {
            format: bundle::FORMAT,
            endpoint: self.endpoint.clone(),
            pipeline: pipeline.and_then(|name| name.parse::<PipelineName>().ok()),
            task: task.as_str().to_owned(),
            classes: task.classes().to_vec(),
            threshold: matches!(task, Task::Binary { .. }).then_some(evidence.threshold),
            inputs: transform
                .needed_columns()
                .map(|column| InputColumn {
                    name: column.name.clone(),
                    column_type: column.column_type,
                    nullable: column.nullable,
                })
                .collect(),
            ignored: transform.ignored_columns(),
            features: model.features().iter().map(|feature| feature.name.clone()).collect(),
            model: model_digest,
            transform: transform_digest,
            evidence: evidence.digest,
            metrics: evidence.metrics,
            contract: self.contract.as_ref().and_then(|file| serde_json::to_value(file.contract()).ok()),
        }
    }
}

fn unusable(what: &str, error: BundleError) -> StepError {
    StepError::input("deploy_unusable", format!("the {what} cannot be deployed: {error}"))
        .help("deploy a model of a `train.*` step with the transform of the `feature.pipeline` step that fed it")
        .caused_by(error)
}

fn mismatch(error: &BundleError) -> StepError {
    StepError::input("model_transform_mismatch", error.to_string())
        .help("bind `transform` to the `feature.pipeline` step whose tables the model was trained on")
}

/// Loads the bundle as the server will, and predicts one row.
fn try_out(folder: &Path, memory_bytes: Option<u64>) -> Result<(), StepError> {
    let bundle = Bundle::load(folder, memory_bytes).map_err(|error| unusable("bundle", error))?;
    let predictions = plain_row(&bundle)
        .map_err(StepError::from)
        .and_then(|row| bundle.predict(&row).map_err(|error| unusable("bundle", error)))?;
    match predictions.rows() {
        1 => Ok(()),
        count => Err(StepError::bug(format!("the bundle gave {count} predictions for one row"))),
    }
}

/// A row of ordinary values: null where that is taken.
fn plain_row(bundle: &Bundle) -> Result<RecordBatch, arrow::error::ArrowError> {
    let schema = bundle.input_schema();
    let columns: Vec<ArrayRef> = schema.fields().iter().map(|field| plain_value(field)).collect();
    RecordBatch::try_new(schema, columns)
}

fn plain_value(field: &Field) -> ArrayRef {
    match field.data_type() {
        kind if field.is_nullable() => new_null_array(kind, 1),
        DataType::Int64 => Arc::new(Int64Array::from(vec![1])),
        DataType::Float64 => Arc::new(Float64Array::from(vec![1.0])),
        DataType::Boolean => Arc::new(BooleanArray::from(vec![true])),
        DataType::Utf8 => Arc::new(StringArray::from(vec!["a value that was not seen in training"])),
        DataType::Date32 => Arc::new(Date32Array::from(vec![20_000])),
        DataType::Timestamp(..) => Arc::new(TimestampMicrosecondArray::from(vec![1_700_000_000_000_000])),
        kind => new_null_array(kind, 1),
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), StepError> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
