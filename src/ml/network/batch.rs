//! Rows on their way into a network.

use candle_core::{Device, Result, Tensor};

use super::super::features::FeatureMatrix;

/// Some rows of a feature matrix on a device.
pub(super) struct Batch {
    pub(super) rows: usize,
    /// Of shape (rows, numeric), if there are numbers.
    pub(super) numeric: Option<Tensor>,
    /// For each category the codes, of shape (rows).
    pub(super) codes: Vec<Tensor>,
}

impl Batch {
    /// The rows `indexes` of `features`.
    pub(super) fn gather(
        features: &FeatureMatrix,
        indexes: &(impl ExactSizeIterator<Item = usize> + Clone),
        device: &Device,
    ) -> Result<Batch> {
        let rows = indexes.len();
        let (numeric_width, code_width) = (features.numeric_width(), features.code_width());
        let numeric = if numeric_width == 0 {
            None
        } else {
            let mut values = Vec::with_capacity(rows * numeric_width);
            for row in indexes.clone() {
                values.extend_from_slice(&features.numeric()[row * numeric_width..(row + 1) * numeric_width]);
            }
            Some(Tensor::from_vec(values, (rows, numeric_width), device)?)
        };
        let codes = (0..code_width)
            .map(|column| {
                let codes = indexes.clone().map(|row| features.codes()[row * code_width + column]).collect();
                Tensor::from_vec::<_, u32>(codes, rows, device)
            })
            .collect::<Result<_>>()?;
        Ok(Batch { rows, numeric, codes })
    }
}
