//! The service: drives the runs that anybody has recorded, keeps the pipelines of a folder loaded, and answers requests.
//!
//! Main type: [`Daemon`]. [`supervisor`] takes runs and drives each in a task of its own; [`pipelines`] follows a folder
//! of manifests; [`watch`] looks after the database, the disk and the loops themselves. Everything that must survive is
//! in the store: a daemon may end at any moment, and the next one goes on.

mod backfills;
mod backoff;
mod disk;
mod error;
mod floor;
mod folder;
mod health;
mod hints;
mod lock;
mod pipelines;
mod retention;
mod service;
mod signals;
mod supervisor;
mod systemd;
mod told;
mod watch;

pub mod notify;
pub mod triggers;

pub use error::DaemonError;
pub use floor::RoomySlots;
pub use health::{Health, Trouble};
pub use retention::{Retention, RetentionSettings};
pub use service::{Daemon, DaemonSettings};
