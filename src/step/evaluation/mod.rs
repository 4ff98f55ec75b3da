//! Evaluation: measure a model on rows it has not learnt from, and write down what was found.

mod card;
mod classifier;
mod data;
mod findings;
mod measured;
mod regressor;
mod slices;
mod threshold;

pub use classifier::EvaluateClassifier;
pub use regressor::EvaluateRegressor;
