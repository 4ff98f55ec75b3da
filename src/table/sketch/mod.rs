//! Statistics in one pass and bounded memory: moments, quantiles, distinct counts, frequent values.

mod association;
mod comoments;
mod distinct;
mod frequent;
mod moments;
mod quantiles;

pub use association::{auc, cramers_v, ranks};
pub use comoments::CoMoments;
pub use distinct::Distinct;
pub use frequent::Frequent;
pub use moments::Moments;
pub use quantiles::Quantiles;
