//! Live models: HTTP endpoints that answer with the version that the store says is deployed.
//!
//! On the way of a request: [`guard`] decides whether it is let in, [`router`] finds the endpoint, [`request`] checks
//! the rows against the columns that the model takes, [`model_thread`] scores them in batches on a thread of its own,
//! [`request_log`] keeps them for the monitor step. [`endpoints`] swaps versions while requests are answered.
//! Nothing here writes to the database or decides which version is deployed.

mod bundles;
mod deployment;
mod endpoints;
mod error;
mod guard;
mod model_thread;
mod prediction;
mod request;
mod request_log;
mod router;
mod server;

pub use deployment::{Deployment, Deployments, LoadedModel, ModelSource};
pub use error::ServeError;
pub use guard::Guard;
pub use prediction::{Prediction, ScoreError, Scorer};
pub use request::RequestColumns;
pub use request_log::LogSettings;
pub use server::{LiveModels, ServeSettings};

#[cfg(test)]
mod parity;
