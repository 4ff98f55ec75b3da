//! `feature.pipeline`: fits transforms on the fit table and applies them to every split.

mod kind;
mod output;
mod selection;

pub use kind::FeaturePipeline;

#[cfg(test)]
mod tests;
