//! The training loop.

use candle_core::{Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::super::adamw::{AdamW, Rates};
use super::super::batch::Batch;
use super::super::feed_forward::Network;
use super::super::loss::loss;
use super::super::state::{Best, EpochRecord, History, TrainingState};
use super::super::{Architecture, Checkpoints, ComputeDevice, TrainingOptions};
use crate::ml::dataset::Dataset;
use crate::ml::importance::shuffled;
use crate::ml::model::link;
use crate::ml::scores::Scores;
use crate::ml::tensors::{TensorError, Tensors};
use crate::table::roles::Task;

/// Hears how a training goes, and may end it.
pub trait Observer {
    /// Why a training is ended from outside.
    type Stop;
    /// Called before each batch; an error ends the training.
    fn before_batch(&mut self) -> Result<(), Self::Stop>;
    /// Called after each epoch.
    fn after_epoch(&mut self, record: &EpochRecord);
    /// Called when a training goes on after `epochs` epochs of an earlier attempt.
    fn resumed(&mut self, epochs: usize);
}

/// Why a training did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum TrainError<S> {
    /// It was ended from outside.
    #[error("the training was stopped")]
    Stopped(S),
    /// The loss is infinite or no number.
    #[error("the loss of epoch {epoch} is not a number")]
    Diverged {
        /// The epoch, from 1.
        epoch: usize,
    },
    /// The monitored metric is undefined on the validation rows.
    #[error("`{metric}` is undefined on the validation rows")]
    Unmonitored {
        /// The metric.
        metric: String,
    },
    /// A checkpoint could not be written.
    #[error(transparent)]
    Checkpoint(#[from] TensorError),
    /// candle failed.
    #[error("the network could not be computed")]
    Network(#[from] candle_core::Error),
}

/// A trained network and how it came about.
#[derive(Debug)]
pub struct NetworkFit {
    /// The network with the weights of the best epoch, or of the last one where nothing was monitored.
    pub network: Network,
    /// All epochs.
    pub history: History,
    /// The epoch whose weights the network has.
    pub best_epoch: usize,
}

/// Trains a network on `train`, whose rows count by `weight`, and watches it on `valid`.
pub fn fit_network<O: Observer>(
    architecture: &Architecture,
    (train, weight): (&Dataset, Option<&[f64]>),
    valid: Option<&Dataset>,
    options: &TrainingOptions,
    device: &ComputeDevice,
    checkpoints: Option<&Checkpoints>,
    observer: &mut O,
) -> Result<NetworkFit, TrainError<O::Stop>> {
    let target = target_scale(train, weight);
    let data = TrainingRows { dataset: train, target, weight };
    let mut trainer = match checkpoints.and_then(Checkpoints::load) {
        Some((state, tensors)) => {
            observer.resumed(state.epoch);
            Trainer::resume(architecture, options, state, &tensors, device)?
        }
        None => Trainer::start(architecture, options, target, &device.device)?,
    };
    while trainer.state.epoch < options.epochs && !trainer.is_over() {
        trainer.epoch(&data, valid, observer)?;
        if let Some(checkpoints) = checkpoints {
            checkpoints.save(&trainer.state, &trainer.tensors()?)?;
        }
    }
    let (network, best_epoch) = match (&trainer.best, trainer.state.best) {
        (Some(tensors), Some(best)) => (Network::from_tensors(architecture, tensors, "best.", device)?, best.epoch),
        _ => (trainer.network, trainer.state.epoch),
    };
    Ok(NetworkFit { network, history: trainer.state.history, best_epoch })
}

struct TrainingRows<'a> {
    dataset: &'a Dataset,
    target: (f64, f64),
    weight: Option<&'a [f64]>,
}

struct Trainer<'a> {
    options: &'a TrainingOptions,
    network: Network,
    optimiser: AdamW,
    state: TrainingState,
    /// The weights of the best epoch.
    best: Option<Tensors>,
    device: Device,
}

impl<'a> Trainer<'a> {
    fn start(
        architecture: &Architecture,
        options: &'a TrainingOptions,
        target: (f64, f64),
        device: &Device,
    ) -> candle_core::Result<Trainer<'a>> {
        let network = Network::new(architecture, target, options.seed, device)?;
        let optimiser = AdamW::new(network.parameters().iter().map(|parameter| parameter.var.elem_count()));
        let state = TrainingState::default();
        Ok(Trainer { options, network, optimiser, state, best: None, device: device.clone() })
    }

    fn resume(
        architecture: &Architecture,
        options: &'a TrainingOptions,
        state: TrainingState,
        tensors: &Tensors,
        device: &ComputeDevice,
    ) -> Result<Trainer<'a>, TensorError> {
        let network = Network::from_tensors(architecture, tensors, "last.", device)?;
        let sizes: Vec<usize> = network.parameters().iter().map(|parameter| parameter.var.elem_count()).collect();
        let moments = |name: &str| -> Result<Vec<Vec<f32>>, TensorError> {
            let read = |(index, size): (usize, &usize)| tensors.f32(&format!("{name}.{index}"), &[*size]);
            sizes.iter().enumerate().map(|entry| Ok(read(entry)?.to_vec())).collect()
        };
        let optimiser = AdamW { step: state.step, first: moments("first")?, second: moments("second")? };
        let best = state.best.map(|_| tensors.starting_with("best."));
        Ok(Trainer { options, network, optimiser, state, best, device: device.device.clone() })
    }

    /// Everything that [`Trainer::resume`] needs besides the state.
    fn tensors(&self) -> candle_core::Result<Tensors> {
        let mut tensors = self.best.clone().unwrap_or_default();
        self.network.write(&mut tensors, "last.")?;
        for (name, moments) in [("first", &self.optimiser.first), ("second", &self.optimiser.second)] {
            for (index, values) in moments.iter().enumerate() {
                tensors.insert_f32(format!("{name}.{index}"), &[values.len()], values.clone());
            }
        }
        Ok(tensors)
    }

    fn is_over(&self) -> bool {
        self.options.early_stopping.is_some_and(|stopping| self.state.stale() > stopping.patience)
    }

    fn epoch<O: Observer>(
        &mut self,
        data: &TrainingRows<'_>,
        valid: Option<&Dataset>,
        observer: &mut O,
    ) -> Result<(), TrainError<O::Stop>> {
        let (train_loss, learning_rate) = self.steps(data, observer)?;
        self.state.epoch += 1;
        self.state.step = self.optimiser.step;
        let epoch = self.state.epoch;
        if !train_loss.is_finite() {
            return Err(TrainError::Diverged { epoch });
        }
        let value = valid.map(|valid| self.monitor(valid)).transpose()?;
        let improved = match value {
            Some(value) => self.note_if_best(value)?,
            None => self.state.history.iter().all(|earlier| train_loss < earlier.train_loss),
        };
        self.state.schedule.after_epoch(improved, self.options.plateau_patience());
        let record = EpochRecord { epoch, learning_rate, train_loss, valid: value };
        self.state.history.push(record);
        observer.after_epoch(&record);
        Ok(())
    }

    /// One pass over the rows in random order; gives the mean loss and the last learning rate.
    fn steps<O: Observer>(
        &mut self,
        data: &TrainingRows<'_>,
        observer: &mut O,
    ) -> Result<(f64, f64), TrainError<O::Stop>> {
        let options = self.options;
        let order = shuffled(data.dataset.rows(), &mut self.generator(Purpose::Order));
        let mut dropout = self.generator(Purpose::Dropout);
        let batches: Vec<&[usize]> = order.chunks(options.batch_size).collect();
        let normalises = self.network.architecture().batch_norm;
        let (mut sum, mut total, mut learning_rate) = (0.0, 0.0, 0.0);
        for (index, rows) in batches.iter().enumerate() {
            // A single row has no variance to be normalised by.
            if normalises && rows.len() == 1 && batches.len() > 1 {
                continue;
            }
            observer.before_batch().map_err(TrainError::Stopped)?;
            let progress = self.state.epoch as f64 + (index + 1) as f64 / batches.len() as f64;
            let factor =
                self.state.schedule.factor(options.schedule, progress, options.warmup_epochs, options.epochs as f64);
            learning_rate = options.learning_rate * factor;
            let batch_weight: f64 = rows.iter().map(|row| data.weight.map_or(1.0, |weight| weight[*row])).sum();
            if batch_weight <= 0.0 {
                continue;
            }
            let value = self.step(data, rows, learning_rate, &mut dropout)?;
            sum += batch_weight * f64::from(value);
            total += batch_weight;
        }
        Ok((sum / total, learning_rate))
    }

    fn step(
        &mut self,
        data: &TrainingRows<'_>,
        rows: &[usize],
        learning_rate: f64,
        random: &mut ChaCha8Rng,
    ) -> candle_core::Result<f32> {
        let batch = Batch::gather(&data.dataset.features, &rows.iter().copied(), &self.device)?;
        let (mean, deviation) = data.target;
        let target = self.column(rows, |row| (data.dataset.target[row] - mean) / deviation)?;
        let weight = self.column(rows, |row| data.weight.map_or(1.0, |weight| weight[row]))?;
        let rate = self.network.architecture().dropout;
        let device = self.device.clone();
        let mut dropout = |rows, width| dropout_factors(rate, rows, width, random, &device);
        let outputs = self.network.forward(&batch, Some(&mut dropout))?;
        let loss = loss(&data.dataset.task, &outputs, &target, &weight)?;
        let gradients = loss.backward()?;
        let rates = Rates { learning_rate, weight_decay: self.options.weight_decay, clip_norm: self.options.clip_norm };
        self.optimiser.update(&self.network.parameters(), &gradients, rates)?;
        loss.to_scalar()
    }

    #[expect(clippy::cast_possible_truncation, reason = "networks compute in single precision")]
    fn column(&self, rows: &[usize], value: impl Fn(usize) -> f64) -> candle_core::Result<Tensor> {
        let values: Vec<f32> = rows.iter().map(|row| value(*row) as f32).collect();
        Tensor::from_vec(values, (rows.len(), 1), &self.device)
    }

    /// The monitored metric on `valid`.
    fn monitor<S>(&self, valid: &Dataset) -> Result<f64, TrainError<S>> {
        let metric = &self.options.monitor.0;
        let predictions = link(&valid.task, self.network.outputs(&valid.features)?);
        let values = Scores::new(valid, predictions, 0.5).values(valid.weight.as_deref());
        let value = values.into_iter().find(|(name, _)| name == metric).and_then(|(_, value)| value);
        value.filter(|value| value.is_finite()).ok_or_else(|| TrainError::Unmonitored { metric: metric.clone() })
    }

    /// Keeps the weights if `value` is the best so far.
    fn note_if_best(&mut self, value: f64) -> candle_core::Result<bool> {
        let min_delta = self.options.early_stopping.map_or(0.0, |stopping| stopping.min_delta);
        let direction = self.options.monitor.1;
        let is_best = self
            .state
            .best
            .is_none_or(|best| direction.is_better(value, best.value) && (value - best.value).abs() > min_delta);
        if is_best {
            let mut tensors = Tensors::default();
            self.network.write(&mut tensors, "best.")?;
            self.best = Some(tensors);
            self.state.best = Some(Best { epoch: self.state.epoch, value });
        }
        Ok(is_best)
    }

    /// A generator for one purpose in the coming epoch, so that an epoch does not depend on what was drawn before it.
    fn generator(&self, purpose: Purpose) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.options.seed);
        random.set_stream(1 + 2 * self.state.epoch as u64 + purpose as u64);
        random
    }
}

#[derive(Clone, Copy)]
enum Purpose {
    Order = 0,
    Dropout = 1,
}

/// Zero with probability `rate`, else what keeps the expected value.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the rate is below one")]
pub(super) fn dropout_factors(
    rate: f64,
    rows: usize,
    width: usize,
    random: &mut ChaCha8Rng,
    device: &Device,
) -> candle_core::Result<Option<Tensor>> {
    if rate == 0.0 {
        return Ok(None);
    }
    let mut bytes = vec![0; rows * width * 2];
    random.fill_bytes(&mut bytes);
    let (limit, kept) = ((rate * 65536.0) as u16, (1.0 / (1.0 - rate)) as f32);
    let factor = |pair: &[u8; 2]| if u16::from_le_bytes(*pair) < limit { 0.0 } else { kept };
    let factors: Vec<f32> = bytes.as_chunks::<2>().0.iter().map(factor).collect();
    Tensor::from_vec(factors, (rows, width), device).map(Some)
}

/// Mean and deviation of a regression's target; classes stay as they are.
fn target_scale(train: &Dataset, weight: Option<&[f64]>) -> (f64, f64) {
    if train.task != Task::Regression {
        return (0.0, 1.0);
    }
    let row_weight = |row: usize| weight.map_or(1.0, |weight| weight[row]);
    let total: f64 = (0..train.rows()).map(row_weight).sum();
    let mean = (0..train.rows()).map(|row| row_weight(row) * train.target[row]).sum::<f64>() / total;
    let squares = (0..train.rows()).map(|row| row_weight(row) * (train.target[row] - mean).powi(2));
    let deviation = (squares.sum::<f64>() / total).sqrt();
    (mean, if deviation > 0.0 { deviation } else { 1.0 })
}
