//! The HTTP API: what the command line does on this machine, for other machines and programs.
//!
//! A request passes [`server`] (connections with limits), then the layers of [`router`]: [`observe`] counts and times it,
//! [`guard`] lets it in or not by the table of [`access`], and a handler under [`routes`] answers through [`extract`],
//! [`page`] and [`error`]. Nothing here decides anything about runs: reads go to the store's queries, writes to `control`.

mod access;
mod body;
mod crowd;
mod error;
mod extract;
mod guard;
mod hosts;
mod limits;
mod local_token;
mod observe;
mod pace;
mod page;
mod router;
mod routes;
mod server;
mod state;
mod stream;
mod tls;

pub use access::{Need, Route};
pub use error::ApiError;
pub use extract::{Json, Path, Query};
pub use hosts::AllowedHosts;
pub use limits::Limits;
pub use local_token::{LocalTokenError, ensure_local_token, local_token};
pub use page::{Cursor, InvalidCursor, MOST_ITEMS, Page, PageQuery, checked_limit};
pub use router::{openapi, route_table, router};
pub use server::{ServerError, serve};
pub use state::{ApiState, Caller, Peer};
pub use tls::{Tls, TlsError};
