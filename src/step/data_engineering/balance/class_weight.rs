//! `balance.class_weight`: rows keep their number and get weights.

use std::sync::Arc;

use arrow::array::Float64Array;
use arrow::record_batch::RecordBatch;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::super::weights::Weights;
use super::input::{Categories, Layout, classes};
use super::write;
use crate::artifact::ArtifactKind;
use crate::phase::Phase;
use crate::step::model_engineering::class_weight::{ClassWeight, ClassWeightRule};
use crate::step::{InputPort, OutputPort, ParamErrors, Ports, StepContext, StepError, StepKind};

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
        let column = Weights::of(&table, &self.params.column, "column")?;
        let mut output = context.create_table(&column.schema)?;
        let mut row = 0;
        for batch in table.batches()? {
            context.check_cancelled()?;
            let batch = batch?;
            let classes = &codes.of_row[row..row + batch.num_rows()];
            row += batch.num_rows();
            let mut columns = batch.columns().to_vec();
            let of_class: Float64Array = classes.iter().map(|class| Some(weights[*class as usize])).collect();
            column.put(&mut columns, of_class)?;
            output.write(&RecordBatch::try_new(Arc::clone(&column.schema), columns)?)?;
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
