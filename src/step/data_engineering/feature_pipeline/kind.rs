//! The kind: params, ports, and the order of work.

use schemars::JsonSchema;
use serde::Deserialize;

use super::output::write_split;
use super::selection;
use crate::artifact::ArtifactKind;
use crate::ml::transform::{
    self, FitOptions, FittedPipeline, InputColumn, PipelineSpec, Selector, TargetSpec, TransformError, TransformSpec,
};
use crate::phase::Phase;
use crate::step::{
    Dependency, InputPort, OutputPort, ParamError, ParamErrors, Ports, StepContext, StepError, StepKind,
};
use crate::table::roles::Task;

/// What the model shall predict, and the transforms that make features of the other columns.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// What the model shall predict.
    pub target: TargetSpec,
    /// Columns that are neither features nor expected in requests, such as identifiers.
    #[serde(default)]
    pub drop: Option<Selector>,
    /// The column with the weight of each row; not a feature.
    #[serde(default)]
    pub weight: Option<String>,
    /// Leave rows without a target out, instead of refusing the table.
    #[serde(default)]
    pub drop_null_target: bool,
    /// The transforms, each after the one before. `@numeric` selects numbers that do not stand for categories, so a
    /// `standardize` after a `one_hot` leaves the 0/1 columns alone. `docs/transforms.md` has them all.
    #[serde(default)]
    pub transforms: Vec<TransformSpec>,
    /// Dropped columns that are still copied into the outputs as `raw.NAME`, for slices of an evaluation.
    #[serde(default)]
    pub keep_raw: Vec<String>,
}

/// Fits and applies a feature pipeline.
pub struct FeaturePipeline {
    spec: PipelineSpec,
    keep_raw: Vec<String>,
}

impl StepKind for FeaturePipeline {
    const NAME: &'static str = "feature.pipeline";
    const VERSION: u32 = 3;
    const PHASE: Phase = Phase::DataEngineering;
    const SUMMARY: &'static str =
        "Fits imputation, encoding, scaling and derived columns on the fit table and applies them to every split.";
    const EXAMPLE: &'static str = r#"uses: feature.pipeline
inputs: {fit: split.train, valid: split.valid, test: split.test}
with:
  target: {column: Churn, positive: "Yes"}
  drop: [customerID]
  transforms:
    - {impute: median, columns: [TotalCharges]}
    - {derive: charge_per_month, as: TotalCharges / (tenure + 1)}
    - {one_hot: {max_categories: 20}, columns: "@categorical"}
    - {standardize: {}, columns: "@numeric"}
"#;
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        let mut errors = Vec::new();
        let mut wrong = |path: Vec<String>, message: String| errors.push(ParamError { path, message, help: None });
        for (index, transform) in params.transforms.iter().enumerate() {
            if let Err(message) = transform.check() {
                wrong(vec!["transforms".to_owned(), index.to_string()], message);
            }
        }
        if let Some(Err(message)) = params.drop.as_ref().map(Selector::check) {
            wrong(vec!["drop".to_owned()], message);
        }
        if params.weight.as_ref() == Some(&params.target.column) {
            wrong(vec!["weight".to_owned()], "the target cannot be the weight".to_owned());
        }
        if !errors.is_empty() {
            return Err(ParamErrors(errors));
        }
        let Params { target, drop, weight, drop_null_target, transforms, keep_raw } = params;
        Ok(FeaturePipeline { spec: PipelineSpec { target, drop, weight, drop_null_target, transforms }, keep_raw })
    }

    fn ports(&self) -> Ports {
        Ports::new(
            [
                InputPort::one("fit", ArtifactKind::Table).learning(),
                InputPort::optional("valid", ArtifactKind::Table).measuring(),
                InputPort::optional("test", ArtifactKind::Table).measuring(),
            ],
            [
                OutputPort::new("fit", ArtifactKind::Table).from_inputs(&["fit"]),
                // What was learned from `fit` is in every number of the other tables.
                OutputPort::new("valid", ArtifactKind::Table)
                    .from_inputs(&["fit", "valid"])
                    .with_rows_of(&["valid"])
                    .maybe(),
                OutputPort::new("test", ArtifactKind::Table)
                    .from_inputs(&["fit", "test"])
                    .with_rows_of(&["test"])
                    .maybe(),
                OutputPort::new("transform", ArtifactKind::Transform).from_inputs(&["fit"]),
                OutputPort::new("selection", ArtifactKind::Table).from_inputs(&["fit"]).maybe(),
            ],
        )
    }

    fn dependencies(&self) -> Vec<Dependency> {
        let files = self.spec.transforms.iter().flat_map(TransformSpec::files);
        files.map(|file| Dependency::Files(file.to_owned())).collect()
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let fit = context.table("fit")?;
        let surroundings = context.surroundings();
        let base_folder = surroundings.base_folder.clone();
        let options = FitOptions { seed: context.seed(), memory_bytes: surroundings.memory_bytes, base_folder };
        let pipeline = transform::fit(&self.spec, &fit, &options)?;
        report(context, &pipeline);
        let kept = self.kept(&pipeline, &fit)?;
        for split in ["fit", "valid", "test"] {
            if let Some(table) = context.optional_table(split)? {
                write_split(context, split, &table, &pipeline, &kept, self.spec.drop_null_target)?;
            }
        }
        selection::write(context, &pipeline)?;
        let staged = context.stage(ArtifactKind::Transform)?;
        pipeline.save(staged.path())?;
        context.commit("transform", staged, None)?;
        Ok(())
    }
}

impl FeaturePipeline {
    /// The columns that are copied as they come in.
    fn kept(&self, pipeline: &FittedPipeline, fit: &crate::table::TableReader) -> Result<Vec<InputColumn>, StepError> {
        let mut kept = pipeline.raw_columns().to_vec();
        for name in &self.keep_raw {
            if kept.iter().any(|column| column.name == *name) {
                continue;
            }
            let known = fit.schema().field_with_name(name).ok();
            let column_type = known.and_then(|field| transform::ColumnType::of(field.data_type()));
            let Some(column_type) = column_type else {
                let message =
                    format!("`keep_raw` names `{name}`, which is no column of the fit table that can be copied");
                return Err(StepError::input("column_missing", message)
                    .help(format!("there are: {}", fit.columns().collect::<Vec<_>>().join(", "))));
            };
            kept.push(InputColumn { name: name.clone(), column_type, nullable: true });
        }
        Ok(kept)
    }
}

fn report(context: &mut StepContext, pipeline: &FittedPipeline) {
    context.metric("features", pipeline.features().len() as f64);
    context.log(format!(
        "{} features from {} columns, {} target `{}`",
        pipeline.features().len(),
        pipeline.needed_columns().count(),
        pipeline.target.task().as_str(),
        pipeline.target.column
    ));
    if let (Task::Binary { classes: [_, label] }, [negative, positive]) =
        (pipeline.target.task(), pipeline.target.class_rows.as_slice())
    {
        context.metric("positive_share", *positive as f64 / (negative + positive) as f64);
        context.log(format!("the positive class is `{}`: {positive} of {} rows", label, negative + positive));
    }
}

impl From<TransformError> for StepError {
    fn from(error: TransformError) -> StepError {
        match error {
            TransformError::Input { code, ref message, .. } => {
                let step_error = StepError::input(code, message.clone());
                match error.remedy() {
                    Some(remedy) => step_error.help(remedy.to_owned()),
                    None => step_error,
                }
            }
            TransformError::Table(error) => error.into(),
            TransformError::Arrow(error) => error.into(),
            TransformError::Unreadable { .. } => StepError::input("transform_unreadable", error.to_string())
                .help("run the feature step again with this version of the program"),
        }
    }
}
