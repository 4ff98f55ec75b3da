//! Telling people and programs what became of runs.
//!
//! Main type: [`Notifier`]. It follows the outbox and keeps a row for each notification in the transaction that moves it
//! on; a loop of its own sends what is due, at least once, and gives up after a bound. No run ever waits for it.

mod channel;
mod command;
mod document;
mod email;
mod follower;
mod notifier;
mod sender;
mod webhook;

pub use email::{Smtp, SmtpSecurity};
pub use notifier::{Notifier, NotifySettings};
pub use webhook::{SIGNATURE_HEADER, signature};
