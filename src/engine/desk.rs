//! Looks for what people ask of the runs that this engine drives: one poller for all of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Bell, Request, RunLog};
use crate::id::RunId;

/// How often the database is asked, even if no bell rings.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How soon it is asked after a ring: a bell that rings all the time must not keep the database busy.
const LOOK_AFTER_A_RING: Duration = Duration::from_millis(50);

/// Hands requests to those who drive the runs.
pub(super) struct Desk {
    log: Arc<dyn RunLog>,
    bell: Bell,
    look_every: Duration,
    inboxes: Arc<Mutex<Inboxes>>,
}

#[derive(Default)]
struct Inboxes {
    senders: BTreeMap<RunId, watch::Sender<Vec<Request>>>,
    /// Runs while there are inboxes.
    poller: Option<JoinHandle<()>>,
}

impl Desk {
    pub(super) fn new(log: Arc<dyn RunLog>, bell: Bell) -> Desk {
        Desk { log, bell, look_every: LOOK_EVERY, inboxes: Arc::default() }
    }

    /// An inbox for the requests of `run`, until it is dropped.
    pub(super) fn inbox(&self, run: RunId) -> Inbox {
        let (sender, requests) = watch::channel(Vec::new());
        let mut inboxes = lock(&self.inboxes);
        inboxes.senders.insert(run, sender);
        if inboxes.poller.is_none() {
            let (bell, inboxes_too) = (self.bell.clone(), Arc::clone(&self.inboxes));
            inboxes.poller = Some(tokio::spawn(poll(self.log.clone(), bell, self.look_every, inboxes_too)));
        }
        Inbox { run, requests, inboxes: Arc::clone(&self.inboxes) }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if let Some(poller) = lock(&self.inboxes).poller.take() {
            poller.abort();
        }
    }
}

/// The requests of one run that nobody has handled, as far as they are known.
pub(super) struct Inbox {
    run: RunId,
    requests: watch::Receiver<Vec<Request>>,
    inboxes: Arc<Mutex<Inboxes>>,
}

impl Inbox {
    /// Waits until there may be new ones.
    pub(super) async fn changed(&mut self) {
        if self.requests.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Those that were open at the last look.
    pub(super) fn open(&mut self) -> Vec<Request> {
        self.requests.borrow_and_update().clone()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        lock(&self.inboxes).senders.remove(&self.run);
    }
}

async fn poll(log: Arc<dyn RunLog>, mut bell: Bell, look_every: Duration, inboxes: Arc<Mutex<Inboxes>>) {
    let mut is_away = false;
    loop {
        tokio::select! {
            () = tokio::time::sleep(look_every) => {}
            () = bell.rung() => tokio::time::sleep(LOOK_AFTER_A_RING).await,
        }
        let runs: Vec<RunId> = {
            let mut inboxes = lock(&inboxes);
            if inboxes.senders.is_empty() {
                inboxes.poller = None;
                return;
            }
            inboxes.senders.keys().copied().collect()
        };
        let mut open: BTreeMap<RunId, Vec<Request>> = BTreeMap::new();
        match log.requests(&runs).await {
            Ok(requests) => requests.into_iter().for_each(|request| open.entry(request.run).or_default().push(request)),
            Err(error) if !is_away => {
                tracing::warn!(%error, "cannot look for requests; trying again");
                is_away = true;
                continue;
            }
            Err(_) => continue,
        }
        is_away = false;
        for (run, requests) in open {
            if let Some(sender) = lock(&inboxes).senders.get(&run) {
                sender.send_if_modified(|known| {
                    let is_new = *known != requests;
                    *known = requests;
                    is_new
                });
            }
        }
    }
}

fn lock(inboxes: &Mutex<Inboxes>) -> MutexGuard<'_, Inboxes> {
    inboxes.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::{MemoryLog, RequestKind};
    use super::*;

    #[tokio::test]
    async fn a_request_is_seen_after_a_ring_and_without_one_at_the_next_look() {
        // Whoever looked only by the clock would see nothing for an hour, and whoever only listened nothing at all.
        for (rings, look_every) in [(true, Duration::from_hours(1)), (false, Duration::from_millis(1))] {
            let (log, bell) = (Arc::new(MemoryLog::new()), Bell::new());
            let mut desk = Desk::new(log.clone(), bell.clone());
            desk.look_every = look_every;
            let run = RunId::from_u128(1);
            let mut inbox = desk.inbox(run);
            let asked = log.ask(Request::new(run, RequestKind::Cancel, "ada"));
            if rings {
                bell.ring();
            }
            tokio::time::timeout(Duration::from_secs(60), inbox.changed()).await.expect("nobody looks");
            assert_eq!(inbox.open().iter().map(|request| request.id).collect::<Vec<_>>(), [asked]);
        }
    }
}
