//! The two loops: one makes notifications of events, one sends them.

use std::time::Duration;

use tokio::sync::watch;

use super::email::Smtp;
use super::{follower, sender};
use crate::store::{Looks, Store, StoreError};

/// How often is looked for new events and due notifications.
const LOOK: Duration = Duration::from_secs(1);

/// How long a look is left out where it can be told that nothing was written.
const PATIENCE: Duration = Duration::from_secs(5);

/// The wait after an error of the database.
const AFTER_ERROR: Duration = Duration::from_secs(5);

/// How notifications are sent.
#[derive(Debug, Clone)]
pub struct NotifySettings {
    /// The server that takes letters.
    pub smtp: Option<Smtp>,
    /// Where people reach the daemon, for links.
    pub public_url: Option<String>,
    /// How long one try may take.
    pub patience: Duration,
    /// The wait after the first failed try; it doubles each time, up to an hour.
    pub first_wait: Duration,
    /// After how many tries a notification is given up.
    pub most_tries: u32,
}

impl Default for NotifySettings {
    fn default() -> NotifySettings {
        NotifySettings {
            smtp: None,
            public_url: None,
            patience: Duration::from_secs(20),
            first_wait: Duration::from_secs(5),
            most_tries: 15,
        }
    }
}

/// Tells what became of runs.
#[derive(Clone)]
pub struct Notifier {
    pub(super) store: Store,
    pub(super) settings: NotifySettings,
}

impl Notifier {
    /// A notifier on a database. Several daemons may each have one.
    pub fn new(store: Store, settings: NotifySettings) -> Notifier {
        Notifier { store, settings }
    }

    /// Makes and sends notifications until `stop` says true. What is on its way then is sent by the next one.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        tokio::join!(
            looking(&self.store, stop.clone(), || follower::follow(&self)),
            looking(&self.store, stop, || sender::send_due(&self)),
        );
    }

    /// Makes the notifications of all new events; says how many there were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn follow(&self) -> Result<usize, StoreError> {
        follower::follow(self).await
    }

    /// Sends everything that is due; says how many tries there were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn send_due(&self) -> Result<usize, StoreError> {
        sender::send_due(self).await
    }
}

/// Works as long as there is something to do, and looks again after a while.
async fn looking<F>(store: &Store, mut stop: watch::Receiver<bool>, work: impl Fn() -> F)
where
    F: Future<Output = Result<usize, StoreError>>,
{
    let mut looks = Looks::default();
    loop {
        let found = if looks.is_due(store, PATIENCE) { work().await } else { Ok(0) };
        let pause = match found {
            Ok(0) => LOOK,
            Ok(_) => {
                looks.found();
                Duration::ZERO
            }
            Err(error) => {
                tracing::warn!(%error, "notifications wait for the database");
                looks.found();
                AFTER_ERROR
            }
        };
        if tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
    }
}
