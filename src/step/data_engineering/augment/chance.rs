//! Randomness of its own for every row, so that batches do not matter.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::ml::normal::draw;
use crate::step::ParamErrors;

/// The random numbers of one row.
pub(super) fn of_row(seed: u64, row: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(row);
    random
}

/// How many new rows a row gives, if `share` new ones come on each on average.
pub(super) fn copies(random: &mut impl Rng, share: f64) -> usize {
    let more = random.random::<f64>() < share.fract();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is from 0 to 100")]
    let whole = share.trunc() as usize;
    whole + usize::from(more)
}

/// Refuses a share that makes no sense.
pub(super) fn check_share(share: f64) -> Result<(), ParamErrors> {
    if share > 0.0 && share <= 100.0 {
        Ok(())
    } else {
        Err(ParamErrors::one(["share"], format!("{share} new rows for each row; give more than 0 and at most 100")))
    }
}

/// A draw from the beta distribution with both parameters `alpha`.
pub(super) fn beta(random: &mut impl Rng, alpha: f64) -> f64 {
    let (one, other) = (log_gamma_draw(random, alpha), log_gamma_draw(random, alpha));
    1.0 / (1.0 + (other - one).exp())
}

/// The logarithm of a draw from the gamma distribution, by Marsaglia and Tsang: small shapes give numbers that only their
/// logarithm can hold.
fn log_gamma_draw(random: &mut impl Rng, shape: f64) -> f64 {
    if shape < 1.0 {
        let uniform = 1.0 - random.random::<f64>();
        return log_gamma_draw(random, shape + 1.0) + uniform.ln() / shape;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = draw(random);
        let v = (1.0 + c * x).powi(3);
        let uniform = 1.0 - random.random::<f64>();
        if v > 0.0 && uniform.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return (d * v).ln();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_lie_as_the_beta_distribution_has_them() {
        for alpha in [0.2, 1.0, 3.0] {
            let draws: Vec<f64> = (0..4000).map(|row| beta(&mut of_row(3, row), alpha)).collect();
            let mean = draws.iter().sum::<f64>() / 4000.0;
            let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / 4000.0;
            let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!((mean - 0.5).abs() < 0.03 && (variance / expected - 1.0).abs() < 0.1, "{alpha}: {mean} {variance}");
        }
    }

    #[test]
    fn a_share_is_met_on_average() {
        let total: usize = (0..2000).map(|row| copies(&mut of_row(1, row), 1.25)).sum();
        assert!((2400..2600).contains(&total), "{total}");
    }
}
