//! `augment.mixup`: rows that lie between two others, also in what they stand for.

use rand::RngExt;
use schemars::JsonSchema;
use serde::Deserialize;

use super::super::room;
use super::chance::{beta, check_share, copies, of_row};
use super::mixed::{Mixed, Target};
use super::table::{copy, finish, numbers, open, ports};
use crate::phase::Phase;
use crate::step::{ParamErrors, Ports, StepContext, StepError, StepKind};
use crate::table::BATCH_ROWS;

/// Adds training rows that lie on the line between a row and another one, at a share drawn from a beta distribution
/// (mixup, Zhang and others 2018). A target that is a number is mixed too. For classes there are two new rows on the same
/// spot, one with the label of each, and the shares are their weights: for a model that learns from the logarithm of
/// probabilities that is the same as mixed labels. What is no number comes from the row with the larger share.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The column with the target; by default the one that `feature.pipeline` marked.
    #[serde(default)]
    pub target: Option<String>,
    /// The columns that are mixed; by default the features that are numbers.
    #[serde(default)]
    pub columns: Option<Vec<String>>,
    /// Both parameters of the beta distribution: near 0 new rows lie at one of the two, with 1 anywhere between them.
    #[serde(default = "fifth")]
    #[schemars(range(min = 0))]
    pub alpha: f64,
    /// How many rows are mixed from each row, on average.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 100))]
    pub share: f64,
    /// The name of the column with the weights, if no column is marked as the weight.
    #[serde(default = "weight")]
    pub weight: String,
    /// Another seed than the run's.
    #[serde(default)]
    pub seed: Option<u64>,
}

fn fifth() -> f64 {
    0.2
}

fn one() -> f64 {
    1.0
}

fn weight() -> String {
    "weight".to_owned()
}

/// A step that mixes rows.
pub struct AugmentMixup {
    params: Params,
}

impl StepKind for AugmentMixup {
    const NAME: &'static str = "augment.mixup";
    const VERSION: u32 = 2;
    const PHASE: Phase = Phase::DataEngineering;
    const SUMMARY: &'static str = "Adds training rows that lie between two others, with mixed targets (mixup).";
    const EXAMPLE: &'static str = "\
uses: augment.mixup
inputs: {train: features.fit}
with: {alpha: 0.2, share: 0.5, seed: 7}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        check_share(params.share)?;
        if !(params.alpha > 0.0 && params.alpha <= 1000.0) {
            let message = format!("`alpha: {}` must be greater than 0 and at most 1000", params.alpha);
            return Err(ParamErrors::one(["alpha"], message));
        }
        Ok(AugmentMixup { params })
    }

    fn ports(&self) -> Ports {
        ports()
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let table = open(context)?;
        let target = Target::of(&table, self.params.target.as_deref())?;
        let mut names = numbers(&table, self.params.columns.as_deref())?;
        names.retain(|name| *name != target.name);
        let columns = table.columns().map(|column| table.column_bytes(column)).fold(0, u64::saturating_add);
        // The labels are there a second time, as texts.
        let labels = table.column_bytes(&target.name).max(table.rows().saturating_mul(24));
        let bytes = columns.saturating_add(labels);
        room::claim(context, "all training rows, to mix any two,", bytes, "mix a sample of the rows")?;
        let mut mixed = Mixed::new(&table, &target, &names, &self.params.weight, context)?;
        let mut output = context.create_table(&mixed.schema())?;
        copy(&table, &mut output, context, |batch| mixed.weighted(batch))?;
        let seed = self.params.seed.unwrap_or_else(|| context.seed());
        let rows = mixed.rows();
        let mut added = 0;
        for row in 0..rows {
            let mut random = of_row(seed, u64::from(row));
            for _ in 0..copies(&mut random, self.params.share) {
                let other = random.random_range(0..rows);
                mixed.push(row, other, beta(&mut random, self.params.alpha));
            }
            if mixed.waiting() >= BATCH_ROWS || row + 1 == rows {
                context.check_cancelled()?;
                let batch = mixed.take()?;
                added += batch.num_rows() as u64;
                output.write(&batch)?;
            }
        }
        context.finish_table("train", output)?;
        names.push(target.name);
        finish(context, &table, &names, "mixup", added)
    }
}
