//! Evaluation: measure a model on held-out data and write its card.
