//! Measures with intervals, over all rows and over slices.

use indexmap::IndexMap;
use serde::Serialize;

use super::slices::{Slice, SliceColumn};
use crate::ml::dataset::Dataset;
use crate::ml::metrics::{Bootstrap, Values};
use crate::ml::scores::Scores;
use crate::step::{Metric, StepContext};

/// A measured value with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Measured {
    pub(super) value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) low: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) high: Option<f64>,
}

/// Measured values by name, in a fixed order.
pub(super) type Measures = IndexMap<&'static str, Measured>;

/// Measures over all rows, with bootstrap intervals if `resamples` is not zero.
pub(super) fn measure(scores: &Scores, dataset: &Dataset, resamples: usize, seed: u64) -> Measures {
    let weight = dataset.weight.as_deref();
    let values = scores.values(weight);
    let bootstrap = if dataset.task.classes().is_empty() {
        Bootstrap::new(dataset.rows(), resamples, seed)
    } else {
        Bootstrap::stratified(&dataset.labels(), resamples, seed)
    };
    let mut intervals = bootstrap.intervals(weight, |drawn| scores.values(Some(drawn)));
    intervals.resize(values.len(), None);
    let measured = |((name, value), interval): ((&'static str, Option<f64>), Option<crate::ml::metrics::Interval>)| {
        // An interval around nothing says nothing.
        let interval = interval.filter(|_| value.is_some());
        (name, Measured { value, low: interval.map(|ends| ends.low), high: interval.map(|ends| ends.high) })
    };
    values.into_iter().zip(intervals).map(measured).collect()
}

/// The groups of one column, each with its measures, and how far the groups are apart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct SliceReport {
    pub(super) column: String,
    pub(super) groups: Vec<GroupReport>,
    /// The smallest value of a group divided by the largest: 1 is equal treatment.
    pub(super) ratios: IndexMap<&'static str, Option<f64>>,
    /// The largest value of a group minus the smallest.
    pub(super) differences: IndexMap<&'static str, Option<f64>>,
}

/// One group of a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct GroupReport {
    pub(super) value: String,
    pub(super) rows: usize,
    /// Whether the group has enough rows to enter ratios and differences.
    pub(super) counts: bool,
    pub(super) metrics: IndexMap<&'static str, Option<f64>>,
}

/// Measures each group of `column`. Groups of fewer than `min_rows` rows do not enter the ratios of `compared` measures.
pub(super) fn measure_slices(
    scores: &Scores,
    dataset: &Dataset,
    column: &SliceColumn,
    compared: &[&'static str],
    min_rows: usize,
) -> SliceReport {
    let groups: Vec<GroupReport> = column.slices.iter().map(|slice| group(scores, dataset, slice, min_rows)).collect();
    let values = |name: &str| -> Vec<f64> {
        let counted = groups.iter().filter(|group| group.counts);
        counted.filter_map(|group| group.metrics.get(name).copied().flatten()).collect()
    };
    let spread = |combine: fn(f64, f64) -> Option<f64>| {
        let compare = |name: &&'static str| {
            let values = values(name);
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            (*name, if values.len() < 2 { None } else { combine(low, high) })
        };
        compared.iter().map(compare).collect()
    };
    SliceReport {
        column: column.name.clone(),
        ratios: spread(|low, high| (high != 0.0).then(|| low / high)),
        differences: spread(|low, high| Some(high - low)),
        groups,
    }
}

fn group(scores: &Scores, dataset: &Dataset, slice: &Slice, min_rows: usize) -> GroupReport {
    // Rows outside the group get the weight zero, so that nothing is sorted again.
    let mut weight = vec![0.0; dataset.rows()];
    for &row in &slice.rows {
        weight[row] = dataset.weight.as_ref().map_or(1.0, |weight| weight[row]);
    }
    let values: Values = scores.values(Some(&weight));
    GroupReport {
        value: slice.value.clone(),
        rows: slice.rows.len(),
        counts: slice.rows.len() >= min_rows,
        metrics: values.into_iter().collect(),
    }
}

/// Reports measures and slices as the step's metrics.
pub(super) fn report_metrics(context: &mut StepContext, measures: &Measures, slices: &[SliceReport]) {
    for (name, measured) in measures {
        let metric = Metric::new(*name, measured.value.unwrap_or(f64::NAN));
        context.push_metric(Metric { low: measured.low, high: measured.high, ..metric });
    }
    for slice in slices {
        for (name, ratio) in &slice.ratios {
            context.metric(format!("{name}_ratio_{}", slice.column), ratio.unwrap_or(f64::NAN));
        }
        for (name, difference) in &slice.differences {
            context.metric(format!("{name}_difference_{}", slice.column), difference.unwrap_or(f64::NAN));
        }
        for group in &slice.groups {
            for (name, value) in &group.metrics {
                let metric = Metric::new(*name, value.unwrap_or(f64::NAN));
                context.push_metric(Metric { slice: Some(format!("{}={}", slice.column, group.value)), ..metric });
            }
        }
    }
}
