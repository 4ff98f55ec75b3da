//! Clusters of numbers on a line.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// More rounds than this are not worth it, scikit-learn's value.
const MOST_ROUNDS: usize = 300;
/// Centres that move less than this share of the variance have come to rest, scikit-learn's value.
const TOLERANCE: f64 = 1e-4;

/// The centres of the clusters of `sorted` values, ascending: Lloyd's algorithm, which assigns each value to the nearest
/// centre and moves each centre to the mean of its values, in turns.
pub(super) fn cluster(sorted: &[f64], mut centres: Vec<f64>) -> Vec<f64> {
    let rows = sorted.len() as f64;
    let mean = sorted.iter().sum::<f64>() / rows;
    let rest = TOLERANCE * sorted.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / rows;
    let mut before: Vec<usize> = Vec::new();
    for _ in 0..MOST_ROUNDS {
        let ends = ends(sorted, &centres);
        let moved = means(sorted, &ends, &centres, mean);
        let shift: f64 = moved.iter().zip(&centres).map(|(new, old)| (new - old).powi(2)).sum();
        let is_settled = ends == before;
        centres = moved;
        centres.sort_by(f64::total_cmp);
        before = ends;
        if is_settled || shift <= rest {
            break;
        }
    }
    centres
}

/// Where the values of each centre end in the list; a value in the middle of two centres belongs to the lower one.
fn ends(sorted: &[f64], centres: &[f64]) -> Vec<usize> {
    let limits = centres.windows(2).map(|pair| f64::midpoint(pair[0], pair[1]));
    limits.map(|limit| sorted.partition_point(|value| *value <= limit)).chain([sorted.len()]).collect()
}

/// The mean of each cluster. A cluster without values takes the value farthest from its centre away from its cluster.
fn means(sorted: &[f64], ends: &[usize], centres: &[f64], offset: f64) -> Vec<f64> {
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let clusters: Vec<&[f64]> = starts.zip(ends).map(|(start, end)| &sorted[start..(*end).max(start)]).collect();
    // Sums of distances from the mean of all values lose nothing where values are far from zero.
    let mut sums: Vec<f64> = clusters.iter().map(|values| values.iter().map(|value| value - offset).sum()).collect();
    let mut counts: Vec<f64> = clusters.iter().map(|values| values.len() as f64).collect();
    let empty: Vec<usize> = (0..centres.len()).filter(|cluster| clusters[*cluster].is_empty()).collect();
    for (cluster, (from, value)) in empty.iter().zip(farthest(&clusters, centres, empty.len())) {
        sums[from] -= value - offset;
        counts[from] -= 1.0;
        sums[*cluster] = value - offset;
        counts[*cluster] = 1.0;
    }
    let means = sums.into_iter().zip(counts).zip(centres);
    means.map(|((sum, count), old)| if count > 0.0 { sum / count + offset } else { *old }).collect()
}

/// The `most` values that are farthest from the centre of their cluster, each with the cluster: the farthest first, of
/// equally far ones the earlier.
fn farthest(clusters: &[&[f64]], centres: &[f64], most: usize) -> Vec<(usize, f64)> {
    let mut kept: BinaryHeap<Far> = BinaryHeap::with_capacity(most + 1);
    let values =
        clusters.iter().enumerate().flat_map(|(cluster, values)| values.iter().map(move |value| (cluster, *value)));
    for (place, (cluster, value)) in values.enumerate().filter(|_| most > 0) {
        let far = Far { distance: (value - centres[cluster]).abs(), place, cluster, value };
        if kept.len() < most {
            kept.push(far);
        } else if kept.peek().is_some_and(|nearest| far < *nearest) {
            kept.pop();
            kept.push(far);
        }
    }
    kept.into_sorted_vec().into_iter().map(|far| (far.cluster, far.value)).collect()
}

/// A value and how far it is from its centre; the farthest is the least.
#[derive(Debug, Clone, Copy)]
struct Far {
    distance: f64,
    place: usize,
    cluster: usize,
    value: f64,
}

impl Ord for Far {
    fn cmp(&self, other: &Far) -> Ordering {
        other.distance.total_cmp(&self.distance).then(self.place.cmp(&other.place))
    }
}

impl PartialOrd for Far {
    fn partial_cmp(&self, other: &Far) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Far {
    fn eq(&self, other: &Far) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Far {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_farthest_values_are_those_that_sorting_finds(
            values in prop::collection::vec(-20_i8..20, 0..60),
            split in 0_usize..60,
            most in 0_usize..8,
        ) {
            let mut values: Vec<f64> = values.into_iter().map(f64::from).collect();
            values.sort_by(f64::total_cmp);
            let (one, other) = values.split_at(split.min(values.len()));
            let (clusters, centres) = ([one, other], [-7.0, 3.0]);
            let all = clusters.iter().enumerate().flat_map(|(cluster, values)| values.iter().map(move |it| (cluster, *it)));
            let mut all: Vec<(usize, f64)> = all.collect();
            all.sort_by(|one, two| {
                let far = |(cluster, value): &(usize, f64)| (value - centres[*cluster]).abs();
                far(two).total_cmp(&far(one))
            });
            all.truncate(most);
            prop_assert_eq!(farthest(&clusters, &centres, most), all);
        }
    }

    #[test]
    fn clusters_settle_at_their_means() {
        let centres = cluster(&[0.0, 1.0, 2.0, 10.0, 11.0, 12.0], vec![3.0, 9.0]);
        assert!(
            centres.iter().zip([1.0, 11.0]).all(|(found, expected)| (found - expected).abs() < 1e-12),
            "{centres:?}"
        );
        // A cluster that nothing is near to takes the value farthest from its centre.
        let centres = cluster(&[0.0, 0.0, 0.0, 9.0], vec![0.0, 4.0, 8.0]);
        assert_eq!(centres.len(), 3);
    }
}
