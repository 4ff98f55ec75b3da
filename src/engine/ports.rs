//! What the engine needs of a database. `store` implements these; tests have doubles.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Answer, CacheKey, Handled, KeyParts, Limits, Request, RunEvent, Take};
use crate::artifact::ArtifactRef;
use crate::id::{AttemptId, OutputName, PipelineName, RunId, StepName};
use crate::plan::Plan;
use crate::step::StepOutcome;

/// A failure of the database or of a promise about it.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The lease is held by another process or has run out: whoever gets this stops driving the run.
    #[error("the lease on {run} is lost: {reason}")]
    LeaseLost {
        /// The run.
        run: RunId,
        /// What is known of the new holder.
        reason: String,
    },
    /// Another process has the lease, which runs out unless it is renewed.
    #[error("{holder} drives {run}")]
    Held {
        /// The run.
        run: RunId,
        /// Who drives it.
        holder: String,
        /// When the lease runs out.
        remaining: Duration,
    },
    /// No such run.
    #[error("there is no run {0}")]
    NoRun(RunId),
    /// A stored row does not make sense; that run stops, others go on.
    #[error("the log of {run} is corrupt: {reason}")]
    Corrupt {
        /// The run.
        run: RunId,
        /// What is wrong.
        reason: String,
    },
    /// The database did not do what was asked.
    #[error("cannot {doing} in the database")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// The answer.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A run that does not exist yet.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Its id.
    pub id: RunId,
    /// What it will run.
    pub plan: Plan,
    /// The manifest's text.
    pub manifest_text: String,
    /// The path of the manifest as the user gave it.
    pub manifest_path: String,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// Who or what asked: `cli`, a trigger.
    pub requested_by: String,
    /// Git commit, program version, host, device: facts for reproduction.
    pub environment: Value,
    /// What was asked with it: `--from`, `--only`, `--refresh`.
    pub options: Value,
    /// What made it and how urgent it is.
    pub origin: Origin,
}

/// What made a run, besides the person who asked, and how urgent it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// Runs with a higher number get slots first.
    pub priority: i32,
    /// The trigger that fired.
    pub trigger: Option<String>,
    /// The run that it repeats.
    pub rerun_of: Option<RunId>,
    /// The backfill that it belongs to.
    pub backfill: Option<String>,
}

/// A run as stored, without its events.
#[derive(Debug, Clone)]
pub struct StoredRun {
    /// Its id.
    pub id: RunId,
    /// What it runs.
    pub plan: Plan,
    /// The path of the manifest as the user gave it.
    pub manifest_path: String,
    /// Facts for reproduction, of where and when it was asked for.
    pub environment: Value,
    /// What was asked with it.
    pub options: Value,
}

/// The right to drive a run, until it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The run.
    pub run: RunId,
    /// The holder.
    pub owner: String,
    /// Raised at every change of holder: an append with an old epoch is refused.
    pub epoch: u64,
}

/// Why nobody drives a run for a while although it has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// The state of the run meanwhile: `awaiting_approval` or `paused`.
    pub state: &'static str,
    /// What it waits for, for people.
    pub because: String,
    /// When it is to be driven again even if nobody has decided anything.
    pub until: Option<DateTime<Utc>>,
}

/// Where runs and their events are kept. All methods are durable when they return.
#[async_trait]
pub trait RunLog: Send + Sync {
    /// Records a run and gives its creator the lease for `lease_for`.
    async fn create(&self, run: NewRun, owner: &str, lease_for: Duration) -> Result<Lease, EngineError>;

    /// Records a run that nobody drives yet: any daemon may claim it.
    async fn submit(&self, run: NewRun) -> Result<(), EngineError>;

    /// Appends events whose first has sequence number `expected_next`, and projects them into the lineage tables in
    /// the same transaction. Refused unless the lease is held and nothing else was appended meanwhile.
    async fn append(&self, lease: &Lease, expected_next: u64, events: &[RunEvent]) -> Result<(), EngineError> {
        self.append_answers(lease, expected_next, events, &[]).await
    }

    /// The same for events that requests led to: those are marked as handled in the same transaction. There may be
    /// requests that led to no event.
    async fn append_answers(
        &self,
        lease: &Lease,
        expected_next: u64,
        events: &[RunEvent],
        handled: &[Handled],
    ) -> Result<(), EngineError>;

    /// What was asked of these runs and is not handled yet, oldest first.
    async fn requests(&self, runs: &[RunId]) -> Result<Vec<Request>, EngineError>;

    /// The run as it was created.
    async fn run(&self, run: RunId) -> Result<StoredRun, EngineError>;

    /// All events of a run, in order.
    async fn events(&self, run: RunId) -> Result<Vec<RunEvent>, EngineError>;

    /// Takes the lease on a run if it is free, expired or held by `owner`, whatever state the run is in.
    async fn claim(&self, run: RunId, owner: &str, lease_for: Duration) -> Result<Lease, EngineError>;

    /// Extends a lease that is still held.
    async fn renew(&self, lease: &Lease, lease_for: Duration) -> Result<(), EngineError>;

    /// Gives the lease back, and says why nobody drives the run for now.
    async fn park(&self, lease: &Lease, parked: &Parked) -> Result<(), EngineError>;

    /// Gives the lease back.
    async fn release(&self, lease: &Lease) -> Result<(), EngineError>;
}

/// A result that a key stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct CachedResult {
    /// The attempt that made it.
    pub made_by: AttemptId,
    /// The result.
    pub outcome: StepOutcome,
}

/// Results by key. Entries are recorded by [`RunLog::append`] from `AttemptSucceeded` events whose attempt has a key.
#[async_trait]
pub trait CacheIndex: Send + Sync {
    /// The results under `keys`; keys without one are left out.
    async fn lookup(&self, keys: &[CacheKey]) -> Result<Vec<(CacheKey, CachedResult)>, EngineError>;

    /// Forgets an entry whose artifacts are gone.
    async fn forget(&self, key: CacheKey) -> Result<(), EngineError>;

    /// The parts of the latest key under which steps of this name ended well in this pipeline, to explain a miss.
    async fn last_parts(&self, pipeline: &PipelineName) -> Result<Vec<(StepName, KeyParts)>, EngineError>;

    /// The outputs of a step in the last run of the pipeline that succeeded and in which the step ended well; none if there
    /// is no such run.
    async fn former(
        &self,
        pipeline: &PipelineName,
        step: &StepName,
    ) -> Result<Vec<(OutputName, ArtifactRef)>, EngineError>;
}

/// A step that could start now, if there is room.
#[derive(Debug, Clone)]
pub struct Want {
    /// The attempt that would be started.
    pub attempt: AttemptId,
    /// Its step.
    pub step: StepName,
    /// The key under which its result would be kept, computed by one attempt at a time in all runs.
    pub key: Option<CacheKey>,
    /// What it takes.
    pub take: Take,
}

/// Who may use the machines and the pools. A slot is a row, and it counts while its run is driven or, if any daemon may
/// drive the run, until it has ended. It goes with the end of its attempt or run, in the append that records it; that
/// of an attempt that was never recorded goes when the run is claimed anew or its lease is given back.
#[async_trait]
pub trait Slots: Send + Sync {
    /// Asks for room for all steps of a run that could start now; steps that are not among `wants` do not wait any more.
    /// What is granted is taken when this returns, and the key of the attempt is reserved for it until it ends: nobody
    /// else is granted room to compute the same. All claims on a database happen one after the other.
    async fn claim_slots(&self, lease: &Lease, wants: &[Want], limits: &Limits) -> Result<Vec<Answer>, EngineError>;

    /// Gives back what was granted to attempts that will not be started.
    async fn give_back(&self, lease: &Lease, attempts: &[AttemptId]) -> Result<(), EngineError>;
}
