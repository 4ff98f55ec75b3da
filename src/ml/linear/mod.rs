//! Linear models, fitted in double precision on one thread, so that the same data give the same coefficients anywhere.

mod design;
mod lbfgs;
mod logistic;
#[cfg(test)]
mod oracle;
mod ridge;

pub use design::LinearWeights;
pub use logistic::{LogisticFit, LogisticOptions, fit_logistic};
pub(crate) use logistic::{sigmoid, softmax};
pub use ridge::{RidgeError, fit_ridge};
