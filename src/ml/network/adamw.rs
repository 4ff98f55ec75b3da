//! AdamW (Loshchilov and Hutter 2019) as PyTorch defines it, with a state that can be written down.

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// The first and second moments of every parameter.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AdamW {
    pub(super) step: u64,
    pub(super) first: Vec<Vec<f32>>,
    pub(super) second: Vec<Vec<f32>>,
}

/// One parameter to update.
pub(super) struct Parameter<'a> {
    pub(super) var: &'a Var,
    /// Whether weight decay pulls it towards zero: weights of layers, but no embeddings, biases and normalisations.
    pub(super) decays: bool,
}

/// How large an update is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    pub(super) learning_rate: f64,
    pub(super) weight_decay: f64,
    /// The largest norm of all gradients together; longer ones are shortened to it.
    pub(super) clip_norm: Option<f64>,
}

impl AdamW {
    pub(super) fn new(sizes: impl Iterator<Item = usize>) -> AdamW {
        let first: Vec<Vec<f32>> = sizes.map(|size| vec![0.0; size]).collect();
        AdamW { step: 0, second: first.clone(), first }
    }

    /// Moves every parameter against its gradient.
    pub(super) fn update(&mut self, parameters: &[Parameter<'_>], gradients: &GradStore, rates: Rates) -> Result<()> {
        self.step += 1;
        let mut values = Vec::with_capacity(parameters.len());
        for parameter in parameters {
            let gradient = match gradients.get(parameter.var) {
                Some(gradient) => gradient.flatten_all()?.to_vec1::<f32>()?,
                None => vec![0.0; parameter.var.elem_count()],
            };
            values.push(gradient);
        }
        let scale = clip_scale(&values, rates.clip_norm);
        for (index, (parameter, gradient)) in parameters.iter().zip(&values).enumerate() {
            let decay = if parameter.decays { rates.learning_rate * rates.weight_decay } else { 0.0 };
            let mut weights = parameter.var.flatten_all()?.to_vec1::<f32>()?;
            self.move_weights(index, &mut weights, gradient, scale, rates.learning_rate, decay);
            let moved = Tensor::from_vec(weights, parameter.var.shape(), parameter.var.device())?;
            parameter.var.set(&moved)?;
        }
        Ok(())
    }

    #[expect(clippy::cast_possible_truncation, reason = "the factors are single precision on purpose")]
    fn move_weights(&mut self, index: usize, weights: &mut [f32], gradient: &[f32], scale: f32, rate: f64, decay: f64) {
        let step = i32::try_from(self.step).unwrap_or(i32::MAX);
        let step_size = (rate / (1.0 - BETA1.powi(step))) as f32;
        let correction = (1.0 / (1.0 - BETA2.powi(step)).sqrt()) as f32;
        let (keep, epsilon) = ((1.0 - decay) as f32, EPSILON as f32);
        let (beta1, beta2) = (BETA1 as f32, BETA2 as f32);
        let moments = self.first[index].iter_mut().zip(&mut self.second[index]);
        for ((weight, gradient), (first, second)) in weights.iter_mut().zip(gradient).zip(moments) {
            let gradient = gradient * scale;
            *first = beta1 * *first + (1.0 - beta1) * gradient;
            *second = beta2 * *second + (1.0 - beta2) * gradient * gradient;
            *weight = *weight * keep - step_size * *first / (second.sqrt() * correction + epsilon);
        }
    }
}

/// What all gradients are multiplied by so that their common norm is at most `limit`.
#[expect(clippy::cast_possible_truncation, reason = "the factor is single precision on purpose")]
fn clip_scale(gradients: &[Vec<f32>], limit: Option<f64>) -> f32 {
    let Some(limit) = limit else { return 1.0 };
    let squares = gradients.iter().flatten().map(|value| f64::from(*value) * f64::from(*value));
    let norm = squares.sum::<f64>().sqrt();
    if norm > limit { (limit / norm) as f32 } else { 1.0 }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use candle_core::Device;

    use super::*;

    /// PyTorch 2's documented formula in double precision: 20 steps on the loss sum(a_i x_i^2 / 2).
    #[test]
    fn twenty_steps_agree_with_the_formula_in_double_precision() {
        let curvature = [1.0, 0.5, 3.0];
        let start = [0.5_f32, -2.0, 1.5];
        let rates = Rates { learning_rate: 0.05, weight_decay: 0.1, clip_norm: None };
        let var = Var::from_slice(&start, 3, &Device::Cpu).unwrap();
        let factors = Tensor::from_slice(&[1.0_f32, 0.5, 3.0], 3, &Device::Cpu).unwrap();
        let mut optimiser = AdamW::new([3].into_iter());
        let mut expected = start.map(f64::from);
        let (mut first, mut second) = ([0.0; 3], [0.0; 3]);
        for step in 1..=20 {
            let loss = ((var.as_tensor().sqr().unwrap() * &factors).unwrap() * 0.5).unwrap().sum_all().unwrap();
            let gradients = loss.backward().unwrap();
            optimiser.update(&[Parameter { var: &var, decays: true }], &gradients, rates).unwrap();
            for index in 0..3 {
                let gradient = curvature[index] * expected[index];
                expected[index] *= 1.0 - rates.learning_rate * rates.weight_decay;
                first[index] = BETA1 * first[index] + (1.0 - BETA1) * gradient;
                second[index] = BETA2 * second[index] + (1.0 - BETA2) * gradient * gradient;
                let corrected: f64 = second[index] / (1.0 - BETA2.powi(step));
                expected[index] -=
                    rates.learning_rate * first[index] / (1.0 - BETA1.powi(step)) / (corrected.sqrt() + EPSILON);
            }
        }
        for (found, expected) in var.to_vec1::<f32>().unwrap().iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-5, "{found} is not {expected}");
        }
    }

    #[test]
    fn long_gradients_are_shortened_together() {
        let gradients = vec![vec![3.0_f32], vec![4.0]];
        assert_eq!(clip_scale(&gradients, Some(1.0)), 0.2);
        assert_eq!(clip_scale(&gradients, Some(10.0)), 1.0);
        assert_eq!(clip_scale(&gradients, None), 1.0);
    }
}
