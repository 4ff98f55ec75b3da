//! Clusters of numbers on a line.

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
    if !empty.is_empty() {
        let distances = clusters.iter().enumerate();
        let mut distances: Vec<(f64, usize, f64)> = distances
            .flat_map(|(cluster, values)| values.iter().map(move |value| (cluster, *value)))
            .map(|(cluster, value)| ((value - centres[cluster]).abs(), cluster, value))
            .collect();
        distances.sort_by(|one, two| two.0.total_cmp(&one.0));
        for (cluster, (_, from, value)) in empty.into_iter().zip(distances) {
            sums[from] -= value - offset;
            counts[from] -= 1.0;
            sums[cluster] = value - offset;
            counts[cluster] = 1.0;
        }
    }
    let means = sums.into_iter().zip(counts).zip(centres);
    means.map(|((sum, count), old)| if count > 0.0 { sum / count + offset } else { *old }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
