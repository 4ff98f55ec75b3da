//! Model engineering: train models and choose among them.

mod ablation;
pub(in crate::step) mod class_weight;
mod linear;
mod logistic;
mod mlp;
mod select_best;
#[cfg(test)]
pub(super) mod testing;
pub(in crate::step) mod training;

pub use ablation::CompareAblation;
pub use linear::TrainLinear;
pub use logistic::TrainLogistic;
pub use mlp::TrainMlp;
pub use select_best::SelectBest;
