//! What can be asked of runs and pipelines, the same for the API and the command line: functions on a
//! [`crate::store::Store`] that check what is asked, say what is wrong with it, and leave the driving to the engine.
//!
//! Nothing here drives a run. What somebody asks of a run is a row that whoever drives it carries out.

mod by;
mod environment;
mod error;
mod pipeline;
mod reason;

mod approvals;
mod backfill;
mod cancel;
pub mod doctor;
pub mod gc;
mod pause;
mod pools;
mod rerun;
mod submit;
mod ticks;
mod triggers;
mod webhook;
mod why;

pub use approvals::{Decision, DecisionKind, decide};
pub use backfill::{
    Advanced, Backfill, BackfillPlan, MOST_VALUES, Mode, PlannedValue, Started, advance_backfills, cancel_backfill,
    pause_backfill, plan_backfill, resume_backfill, start_backfill, values,
};
pub use by::By;
pub use cancel::cancel;
pub use environment::{environment, host};
pub use error::{ControlError, ErrorKind};
pub use pause::{Target, pause, resume};
pub use pipeline::Version;
pub use pools::set_pool;
pub use rerun::{Manifest, Rerun, prepare_rerun, rerun};
pub use submit::{Params, Submission, Submitted, prepare, submit};
pub use ticks::{DueTrigger, fire_due, fire_waiting, tick_fields};
pub use triggers::{Firing, fire, make_webhook_token, pause_trigger, resume_trigger, triggers};
pub use webhook::{LONGEST_BODY, WebhookRequest, fire_webhook};
pub use why::{Reason, Why, why};
