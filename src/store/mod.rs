//! The database behind the engine's ports: one SQL text, SQLite and Postgres.
//!
//! Main type: [`Store`]. An append of events writes its lineage rows in the same transaction, by the pure projection of
//! `lineage`. Nothing outside this module names `sqlx`.

mod append;
mod audit;
mod backfills;
mod cache;
mod checkup;
mod clock;
mod connection;
mod daemons;
mod decisions;
mod deliveries;
mod edges;
mod error;
mod hints;
mod holds;
mod idempotency;
mod lease;
mod migrate;
mod models;
mod open;
mod outbox;
mod park;
mod pending;
mod pipelines;
mod pools;
pub mod queries;
mod requests;
mod retention;
mod retry;
mod rows;
mod run_log;
mod slots;
mod still;
mod ticks;
mod time;
mod tokens;
mod triggers;
mod url;

pub use audit::{Act, AuditPosition};
pub use backfills::{BackfillState, ItemSubmission, NewBackfill, NewItem, OpenBackfill, RunsOfValue, WaitingItem};
pub use checkup::{
    GivenUp, OpenRun, PostgresFacts, QuarantinedRun, RunningAttempt, Schema, Server, SqliteFacts, StraySlot,
    WaitingRequest,
};
pub use clock::{Clock, Leap};
pub use daemons::{Beat, DaemonEntry, SILENCE};
pub use deliveries::{Delivery, NewDelivery, Tried};
pub use error::StoreError;
pub use hints::{Hint, Hints};
pub use idempotency::{KeptAnswer, KeyedRequest, KeyedTurn};
pub use open::Store;
pub use outbox::{InvalidOutboxCursor, OutboxCursor, PublishedEvent};
pub use pending::{Claims, QUARANTINED};
pub use pipelines::{KeptManifest, ManifestChanges, ManifestProblem, PipelineEntry, ProblemKind};
pub use requests::RequestDetail;
pub use retention::{AliasedModel, History, HistoryAges, KeptRun, Needs, Pin, StoredArtifact, Use};
pub use still::Looks;
pub use ticks::{NewTick, Quiet, Tick, TickState, TickWants, Ticked};
pub use tokens::{
    InvalidRights, NewToken, Rights, Role, Scope, Secret, Standing, TOKEN_PREFIX, Token, is_token, token_hash,
};
pub use triggers::{DeclaredTrigger, KeptTrigger, TriggerNote};
pub use url::{InvalidStoreUrl, StoreUrl};
