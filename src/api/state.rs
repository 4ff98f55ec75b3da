//! What the handlers share, and who asks.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::sync::{Notify, watch};

use super::audit::Refusals;
use super::collecting::Collecting;
use super::stream::Places;
use super::{AllowedHosts, ApiError, Limits};
use crate::artifact::ArtifactStore;
use crate::control::By;
use crate::engine::Bell;
use crate::store::{Rights, Role, Store, Token};

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    /// Runs, lineage and everything else that is kept.
    pub store: Store,
    /// The bytes of artifacts.
    pub artifacts: Arc<ArtifactStore>,
    /// The state folder, which has the logs of attempts.
    pub state_folder: Arc<Path>,
    /// How much a client may take.
    pub limits: Arc<Limits>,
    /// The names that the server answers to.
    pub hosts: Arc<AllowedHosts>,
    /// Whether the daemon drains: `/readyz` says no from then on, and streams end.
    pub stopping: watch::Receiver<bool>,
    /// What keeps the daemon from taking work, in words by its code: `/readyz` tells.
    pub troubles: watch::Receiver<BTreeMap<&'static str, String>>,
    /// Rung when something was changed, so that the daemon looks at it at once.
    pub bell: Bell,
    pub(super) places: Arc<Places>,
    pub(super) refusals: Arc<Refusals>,
    pub(super) keyed_ended: Arc<Notify>,
    pub(super) collecting: Arc<Collecting>,
    uses: Arc<Mutex<HashMap<String, Instant>>>,
}

/// The last use of a token is written down at most this often.
const USED_EVERY: Duration = Duration::from_secs(60);
/// How many tokens are remembered before the oldest uses are forgotten.
const REMEMBERED: usize = 10_000;

impl ApiState {
    /// The state of a server that answers from `store` and `artifacts`.
    pub fn new(
        store: Store,
        artifacts: Arc<ArtifactStore>,
        state_folder: PathBuf,
        limits: Limits,
        hosts: AllowedHosts,
        stopping: watch::Receiver<bool>,
    ) -> ApiState {
        ApiState {
            store,
            artifacts,
            state_folder: state_folder.into(),
            places: Arc::new(Places::new(&limits)),
            limits: Arc::new(limits),
            hosts: Arc::new(hosts),
            stopping,
            troubles: watch::channel(BTreeMap::new()).1,
            bell: Bell::new(),
            refusals: Arc::default(),
            keyed_ended: Arc::default(),
            collecting: Arc::default(),
            uses: Arc::default(),
        }
    }

    /// The same state, which tells of these troubles.
    #[must_use]
    pub fn with_troubles(self, troubles: watch::Receiver<BTreeMap<&'static str, String>>) -> ApiState {
        ApiState { troubles, ..self }
    }

    /// The same state, which rings this bell.
    #[must_use]
    pub fn with_bell(self, bell: Bell) -> ApiState {
        ApiState { bell, ..self }
    }

    /// Whether the use of a token is to be written down now.
    pub(super) fn is_use_new(&self, token: &str) -> bool {
        let now = Instant::now();
        let mut uses = self.uses.lock().expect("no holder of the lock panics");
        if uses.get(token).is_some_and(|last| now.duration_since(*last) < USED_EVERY) {
            return false;
        }
        if uses.len() >= REMEMBERED {
            uses.clear();
        }
        uses.insert(token.to_owned(), now);
        true
    }
}

/// The address that a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Who asks. In the extensions of every request that the guard let in; handlers take it as an argument.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The token that was shown; none where the route needs none, or where a signature stands for it.
    pub token: Option<Arc<Token>>,
    /// The address that the request comes from.
    pub peer: Option<Peer>,
}

impl Caller {
    /// How the caller stands in the audit log: the token's name and id.
    pub fn who(&self) -> String {
        match &self.token {
            Some(token) => format!("{} ({})", token.name, token.id),
            None => "nobody".to_owned(),
        }
    }

    /// What keeps one caller's keys and places apart from another's.
    pub(super) fn id(&self) -> &str {
        self.token.as_ref().map_or("nobody", |token| token.id.as_str())
    }

    /// The caller's role; none for a token with a scope.
    pub fn role(&self) -> Option<Role> {
        match &self.token.as_ref()?.rights {
            Rights::Role(role) => Some(*role),
            Rights::Scope(_) => None,
        }
    }

    /// The caller as the operations on runs want to know it.
    pub fn by(&self) -> By {
        let role = self.token.as_ref().map(|token| token.rights.role().to_owned());
        By { who: self.who(), role, remote: self.remote() }
    }

    /// The address that the request comes from, without its port.
    pub fn remote(&self) -> Option<String> {
        self.peer.map(|peer| peer.0.ip().to_string())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Caller>().cloned();
        caller.ok_or_else(|| ApiError::internal(&std::io::Error::other("a handler stands outside the guard")))
    }
}
