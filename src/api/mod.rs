//! The HTTP API: what the command line does on this machine, for other machines and programs.
//!
//! A request passes [`server`] (connections with limits), then the layers of [`router`]: [`observe`] counts and times it,
//! [`guard`] lets it in or not by the table of [`access`], [`body`] reads what it brings, [`audit`] writes down what
//! changes something, [`idempotency`] and [`etag`] answer what was asked before, and a handler under [`routes`] answers
//! through [`extract`], [`page`] and [`error`]. Nothing here decides anything about runs: reads go to the store's queries, writes to `control`.

mod access;
mod audit;
mod body;
mod collecting;
mod crowd;
mod error;
mod etag;
mod extract;
mod guard;
mod hosts;
mod idempotency;
mod limits;
mod local_token;
mod observe;
mod openapi;
mod pace;
mod page;
mod router;
mod routes;
mod server;
mod state;
mod stream;
mod tls;

pub use access::{Need, Route};
pub use audit::AuditObject;
pub use error::ApiError;
pub use extract::{Json, Path, Query};
pub use hosts::AllowedHosts;
pub use idempotency::EffectKey;
pub use limits::Limits;
pub use local_token::{LocalTokenError, ensure_local_token, local_token};
pub use openapi::openapi;
pub use page::{Cursor, InvalidCursor, MOST_ITEMS, Page, PageQuery, checked_limit};
pub use router::{route_table, router};
pub use server::{ServerError, serve};
pub use state::{ApiState, Caller, Peer};
pub use tls::{Tls, TlsError};
