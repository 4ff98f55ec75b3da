//! `train.mlp`: a feed-forward network with embeddings for categories.

mod kind;
mod params;
#[cfg(test)]
mod tests;

pub use kind::TrainMlp;
