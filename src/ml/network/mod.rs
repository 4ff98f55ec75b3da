//! Feed-forward networks on candle: architecture, training loop and checkpoints.
//!
//! candle's own layers are used sparingly: its optimiser keeps its state to itself, its stable-looking loss is not stable,
//! and its fused normalisation drops gradients. The loop is deterministic: the same data, options and seed give the same
//! weights on the CPU, whether training was interrupted or not.

mod activation;
mod adamw;
mod architecture;
mod batch;
mod checkpoint;
mod device;
mod feed_forward;
mod loss;
mod options;
mod schedule;
mod state;
mod trainer;

pub use activation::Activation;
pub use architecture::Architecture;
pub use checkpoint::Checkpoints;
pub use device::{ComputeDevice, DeviceChoice};
pub use feed_forward::Network;
pub use options::{EarlyStopping, TrainingOptions};
pub use schedule::Schedule;
pub use state::{EpochRecord, History};
pub use trainer::{NetworkFit, Observer, TrainError, fit_network};
