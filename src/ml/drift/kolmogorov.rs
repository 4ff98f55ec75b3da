//! The p-values of the Kolmogorov-Smirnov statistic, for two samples and for one against a distribution.

use std::f64::consts::PI;

use statrs::function::gamma::ln_gamma;

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

/// The probability that the distribution function of `size` values is at least `distance` from that which they come from.
///
/// Which formula is used where follows Simard and L'Ecuyer (2011): the matrix of Marsaglia, Tsang and Wang (2003) near the middle, the
/// series of Pelz and Good for large sizes, and twice the one-sided probability far out, where both sides never happen together.
pub fn one_sample_p_value(distance: f64, size: usize) -> f64 {
    let n = size as f64;
    let reach = n * distance;
    if size == 0 || reach <= 0.5 {
        return 1.0;
    }
    if distance >= 1.0 {
        return 0.0;
    }
    if reach >= n - 1.0 {
        return (2.0 * (1.0 - distance).powf(n)).clamp(0.0, 1.0);
    }
    let square = reach * distance;
    let is_far = square >= if size <= 140 { 4.0 } else { 2.2 };
    let p = if distance >= 0.5 || is_far {
        2.0 * one_sided(distance, size)
    } else if size <= 140 || (size <= 100_000 && n * distance.powf(1.5) <= 1.4) {
        1.0 - within(distance, size)
    } else {
        1.0 - pelz_good(distance, n)
    };
    p.clamp(0.0, 1.0)
}

/// The probability that the distribution function of `size` values lies this far above the other one (Birnbaum and Tingey 1951).
///
/// Each term is a binomial probability, computed as by Loader (2000): logarithms of large factorials would cost all digits.
fn one_sided(distance: f64, size: usize) -> f64 {
    let n = size as f64;
    let reach = n * distance;
    if reach * distance >= 370.0 {
        return 0.0;
    }
    let term = |place: usize| {
        let (j, rest) = (place as f64, n - place as f64);
        if place == 0 {
            return (n * (-distance).ln_1p()).exp();
        }
        if rest <= reach {
            return 0.0;
        }
        let deviance = -j * (reach / j).ln_1p() - rest * (-reach / rest).ln_1p();
        let error = stirling_error(n) - stirling_error(j) - stirling_error(rest);
        let density = (error - deviance - (j * rest / n * 2.0 * PI).ln() / 2.0).exp();
        distance * density / (distance + j / n)
    };
    (0..size).map(term).sum()
}

/// What Stirling's formula is off by: the logarithm of `n!` less that of its approximation.
fn stirling_error(n: f64) -> f64 {
    if n < 16.0 {
        return ln_gamma(n + 1.0) - (n + 0.5) * n.ln() + n - (2.0 * PI).ln() / 2.0;
    }
    let square = n * n;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / 1188.0 / square) / square) / square) / square)
        / n
}

/// The probability that the distribution function of `size` values stays within `distance`, as a power of a matrix.
fn within(distance: f64, size: usize) -> f64 {
    let reach = size as f64 * distance;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is positive and below the size")]
    let half = reach.ceil() as usize;
    let rest = half as f64 - reach;
    let width = 2 * half - 1;
    let mut factorials = vec![1.0_f64];
    for number in 1..=width + 1 {
        factorials.push(factorials[number - 1] * number as f64);
    }
    let power = |base: f64, exponent: usize| base.powi(i32::try_from(exponent).unwrap_or(i32::MAX));
    let mut step = vec![0.0; width * width];
    for row in 0..width {
        for column in 0..width.min(row + 2) {
            let mut value = 1.0;
            if column == 0 {
                value -= power(rest, row + 1);
            }
            if row == width - 1 {
                value -= power(rest, width - column);
            }
            if column == 0 && row == width - 1 && 2.0 * rest > 1.0 {
                value += power(2.0 * rest - 1.0, width);
            }
            step[row * width + column] = value / factorials[row + 1 - column];
        }
    }
    let (mut scale, mut step_scale) = (0_i32, 0_i32);
    let mut all: Vec<f64> = (0..width * width).map(|cell| f64::from(u8::from(cell / width == cell % width))).collect();
    let mut left = size;
    while left > 0 {
        if left % 2 == 1 {
            all = product(&all, &step, width);
            scale += step_scale + rescaled(&mut all, half, width);
        }
        step = product(&step, &step, width);
        step_scale = 2 * step_scale + rescaled(&mut step, half, width);
        left /= 2;
    }
    let mut share = all[(half - 1) * width + half - 1];
    for number in 1..=size {
        share *= number as f64 / size as f64;
        if share < 1e-140 {
            share *= 1e140;
            scale -= 140;
        }
    }
    share * 10.0_f64.powi(scale)
}

/// Keeps the cells of a matrix within the range of a float; gives the power of ten that was taken out.
fn rescaled(matrix: &mut [f64], half: usize, width: usize) -> i32 {
    if matrix[(half - 1) * width + half - 1] <= 1e140 {
        return 0;
    }
    for cell in matrix {
        *cell *= 1e-140;
    }
    140
}

fn product(left: &[f64], right: &[f64], width: usize) -> Vec<f64> {
    let mut cells = vec![0.0; width * width];
    for row in 0..width {
        for inner in 0..width {
            let factor = left[row * width + inner];
            for column in 0..width {
                cells[row * width + column] += factor * right[inner * width + column];
            }
        }
    }
    cells
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

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::one_sample_p_value;

    #[test]
    fn one_sample_is_judged_as_scipy_does() {
        let fixture: Value =
            serde_json::from_str(include_str!("../../../tests/fixtures/oracle/hypothesis.json")).unwrap();
        for case in fixture["p_values"].as_array().unwrap() {
            let size = usize::try_from(case["n"].as_u64().unwrap()).unwrap();
            let (distance, theirs) = (case["d"].as_f64().unwrap(), case["p"].as_f64().unwrap());
            let ours = one_sample_p_value(distance, size);
            let near = (ours - theirs).abs() <= 1e-9 * theirs.abs() + 1e-300;
            assert!(near, "{size} values, {distance}: {ours} and not {theirs}");
        }
    }
}
