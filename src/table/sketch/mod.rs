//! Statistics in one pass and bounded memory: moments, quantiles, distinct counts, frequent values.

mod distinct;
mod frequent;
mod moments;
mod quantiles;

pub use distinct::Distinct;
pub use frequent::Frequent;
pub use moments::Moments;
pub use quantiles::Quantiles;
