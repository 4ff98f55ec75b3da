//! `information_value`: columns that say little about the target go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chosen::{Choice, Chosen, promise};
use super::intervals::{Strategy, interval};
use super::kept::{Kept, Missing};
use crate::ml::transform::TransformError;
use crate::ml::transform::frame::Frame;
use crate::ml::transform::learn::{BYTES_PER_KEPT_VALUE, Learner, LearningRows};
use crate::ml::transform::plan::{Columns, Plan, Planning, Scope, Transform};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::stats::whole;

/// The key in manifests.
const KEY: &str = "information_value";

/// Takes columns away whose information value about a target of two classes is below `threshold` (feature-engine's
/// `SelectByInformationValue`): numbers by intervals, texts and booleans by their values. Below 0.02 a column says
/// nothing, from 0.3 on much, above 0.5 suspiciously much. Keeps the columns' values while learning. A bare number is the
/// threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "InformationValue")]
pub(in crate::ml::transform) struct Params {
    /// The least information value of a column that goes on.
    #[serde(default = "fifth")]
    threshold: f64,
    /// The number of intervals of a number.
    #[serde(default = "five")]
    #[schemars(range(min = 1, max = 1000))]
    bins: u32,
    /// How the intervals are made.
    #[serde(default = "equal_width")]
    strategy: Strategy,
    /// The share that counts for a class that an interval or a value has no row of; without it that is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fill_value: Option<f64>,
}

fn fifth() -> f64 {
    0.2
}

fn five() -> u32 {
    5
}

fn equal_width() -> Strategy {
    Strategy::EqualWidth
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("threshold");
    const COLUMNS: Columns = Columns::Selected("@all");
    const SCOPE: Scope = Scope::Together;
    const EXAMPLE: &'static str = "{information_value: {threshold: 0.001, bins: 3}, columns: [months]}";

    fn check(&self) -> Result<(), String> {
        match self.fill_value {
            _ if !self.threshold.is_finite() => Err(format!("`threshold: {}` must be a number", self.threshold)),
            _ if !(1..=1000).contains(&self.bins) => Err(format!("`bins: {}` must be from 1 to 1000", self.bins)),
            Some(fill) if !(fill > 0.0 && fill < 1.0) => Err(format!("`fill_value: {fill}` must be between 0 and 1")),
            _ => Ok(()),
        }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        if planning.is_open {
            return Ok(Plan::Wait);
        }
        if planning.facts.classes.len() != 2 {
            let message = format!("`{KEY}` needs a target with two classes");
            return Err(TransformError::input("wrong_task", message).help("take `k_best` or `from_model`"));
        }
        let columns = planning.columns.iter().map(|name| Kept::of(KEY, name, planning)).collect::<Result<_, _>>()?;
        let learner = Informed { params: self.clone(), columns, targets: Vec::new() };
        Ok(Plan::Learn(Box::new(learner), promise(planning)?))
    }
}

struct Informed {
    params: Params,
    columns: Vec<Kept>,
    targets: Vec<f64>,
}

impl Learner for Informed {
    fn learn(&mut self, frame: &Frame, rows: &LearningRows<'_>) -> Result<(), TransformError> {
        self.targets.extend(rows.targets);
        self.columns.iter_mut().try_for_each(|column| column.learn(KEY, frame, Missing::Refused))
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let Informed { params, columns, targets } = *self;
        let mut choices = Vec::new();
        for column in columns {
            let value = match &column.categories {
                Some(categories) => params.value(&column, &targets, categories.len(), whole),
                None => {
                    let limits = params.strategy.limits(&column.values, params.bins);
                    params.value(&column, &targets, limits.len() + 1, |value| interval(&limits, value))
                }
            }?;
            let kept = value >= params.threshold;
            let side = if kept { "not below" } else { "below" };
            let reason = format!("its information value is {side} {}", params.threshold);
            choices.push(Choice::new(KEY, column.name, kept, Some(value), reason));
        }
        Ok(Unit::InformationValue(Chosen::new(KEY, choices)?))
    }

    fn kept_bytes(&self, rows: u64) -> u64 {
        rows.saturating_mul((self.columns.len() as u64 + 2) * BYTES_PER_KEPT_VALUE)
    }
}

impl Params {
    /// The information value of a column by the place of each value among `places`.
    fn value(
        &self,
        column: &Kept,
        targets: &[f64],
        places: usize,
        place: impl Fn(f64) -> usize,
    ) -> Result<f64, TransformError> {
        let mut counts = vec![[0.0_f64; 2]; places];
        for (value, target) in column.values.iter().zip(targets) {
            counts[place(*value)][whole(*target)] += 1.0;
        }
        let total = |class: usize| counts.iter().map(|counts| counts[class]).sum::<f64>();
        let totals = [total(0), total(1)];
        let mut value = 0.0;
        for counts in counts.iter().filter(|counts| counts[0] + counts[1] > 0.0) {
            let share = |class: usize| match self.fill_value {
                _ if counts[class] > 0.0 => Ok(counts[class] / totals[class]),
                Some(fill) => Ok(fill),
                None => {
                    let message = format!(
                        "`{KEY}` finds values of column `{}` where every row is of the same class, which has no odds",
                        column.name
                    );
                    Err(TransformError::input("one_class", message).help(
                        "give `fill_value`, such as 0.0001; or take fewer `bins`, `strategy: equal_frequency`, or `rare_label` before",
                    ))
                }
            };
            let (negative, positive) = (share(0)?, share(1)?);
            value += (positive - negative) * (positive / negative).ln();
        }
        Ok(value)
    }
}
