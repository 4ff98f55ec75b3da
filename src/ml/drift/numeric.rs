//! Statistics of two sorted samples of numbers.

/// The greatest distance between the two empirical distribution functions.
pub(super) fn ks_statistic(one: &[f64], two: &[f64]) -> f64 {
    let (mut first, mut second, mut greatest) = (0, 0, 0.0_f64);
    while first < one.len() && second < two.len() {
        let value = one[first].min(two[second]);
        while first < one.len() && one[first] <= value {
            first += 1;
        }
        while second < two.len() && two[second] <= value {
            second += 1;
        }
        let distance = first as f64 / one.len() as f64 - second as f64 / two.len() as f64;
        greatest = greatest.max(distance.abs());
    }
    greatest
}

/// The area between the two empirical distribution functions.
pub(super) fn wasserstein(one: &[f64], two: &[f64]) -> f64 {
    let (mut first, mut second, mut area) = (0, 0, 0.0);
    let mut last: Option<f64> = None;
    while first < one.len() || second < two.len() {
        let value = match (one.get(first), two.get(second)) {
            (Some(one), Some(two)) => one.min(*two),
            (Some(value), None) | (None, Some(value)) => *value,
            (None, None) => break,
        };
        if let Some(last) = last {
            let distance = first as f64 / one.len() as f64 - second as f64 / two.len() as f64;
            area += distance.abs() * (value - last);
        }
        while first < one.len() && one[first] <= value {
            first += 1;
        }
        while second < two.len() && two[second] <= value {
            second += 1;
        }
        last = Some(value);
    }
    area
}

/// The population standard deviation.
pub(super) fn deviation(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()
}

/// How many distinct values two sorted samples have together.
pub(super) fn distinct(one: &[f64], two: &[f64]) -> usize {
    let (mut first, mut second, mut count) = (0, 0, 0);
    while first < one.len() || second < two.len() {
        let value = match (one.get(first), two.get(second)) {
            (Some(one), Some(two)) => one.min(*two),
            (Some(value), None) | (None, Some(value)) => *value,
            (None, None) => break,
        };
        count += 1;
        first += one[first..].partition_point(|other| *other <= value);
        second += two[second..].partition_point(|other| *other <= value);
    }
    count
}

/// The counts of both samples in bins of equal width over both (numpy's `sturges` rule).
pub(super) fn histograms(one: &[f64], two: &[f64]) -> (Vec<u64>, Vec<u64>) {
    let low = one[0].min(two[0]);
    let high = one[one.len() - 1].max(two[two.len() - 1]);
    let range = high - low;
    let mut width = range / (((one.len() + two.len()) as f64).log2() + 1.0);
    let are_whole = || one.iter().chain(two).all(|value| value.fract() == 0.0);
    if width < 1.0 && are_whole() {
        // Bins narrower than the distance between whole numbers would be empty in between.
        width = 1.0;
    }
    let bins = if range > 0.0 { (range / width).ceil().max(1.0) } else { 1.0 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few dozen bins at most")]
    let count = bins as usize;
    let step = range / bins;
    let edge = |bin: usize| if bin == count { high } else { low + bin as f64 * step };
    let counts = |sorted: &[f64]| {
        let below = |bin: usize| {
            let edge = edge(bin);
            // The last bin has its upper edge in it.
            if bin == count { sorted.len() } else { sorted.partition_point(|value| *value < edge) }
        };
        (0..count).map(|bin| (below(bin + 1) - below(bin)) as u64).collect()
    };
    (counts(one), counts(two))
}
