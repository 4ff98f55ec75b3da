//! The order in which everything is looked at.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::report::{Check, Diagnosis, Finding};
use super::{
    artifacts, attempts, clock, daemons, database, effects, folders, leftovers, machine, pipelines, runs, slots,
    tokens, triggers, words,
};
use crate::artifact::ArtifactStore;
use crate::store::{Store, StoreError, StoreUrl};

/// What is looked at, and how closely.
#[derive(Debug, Clone)]
pub struct Patient {
    /// The state folder.
    pub state: PathBuf,
    /// The artifacts; none while there are none, or why they cannot be had.
    pub artifacts: Result<Option<ArtifactStore>, String>,
    /// Whether every byte is read, and not only a sample looked for.
    pub is_deep: bool,
    /// How long it may take at most; what is left out then is said.
    pub within: Option<Duration>,
}

impl Patient {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.within.map(|within| Instant::now() + within)
    }
}

/// The database, as far as it could be had.
#[derive(Debug, Clone, Copy)]
pub enum Opened<'store> {
    /// It is open.
    Store(&'store Store),
    /// It cannot be opened.
    Away(&'store StoreError),
    /// There is none yet where this says.
    Absent(&'store StoreUrl),
}

/// Looks at everything. What keeps the database from being opened is a finding like any other.
pub async fn doctor(opened: Opened<'_>, patient: &Patient, now: DateTime<Utc>) -> Diagnosis {
    let deadline = patient.deadline();
    let mut checks = Vec::new();
    match opened {
        Opened::Absent(url) => checks.push(database::absent(url)),
        Opened::Away(error) => checks.push(database::away(error)),
        Opened::Store(store) => {
            checks.push(told("database", database::server(store).await));
            let (schema, are_current) = database::schema(store).await;
            checks.push(schema);
            checks.extend(database::integrity(store, patient).await.transpose().map(|found| told("integrity", found)));
            checks.push(told("clock", clock::check(store, now).await));
            if are_current {
                checks.extend(rows(store, patient, now, deadline).await);
            }
        }
    }
    checks.push(blocking("folders", patient, folders::check).await);
    checks.extend(machine::check().await);
    Diagnosis::of(checks, patient.is_deep, now)
}

/// Everything that goes by rows of our tables.
async fn rows(store: &Store, patient: &Patient, now: DateTime<Utc>, deadline: Option<Instant>) -> Vec<Check> {
    let mut checks = vec![
        told("daemons", daemons::check(store, now).await),
        told("leases", runs::leases(store, now).await),
        told("quarantine", runs::quarantine(store).await),
        told("attempts", attempts::check(store, patient, now).await),
        told("slots", slots::check(store).await),
        told("requests", effects::requests(store, now).await),
        told("notifications", effects::notifications(store, now).await),
        told("pipelines", pipelines::check(store).await),
        told("triggers", triggers::check(store, now).await),
        told("tokens", tokens::check(store, patient, now).await),
    ];
    checks.push(told("artifacts", artifacts::check(store, patient, deadline).await));
    checks.push(told("leftovers", leftovers::check(store, patient).await));
    checks
}

/// A check, or that it could not be made.
fn told(name: &str, found: Result<Check, StoreError>) -> Check {
    found.unwrap_or_else(|error| {
        let message = words::error(&error);
        let help = "the other checks may say why; if none does, the log of the database will";
        Check::new(name, "this could not be looked at", vec![Finding::problem(name, message, help)])
    })
}

/// A check that waits for the disk, on a thread of its own.
async fn blocking(name: &str, patient: &Patient, check: impl FnOnce(&Patient) -> Check + Send + 'static) -> Check {
    let patient = patient.clone();
    tokio::task::spawn_blocking(move || check(&patient)).await.unwrap_or_else(|error| {
        let help = "this is a mistake of ours: please report it";
        Check::new(name, "this could not be looked at", vec![Finding::problem(name, error.to_string(), help)])
    })
}
