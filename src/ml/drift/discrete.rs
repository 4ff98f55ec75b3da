//! Statistics of two lists of counts, one for each bin or category.

use statrs::distribution::{ChiSquared, ContinuousCDF, Normal};

/// Counts as shares of their sum.
pub(super) fn shares(counts: &[u64]) -> Vec<f64> {
    let all: u64 = counts.iter().sum();
    counts.iter().map(|count| *count as f64 / all as f64).collect()
}

/// The population stability index, where a share of zero counts as a small one.
pub(super) fn psi(reference: &[f64], current: &[f64]) -> f64 {
    let (reference, current) = (without_zeros(reference), without_zeros(current));
    reference.iter().zip(&current).map(|(reference, current)| (reference - current) * (reference / current).ln()).sum()
}

/// Evidently's rule: a zero counts as 0.0001, or as a millionth of the smallest share if that is no more than 0.0001.
fn without_zeros(shares: &[f64]) -> Vec<f64> {
    let least = shares.iter().copied().filter(|share| *share > 0.0).fold(f64::INFINITY, f64::min);
    let small = if least <= 1e-4 { least / 1e6 } else { 1e-4 };
    shares.iter().map(|share| if *share > 0.0 { *share } else { small }).collect()
}

/// The Jensen-Shannon distance: the square root of the divergence, in natural logarithms.
pub(super) fn jensen_shannon(reference: &[f64], current: &[f64]) -> f64 {
    let divergence = |share: f64, middle: f64| if share > 0.0 { share * (share / middle).ln() } else { 0.0 };
    let sum: f64 = reference
        .iter()
        .zip(current)
        .map(|(one, two)| {
            let middle = f64::midpoint(*one, *two);
            divergence(*one, middle) + divergence(*two, middle)
        })
        .sum();
    // Rounding can leave a tiny negative sum for equal shares.
    (sum.max(0.0) / 2.0).sqrt()
}

/// The chi-squared statistic of the current counts against the reference's shares, and its p-value. A category that
/// the reference does not have makes it infinite.
pub(super) fn chi_square(reference: &[u64], current: &[u64]) -> (f64, f64) {
    let scale = current.iter().sum::<u64>() as f64 / reference.iter().sum::<u64>() as f64;
    let statistic: f64 = reference
        .iter()
        .zip(current)
        .filter(|(reference, current)| **reference > 0 || **current > 0)
        .map(|(reference, current)| {
            let expected = *reference as f64 * scale;
            (*current as f64 - expected).powi(2) / expected
        })
        .sum();
    if reference.len() < 2 {
        return (statistic, 1.0);
    }
    if !statistic.is_finite() {
        return (f64::INFINITY, 0.0);
    }
    let distribution = ChiSquared::new((reference.len() - 1) as f64).expect("at least one degree of freedom");
    (statistic, distribution.sf(statistic))
}

/// The z statistic of the share of all but the first category, and its two-sided p-value.
pub(super) fn z(reference: &[u64], current: &[u64]) -> (f64, f64) {
    let share = |counts: &[u64]| {
        let all: u64 = counts.iter().sum();
        (all as f64, (all - counts.first().copied().unwrap_or(0)) as f64)
    };
    let ((rows_reference, others_reference), (rows_current, others_current)) = (share(reference), share(current));
    let both = (others_reference + others_current) / (rows_reference + rows_current);
    let spread = (both * (1.0 - both) * (1.0 / rows_reference + 1.0 / rows_current)).sqrt();
    if spread == 0.0 {
        return (0.0, 1.0);
    }
    let statistic = (others_reference / rows_reference - others_current / rows_current) / spread;
    (statistic, (2.0 * Normal::standard().sf(statistic.abs())).min(1.0))
}
