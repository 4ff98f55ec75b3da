//! A run together with its log: each event is applied at once and written in groups, before its effect begins.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::clock::Clock;
use super::{Bell, EngineError, Handled, Happening, IllegalEvent, Lease, Run, RunEvent, RunLog, measure};

/// The first wait before a failed write is tried again.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest one: a run goes on soon after the database is back.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The only way by which a driver changes its run.
pub(super) struct Journal {
    pub(super) run: Run,
    pub(super) lease: Lease,
    pub(super) clock: Clock,
    log: Arc<dyn RunLog>,
    pending: Vec<RunEvent>,
    /// Requests that the pending events answer, or that came to nothing.
    handled: Vec<Handled>,
    committed: broadcast::Sender<Arc<RunEvent>>,
    bell: Bell,
    /// How long a database may be away before the run is left to be resumed.
    patience: Duration,
}

impl Journal {
    pub(super) fn new(
        run: Run,
        lease: Lease,
        log: Arc<dyn RunLog>,
        committed: broadcast::Sender<Arc<RunEvent>>,
        bell: Bell,
        patience: Duration,
    ) -> Journal {
        Journal {
            run,
            lease,
            clock: Clock::new(),
            log,
            pending: Vec::new(),
            handled: Vec::new(),
            committed,
            bell,
            patience,
        }
    }

    /// The time as this driver of the run sees it.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Applies an event and keeps it for the next [`Journal::flush`].
    pub(super) fn record(&mut self, what: Happening) -> Result<(), IllegalEvent> {
        // As fine as times are kept: the run in memory is the one that the log tells of, to the last digit.
        let event = RunEvent { seq: self.run.next_seq(), at: self.now().trunc_subsecs(6), what };
        self.run.apply(&event)?;
        self.pending.push(event);
        Ok(())
    }

    /// Keeps the answer to a request for the next [`Journal::flush`].
    pub(super) fn answered(&mut self, handled: Handled) {
        self.handled.push(handled);
    }

    /// Makes everything recorded so far durable, and tells those who listen.
    pub(super) async fn flush(&mut self) -> Result<(), EngineError> {
        if self.pending.is_empty() && self.handled.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        let mut wait = FIRST_WAIT;
        while let Err(error) = self.write().await {
            if !matches!(error, EngineError::Database { .. }) || started.elapsed() + wait > self.patience {
                return Err(error);
            }
            let error = error.source().unwrap_or(&error).to_string();
            if wait == FIRST_WAIT {
                tracing::warn!(run.id = %self.run.id(), %error, "the database does not take events; trying again for a while");
            } else {
                tracing::debug!(run.id = %self.run.id(), %error, "the database still does not take events");
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        self.handled.clear();
        if self.pending.iter().any(|event| event.what.is_an_end()) {
            self.bell.ring();
        }
        for event in self.pending.drain(..) {
            measure::count(&self.run, &event);
            // Nobody listening is no failure, and those who are too slow miss events and not the run.
            drop(self.committed.send(Arc::new(event)));
        }
        Ok(())
    }

    async fn write(&self) -> Result<(), EngineError> {
        let first = self.pending.first().map_or(self.run.next_seq(), |event| event.seq);
        let refused = match self.log.append_answers(&self.lease, first, &self.pending, &self.handled).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if !matches!(refused, EngineError::Database { .. }) || self.pending.is_empty() {
            return Err(refused);
        }
        // The answer may have been lost and not the write: then a second one would be taken for another driver's.
        let known = self.log.events(self.lease.run).await?;
        let written = known.get(usize::try_from(first - 1).unwrap_or(usize::MAX)..).unwrap_or_default();
        if written == self.pending { Ok(()) } else { Err(refused) }
    }
}
