//! Intervals of a column whose counts are compared.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ml::quantile::quantile;

/// How numbers are cut into intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "IntervalStrategy")]
pub(in crate::ml::transform) enum Strategy {
    /// Intervals of the same width.
    EqualWidth,
    /// Intervals with about the same number of rows.
    EqualFrequency,
}

impl Strategy {
    /// The limits between the intervals of these values, ascending; there are none if there is one interval.
    pub(super) fn limits(self, values: &[f64], count: u32) -> Vec<f64> {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let [min, .., max] = sorted.as_slice() else { return Vec::new() };
        let intervals = f64::from(count);
        match self {
            Strategy::EqualWidth => {
                let is_constant = min.total_cmp(max).is_eq();
                // A constant stays in the middle, pandas' rule.
                let margin = if is_constant { if *min == 0.0 { 0.001 } else { 0.001 * min.abs() } } else { 0.0 };
                let (low, high) = (min - margin, max + margin);
                let step = (high - low) / intervals;
                (1..count).map(|level| f64::from(level) * step + low).collect()
            }
            Strategy::EqualFrequency => {
                let step = 1.0 / intervals;
                let level = |level: u32| if level == count { 1.0 } else { f64::from(level) * step };
                let mut limits: Vec<f64> = (0..=count).map(|place| quantile(&sorted, level(place))).collect();
                limits.dedup_by(|one, other| one.total_cmp(other).is_eq());
                if limits.len() > 2 { limits[1..limits.len() - 1].to_vec() } else { Vec::new() }
            }
        }
    }
}

/// The interval of a value; one on a limit belongs to the interval below it.
pub(super) fn interval(limits: &[f64], value: f64) -> usize {
    limits.partition_point(|limit| *limit < value)
}
