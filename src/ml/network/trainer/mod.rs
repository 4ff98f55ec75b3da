//! The training loop.

mod fit;
#[cfg(test)]
mod tests;

pub use fit::{NetworkFit, Observer, TrainError, fit_network};
