//! The network itself: its weights, its forward pass, and its way into and out of a file.

use candle_core::{Device, Result, Tensor, Var};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::super::features::FeatureMatrix;
use super::super::tensors::{TensorError, Tensors};
use super::Architecture;
use super::adamw::Parameter;
use super::batch::Batch;

/// How much a batch moves the running statistics of a normalisation, as in PyTorch.
const MOMENTUM: f64 = 0.1;
const EPSILON: f64 = 1e-5;
/// How many rows are evaluated at once.
const EVALUATION_ROWS: usize = 4096;

/// A feed-forward network with embeddings for categories. Clones share their weights.
#[derive(Debug, Clone)]
pub struct Network {
    architecture: Architecture,
    device: Device,
    embeddings: Vec<Var>,
    hidden: Vec<Hidden>,
    output: Linear,
    /// Mean and deviation of the target, which a regression learns standardised.
    target: (f64, f64),
}

#[derive(Debug, Clone)]
struct Hidden {
    linear: Linear,
    norm: Option<BatchNorm>,
}

#[derive(Debug, Clone)]
struct Linear {
    /// Of shape (outputs, inputs).
    weight: Var,
    /// Of shape (1, outputs); a layer before a normalisation has none, since the mean is taken away again.
    bias: Option<Var>,
}

#[derive(Debug, Clone)]
struct BatchNorm {
    scale: Var,
    shift: Var,
    mean: Var,
    variance: Var,
}

/// Makes the factors that a layer's output is multiplied by: zero for units left out.
pub(super) type Dropout<'a> = dyn FnMut(usize, usize) -> Result<Option<Tensor>> + 'a;

impl Network {
    /// A network with random weights: layers as PyTorch starts them, uniform within 1 / sqrt(inputs).
    pub(super) fn new(architecture: &Architecture, target: (f64, f64), seed: u64, device: &Device) -> Result<Network> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        Network::build(architecture, target, device, |_, shape, start| {
            let values = match start {
                Start::Constant(value) => vec![value; shape.0 * shape.1],
                Start::Uniform(bound) => (0..shape.0 * shape.1).map(|_| random.random_range(-bound..bound)).collect(),
            };
            Tensor::from_vec(values, shape, device)
        })
    }

    /// The network whose weights are in `tensors` under names that begin with `prefix`.
    pub fn from_tensors(
        architecture: &Architecture,
        tensors: &Tensors,
        prefix: &str,
        device: &super::ComputeDevice,
    ) -> std::result::Result<Network, TensorError> {
        let target = tensors.f64(&format!("{prefix}target"), &[2])?;
        let mut missing = None;
        let network = Network::build(architecture, (target[0], target[1]), &device.device, |name, shape, _| {
            let values = tensors.f32(&format!("{prefix}{name}"), &[shape.0, shape.1]).unwrap_or_else(|error| {
                missing.get_or_insert(error);
                &[]
            });
            Tensor::from_slice(values, (values.len() / shape.1.max(1), shape.1), &device.device)
        });
        match (missing, network) {
            (Some(error), _) => Err(error),
            (None, Ok(network)) => Ok(network),
            (None, Err(error)) => Err(TensorError::Missing { name: error.to_string() }),
        }
    }

    fn build(
        architecture: &Architecture,
        target: (f64, f64),
        device: &Device,
        mut start: impl FnMut(&str, (usize, usize), Start) -> Result<Tensor>,
    ) -> Result<Network> {
        let mut var = |name: String, shape, how| Var::from_tensor(&start(&name, shape, how)?);
        let mut embeddings = Vec::new();
        for (index, &(codes, length)) in architecture.embeddings.iter().enumerate() {
            let bound = 1.0 / root(length);
            embeddings.push(var(format!("embeddings.{index}"), (codes, length), Start::Uniform(bound))?);
        }
        let mut inputs = architecture.input_width();
        let mut hidden = Vec::new();
        for (index, &width) in architecture.hidden.iter().enumerate() {
            let bound = Start::Uniform(1.0 / root(inputs));
            let mut named = |name: &str, shape, how| var(format!("hidden.{index}.{name}"), shape, how);
            let weight = named("weight", (width, inputs), bound)?;
            let (bias, norm) = if architecture.batch_norm {
                let norm = BatchNorm {
                    scale: named("norm.scale", (1, width), Start::Constant(1.0))?,
                    shift: named("norm.shift", (1, width), Start::Constant(0.0))?,
                    mean: named("norm.mean", (1, width), Start::Constant(0.0))?,
                    variance: named("norm.variance", (1, width), Start::Constant(1.0))?,
                };
                (None, Some(norm))
            } else {
                (Some(named("bias", (1, width), bound)?), None)
            };
            hidden.push(Hidden { linear: Linear { weight, bias }, norm });
            inputs = width;
        }
        let bound = Start::Uniform(1.0 / root(inputs));
        let output = Linear {
            weight: var("output.weight".to_owned(), (architecture.outputs, inputs), bound)?,
            bias: Some(var("output.bias".to_owned(), (1, architecture.outputs), bound)?),
        };
        let architecture = architecture.clone();
        Ok(Network { architecture, device: device.clone(), embeddings, hidden, output, target })
    }

    /// The shape of the network.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The output for each row, row-major of shape (rows, outputs): logits, or numbers on the scale of the target.
    pub fn outputs(&self, features: &FeatureMatrix) -> Result<Vec<f64>> {
        let mut outputs = Vec::with_capacity(features.rows() * self.architecture.outputs);
        let (mean, deviation) = self.target;
        for start in (0..features.rows()).step_by(EVALUATION_ROWS) {
            let end = (start + EVALUATION_ROWS).min(features.rows());
            let batch = Batch::gather(features, &(start..end), &self.device)?;
            let values = self.forward(&batch, None)?.flatten_all()?.to_vec1::<f32>()?;
            outputs.extend(values.into_iter().map(|value| f64::from(value) * deviation + mean));
        }
        Ok(outputs)
    }

    /// The outputs for a batch; with `dropout` it is a training step, which normalises by the batch and can be derived.
    pub(super) fn forward(&self, batch: &Batch, mut dropout: Option<&mut Dropout<'_>>) -> Result<Tensor> {
        let is_training = dropout.is_some();
        // Outside training nothing needs to be remembered for a backward pass.
        let weight = |var: &Var| if is_training { var.as_tensor().clone() } else { var.as_detached_tensor() };
        // Products with a column of ones spread a row over the batch; their backward pass is a fast product as well, where
        // that of a broadcast is a slow reduction.
        let ones = Tensor::ones((batch.rows, 1), candle_core::DType::F32, &self.device)?;
        let mut parts: Vec<Tensor> = batch.numeric.iter().cloned().collect();
        for (embedding, codes) in self.embeddings.iter().zip(&batch.codes) {
            parts.push(weight(embedding).index_select(codes, 0)?);
        }
        let mut values = if parts.len() == 1 { parts.remove(0) } else { Tensor::cat(&parts, 1)? };
        let linear = |layer: &Linear, values: &Tensor| -> Result<Tensor> {
            let product = values.matmul(&weight(&layer.weight).t()?)?;
            match &layer.bias {
                Some(bias) => product + ones.matmul(&weight(bias))?,
                None => Ok(product),
            }
        };
        for layer in &self.hidden {
            values = linear(&layer.linear, &values)?;
            if let Some(norm) = &layer.norm {
                values = if is_training { norm.train(&values, &ones)? } else { norm.evaluate(&values)? };
            }
            values = self.architecture.activation.apply(&values)?;
            if let Some(dropout) = dropout.as_mut()
                && let Some(factors) = dropout(batch.rows, values.dim(1)?)?
            {
                values = (values * factors)?;
            }
        }
        linear(&self.output, &values)
    }

    /// Everything that is learnt, in a fixed order.
    pub(super) fn parameters(&self) -> Vec<Parameter<'_>> {
        let mut parameters: Vec<Parameter<'_>> =
            self.embeddings.iter().map(|var| Parameter { var, decays: false }).collect();
        for layer in &self.hidden {
            layer.linear.collect(&mut parameters);
            if let Some(norm) = &layer.norm {
                parameters.extend([&norm.scale, &norm.shift].map(|var| Parameter { var, decays: false }));
            }
        }
        self.output.collect(&mut parameters);
        parameters
    }

    /// Adds all weights to `tensors` under names that begin with `prefix`.
    pub fn write(&self, tensors: &mut Tensors, prefix: &str) -> Result<()> {
        tensors.insert_f64(format!("{prefix}target"), &[2], vec![self.target.0, self.target.1]);
        let mut write = |name: String, var: &Var| -> Result<()> {
            let values = var.flatten_all()?.to_vec1::<f32>()?;
            tensors.insert_f32(format!("{prefix}{name}"), var.dims(), values);
            Ok(())
        };
        for (index, embedding) in self.embeddings.iter().enumerate() {
            write(format!("embeddings.{index}"), embedding)?;
        }
        for (index, layer) in self.hidden.iter().enumerate() {
            write(format!("hidden.{index}.weight"), &layer.linear.weight)?;
            if let Some(bias) = &layer.linear.bias {
                write(format!("hidden.{index}.bias"), bias)?;
            }
            if let Some(norm) = &layer.norm {
                write(format!("hidden.{index}.norm.scale"), &norm.scale)?;
                write(format!("hidden.{index}.norm.shift"), &norm.shift)?;
                write(format!("hidden.{index}.norm.mean"), &norm.mean)?;
                write(format!("hidden.{index}.norm.variance"), &norm.variance)?;
            }
        }
        write("output.weight".to_owned(), &self.output.weight)?;
        self.output.bias.iter().try_for_each(|bias| write("output.bias".to_owned(), bias))
    }
}

/// How a new weight starts.
#[derive(Debug, Clone, Copy)]
enum Start {
    Constant(f32),
    /// Uniform between minus this and this.
    Uniform(f32),
}

impl Linear {
    fn collect<'a>(&'a self, parameters: &mut Vec<Parameter<'a>>) {
        parameters.push(Parameter { var: &self.weight, decays: true });
        parameters.extend(self.bias.iter().map(|var| Parameter { var, decays: false }));
    }
}

impl BatchNorm {
    /// Normalises by the mean and variance of the batch, and moves the running ones towards them.
    fn train(&self, values: &Tensor, ones: &Tensor) -> Result<Tensor> {
        let rows = ones.dim(0)? as f64;
        let mean = (ones.t()?.matmul(values)? / rows)?;
        let centred = (values - ones.matmul(&mean)?)?;
        let variance = (ones.t()?.matmul(&centred.sqr()?)? / rows)?;
        let factor = ((&variance + EPSILON)?.sqrt()?.recip()? * self.scale.as_tensor())?;
        let moved = |running: &Var, batch: &Tensor, correction: f64| -> Result<()> {
            let kept = (running.as_detached_tensor() * (1.0 - MOMENTUM))?;
            running.set(&(kept + (batch.detach() * (MOMENTUM * correction))?)?)
        };
        moved(&self.mean, &mean, 1.0)?;
        moved(&self.variance, &variance, rows / (rows - 1.0).max(1.0))?;
        (centred * ones.matmul(&factor)?)? + ones.matmul(self.shift.as_tensor())?
    }

    /// Normalises by the running mean and variance.
    fn evaluate(&self, values: &Tensor) -> Result<Tensor> {
        let factor =
            ((self.variance.as_detached_tensor() + EPSILON)?.sqrt()?.recip()? * self.scale.as_detached_tensor())?;
        let centred = values.broadcast_sub(&self.mean.as_detached_tensor())?;
        centred.broadcast_mul(&factor)?.broadcast_add(&self.shift.as_detached_tensor())
    }
}

/// The square root of a width, which is small.
#[expect(clippy::cast_possible_truncation, reason = "widths are far below the precision of a single float")]
fn root(width: usize) -> f32 {
    (width.max(1) as f64).sqrt() as f32
}

#[cfg(test)]
#[expect(clippy::unnecessary_wraps, reason = "the type is the forward pass's")]
mod tests {
    use super::*;
    use crate::ml::features::Feature;
    use crate::ml::network::{Activation, ComputeDevice, DeviceChoice};

    fn features(rows: usize) -> FeatureMatrix {
        let feature = |name: &str, categories| Feature { name: name.to_owned(), categories };
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let numeric = (0..rows * 2).map(|_| random.random_range(-1.0_f32..1.0)).collect();
        let codes = (0..rows).map(|_| random.random_range(0..3_u32)).collect();
        FeatureMatrix::from_parts(vec![feature("a", None), feature("c", Some(3)), feature("b", None)], numeric, codes)
    }

    fn architecture(batch_norm: bool, activation: Activation) -> Architecture {
        Architecture {
            numeric: 2,
            embeddings: vec![(3, 2)],
            hidden: vec![6, 4],
            activation,
            batch_norm,
            dropout: 0.0,
            outputs: 2,
        }
    }

    fn no_dropout(_: usize, _: usize) -> Result<Option<Tensor>> {
        Ok(None)
    }

    #[test]
    fn every_weight_of_every_architecture_has_a_gradient() {
        for activation in [Activation::Relu, Activation::Gelu, Activation::Silu, Activation::Tanh] {
            for batch_norm in [false, true] {
                let network = Network::new(&architecture(batch_norm, activation), (0.0, 1.0), 1, &Device::Cpu).unwrap();
                let batch = Batch::gather(&features(32), &(0..32), &Device::Cpu).unwrap();
                let outputs = network.forward(&batch, Some(&mut no_dropout)).unwrap();
                let gradients = outputs.sin().unwrap().sum_all().unwrap().backward().unwrap();
                for (index, parameter) in network.parameters().iter().enumerate() {
                    let gradient = gradients.get(parameter.var).expect("a gradient");
                    let size = gradient.abs().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
                    assert!(size > 0.0, "parameter {index} with {activation:?}, batch norm {batch_norm}");
                }
            }
        }
    }

    #[test]
    fn a_gradient_through_the_normalisation_is_the_slope() {
        let network = Network::new(&architecture(true, Activation::Tanh), (0.0, 1.0), 1, &Device::Cpu).unwrap();
        let batch = Batch::gather(&features(16), &(0..16), &Device::Cpu).unwrap();
        let loss = || {
            let outputs = network.forward(&batch, Some(&mut no_dropout)).unwrap();
            outputs.sqr().unwrap().sum_all().unwrap()
        };
        let gradients = loss().backward().unwrap();
        let weight = &network.hidden[0].linear.weight;
        let slope = gradients.get(weight).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()[1];
        let values = weight.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let shifted = |by: f32| {
            let mut moved = values.clone();
            moved[1] += by;
            weight.set(&Tensor::from_vec(moved, weight.shape(), &Device::Cpu).unwrap()).unwrap();
            loss().to_scalar::<f32>().unwrap()
        };
        let measured = (shifted(0.01) - shifted(-0.01)) / 0.02;
        assert!((measured - slope).abs() < 0.02 * slope.abs().max(0.5), "{measured} {slope}");
    }

    #[test]
    fn running_statistics_come_to_those_of_the_data() {
        let network = Network::new(&architecture(true, Activation::Relu), (0.0, 1.0), 1, &Device::Cpu).unwrap();
        let batch = Batch::gather(&features(64), &(0..64), &Device::Cpu).unwrap();
        let mut trained = network.forward(&batch, Some(&mut no_dropout)).unwrap();
        for _ in 0..200 {
            trained = network.forward(&batch, Some(&mut no_dropout)).unwrap();
        }
        let evaluated = network.forward(&batch, None).unwrap();
        let trained = trained.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (left, right) in trained.iter().zip(evaluated.flatten_all().unwrap().to_vec1::<f32>().unwrap()) {
            // The running variance is the unbiased one, so the two differ a little.
            assert!((left - right).abs() < 0.05, "{left} {right}");
        }
    }

    #[test]
    fn weights_read_back_as_written() {
        let device = ComputeDevice::find(DeviceChoice::Cpu).unwrap();
        for batch_norm in [false, true] {
            let shape = architecture(batch_norm, Activation::Relu);
            let network = Network::new(&shape, (5.0, 2.0), 1, &Device::Cpu).unwrap();
            let mut tensors = Tensors::default();
            network.write(&mut tensors, "best.").unwrap();
            let loaded = Network::from_tensors(&shape, &tensors, "best.", &device).unwrap();
            assert_eq!(loaded.outputs(&features(9)).unwrap(), network.outputs(&features(9)).unwrap());
            let other = Architecture { hidden: vec![5, 4], ..shape };
            assert!(Network::from_tensors(&other, &tensors, "best.", &device).is_err());
        }
    }
}
