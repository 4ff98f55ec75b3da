//! `balance.class_weight`: rows keep their number and get weights.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use arrow::record_batch::RecordBatch;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::input::{Categories, Layout, classes};
use super::write;
use crate::artifact::ArtifactKind;
use crate::phase::Phase;
use crate::step::model_engineering::class_weight::{ClassWeight, ClassWeightRule};
use crate::step::{InputPort, OutputPort, ParamErrors, Ports, StepContext, StepError, StepKind};
use crate::table::roles::Role;

/// Gives each row the weight of its class, as scikit-learn's `compute_sample_weight`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The column with the classes; by default the one that `feature.pipeline` marked as the target.
    #[serde(default)]
    pub target: Option<String>,
    /// `balanced` (rare classes count as much as frequent ones), or a number for each label (those not named count 1).
    #[serde(default = "balanced")]
    pub class_weight: ClassWeight,
    /// The name of the column with the weights. A weight that `feature.pipeline` marked is multiplied instead.
    #[serde(default = "weight")]
    pub column: String,
}

fn balanced() -> ClassWeight {
    ClassWeight::Rule(ClassWeightRule::Balanced)
}

fn weight() -> String {
    "weight".to_owned()
}

/// A step that weighs rows by their class.
pub struct BalanceClassWeight {
    params: Params,
}

impl StepKind for BalanceClassWeight {
    const NAME: &'static str = "balance.class_weight";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::DataEngineering;
    const SUMMARY: &'static str = "Gives training rows the weight of their class, so that rare classes count as much.";
    const EXAMPLE: &'static str = "\
uses: balance.class_weight
inputs: {train: features.fit}
with: {class_weight: balanced}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        Ok(BalanceClassWeight { params })
    }

    fn ports(&self) -> Ports {
        Ports::new(
            [InputPort::one("train", ArtifactKind::Table).training()],
            [
                OutputPort::new("train", ArtifactKind::Table).resampled(),
                OutputPort::new("report", ArtifactKind::Report),
            ],
        )
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let table = context.table("train")?;
        let layout = Layout::of(&table, self.params.target.as_deref(), None, &Categories::Carried, false)?;
        let codes = classes(&table, &layout.target, context)?;
        if codes.counts.is_empty() {
            return Err(StepError::input("table_empty", "the table has no rows to weigh"));
        }
        let weights = self.params.class_weight.of_counts(&codes.values, &codes.counts)?;
        let mut fields = table.schema().fields().to_vec();
        let has_roles = fields.iter().any(|field| Role::of(field).is_some());
        let marked = fields.iter().position(|field| Role::of(field) == Some(Role::Weight));
        if marked.is_none() {
            let name = &self.params.column;
            if table.columns().any(|column| column == name) {
                return Err(StepError::input("duplicate_column", format!("the table already has a column `{name}`"))
                    .help("give the weights another name with `column`"));
            }
            let field = Field::new(name, DataType::Float64, false);
            fields.push(Arc::new(if has_roles { Role::Weight.mark(field) } else { field }));
        }
        let schema = Arc::new(Schema::new_with_metadata(fields, table.schema().metadata().clone()));
        let mut output = context.create_table(&schema)?;
        let mut row = 0;
        for batch in table.batches()? {
            context.check_cancelled()?;
            let batch = batch?;
            let classes = &codes.of_row[row..row + batch.num_rows()];
            row += batch.num_rows();
            let mut columns = batch.columns().to_vec();
            let of_class = classes.iter().map(|class| weights[*class as usize]);
            match marked {
                None => columns.push(Arc::new(of_class.map(Some).collect::<Float64Array>()) as ArrayRef),
                Some(place) => {
                    let known = cast(&columns[place], &DataType::Float64)?;
                    let known = known.as_primitive::<Float64Type>().iter();
                    let product: Float64Array =
                        known.zip(of_class).map(|(known, weight)| known.map(|known| known * weight)).collect();
                    columns[place] = cast(&product, schema.field(place).data_type())?;
                }
            }
            output.write(&RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
        }
        context.finish_table("train", output)?;
        write::lineage(context, &table, &layout, Self::NAME, false)?;
        let rows = codes.values.iter().zip(&codes.counts).zip(&weights);
        let described: Vec<_> =
            rows.map(|((class, rows), weight)| json!({"class": class, "rows": rows, "weight": weight})).collect();
        for (class, weight) in codes.values.iter().zip(&weights) {
            context.log(format!("class `{class}` has the weight {weight}"));
        }
        context.commit_report("report", &json!({"target": layout.target, "classes": described}))?;
        Ok(())
    }
}
