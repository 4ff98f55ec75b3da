//! Takes runs that nobody drives and drives each in a task of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

use super::backoff::BackOff;
use super::health::Health;
use super::told::Told;
use crate::engine::{Bell, Control, DriveError, Driven, Engine, EngineError};
use crate::executor::owner;
use crate::id::RunId;
use crate::store::{Claims, Looks, Store, StoreError};
use crate::worker::with_causes;

/// How often to look for runs even if no bell rings.
const POLL: Duration = Duration::from_secs(1);
/// How often to look for holders of leases on this machine that are gone.
const LOOK_FOR_THE_GONE: Duration = Duration::from_secs(2);
/// How long a turn may take while the database is away.
const TURN: Duration = Duration::from_secs(60);
/// A driver that panics this often in a row will do it again.
const PANICS: u32 = 5;
/// The name of the loop in [`Health`].
const LOOP: &str = "supervisor";

/// What a supervisor works with.
pub(super) struct Supervisor {
    pub(super) store: Store,
    pub(super) engine: Arc<Engine>,
    pub(super) health: Arc<Health>,
    pub(super) owner: String,
    pub(super) host: String,
    pub(super) lease_for: Duration,
    /// How many runs it drives at once.
    pub(super) most_runs: usize,
    pub(super) bell: Bell,
}

/// How the driving of a run went.
enum Went {
    /// It has ended or waits for somebody.
    Well,
    /// It is left to the next daemon.
    Left,
    /// The driver failed; the run is taken again later.
    Badly(String),
}

/// How many runs more than cores stand ready for a core that becomes free.
const STANDING_BY: usize = 4;

type Tasks = JoinSet<(RunId, Went)>;

impl Supervisor {
    /// Drives runs until the daemon ends. Gives those that are left with workers that may still run.
    pub(super) async fn run(mut self, mut draining: watch::Receiver<bool>) -> Vec<RunId> {
        let (detach, detached) = watch::channel(false);
        let mut tasks = Tasks::new();
        let mut driven: HashMap<Id, (RunId, i64)> = HashMap::new();
        let crowd = self.engine.crowd().clone();
        let mut backoff = BackOff::default();
        let mut gone_looked_for = None;
        let mut looks = Looks::default();
        let mut told = Told::default();
        let mut left = Vec::new();
        loop {
            self.health.turned(LOOP, TURN);
            let is_draining = *draining.borrow_and_update();
            if is_draining {
                detach.send_replace(true);
                if tasks.is_empty() {
                    break;
                }
            } else if self.health.is_fine() {
                if gone_looked_for.is_none_or(|at: Instant| at.elapsed() >= LOOK_FOR_THE_GONE) {
                    gone_looked_for = Some(Instant::now());
                    self.end_leases_of_the_gone().await;
                }
                for (run, priority) in self.claim(&driven, &backoff, &mut told).await {
                    let control = Control { cancel: watch::channel(None).1, detach: detached.clone() };
                    let task = tasks.spawn(drive(Arc::clone(&self.engine), self.store.clone(), run, control));
                    driven.insert(task.id(), (run, priority));
                }
            }
            tokio::select! {
                Some(joined) = tasks.join_next_with_id() => {
                    self.settle(joined, &mut driven, &mut backoff, &mut left).await;
                    while let Some(joined) = tasks.try_join_next_with_id() {
                        self.settle(joined, &mut driven, &mut backoff, &mut left).await;
                    }
                }
                () = self.bell.rung() => {}
                () = crowd.shrunk() => {}
                () = quiet(&self.store, &mut looks, driven.is_empty()) => {}
                Ok(()) = draining.changed() => {}
            }
        }
        self.health.ended(LOOP);
        left
    }

    async fn claim(&self, driven: &HashMap<Id, (RunId, i64)>, backoff: &BackOff, told: &mut Told) -> Vec<(RunId, i64)> {
        let limit = self.most_runs.saturating_sub(driven.len());
        if limit == 0 {
            return Vec::new();
        }
        let crowd = driven.len().saturating_sub(self.engine.crowd().busy());
        let fresh = limit.min((self.engine.cpus() + STANDING_BY).saturating_sub(crowd));
        let above = driven.values().map(|(_, priority)| *priority).min().unwrap_or(i64::MIN);
        let except: Vec<RunId> = driven.values().map(|(run, _)| *run).chain(backoff.waiting(Instant::now())).collect();
        let (owner, host) = (self.owner.as_str(), self.host.as_str());
        let claims = Claims { owner, host, lease_for: self.lease_for, limit, fresh, above, except: &except };
        match self.store.claim_pending(claims).await {
            Ok(runs) => {
                if told.is_over() {
                    tracing::info!("runs are taken again");
                }
                runs
            }
            Err(error) => {
                if told.is_news(with_causes(&error)) {
                    tracing::warn!(error = &error as &dyn std::error::Error, "no runs can be taken now");
                }
                Vec::new()
            }
        }
    }

    async fn end_leases_of_the_gone(&self) {
        match self.store.end_leases_of_the_gone(owner::is_gone).await {
            Ok(0) => {}
            Ok(count) => tracing::info!("{count} runs of processes that are gone are taken over"),
            Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "leases cannot be looked at now"),
        }
    }

    async fn settle(
        &self,
        joined: Result<(Id, (RunId, Went)), JoinError>,
        driven: &mut HashMap<Id, (RunId, i64)>,
        backoff: &mut BackOff,
        left: &mut Vec<RunId>,
    ) {
        let (id, went) = match joined {
            Ok((id, (_, went))) => (id, went),
            Err(error) => (error.id(), Went::Badly(format!("its driver panicked: {error}"))),
        };
        let is_panic = matches!(&went, Went::Badly(why) if why.starts_with("its driver panicked"));
        let Some((run, _)) = driven.remove(&id) else { return };
        match went {
            Went::Well => backoff.worked(run),
            Went::Left => left.push(run),
            Went::Badly(why) => {
                let (times, wait) = backoff.failed(run, Instant::now());
                tracing::warn!(run.id = %run, "{why}; the run is taken again in {} ms", wait.as_millis());
                if is_panic && times >= PANICS {
                    put_aside(&self.store, &self.owner, run, &format!("bug: {why}, {times} times in a row")).await;
                } else if let Err(error) = self.store.leave(run, &self.owner, wait).await {
                    // The lease runs out by itself.
                    tracing::debug!(run.id = %run, error = &error as &dyn std::error::Error, "the run is not given back");
                }
            }
        }
    }
}

/// Ends runs that were left with workers: somebody insists that the daemon ends with everything it started.
pub(super) async fn cancel_all(engine: &Arc<Engine>, store: &Store, runs: Vec<RunId>) {
    let (_switch, cancel) = watch::channel(Some("the end of the daemon".to_owned()));
    let mut tasks = Tasks::new();
    for run in runs {
        tasks.spawn(drive(Arc::clone(engine), store.clone(), run, Control::cancelled_by(cancel.clone())));
    }
    while let Some(joined) = tasks.join_next().await {
        match joined {
            Ok((run, Went::Badly(why))) => tracing::warn!(run.id = %run, "{why}; the run was not cancelled"),
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "a run was not cancelled"),
        }
    }
}

/// Waits until it is time to look again. Leases and waits end without anything being written, so that a look of an
/// idle daemon is not left out for long.
async fn quiet(store: &Store, looks: &mut Looks, is_idle: bool) {
    loop {
        tokio::time::sleep(POLL).await;
        if !is_idle || looks.is_due(store, LOOK_FOR_THE_GONE) {
            return;
        }
    }
}

async fn drive(engine: Arc<Engine>, store: Store, run: RunId, control: Control) -> (RunId, Went) {
    let by = engine.owner().to_owned();
    let went = match Box::pin(engine.drive(run, &by, control)).await {
        Ok(Driven::Ended(_) | Driven::Parked { .. }) => Went::Well,
        Ok(Driven::Detached) => Went::Left,
        Err(error) => match verdict(&error) {
            Verdict::Elsewhere => {
                tracing::info!(run.id = %run, "{error}");
                Went::Well
            }
            Verdict::Later => Went::Badly(format!("it could not be driven on: {}", with_causes(&error))),
            Verdict::Never(code) => {
                put_aside(&store, &by, run, &format!("{code}: {}", with_causes(&error))).await;
                Went::Well
            }
        },
    };
    (run, went)
}

/// What a failure to drive a run means.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// The run is somebody else's now.
    Elsewhere,
    /// The surroundings failed; they may be better later.
    Later,
    /// The same would happen again: the reason's code.
    Never(&'static str),
}

fn verdict(error: &DriveError) -> Verdict {
    match error {
        DriveError::Engine(EngineError::LeaseLost { .. } | EngineError::Held { .. }) => Verdict::Elsewhere,
        DriveError::Engine(EngineError::Database { .. }) | DriveError::Executor(_) => Verdict::Later,
        // It was there when it was claimed, so that what belongs to it is missing.
        DriveError::Engine(EngineError::Corrupt { .. } | EngineError::NoRun(_)) => Verdict::Never("corrupt"),
        DriveError::Illegal(_) | DriveError::Stuck { .. } => Verdict::Never("bug"),
        DriveError::UnknownStep(_) => Verdict::Never("unknown_step"),
        DriveError::NotCached { .. } => Verdict::Never("not_cached"),
    }
}

/// Leaves a run alone for good, so that the others can go on. `show` and `doctor` tell.
async fn put_aside(store: &Store, owner: &str, run: RunId, why: &str) {
    let put: Result<(), StoreError> = store.quarantine(run, owner, &format!("{why} (run {run})")).await;
    match put {
        Ok(()) => tracing::error!(run.id = %run, "the run is put aside: {why}"),
        Err(error) => {
            tracing::error!(run.id = %run, error = &error as &dyn std::error::Error, "the run cannot be put aside: {why}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_would_happen_again_is_put_aside() {
        let run = RunId::generate();
        let database = EngineError::Database { doing: "append events", source: "away".into() };
        for (error, expected) in [
            (DriveError::from(database), Verdict::Later),
            (EngineError::LeaseLost { run, reason: "taken".to_owned() }.into(), Verdict::Elsewhere),
            (EngineError::NoRun(run).into(), Verdict::Never("corrupt")),
            (EngineError::Corrupt { run, reason: "event 3 is missing".to_owned() }.into(), Verdict::Never("corrupt")),
            (DriveError::Stuck { run }, Verdict::Never("bug")),
        ] {
            assert_eq!(verdict(&error), expected, "{error}");
        }
    }
}
