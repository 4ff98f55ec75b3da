//! Local outlier factor: a row whose neighbourhood is thinner than those of its neighbours is an outlier.

use super::contamination::Contamination;
use crate::ml::neighbours::{Nearest, Neighbours, Points};

/// The densities around rows, against which others are held.
pub struct LocalOutlierFactor<'points> {
    search: Neighbours<'points>,
    count: usize,
    /// The distance of each row to the last of its neighbours.
    reach: Vec<f64>,
    density: Vec<f64>,
    /// The score of each row among the others: about -1 for a usual one, the lower the farther out.
    pub scores: Vec<f64>,
    /// The score below which a row is an outlier.
    pub offset: f64,
}

impl<'points> LocalOutlierFactor<'points> {
    /// Measures `points`, of which there are at least two.
    ///
    /// # Errors
    /// What `go_on` says, which is asked every now and then with the number of points done.
    pub fn fit<E>(
        points: &'points Points,
        n_neighbors: usize,
        contamination: Contamination,
        threads: usize,
        go_on: &mut dyn FnMut(usize) -> Result<(), E>,
    ) -> Result<LocalOutlierFactor<'points>, E> {
        let count = n_neighbors.min(points.rows().saturating_sub(1)).max(1);
        let search = Neighbours::new(points, threads);
        let rows: Vec<u32> = (0..).take(points.rows()).collect();
        let nearest = search.of_rows(&rows, count, go_on)?;
        let reach: Vec<f64> = (0..points.rows()).map(|row| nearest.distances(row).last().unwrap_or(0.0)).collect();
        let density: Vec<f64> = (0..points.rows()).map(|row| density(&nearest, row, &reach)).collect();
        let scores: Vec<f64> = (0..points.rows()).map(|row| score(&nearest, row, density[row], &density)).collect();
        let offset = contamination.offset(-1.5, || Ok(scores.clone()))?;
        Ok(LocalOutlierFactor { search, count, reach, density, scores, offset })
    }

    /// The scores of other points, each held against the points that were measured.
    ///
    /// # Errors
    /// What `go_on` says, which is asked every now and then with the number of points done.
    pub fn of<E>(&self, points: &Points, go_on: &mut dyn FnMut(usize) -> Result<(), E>) -> Result<Vec<f64>, E> {
        let nearest = self.search.of_points(points, self.count, go_on)?;
        Ok((0..points.rows())
            .map(|row| score(&nearest, row, density(&nearest, row, &self.reach), &self.density))
            .collect())
    }
}

/// The density around a query: one over the mean distance to its neighbours, none of them nearer than their own reach.
fn density(nearest: &Nearest, query: usize, reach: &[f64]) -> f64 {
    let rows = nearest.rows(query).iter();
    let sum: f64 = rows.zip(nearest.distances(query)).map(|(row, distance)| distance.max(reach[*row as usize])).sum();
    1.0 / (sum / nearest.count as f64 + 1e-10)
}

/// Minus the mean density around the neighbours of a query, as a multiple of its own.
fn score(nearest: &Nearest, query: usize, own: f64, density: &[f64]) -> f64 {
    let sum: f64 = nearest.rows(query).iter().map(|row| density[*row as usize] / own).sum();
    -sum / nearest.count as f64
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use serde::Deserialize;

    use super::super::{Bounds, Tail};
    use super::*;

    #[derive(Deserialize)]
    struct Case {
        width: usize,
        points: Vec<f64>,
        n_neighbors: usize,
        contamination: Contamination,
        scores: Vec<f64>,
        offset: f64,
        others: Vec<f64>,
        other_scores: Vec<f64>,
    }

    #[derive(Deserialize)]
    struct BoundsCase {
        method: String,
        fold: f64,
        tail: Tail,
        values: Vec<f64>,
        low: Option<f64>,
        high: Option<f64>,
    }

    #[derive(Deserialize)]
    struct Fixture {
        local_outlier_factor: Vec<Case>,
        bounds: Vec<BoundsCase>,
    }

    fn fixture() -> Fixture {
        serde_json::from_str(include_str!("../../../tests/fixtures/oracle/outliers.json")).unwrap()
    }

    fn points(width: usize, values: &[f64]) -> Points {
        let mut points = Points::new(width);
        values.chunks_exact(width).for_each(|point| points.push(point));
        points
    }

    fn assert_close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-9 * expected.abs(), "{found} {expected}");
        }
    }

    #[test]
    fn factors_are_those_of_scikit_learn() {
        let fixture = fixture();
        assert!(fixture.local_outlier_factor.len() > 5);
        for case in fixture.local_outlier_factor {
            let fitted = points(case.width, &case.points);
            let go_on = &mut |_| Ok::<(), Infallible>(());
            let factor = LocalOutlierFactor::fit(&fitted, case.n_neighbors, case.contamination, 2, go_on).unwrap();
            assert_close(&factor.scores, &case.scores);
            assert_close(&[factor.offset], &[case.offset]);
            assert_close(&factor.of(&points(case.width, &case.others), go_on).unwrap(), &case.other_scores);
        }
    }

    #[test]
    fn bounds_are_those_of_feature_engine() {
        for case in fixture().bounds {
            let found = match case.method.as_str() {
                "iqr" => Bounds::by_quartiles(case.values, case.fold, case.tail),
                _ => Bounds::by_deviations(&case.values, case.fold, case.tail),
            };
            let Bounds { low, high } = found.unwrap();
            for (found, expected) in [(low, case.low), (high, case.high)] {
                assert_eq!(found.is_some(), expected.is_some());
                let (found, expected) = (found.unwrap_or(0.0), expected.unwrap_or(0.0));
                assert!((found - expected).abs() <= 1e-9 * expected.abs(), "{found} {expected}");
            }
        }
        assert_eq!(Bounds::by_quartiles(Vec::new(), 1.5, Tail::Both), None);
    }
}
