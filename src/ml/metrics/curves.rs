//! Curves and tables over all thresholds, thinned for plots.

use super::binary::calibration_bin;
use super::{BinaryScores, CALIBRATION_BINS, Confusion, ratio, weight_of};

/// A point of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct CurvePoint {
    pub x: f64,
    pub y: f64,
}

/// The ROC curve: false positive rate against true positive rate, from (0, 0) to (1, 1), in at most about `points` points.
pub fn roc_curve(scores: &BinaryScores, weight: Option<&[f64]>, points: usize) -> Vec<CurvePoint> {
    let (positives, negatives) = scores.ranking().totals(weight);
    if positives == 0.0 || negatives == 0.0 {
        return Vec::new();
    }
    let curve = scores
        .ranking()
        .points(weight)
        .map(|point| CurvePoint { x: point.false_positives / negatives, y: point.true_positives / positives });
    let mut curve = thin(curve.collect(), points);
    curve.insert(0, CurvePoint { x: 0.0, y: 0.0 });
    curve
}

/// Recall against precision, from the highest threshold to the lowest, in at most about `points` points.
pub fn precision_recall_curve(scores: &BinaryScores, weight: Option<&[f64]>, points: usize) -> Vec<CurvePoint> {
    let (positives, _) = scores.ranking().totals(weight);
    if positives == 0.0 {
        return Vec::new();
    }
    let curve = scores.ranking().points(weight).filter_map(|point| {
        let precision = ratio(point.true_positives, point.true_positives + point.false_positives)?;
        Some(CurvePoint { x: point.true_positives / positives, y: precision })
    });
    thin(curve.collect(), points)
}

/// Decisions at one threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThresholdRow {
    /// A row counts as positive from here on.
    pub threshold: f64,
    /// What comes of it.
    pub confusion: Confusion,
}

/// Decisions at the thresholds 0.01, 0.02, ..., 0.99.
pub fn threshold_table(scores: &BinaryScores, weight: Option<&[f64]>) -> Vec<ThresholdRow> {
    let thresholds = (1..100).map(|percent| f64::from(percent) / 100.0);
    let (positives, negatives) = scores.ranking().totals(weight);
    // Points go from high to low scores; the last one at or above a threshold says what is positive there.
    let points: Vec<_> = scores.ranking().points(weight).collect();
    thresholds
        .map(|threshold| {
            let above = points.partition_point(|point| scores.scores()[point.row] >= threshold);
            let (true_positives, false_positives) = above
                .checked_sub(1)
                .map_or((0.0, 0.0), |last| (points[last].true_positives, points[last].false_positives));
            let confusion = Confusion {
                true_positives,
                false_positives,
                true_negatives: negatives - false_positives,
                false_negatives: positives - true_positives,
            };
            ThresholdRow { threshold, confusion }
        })
        .collect()
}

/// The rows whose probability lies in one bin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CalibrationBin {
    /// The bin's lower end.
    pub from: f64,
    /// The bin's upper end.
    pub to: f64,
    /// The weight of the rows in it.
    pub weight: f64,
    /// Their mean probability.
    pub predicted: f64,
    /// The share of positives among them.
    pub observed: f64,
}

/// The bins of equal width that have rows.
pub fn calibration(scores: &BinaryScores, weight: Option<&[f64]>) -> Vec<CalibrationBin> {
    let mut sums = vec![(0.0, 0.0, 0.0); CALIBRATION_BINS];
    for (index, (truth, score)) in scores.truth().iter().zip(scores.scores()).enumerate() {
        let row = weight_of(weight, index);
        let sum = &mut sums[calibration_bin(*score)];
        *sum = (sum.0 + row, sum.1 + row * score, sum.2 + row * f64::from(*truth));
    }
    let width = 1.0 / CALIBRATION_BINS as f64;
    let bins = sums.into_iter().enumerate().filter(|(_, (weight, ..))| *weight > 0.0);
    bins.map(|(bin, (weight, predicted, positives))| CalibrationBin {
        from: bin as f64 * width,
        to: (bin + 1) as f64 * width,
        weight,
        predicted: predicted / weight,
        observed: positives / weight,
    })
    .collect()
}

/// Every n-th point and the last one.
fn thin(curve: Vec<CurvePoint>, points: usize) -> Vec<CurvePoint> {
    let every = curve.len().div_ceil(points.max(1)).max(1);
    let last = curve.len().saturating_sub(1);
    curve
        .into_iter()
        .enumerate()
        .filter(|(index, _)| index % every == 0 || *index == last)
        .map(|(_, point)| point)
        .collect()
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use super::*;

    fn scores() -> BinaryScores {
        BinaryScores::new(vec![true, false, true, false], vec![0.9, 0.6, 0.6, 0.1], 0.5)
    }

    #[test]
    fn a_roc_curve_goes_from_corner_to_corner() {
        let points: Vec<(f64, f64)> = roc_curve(&scores(), None, 200).iter().map(|point| (point.x, point.y)).collect();
        assert_eq!(points, [(0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0)]);
    }

    #[test]
    fn the_threshold_table_agrees_with_decisions_made_one_by_one() {
        let scores = scores();
        for row in threshold_table(&scores, None) {
            let predicted: Vec<bool> = scores.scores().iter().map(|score| *score >= row.threshold).collect();
            assert_eq!(row.confusion, Confusion::of(scores.truth(), &predicted, None), "{}", row.threshold);
        }
    }

    #[test]
    fn a_thinned_curve_keeps_its_end() {
        let curve: Vec<CurvePoint> = (0..1000).map(|x| CurvePoint { x: f64::from(x), y: 0.0 }).collect();
        let thinned = thin(curve, 100);
        assert!(thinned.len() <= 101);
        assert_eq!(thinned.last().unwrap().x, 999.0);
    }

    #[test]
    fn calibration_bins_hold_all_rows() {
        let bins = calibration(&scores(), None);
        assert_eq!(bins.iter().map(|bin| bin.weight).sum::<f64>(), 4.0);
        assert_eq!(bins.iter().find(|bin| bin.weight == 2.0).unwrap().observed, 0.5);
    }
}
