//! What a step does: the contract between a kind of step and everything that plans, runs and documents it.
//!
//! Authors of a kind implement [`StepKind`]; plan and worker see the erased [`Step`] through the [`StepRegistry`].
//! A step never touches the database, the network beyond its own source, or files outside its staging and scratch folders.

mod approval;
mod context;
mod contract;
mod docs;
mod error;
mod outcome;
mod ports;
mod query;
mod registry;
mod retry_on;

pub mod command;
pub mod data_engineering;
pub mod deployment;
pub mod evaluation;
pub mod masking;
pub mod model_engineering;
pub mod monitoring;
pub mod testing;
pub mod understanding;

pub use approval::{Approval, ApprovalParams};
pub use context::{InputArtifact, Progress, Reporter, StagedTable, StepContext, Surroundings};
pub use contract::{Dependency, Effect, ParamError, ParamErrors, Step, StepKind};
pub use docs::{reference, transform_reference};
pub use error::{Fault, StepError, is_disk_full};
pub use outcome::{ColumnEdge, Metric, Registration, StepOutcome};
pub use ports::{Arity, InputPort, Mark, OutputPort, Ports, former_input};
pub use registry::{KindInfo, StepRegistry, UnknownKind};
pub use retry_on::RetryOn;
