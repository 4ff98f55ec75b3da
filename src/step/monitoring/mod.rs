//! Monitoring: notice when the world moves away from the training data.

mod drift;

pub use drift::MonitorDrift;
