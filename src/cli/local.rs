//! The state of this machine as what commands ask: its database, with a row in the audit log for all that changes it.

use std::error::Error;
use std::path::PathBuf;

use super::database::{existing_url, explained, url};
use super::{Settings, UsageError, audit};
use crate::control::{ControlError, ErrorKind};
use crate::executor::owner;
use crate::manifest::Rejected;
use crate::store::{Store, StoreError};

/// The state that is asked.
pub(super) struct Local {
    pub(super) store: Store,
    pub(super) state: PathBuf,
}

impl Local {
    /// Opens the state, which is made if it is not there and `may_make` says so.
    pub(super) async fn open(settings: &Settings, may_make: bool) -> anyhow::Result<Local> {
        let url = if may_make { url(settings)? } else { existing_url(settings)? };
        Ok(Local { store: Store::open(&url).await?, state: settings.state.clone() })
    }

    /// Does what changes something, with a row in the audit log that is there before.
    pub(super) async fn audited<T>(
        &self,
        action: &str,
        object: &str,
        work: impl Future<Output = Result<T, ControlError>>,
    ) -> anyhow::Result<T> {
        let position = self.store.audit_begun(&audit::act(action, Some(object))).await?;
        let done = work.await;
        let (outcome, detail) = match &done {
            Ok(_) => ("done".to_owned(), None),
            Err(error) if error.kind == ErrorKind::Failed => ("failed".to_owned(), Some(error.to_string())),
            Err(error) => (format!("refused {}", error.code), Some(error.to_string())),
        };
        self.store.audit_ended(position, &outcome, detail.as_deref()).await?;
        done.map_err(refused)
    }

    /// The same for work that is done right here and may take long, such as driving a run.
    pub(super) async fn noted<T>(
        &self,
        action: &str,
        object: &str,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let position = self.store.audit_begun(&audit::act(action, Some(object))).await?;
        let done = work.await;
        let (outcome, detail) = match &done {
            Ok(_) => ("done", None),
            Err(error) if error.is::<UsageError>() => ("refused", Some(error.to_string())),
            Err(error) => ("failed", Some(error.to_string())),
        };
        self.store.audit_ended(position, outcome, detail.as_deref()).await?;
        done
    }

    /// Whether a daemon works on this state.
    pub(super) async fn has_daemon(&self) -> Result<bool, StoreError> {
        let daemons = self.store.daemons().await?;
        // One that was killed is in the list for a while.
        Ok(daemons.iter().any(|daemon| daemon.state == "running" && !owner::is_gone(&daemon.daemon)))
    }
}

/// A refusal as the command line shows it.
pub(super) fn refused(error: ControlError) -> anyhow::Error {
    let ControlError { kind, message, help, source, code, details } = error;
    match source.map(<dyn Error + Send + Sync>::downcast::<Rejected>) {
        Some(Ok(rejected)) => anyhow::Error::from(*rejected),
        source if kind == ErrorKind::Failed => {
            let source = source.and_then(Result::err);
            ControlError { kind, code, message, help, details, source }.into()
        }
        _ => UsageError { message, help }.into(),
    }
}

/// The same for what was asked of the database.
pub(super) fn answered<T>(answer: Result<T, StoreError>) -> anyhow::Result<T> {
    answer.map_err(explained)
}
