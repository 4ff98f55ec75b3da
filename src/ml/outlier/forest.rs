//! Isolation forest: what a few random cuts set apart is an outlier.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::contamination::Contamination;
use crate::ml::neighbours::Points;

/// Euler's constant.
const EULER: f64 = 0.577_215_664_901_532_9;

/// How a forest is grown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForestOptions {
    /// How many trees there are.
    pub n_estimators: usize,
    /// How many rows each tree sees.
    pub max_samples: usize,
    /// The share of columns that each tree may cut.
    pub max_features: f64,
    /// Whether a tree may see a row more than once.
    pub bootstrap: bool,
    /// Where the line is drawn.
    pub contamination: Contamination,
    /// The seed of rows, columns and cuts.
    pub seed: u64,
}

/// A grown forest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IsolationForest {
    trees: Vec<Tree>,
    /// How many rows each tree has seen.
    max_samples: usize,
    /// The score below which a row is an outlier.
    pub offset: f64,
}

/// A tree as columns of numbers, one entry for each node.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Tree {
    /// The column that is cut; none in a leaf.
    column: Vec<Option<u32>>,
    /// Up to this value rows go left.
    threshold: Vec<f64>,
    left: Vec<u32>,
    right: Vec<u32>,
    /// How many rows it has seen here.
    rows: Vec<usize>,
}

impl IsolationForest {
    /// Grows a forest on `points`, of which there is at least one.
    ///
    /// # Errors
    /// What `go_on` says, which is asked before each tree.
    pub fn grow<E>(
        points: &Points,
        options: ForestOptions,
        go_on: &mut dyn FnMut(usize) -> Result<(), E>,
    ) -> Result<IsolationForest, E> {
        let max_samples = options.max_samples.clamp(1, points.rows().max(1));
        let mut all: Vec<u32> = (0..).take(points.rows()).collect();
        let mut columns: Vec<u32> = (0..).take(points.width()).collect();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count of columns")]
        let width = ((options.max_features * points.width() as f64) as usize).clamp(1, points.width().max(1));
        let mut trees = Vec::new();
        for number in 0..options.n_estimators {
            go_on(number)?;
            let mut random = ChaCha8Rng::seed_from_u64(options.seed);
            random.set_stream(number as u64);
            let mut rows = if options.bootstrap {
                (0..max_samples).map(|_| all[random.random_range(0..all.len())]).collect()
            } else {
                // The order must not depend on earlier trees.
                all.sort_unstable();
                all.partial_shuffle(&mut random, max_samples).0.to_vec()
            };
            columns.sort_unstable();
            let chosen = columns.partial_shuffle(&mut random, width).0.to_vec();
            let depth = max_samples.max(2).next_power_of_two().ilog2();
            let mut tree = Tree::default();
            tree.cut(points, &chosen, &mut rows, depth, &mut random);
            trees.push(tree);
        }
        let mut forest = IsolationForest { trees, max_samples, offset: -0.5 };
        forest.offset = options.contamination.offset(-0.5, || forest.scores(points, go_on))?;
        Ok(forest)
    }

    /// The score of each point, from -1 (isolated at once) to 0; about -0.5 for a usual one.
    ///
    /// # Errors
    /// What `go_on` says, which is asked every now and then with the number of points done.
    pub fn scores<E>(&self, points: &Points, go_on: &mut dyn FnMut(usize) -> Result<(), E>) -> Result<Vec<f64>, E> {
        let usual = average_path(self.max_samples);
        let mut scores = Vec::with_capacity(points.rows());
        for row in 0..points.rows() {
            if row % 10_000 == 0 {
                go_on(row)?;
            }
            // Each tree as a share of a usual one, so that rows that are all alike get exactly -0.5.
            let share = |tree: &Tree| if usual > 0.0 { tree.depth(points.row(row)) / usual } else { 1.0 };
            let depth = self.trees.iter().map(share).sum::<f64>() / self.trees.len() as f64;
            scores.push(-(2.0_f64.powf(-depth)));
        }
        Ok(scores)
    }

    /// Trees and cuts, for people who look at a report.
    pub fn nodes(&self) -> usize {
        self.trees.iter().map(|tree| tree.rows.len()).sum()
    }
}

impl Tree {
    fn leaf(&mut self, rows: usize) -> usize {
        self.column.push(None);
        self.threshold.push(0.0);
        self.left.push(0);
        self.right.push(0);
        self.rows.push(rows);
        self.rows.len() - 1
    }

    /// Cuts `rows` along a random column at a random place, and both sides again.
    fn cut(&mut self, points: &Points, columns: &[u32], rows: &mut [u32], depth: u32, random: &mut ChaCha8Rng) -> u32 {
        let node = self.leaf(rows.len());
        let number = u32::try_from(node).unwrap_or(u32::MAX);
        if depth == 0 || rows.len() < 2 {
            return number;
        }
        let mut left = columns.to_vec();
        left.shuffle(random);
        let range = |column: &u32| {
            let values = rows.iter().map(|row| points.row(*row as usize)[*column as usize]);
            let start = (f64::INFINITY, f64::NEG_INFINITY);
            values.fold(start, |(low, high), value| (low.min(value), high.max(value)))
        };
        let varied = left.into_iter().map(|column| (column, range(&column))).find(|(_, (low, high))| low < high);
        let Some((column, (low, high))) = varied else { return number };
        let mut threshold = low + (high - low) * random.random::<f64>();
        if threshold >= high {
            threshold = low;
        }
        let mut end = 0;
        for place in 0..rows.len() {
            if points.row(rows[place] as usize)[column as usize] <= threshold {
                rows.swap(place, end);
                end += 1;
            }
        }
        self.column[node] = Some(column);
        self.threshold[node] = threshold;
        let (below, above) = rows.split_at_mut(end);
        self.left[node] = self.cut(points, columns, below, depth - 1, random);
        self.right[node] = self.cut(points, columns, above, depth - 1, random);
        number
    }

    /// How many cuts set a point apart, with those that would still be needed in its leaf.
    fn depth(&self, point: &[f64]) -> f64 {
        let (mut node, mut depth) = (0, 0.0);
        while let Some(column) = self.column[node] {
            let goes_left = point[column as usize] <= self.threshold[node];
            node = if goes_left { self.left[node] } else { self.right[node] } as usize;
            depth += 1.0;
        }
        depth + average_path(self.rows[node])
    }
}

/// The average path to a leaf in a random binary tree over `rows` rows: that of an unsuccessful search.
fn average_path(rows: usize) -> f64 {
    match rows {
        0 | 1 => 0.0,
        2 => 1.0,
        rows => {
            let others = rows as f64 - 1.0;
            2.0 * (others.ln() + EULER) - 2.0 * others / rows as f64
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::super::Auto;
    use super::*;

    #[derive(Deserialize)]
    struct Grown {
        width: usize,
        points: Vec<f64>,
        forest: IsolationForest,
        scores: Vec<f64>,
    }

    #[derive(Deserialize)]
    struct Statistics {
        width: usize,
        points: Vec<f64>,
        scores: Vec<f64>,
        offset: f64,
    }

    #[derive(Deserialize)]
    struct Fixture {
        forest: Grown,
        forest_statistics: Statistics,
    }

    fn fixture() -> Fixture {
        serde_json::from_str(include_str!("../../../tests/fixtures/oracle/outliers.json")).unwrap()
    }

    fn points(width: usize, values: &[f64]) -> Points {
        let mut points = Points::new(width);
        values.chunks_exact(width).for_each(|point| points.push(point));
        points
    }

    fn options(contamination: Contamination) -> ForestOptions {
        ForestOptions {
            n_estimators: 200,
            max_samples: 256,
            max_features: 1.0,
            bootstrap: false,
            contamination,
            seed: 7,
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "what may stop the work does not here")]
    fn go_on(_: usize) -> Result<(), Infallible> {
        Ok(())
    }

    #[test]
    fn a_forest_of_scikit_learn_gives_its_scores() {
        let Grown { width, points: values, forest, scores } = fixture().forest;
        let found = forest.scores(&points(width, &values), &mut go_on).unwrap();
        for (found, expected) in found.iter().zip(&scores) {
            assert!((found - expected).abs() < 1e-9 * expected.abs(), "{found} {expected}");
        }
        assert_eq!(found.len(), scores.len());
    }

    fn correlation(one: &[f64], other: &[f64]) -> f64 {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let (first, second) = (mean(one), mean(other));
        let product =
            |a: &[f64], b: &[f64], x: f64, y: f64| a.iter().zip(b).map(|(a, b)| (a - x) * (b - y)).sum::<f64>();
        product(one, other, first, second)
            / (product(one, one, first, first) * product(other, other, second, second)).sqrt()
    }

    #[test]
    fn our_forests_agree_with_those_of_scikit_learn() {
        let Statistics { width, points: values, scores, offset } = fixture().forest_statistics;
        let points = points(width, &values);
        let share = IsolationForest::grow(&points, options(Contamination::Share(0.1)), &mut go_on).unwrap();
        let found = share.scores(&points, &mut go_on).unwrap();
        assert!(correlation(&found, &scores) > 0.98, "{}", correlation(&found, &scores));
        assert!((share.offset - offset).abs() < 0.02, "{} {offset}", share.offset);
        let outliers = found.iter().filter(|score| **score < share.offset).count();
        assert_eq!(outliers, points.rows() / 10);
    }

    #[test]
    fn a_seed_decides_everything() {
        let values: Vec<f64> = (0..200).map(|value| f64::from(value * value % 83)).collect();
        let grow = |seed| {
            let options = ForestOptions { seed, n_estimators: 5, ..options(Contamination::Auto(Auto::Auto)) };
            IsolationForest::grow(&points(2, &values), options, &mut go_on).unwrap()
        };
        assert_eq!(grow(1), grow(1));
        assert_ne!(grow(1), grow(2));
        let text = serde_json::to_string(&grow(1)).unwrap();
        assert_eq!(serde_json::from_str::<IsolationForest>(&text).unwrap(), grow(1));
    }

    #[test]
    fn rows_that_are_all_alike_are_no_outliers() {
        let forest =
            IsolationForest::grow(&points(2, &[3.0; 40]), options(Contamination::default()), &mut go_on).unwrap();
        let scores = forest.scores(&points(2, &[3.0; 4]), &mut go_on).unwrap();
        assert!(scores.iter().all(|score| *score >= forest.offset), "{scores:?}");
    }
}
