//! Model engineering: train models and choose among them.

mod class_weight;
mod linear;
mod logistic;
#[cfg(test)]
pub(super) mod testing;
pub(in crate::step) mod training;

pub use linear::TrainLinear;
pub use logistic::TrainLogistic;
