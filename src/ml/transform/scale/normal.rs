//! The quantile function of the standard normal distribution.

use std::f64::consts::SQRT_2;

use statrs::function::erf::erfc_inv;

/// The value below which a standard normal falls with probability `p`.
pub(super) fn inverse_cdf(p: f64) -> f64 {
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if p >= 1.0 {
        return f64::INFINITY;
    }
    -SQRT_2 * erfc_inv(2.0 * p)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_the_normal_are_the_published_ones() {
        for (p, expected) in [
            (0.5, 0.0),
            (0.975, 1.959_963_984_540_054),
            (0.75, 0.674_489_750_196_081_7),
            (1e-7, -5.199_337_582_192_816),
            (0.25, -0.674_489_750_196_081_7),
        ] {
            assert!((inverse_cdf(p) - expected).abs() < 1e-10, "{p}: {}", inverse_cdf(p));
        }
    }
}
