//! What can be asked of runs and pipelines, the same for the API and the command line: functions on a
//! [`crate::store::Store`] that check what is asked, say what is wrong with it, and leave the driving to the engine.
//!
//! Nothing here drives a run. What somebody asks of a run is a row that whoever drives it carries out.

mod by;
mod environment;
mod error;
mod pipeline;

mod approvals;
mod cancel;
pub mod gc;
mod pools;
mod submit;
mod ticks;
mod triggers;
mod webhook;

pub use approvals::{Decision, DecisionKind, decide};
pub use by::By;
pub use cancel::cancel;
pub use environment::{environment, host};
pub use error::{ControlError, ErrorKind};
pub use pipeline::Version;
pub use pools::set_pool;
pub use submit::{Params, Submission, Submitted, prepare, submit};
pub use ticks::{DueTrigger, fire_due, fire_waiting, tick_fields};
pub use triggers::{Firing, fire, make_webhook_token, pause_trigger, resume_trigger, triggers};
pub use webhook::{LONGEST_BODY, WebhookRequest, fire_webhook};
