//! Draws from the standard normal distribution, by Box and Muller.

use std::f64::consts::TAU;

use rand::{Rng, RngExt};

/// The draw that two even ones from 0 to below 1 make.
pub fn of_uniform(one: f64, other: f64) -> f64 {
    (-2.0 * (1.0 - one).ln()).sqrt() * (TAU * other).cos()
}

/// A draw of `random`.
pub fn draw(random: &mut impl Rng) -> f64 {
    let one = random.random::<f64>();
    of_uniform(one, random.random::<f64>())
}
