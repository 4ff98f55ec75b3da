//! Copying and keeping rows at random.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::plan::{Added, Dropped, Plan, Problem, Rows};
use super::strategy::Targets;
use crate::ml::neighbours::Points;
use crate::ml::normal::draw;

/// A stream of random numbers for each class: rows of one class do not move those of another.
pub(super) fn stream(seed: u64, class: usize) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(class as u64);
    random
}

pub(super) fn over(rows: &Rows, targets: &Targets, shrinkage: Option<f64>, seed: u64) -> Result<Plan, Problem> {
    let width = rows.points.width();
    let mut plan = Plan { points: Points::new(width), ..Plan::default() };
    if let Some(shrinkage) = shrinkage.filter(|shrinkage| !(shrinkage.is_finite() && *shrinkage >= 0.0)) {
        return Err(Problem::new("shrinkage", format!("`shrinkage` is {shrinkage}"), "give a number from 0 up"));
    }
    for (class, count) in targets.iter().enumerate().filter_map(|(class, count)| Some((class, (*count)?))) {
        let mut random = stream(seed, class);
        let of_class = rows.of(class);
        let widths = shrinkage.map(|shrinkage| {
            // The width of a density estimate by Silverman's rule, as in the smoothed bootstrap (ROSE).
            let (dimensions, all) = (width as f64, rows.classes.len() as f64);
            let rule = (4.0 / ((dimensions + 2.0) * all)).powf(1.0 / (dimensions + 4.0));
            rows.points.deviations(&of_class).into_iter().map(|it| it * rule * shrinkage).collect::<Vec<_>>()
        });
        for _ in 0..count {
            let base = of_class[random.random_range(0..of_class.len())];
            plan.added.push(Added { base, toward: None });
            if let Some(widths) = &widths {
                let point = rows.points.row(base as usize);
                let moved: Vec<f64> =
                    point.iter().zip(widths).map(|(value, width)| value + width * draw(&mut random)).collect();
                plan.points.push(&moved);
            }
        }
    }
    Ok(plan)
}

pub(super) fn under(rows: &Rows, targets: &Targets, replacement: bool, seed: u64) -> Plan {
    let mut plan = Plan::default();
    for (class, count) in targets.iter().enumerate().filter_map(|(class, count)| Some((class, (*count)?))) {
        let mut random = stream(seed, class);
        let mut of_class = rows.of(class);
        let mut times = vec![0_usize; of_class.len()];
        if replacement {
            (0..count).for_each(|_| times[random.random_range(0..of_class.len())] += 1);
        } else {
            of_class.shuffle(&mut random);
            times[..count].fill(1);
        }
        for (row, times) in of_class.into_iter().zip(times) {
            if times == 0 {
                plan.dropped.push(Dropped { row, reason: "not drawn", because_of: None });
            }
            plan.added.extend((1..times).map(|_| Added { base: row, toward: None }));
        }
    }
    plan.dropped.sort_by_key(|dropped| dropped.row);
    plan
}
