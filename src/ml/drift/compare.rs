//! Two samples of a column, compared.

use std::collections::BTreeMap;

use serde::Serialize;

use super::discrete::{chi_square, jensen_shannon, psi, shares, z};
use super::kolmogorov;
use super::method::Method;
use super::numeric::{deviation, distinct, histograms, ks_statistic, wasserstein};

/// Numbers with more distinct values than this in the reference are binned, fewer are counted one by one.
const MOST_COUNTED_VALUES: usize = 20;

/// The present values of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Sample {
    /// Finite numbers.
    Numbers(Vec<f64>),
    /// How often each category occurs.
    Categories(BTreeMap<String, u64>),
}

/// What the comparison of one column says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnDrift {
    /// The method.
    pub method: Method,
    /// The statistic: of the test, or the distance itself.
    pub statistic: f64,
    /// The p-value, if the method is a test.
    pub p_value: Option<f64>,
    /// Below this p-value, or from this distance on, it counts as drift.
    pub threshold: f64,
    /// Whether the column has drifted.
    pub drifted: bool,
    /// The population stability index, whatever the method.
    pub psi: f64,
}

impl Sample {
    /// How many values there are.
    pub fn len(&self) -> usize {
        match self {
            Sample::Numbers(values) => values.len(),
            Sample::Categories(counts) => usize::try_from(counts.values().sum::<u64>()).unwrap_or(usize::MAX),
        }
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sorts numbers; [`compare`] asks for it.
    #[must_use]
    pub fn sorted(mut self) -> Sample {
        if let Sample::Numbers(values) = &mut self {
            values.sort_unstable_by(f64::total_cmp);
        }
        self
    }
}

/// Compares two sorted samples of one column; `None` if one is empty or they hold different things.
///
/// The method is Evidently's default if none is given or the given one does not fit the column.
pub fn compare(
    reference: &Sample,
    current: &Sample,
    method: Option<Method>,
    threshold: Option<f64>,
) -> Option<ColumnDrift> {
    if reference.is_empty() || current.is_empty() {
        return None;
    }
    let (is_number, distinct) = match (reference, current) {
        (Sample::Numbers(one), Sample::Numbers(two)) => (true, distinct(one, two)),
        (Sample::Categories(one), Sample::Categories(two)) => {
            (false, one.len() + two.keys().filter(|key| !one.contains_key(*key)).count())
        }
        _ => return None,
    };
    let usual = || Method::usual(is_number, reference.len(), distinct);
    let method = method.filter(|method| method.fits(is_number)).unwrap_or_else(usual);
    let threshold = threshold.unwrap_or_else(|| method.threshold());
    let (binned_reference, binned_current) = binned(reference, current);
    let (shares_reference, shares_current) = (shares(&binned_reference), shares(&binned_current));
    let psi = psi(&shares_reference, &shares_current);
    let numbers = |sample: &'_ Sample| match sample {
        Sample::Numbers(values) => values.clone(),
        Sample::Categories(_) => Vec::new(),
    };
    let (statistic, p_value) = match method {
        Method::Ks => {
            let (one, two) = (numbers(reference), numbers(current));
            let statistic = ks_statistic(&one, &two);
            (statistic, Some(kolmogorov::p_value(statistic, one.len(), two.len())))
        }
        Method::Wasserstein => {
            let (one, two) = (numbers(reference), numbers(current));
            (wasserstein(&one, &two) / deviation(&one).max(0.001), None)
        }
        Method::Psi => (psi, None),
        Method::JensenShannon => (jensen_shannon(&shares_reference, &shares_current), None),
        Method::ChiSquare => {
            let (one, two) = counted(reference, current);
            let (statistic, p) = chi_square(&one, &two);
            (statistic, Some(p))
        }
        Method::Z => {
            let (one, two) = counted(reference, current);
            let (statistic, p) = z(&one, &two);
            (statistic, Some(p))
        }
    };
    let drifted = p_value.map_or(statistic >= threshold, |p| p < threshold);
    Some(ColumnDrift { method, statistic, p_value, threshold, drifted, psi })
}

/// The counts of both samples, in bins where numbers have many values.
fn binned(reference: &Sample, current: &Sample) -> (Vec<u64>, Vec<u64>) {
    match (reference, current) {
        (Sample::Numbers(one), Sample::Numbers(two)) if distinct(one, &[]) > MOST_COUNTED_VALUES => {
            histograms(one, two)
        }
        _ => counted(reference, current),
    }
}

/// The counts of both samples for each distinct value, in the values' order.
fn counted(reference: &Sample, current: &Sample) -> (Vec<u64>, Vec<u64>) {
    match (reference, current) {
        (Sample::Categories(one), Sample::Categories(two)) => {
            let mut keys: Vec<&String> = one.keys().chain(two.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            let count = |counts: &BTreeMap<String, u64>, key: &String| counts.get(key).copied().unwrap_or(0);
            keys.into_iter().map(|key| (count(one, key), count(two, key))).unzip()
        }
        (Sample::Numbers(one), Sample::Numbers(two)) => {
            let mut keys: Vec<f64> = one.iter().chain(two).copied().collect();
            keys.sort_unstable_by(f64::total_cmp);
            keys.dedup();
            let count = |sorted: &[f64], key: f64| {
                (sorted.partition_point(|value| *value <= key) - sorted.partition_point(|value| *value < key)) as u64
            };
            keys.into_iter().map(|key| (count(one, key), count(two, key))).unzip()
        }
        _ => (Vec::new(), Vec::new()),
    }
}
