//! How strongly two columns go together: Cramer's V of categories, ranks of numbers, the area under the ROC curve.

use std::collections::BTreeMap;

/// Cramer's V of counted pairs, without a correction of the bias, as in scipy; none where a side does not vary.
pub fn cramers_v<L: Ord, R: Ord>(pairs: &BTreeMap<(L, R), u64>) -> Option<f64> {
    let (mut lefts, mut rights) = (BTreeMap::<&L, f64>::new(), BTreeMap::<&R, f64>::new());
    let mut total = 0.0;
    for ((left, right), count) in pairs {
        let count = *count as f64;
        *lefts.entry(left).or_default() += count;
        *rights.entry(right).or_default() += count;
        total += count;
    }
    let freedom = lefts.len().min(rights.len());
    if freedom < 2 {
        return None;
    }
    // Sum of n_ij^2 / (n_i. n_.j) over the pairs that occur; those that do not add nothing.
    let sum: f64 =
        pairs.iter().map(|((left, right), count)| (*count as f64).powi(2) / (lefts[left] * rights[right])).sum();
    let chi_square = total * (sum - 1.0);
    Some((chi_square / total / (freedom - 1) as f64).max(0.0).sqrt().min(1.0))
}

/// The ranks of values from 1; equal values share the mean of theirs.
#[expect(clippy::float_cmp, reason = "equal values share a rank, near ones do not")]
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|left, right| values[*left].total_cmp(&values[*right]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for run in order.chunk_by(|left, right| values[*left] == values[*right]) {
        let shared = first as f64 + f64::midpoint(run.len() as f64, 1.0);
        for place in run {
            ranks[*place] = shared;
        }
        first += run.len();
    }
    ranks
}

/// The area under the ROC curve of scores, each with how many negative and positive rows have it; ties count half. None if
/// one class is missing.
#[expect(clippy::float_cmp, reason = "equal scores are ties, near ones are not")]
pub fn auc(mut scored: Vec<(f64, f64, f64)>) -> Option<f64> {
    scored.sort_unstable_by(|left, right| left.0.total_cmp(&right.0));
    let (mut below, mut positives, mut area) = (0.0, 0.0, 0.0);
    for run in scored.chunk_by(|left, right| left.0 == right.0) {
        let negative: f64 = run.iter().map(|(_, negative, _)| negative).sum();
        let positive: f64 = run.iter().map(|(_, _, positive)| positive).sum();
        area += positive * (below + negative / 2.0);
        below += negative;
        positives += positive;
    }
    (below > 0.0 && positives > 0.0).then(|| area / (below * positives))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cramers_v_is_that_of_scipy() {
        // scipy.stats.contingency.association([[10, 20, 5], [3, 8, 30]], method="cramer")
        let counts = [[10, 20, 5], [3, 8, 30]];
        let pairs: BTreeMap<(usize, usize), u64> =
            (0..2).flat_map(|row| (0..3).map(move |column| ((row, column), counts[row][column]))).collect();
        assert!((cramers_v(&pairs).unwrap() - 0.590_054_261_141_177_1).abs() < 1e-12);
        let same = BTreeMap::from([((0, 0), 4), ((1, 1), 6)]);
        assert_eq!(cramers_v(&same), Some(1.0));
        assert_eq!(cramers_v(&BTreeMap::from([((0, 0), 4), ((0, 1), 6)])), None);
    }

    #[test]
    fn ties_share_a_rank_and_half_of_the_area() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
        assert_eq!(auc(vec![(1.0, 1.0, 0.0), (2.0, 0.0, 1.0)]), Some(1.0));
        assert_eq!(auc(vec![(1.0, 3.0, 2.0)]), Some(0.5));
        // sklearn.metrics.roc_auc_score([0, 0, 1, 1, 0], [0.1, 0.4, 0.35, 0.8, 0.35]) = 0.75
        let rows = [(0.1, 1.0, 0.0), (0.4, 1.0, 0.0), (0.35, 0.0, 1.0), (0.8, 0.0, 1.0), (0.35, 1.0, 0.0)];
        assert_eq!(auc(rows.to_vec()), Some(0.75));
        assert_eq!(auc(vec![(1.0, 1.0, 0.0)]), None);
    }
}
