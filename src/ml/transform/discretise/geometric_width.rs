//! `geometric_width`: numbers into intervals that grow by a factor.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::intervals::Intervals;
use crate::ml::transform::frame::{Frame, Kind};
use crate::ml::transform::gather::Range;
use crate::ml::transform::learn::{Learner, LearningRows};
use crate::ml::transform::needs::need_numbers;
use crate::ml::transform::plan::{Plan, Planning, Promise, Transform};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::stats::Moments;
use crate::ml::transform::{ColumnType, TransformError};

/// Sorts numbers into intervals whose limits lie at `min + r`, `min + r^2`, ..., where `r` is the `bins`-th root of the
/// range (feature-engine's `GeometricWidthDiscretiser`), and puts the number of the interval in their place. A value on a
/// limit belongs to the interval below it; a missing value stays missing. A bare number is `bins`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "GeometricWidth")]
pub(in crate::ml::transform) struct Params {
    /// The number of intervals; there are fewer where limits fall together.
    #[serde(default = "ten")]
    #[schemars(range(min = 2, max = 1000))]
    bins: u32,
}

fn ten() -> u32 {
    10
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("bins");
    const EXAMPLE: &'static str = "{geometric_width: 4, columns: [amount]}";

    fn check(&self) -> Result<(), String> {
        if (2..=1000).contains(&self.bins) {
            Ok(())
        } else {
            Err(format!("`bins: {}` must be from 2 to 1000", self.bins))
        }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        need_numbers("geometric_width", name, column)?;
        let learner = Limits { bins: self.bins, range: Range::of(name) };
        Ok(Plan::Learn(Box::new(learner), Promise::same(ColumnType::Int, Kind::Encoded)))
    }
}

struct Limits {
    bins: u32,
    range: Range,
}

impl Learner for Limits {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        self.range.learn(frame)
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let Limits { bins, range } = *self;
        let (column, Moments { min, max, .. }) = range.finish("geometric_width")?;
        let root = (max - min).powf(1.0 / f64::from(bins));
        let mut limits: Vec<f64> = (1..bins).map(|power| min + root.powf(f64::from(power))).collect();
        limits.sort_unstable_by(f64::total_cmp);
        limits.dedup_by(|one, other| one.total_cmp(other).is_eq());
        let limits = if min.total_cmp(&max).is_eq() { Vec::new() } else { limits };
        Ok(Unit::GeometricWidth(Intervals::numbered(column, limits)))
    }
}
