//! The p-value of the two-sample Kolmogorov-Smirnov statistic.

use std::f64::consts::PI;

/// Up to this product of the sample sizes the p-value is computed exactly; it takes as many steps.
const MOST_STEPS: u64 = 100_000_000;

/// The probability that two samples of these sizes from one distribution are at least `distance` apart.
pub(super) fn p_value(distance: f64, one: usize, two: usize) -> f64 {
    let (one, two) = (one as u64, two as u64);
    let p = if one.saturating_mul(two) <= MOST_STEPS {
        exact(distance, one, two)
    } else {
        let size = (one as f64 * two as f64 / (one + two) as f64).round();
        asymptotic(distance, size)
    };
    p.clamp(0.0, 1.0)
}

/// Counts the orders of the pooled values for which the distribution functions come this far apart (Hodges 1957).
///
/// An order is a path on a lattice of `one` by `two` steps. For each point the share of paths to it that have left the
/// band follows from its two neighbours; working with shares keeps every number between 0 and 1.
fn exact(distance: f64, one: u64, two: u64) -> f64 {
    let limit = (distance * one as f64 * two as f64 / gcd(one, two) as f64).round() * gcd(one, two) as f64;
    if limit == 0.0 {
        return 1.0;
    }
    let is_out = |first: u64, second: u64| (first as f64 * two as f64 - second as f64 * one as f64).abs() >= limit;
    let mut out = Vec::with_capacity(usize::try_from(two).unwrap_or(0) + 1);
    for first in 0..=one {
        for second in 0..=two {
            let index = usize::try_from(second).expect("the product of the sizes is bounded");
            let share = if is_out(first, second) {
                1.0
            } else if first == 0 && second == 0 {
                0.0
            } else {
                let steps = (first + second) as f64;
                let from_first = if first > 0 { out[index] * first as f64 } else { 0.0 };
                let from_second = if second > 0 { out[index - 1] * second as f64 } else { 0.0 };
                (from_first + from_second) / steps
            };
            if first == 0 {
                out.push(share);
            } else {
                out[index] = share;
            }
        }
    }
    out.last().copied().unwrap_or(1.0)
}

fn gcd(one: u64, two: u64) -> u64 {
    if two == 0 { one } else { gcd(two, one % two) }
}

/// The survival function of the one-sample statistic at the effective size, for large sizes.
fn asymptotic(distance: f64, size: f64) -> f64 {
    if distance <= 0.0 {
        return 1.0;
    }
    if size * distance * distance >= 2.2 {
        // Miller (1956): twice the one-sided tail, far out where both sides never happen together.
        return 2.0 * (-(6.0 * size * distance + 1.0).powi(2) / (18.0 * size)).exp();
    }
    1.0 - pelz_good(distance, size)
}

/// The distribution function of the one-sample statistic, to order `size^(-3/2)` (Pelz and Good 1976).
fn pelz_good(distance: f64, size: f64) -> f64 {
    let z = size.sqrt() * distance;
    let (z2, z4, z6) = (z.powi(2), z.powi(4), z.powi(6));
    let exponent = -PI.powi(2) / (8.0 * z2);
    if exponent < -700.0 {
        return 0.0;
    }
    let root = (2.0 * PI).sqrt();
    let mut terms = [0.0_f64; 4];
    let mut extra = [0.0_f64; 2];
    // A score of terms is more than any `z` below 4 needs.
    for k in 1..=20 {
        let odd = f64::from(2 * k - 1);
        let (m2, m4, m6) = (odd.powi(2), odd.powi(4), odd.powi(6));
        let weight = (exponent * m2).exp();
        terms[0] += weight;
        terms[1] += weight * (-z2 + PI.powi(2) / 4.0 * m2);
        terms[2] += weight
            * (6.0 * z6
                + 2.0 * z4
                + (2.0 * z4 - 5.0 * z2) * PI.powi(2) / 4.0 * m2
                + PI.powi(4) * (1.0 - 2.0 * z2) / 16.0 * m4);
        terms[3] += weight
            * (-30.0 * z6 - 90.0 * z.powi(8)
                + PI.powi(2) * (135.0 * z4 - 96.0 * z6) / 4.0 * m2
                + PI.powi(4) * (-60.0 * z2 + 212.0 * z4) / 16.0 * m4
                + PI.powi(6) * (5.0 - 30.0 * z2) / 64.0 * m6);
        let k = f64::from(k);
        let weight = (-PI.powi(2) * k * k / (2.0 * z2)).exp();
        extra[0] += k * k * weight;
        extra[1] += (3.0 * z2 - (PI * k).powi(2)) * k * k * weight;
    }
    let k0 = terms[0] * root / z;
    let k1 = terms[1] * root / (6.0 * z4);
    let k2 = terms[2] * root / (72.0 * z.powi(7)) - extra[0] * PI.powi(2) * root / (36.0 * z.powi(3));
    let k3 = terms[3] * root / (6480.0 * z.powi(10)) + extra[1] * PI.powi(2) * root / (216.0 * z6);
    k0 + k1 / size.sqrt() + k2 / size + k3 / size.powf(1.5)
}
