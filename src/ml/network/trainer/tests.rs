use candle_core::Device;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::fit::dropout_factors;
use super::{NetworkFit, Observer, TrainError, fit_network};
use crate::ml::dataset::Dataset;
use crate::ml::features::{Feature, FeatureMatrix};
use crate::ml::metrics::Direction;
use crate::ml::network::{
    Activation, Architecture, Checkpoints, ComputeDevice, DeviceChoice, EarlyStopping, EpochRecord, Schedule,
    TrainingOptions,
};
use crate::ml::tensors::Tensors;
use crate::table::roles::Task;

#[derive(Default)]
struct Quiet {
    epochs: Vec<usize>,
    resumed: Option<usize>,
    /// The training is stopped after this many epochs.
    stop_after: Option<usize>,
}

impl Observer for Quiet {
    type Stop = &'static str;

    fn before_batch(&mut self) -> Result<(), &'static str> {
        if Some(self.epochs.len()) == self.stop_after { Err("stop") } else { Ok(()) }
    }

    fn after_epoch(&mut self, record: &EpochRecord) {
        self.epochs.push(record.epoch);
    }

    fn resumed(&mut self, epochs: usize) {
        self.resumed = Some(epochs);
    }
}

fn task(classes: usize) -> Task {
    let labels: Vec<String> = (0..classes).map(|class| class.to_string()).collect();
    match classes {
        0 => Task::Regression,
        2 => Task::Binary { classes: labels.try_into().unwrap() },
        _ => Task::Multiclass { classes: labels },
    }
}

/// Rows whose target depends on two numbers and a code, in a way that is not linear.
fn data(classes: usize, rows: usize, seed: u64) -> Dataset {
    let feature = |name: &str, categories| Feature { name: name.to_owned(), categories };
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut numeric, mut codes, mut target) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rows {
        let (x, y) = (random.random_range(-1.0_f32..1.0), random.random_range(-1.0_f32..1.0));
        let code = random.random_range(0..3_u32);
        let signal = f64::from(x * y * 3.0) + f64::from(code) - 1.0;
        target.push(match classes {
            0 => 50.0 + 10.0 * signal,
            2 => f64::from(signal > 0.0),
            _ => f64::from(signal > -0.5) + f64::from(signal > 0.5),
        });
        numeric.extend([x, y]);
        codes.push(code);
    }
    let features = vec![feature("x", None), feature("y", None), feature("code", Some(3))];
    Dataset {
        features: FeatureMatrix::from_parts(features, numeric, codes),
        target_name: "target".to_owned(),
        target,
        weight: None,
        task: task(classes),
    }
}

fn architecture(classes: usize, batch_norm: bool) -> Architecture {
    Architecture {
        numeric: 2,
        embeddings: vec![(3, 2)],
        hidden: vec![16, 8],
        activation: Activation::Relu,
        batch_norm,
        dropout: 0.1,
        outputs: if classes > 2 { classes } else { 1 },
    }
}

fn options(epochs: usize) -> TrainingOptions {
    TrainingOptions {
        epochs,
        batch_size: 32,
        learning_rate: 0.02,
        weight_decay: 0.01,
        clip_norm: Some(1.0),
        schedule: Schedule::Cosine,
        warmup_epochs: 0.5,
        monitor: ("log_loss".to_owned(), Direction::Minimise),
        early_stopping: None,
        seed: 5,
    }
}

fn fit(
    classes: usize,
    options: &TrainingOptions,
    checkpoints: Option<&Checkpoints>,
    observer: &mut Quiet,
) -> Result<NetworkFit, TrainError<&'static str>> {
    let (train, valid) = (data(classes, 160, 1), data(classes, 80, 2));
    let shape = architecture(classes, options.seed.is_multiple_of(2));
    let device = ComputeDevice::find(DeviceChoice::Cpu).unwrap();
    fit_network(&shape, (&train, None), Some(&valid), options, &device, checkpoints, observer)
}

fn bytes(fit: &NetworkFit) -> Tensors {
    let mut tensors = Tensors::default();
    fit.network.write(&mut tensors, "").unwrap();
    tensors
}

#[test]
fn what_is_not_linear_is_learnt_for_every_task() {
    for (classes, metric, direction, good) in [
        (2, "roc_auc", Direction::Maximise, 0.9),
        (3, "roc_auc_ovr", Direction::Maximise, 0.85),
        (0, "r2", Direction::Maximise, 0.7),
    ] {
        let options = TrainingOptions { monitor: (metric.to_owned(), direction), ..options(25) };
        let fitted = fit(classes, &options, None, &mut Quiet::default()).unwrap();
        let best = fitted.history[fitted.best_epoch - 1].valid.unwrap();
        assert!(best > good, "{metric} {best}");
    }
}

#[test]
fn the_same_seed_gives_the_same_weights_and_another_seed_others() {
    let run = |seed| bytes(&fit(2, &TrainingOptions { seed, ..options(2) }, None, &mut Quiet::default()).unwrap());
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(7));
}

#[test]
fn six_epochs_equal_three_and_three_after_a_stop() {
    for seed in [5, 6] {
        // Plateau and early stopping have states of their own, which must come back as well.
        let stopping = Some(EarlyStopping { patience: 4, min_delta: 0.0 });
        let options = TrainingOptions { seed, schedule: Schedule::Plateau, early_stopping: stopping, ..options(6) };
        let whole = fit(2, &options, None, &mut Quiet::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path(), "same".to_owned());
        let mut observer = Quiet { stop_after: Some(3), ..Quiet::default() };
        let stopped = fit(2, &options, Some(&checkpoints), &mut observer);
        assert!(matches!(stopped, Err(TrainError::Stopped("stop"))));
        let mut observer = Quiet::default();
        let resumed = fit(2, &options, Some(&checkpoints), &mut observer).unwrap();
        assert_eq!((observer.resumed, observer.epochs), (Some(3), vec![4, 5, 6]));
        assert_eq!(resumed.history, whole.history);
        assert_eq!(bytes(&resumed), bytes(&whole));
        assert_eq!(resumed.best_epoch, whole.best_epoch);
    }
}

#[test]
fn a_training_that_gets_no_better_stops_and_keeps_its_best_weights() {
    let stopping = Some(EarlyStopping { patience: 2, min_delta: 0.0 });
    // Without a learning rate nothing ever improves on the first epoch.
    let options = TrainingOptions { early_stopping: stopping, learning_rate: 0.0, ..options(50) };
    let fitted = fit(2, &options, None, &mut Quiet::default()).unwrap();
    assert_eq!((fitted.history.len(), fitted.best_epoch), (4, 1));
}

#[test]
fn a_loss_that_explodes_is_an_error_and_not_a_model() {
    let mut train = data(0, 64, 1);
    train.target[3] = 1e300;
    let device = ComputeDevice::find(DeviceChoice::Cpu).unwrap();
    let options = TrainingOptions { learning_rate: 1e30, clip_norm: None, ..options(5) };
    let fitted =
        fit_network(&architecture(0, false), (&train, None), None, &options, &device, None, &mut Quiet::default());
    assert!(matches!(fitted, Err(TrainError::Diverged { .. })));
}

#[test]
fn dropout_leaves_out_the_share_asked_for_and_keeps_the_mean() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let factors = dropout_factors(0.25, 100, 100, &mut random, &Device::Cpu).unwrap().unwrap();
    let values = factors.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let left_out = values.iter().filter(|value| **value == 0.0).count();
    assert!((2300..2700).contains(&left_out), "{left_out}");
    assert!((values.iter().sum::<f32>() / 10_000.0 - 1.0).abs() < 0.03);
}

#[test]
fn a_metric_that_is_undefined_cannot_be_monitored() {
    let mut valid = data(2, 20, 2);
    valid.target.fill(1.0);
    let device = ComputeDevice::find(DeviceChoice::Cpu).unwrap();
    let options = TrainingOptions { monitor: ("roc_auc".to_owned(), Direction::Maximise), ..options(2) };
    let shape = architecture(2, false);
    let train = data(2, 60, 1);
    let fitted = fit_network(&shape, (&train, None), Some(&valid), &options, &device, None, &mut Quiet::default());
    assert!(matches!(fitted, Err(TrainError::Unmonitored { .. })));
}
