//! When a pipeline runs by itself: times, arriving data, other runs, measured values and requests from outside.

mod check;
mod cron;
#[cfg(test)]
mod croner_rules;
mod declared;
mod kind;
mod scope;

pub use cron::{CronLine, zone};
pub use declared::{Missed, Overlap, Trigger};
pub use kind::{AfterOutcome, TriggerKind, WebhookProof};
pub use scope::trigger_fields;

pub(super) use check::check;
pub(super) use declared::{KEYS, MISSED_KEYS};
pub(super) use kind::{AFTER_KEYS, FILES_KEYS, WEBHOOK_KEYS};
