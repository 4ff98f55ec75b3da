//! Data engineering: split, query and build features.

mod parts;
mod split_random;
mod strata;

pub use split_random::SplitRandom;
