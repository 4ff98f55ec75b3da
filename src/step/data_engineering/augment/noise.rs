//! `augment.noise`: rows again, with noise on their numbers.

use arrow::array::{Float64Array, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::record_batch::RecordBatch;
use schemars::JsonSchema;
use serde::Deserialize;

use super::super::retyped;
use super::chance::{check_share, copies, of_row};
use super::table::{extend, floats, numbers, open, ports};
use crate::ml::normal::draw;
use crate::phase::Phase;
use crate::step::{ParamErrors, Ports, StepContext, StepError, StepKind};
use crate::table::TableReader;
use crate::table::sketch::Moments;

/// Adds training rows that are copies of others with normal noise on their numbers; everything else stays. Missing values
/// stay missing, whole numbers stay whole, and a number that its type could not hold stays as it was.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The columns that get noise; by default the features that are numbers and hold more than 0 and 1.
    #[serde(default)]
    pub columns: Option<Vec<String>>,
    /// The deviation of the noise, as a share of the deviation of the column.
    #[serde(default = "tenth")]
    #[schemars(range(min = 0))]
    pub scale: f64,
    /// How many rows are made of each row, on average.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 100))]
    pub share: f64,
    /// Another seed than the run's.
    #[serde(default)]
    pub seed: Option<u64>,
}

fn tenth() -> f64 {
    0.1
}

fn one() -> f64 {
    1.0
}

/// A step that adds rows with noise.
pub struct AugmentNoise {
    params: Params,
}

impl StepKind for AugmentNoise {
    const NAME: &'static str = "augment.noise";
    const VERSION: u32 = 2;
    const PHASE: Phase = Phase::DataEngineering;
    const SUMMARY: &'static str = "Adds training rows that are copies of others with noise on their numbers.";
    const EXAMPLE: &'static str = "\
uses: augment.noise
inputs: {train: features.fit}
with: {scale: 0.05, share: 0.5, seed: 7}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        check_share(params.share)?;
        if !(params.scale > 0.0 && params.scale.is_finite()) {
            return Err(ParamErrors::one(["scale"], format!("`scale: {}` must be greater than 0", params.scale)));
        }
        Ok(AugmentNoise { params })
    }

    fn ports(&self) -> Ports {
        ports()
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let table = open(context)?;
        let names = numbers(&table, self.params.columns.as_deref())?;
        let widths = self.widths(&table, &names, context)?;
        let seed = self.params.seed.unwrap_or_else(|| context.seed());
        let changed: Vec<String> = widths.iter().map(|(name, _)| name.clone()).collect();
        extend(context, &table, &changed, "noise", |batch, first| self.noisy(batch, first, seed, &widths))
    }
}

impl AugmentNoise {
    /// The columns that get noise, with its deviation.
    fn widths(
        &self,
        table: &TableReader,
        names: &[String],
        context: &StepContext,
    ) -> Result<Vec<(String, f64)>, StepError> {
        let columns: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut seen = vec![(Moments::default(), true); names.len()];
        for batch in table.select(&columns)? {
            context.check_cancelled()?;
            for ((moments, is_flag), array) in seen.iter_mut().zip(batch?.columns()) {
                let array = floats(array)?;
                let values = array.iter().flatten().filter(|value| value.is_finite());
                moments.merge(&Moments::of(values.clone()));
                *is_flag &=
                    values.into_iter().all(|value| value.total_cmp(&0.0).is_eq() || value.total_cmp(&1.0).is_eq());
            }
        }
        let is_named = self.params.columns.is_some();
        let widths = names.iter().zip(seen).filter(|(_, (_, is_flag))| is_named || !is_flag);
        let width = |moments: &Moments| moments.stdev().map_or(0.0, |deviation| deviation * self.params.scale);
        Ok(widths.map(|(name, (moments, _))| (name.clone(), width(&moments))).collect())
    }

    /// The new rows that the rows of `batch` give.
    fn noisy(
        &self,
        batch: &RecordBatch,
        first: u64,
        seed: u64,
        widths: &[(String, f64)],
    ) -> Result<RecordBatch, StepError> {
        let mut rows = Vec::new();
        let mut noise: Vec<Vec<f64>> = vec![Vec::new(); widths.len()];
        for (place, row) in (0..batch.num_rows()).zip(first..) {
            let mut random = of_row(seed, row);
            for _ in 0..copies(&mut random, self.params.share) {
                rows.push(u32::try_from(place).unwrap_or(u32::MAX));
                for (noise, (_, width)) in noise.iter_mut().zip(widths) {
                    noise.push(draw(&mut random) * width);
                }
            }
        }
        let copied = take_record_batch(batch, &UInt32Array::from(rows))?;
        let mut columns = copied.columns().to_vec();
        for ((name, _), noise) in widths.iter().zip(noise) {
            let place = batch.schema_ref().index_of(name)?;
            let values = floats(&columns[place])?;
            let moved: Float64Array =
                values.iter().zip(noise).map(|(value, noise)| value.map(|value| value + noise)).collect();
            columns[place] = retyped::like(&columns[place], moved)?;
        }
        Ok(RecordBatch::try_new(copied.schema(), columns)?)
    }
}
