//! Randomness that is a function of seed and row number, so that batches and passes cannot change it.

use crate::ml::normal::of_uniform;

/// 64 random bits for one row.
pub(super) fn bits(seed: u64, row: u64) -> u64 {
    // The finaliser of SplitMix64, after one step of its counter.
    let mut bits = seed.wrapping_add(row.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// The fold of one row.
pub(super) fn fold(seed: u64, row: u64, folds: u32) -> u32 {
    u32::try_from(bits(seed, row) % u64::from(folds)).expect("a remainder is smaller than its divisor")
}

/// A draw from the standard normal distribution for one row.
pub(super) fn normal(seed: u64, row: u64) -> f64 {
    // The upper half of the bits of a double, from 0 to below 1.
    let uniform = |bits: u64| (bits >> 11) as f64 / (1_u64 << 53) as f64;
    let (one, other) = (bits(seed, row), bits(!seed, row));
    of_uniform(uniform(one), uniform(other))
}
