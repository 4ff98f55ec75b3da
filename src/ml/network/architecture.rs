//! The shape of a network: everything that must be known to rebuild it from its weights.

use serde::{Deserialize, Serialize};

use super::Activation;

/// The shape of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// How many features are numbers.
    pub numeric: usize,
    /// For each category: how many codes it has, and the length of their embeddings.
    pub embeddings: Vec<(usize, usize)>,
    /// The widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// The function after each hidden layer.
    pub activation: Activation,
    /// Whether each hidden layer is normalised over the batch before its activation.
    pub batch_norm: bool,
    /// The share of units left out after each hidden layer while training.
    pub dropout: f64,
    /// How many numbers come out.
    pub outputs: usize,
}

impl Architecture {
    /// The length of an embedding that suits `codes` codes, after fastai's rule of thumb but shorter.
    pub fn embedding_length(codes: usize) -> usize {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
        let length = (1.6 * (codes as f64).powf(0.56)).round() as usize;
        length.clamp(1, 32)
    }

    /// The width of the first layer's input.
    pub fn input_width(&self) -> usize {
        self.numeric + self.embeddings.iter().map(|(_, length)| length).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embeddings_grow_slowly_with_the_number_of_codes() {
        assert_eq!([1, 2, 16, 100, 100_000].map(Architecture::embedding_length), [2, 2, 8, 21, 32]);
    }
}
