//! Numbers that say how much a column has to do with the target.

use statrs::function::gamma::digamma;

use crate::ml::transform::stats::Moments;

/// How much the means of the classes differ, against how much rows of one class do (one-way analysis of variance). A column
/// of one value has no score: all that differs in it is rounding.
pub(super) fn f_classif(of_class: &[Moments]) -> f64 {
    let present: Vec<&Moments> = of_class.iter().filter(|moments| moments.count > 0.0).collect();
    let least = present.iter().map(|moments| moments.min).fold(f64::INFINITY, f64::min);
    if present.iter().all(|moments| moments.max <= least) {
        return f64::NAN;
    }
    let count: f64 = present.iter().map(|moments| moments.count).sum();
    let mean = present.iter().map(|moments| moments.count * moments.mean).sum::<f64>() / count;
    let between: f64 = present.iter().map(|moments| moments.count * (moments.mean - mean).powi(2)).sum();
    let within: f64 = present.iter().map(|moments| moments.count * moments.variance()).sum();
    let classes = present.len() as f64;
    (between / (classes - 1.0)) / (within / (count - classes))
}

/// How well a line through column and target fits.
pub(super) fn f_regression(correlation: f64, count: f64) -> f64 {
    let square = correlation * correlation;
    if square >= 1.0 { f64::MAX } else { square / (1.0 - square) * (count - 2.0) }
}

/// How far the sums of a column by class are from what the sizes of the classes let expect.
pub(super) fn chi2(sums: &[f64], counts: &[f64]) -> f64 {
    let (sum, count) = (sums.iter().sum::<f64>(), counts.iter().sum::<f64>());
    let of_class = |(observed, rows): (&f64, &f64)| {
        let expected = rows / count * sum;
        (observed - expected) * (observed - expected) / expected
    };
    sums.iter().zip(counts).map(of_class).sum()
}

/// The mutual information of a number and a class, in nats, by the distances to the nearest values of the same class
/// (Ross 2014).
pub(super) fn mutual_information(values: &[f64], classes: &[usize], n_neighbors: usize) -> f64 {
    let known = classes.iter().max().map_or(0, |most| most + 1);
    let mut by_class: Vec<Vec<f64>> = vec![Vec::new(); known];
    values.iter().zip(classes).for_each(|(value, class)| by_class[*class].push(*value));
    for values in &mut by_class {
        values.sort_unstable_by(f64::total_cmp);
    }
    // A class with one row has no neighbours, and its row does not count.
    let mut all: Vec<f64> = by_class.iter().filter(|values| values.len() > 1).flatten().copied().collect();
    all.sort_unstable_by(f64::total_cmp);
    if all.is_empty() {
        return 0.0;
    }
    let (mut neighbours, mut sizes, mut within) = (0.0, 0.0, 0.0);
    for values in by_class.iter().filter(|values| values.len() > 1) {
        let count = n_neighbors.min(values.len() - 1);
        for (place, value) in values.iter().enumerate() {
            let radius = reach(values, place, count).next_down().max(0.0);
            // Distances are compared, not their ends: those are rounded, and the last neighbour itself must stay outside.
            let first = all.partition_point(|other| value - other > radius);
            let end = all.partition_point(|other| other - value <= radius);
            neighbours += digamma(count as f64);
            sizes += digamma(values.len() as f64);
            within += digamma((end - first).max(1) as f64);
        }
    }
    let rows = all.len() as f64;
    (digamma(rows) + (neighbours - sizes - within) / rows).max(0.0)
}

/// The distance from a sorted value to the last of its `count` nearest.
fn reach(values: &[f64], place: usize, count: usize) -> f64 {
    let (mut low, mut high) = (place, place);
    let mut distance = 0.0;
    for _ in 0..count {
        let below = if low > 0 { values[place] - values[low - 1] } else { f64::INFINITY };
        let above = if high + 1 < values.len() { values[high + 1] - values[place] } else { f64::INFINITY };
        if below <= above {
            low -= 1;
            distance = below;
        } else {
            high += 1;
            distance = above;
        }
    }
    distance
}
