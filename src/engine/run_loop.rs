//! Drives a run: asks [`super::decide`] what is next, records it, carries it out, and waits for what comes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::Utc;
use tokio::sync::watch;
use tokio::time::Instant;

use super::attempts::{Attempts, Finished, Watch, meaning, no_gpu, not_started};
use super::desk::Inbox;
use super::journal::Journal;
use super::lease::LeaseKeeper;
use super::order::{attempt_id, work_order};
use super::request::answer;
use super::resolve::{Fate, Question, Resolved, Resolver};
use super::state::StepState;
use super::{
    Action, CacheKey, Control, DriveError, Engine, EngineError, Handled, Happening, Outcome, Parked, Request, admit,
    decide,
};
use crate::id::RequestId;

/// The first wait before looking again whether another run has made a result that we need too.
const FIRST_LOOK: Duration = Duration::from_millis(50);
/// The longest one.
const LONGEST_LOOK: Duration = Duration::from_millis(500);

/// A run that is being driven by this process.
pub(super) struct Drive<'engine> {
    pub(super) engine: &'engine Engine,
    pub(super) journal: Journal,
    pub(super) attempts: Attempts,
    pub(super) resolver: Resolver,
    lease: LeaseKeeper,
    control: Control,
    inbox: Inbox,
    /// Requests that were seen: their answers may not be durable yet.
    seen: BTreeSet<RequestId>,
    /// Steps without a result that wait for room.
    queued: BTreeMap<usize, Resolved>,
    /// Steps whose result another attempt is making.
    held: BTreeMap<usize, Held>,
}

struct Held {
    look_at: Instant,
    wait: Duration,
}

/// How the driving of a run came to an end.
pub(super) enum End {
    /// The run has ended.
    Ended(Outcome),
    /// Nothing can go on until somebody decides or a time comes.
    Parked(Parked),
    /// Whoever drives was told to leave the run to another process.
    Detached,
}

/// What can be done when nothing is left to record.
#[derive(Default)]
struct Options {
    considered: BTreeSet<usize>,
    wake_at: Option<chrono::DateTime<Utc>>,
    cancels: bool,
}

impl<'engine> Drive<'engine> {
    pub(super) fn new(
        engine: &'engine Engine,
        journal: Journal,
        resolver: Resolver,
        control: Control,
    ) -> Drive<'engine> {
        let settings = &engine.settings;
        let lease = LeaseKeeper::start(engine.log.clone(), journal.lease.clone(), settings.lease_for);
        Drive {
            attempts: Attempts::new(engine.executor.clone(), settings.grace),
            inbox: engine.desk.inbox(journal.run.id()),
            seen: BTreeSet::new(),
            engine,
            journal,
            resolver,
            lease,
            control,
            queued: BTreeMap::new(),
            held: BTreeMap::new(),
        }
    }

    /// Goes on until the run has ended, or nothing can go on.
    pub(super) async fn go_on(&mut self) -> Result<End, DriveError> {
        self.ask_what_was_asked().await?;
        loop {
            let options = self.settle()?;
            if let Some(outcome) = self.journal.run.outcome() {
                self.journal.flush().await?;
                // Somebody may have asked for something meanwhile, even that the run shall go on.
                self.ask_what_was_asked().await?;
                self.journal.flush().await?;
                if self.journal.run.outcome().is_some() {
                    return Ok(End::Ended(outcome));
                }
                continue;
            }
            if *self.control.detach.borrow() {
                self.journal.flush().await?;
                return Ok(End::Detached);
            }
            self.queued.retain(|step, _| options.considered.contains(step));
            self.held.retain(|step, _| options.considered.contains(step));
            if self.look_up(&options.considered).await? || self.start().await? {
                continue;
            }
            self.journal.flush().await?;
            if options.cancels {
                self.attempts.stop_all();
            }
            if self.attempts.is_empty() && options.wake_at.is_none() && self.held.is_empty() {
                if self.ask_what_was_asked().await? {
                    continue;
                }
                return match self.journal.run.standstill() {
                    Some(parked) => Ok(End::Parked(parked)),
                    None => Err(DriveError::Stuck { run: self.journal.run.id() }),
                };
            }
            self.wait(options.wake_at).await?;
        }
    }

    /// Takes in what was asked of the run so far. Tells whether there was anything new.
    async fn ask_what_was_asked(&mut self) -> Result<bool, DriveError> {
        let requests = self.engine.log.requests(&[self.journal.run.id()]).await?;
        self.answer(requests).await
    }

    async fn answer(&mut self, requests: Vec<Request>) -> Result<bool, DriveError> {
        let mut is_any_new = false;
        for request in requests {
            if !self.seen.insert(request.id) {
                continue;
            }
            is_any_new = true;
            let had_ended = self.journal.run.outcome().is_some();
            let answer = answer(&self.journal.run, &request, Utc::now());
            if had_ended && !answer.events.is_empty() {
                self.engine.claimed(&mut self.journal)?;
            }
            for event in answer.events {
                self.journal.record(event)?;
            }
            tracing::info!(run.id = %request.run, "{} asked for {}: {}", request.asked_by, request.kind.as_str(), answer.outcome);
            self.journal.answered(Handled { request: request.id, outcome: answer.outcome });
            if had_ended && self.journal.run.outcome().is_none() {
                self.attempts.stop_none();
                self.heal_results().await?;
            }
        }
        Ok(is_any_new)
    }

    /// Records everything that follows from the state.
    fn settle(&mut self) -> Result<Options, DriveError> {
        loop {
            let mut options = Options::default();
            let mut has_recorded = false;
            for action in decide(&self.journal.run, Utc::now()) {
                match action {
                    Action::Record(what) => {
                        self.journal.record(*what)?;
                        has_recorded = true;
                    }
                    Action::Consider(step) => drop(options.considered.insert(step)),
                    Action::Cancel(_) => options.cancels = true,
                    Action::WakeAt(time) => {
                        options.wake_at = Some(options.wake_at.map_or(time, |earlier| earlier.min(time)));
                    }
                }
            }
            if !has_recorded {
                return Ok(options);
            }
        }
    }

    /// Looks steps up in the cache that were not yet, before they ask for room. Tells whether the run has changed.
    async fn look_up(&mut self, considered: &BTreeSet<usize>) -> Result<bool, DriveError> {
        let now = Instant::now();
        let is_open = |step: &usize| {
            !self.queued.contains_key(step) && self.held.get(step).is_none_or(|held| held.look_at <= now)
        };
        let run = &self.journal.run;
        let questions: Vec<Question> = considered
            .iter()
            .filter(|step| is_open(step))
            .filter_map(|step| {
                let inputs = run.bindings(*step)?;
                Some(Question { step: *step, inputs, anew: run.selection.anew[*step] })
            })
            .collect();
        if questions.is_empty() {
            return Ok(false);
        }
        let mut has_changed = false;
        for resolved in self.resolver.resolve(questions).await? {
            if matches!(resolved.fate, Fate::Reuse(_)) {
                self.reuse(resolved)?;
                has_changed = true;
            } else {
                self.queued.insert(resolved.step, resolved);
            }
        }
        Ok(has_changed)
    }

    fn reuse(&mut self, resolved: Resolved) -> Result<(), DriveError> {
        let Resolved { step: index, inputs, parts, key, fate } = resolved;
        let (Some(key), Fate::Reuse(cached)) = (key, fate) else { return Ok(()) };
        let step = self.journal.run.planned(index).name.clone();
        self.held.remove(&index);
        let reused =
            Happening::StepReused { step, key, parts, inputs, made_by: cached.made_by, outcome: cached.outcome };
        Ok(self.journal.record(reused)?)
    }

    /// Starts the queued steps for which there is room. Tells whether the run has changed.
    async fn start(&mut self) -> Result<bool, DriveError> {
        let queued: BTreeSet<usize> = self.queued.keys().copied().collect();
        let mut started = Vec::new();
        let mut has_changed = false;
        for index in admit(&self.journal.run, &queued, &self.engine.settings.limits) {
            let Some(resolved) = self.queued.remove(&index) else { continue };
            let run = &self.journal.run;
            let planned = run.planned(index);
            let number = run.steps[index].started + 1;
            let attempt = attempt_id(run.id(), &planned.name, number);
            if let Some(key) = resolved.key {
                if self.engine.cache.reserve(key, run.id(), attempt).await? != attempt {
                    self.hold(index);
                    continue;
                }
                if !run.selection.anew[index]
                    && let Some(cached) = self.made_meanwhile(key).await?
                {
                    self.reuse(Resolved { fate: Fate::Reuse(cached), ..resolved })?;
                    has_changed = true;
                    continue;
                }
            }
            self.held.remove(&index);
            let order = work_order(run, index, attempt, number, &resolved.inputs, &self.engine.settings);
            let Fate::Run { why } = resolved.fate else { continue };
            self.journal.record(Happening::AttemptStarted {
                step: order.step.clone(),
                attempt,
                number,
                key: resolved.key,
                parts: resolved.parts,
                why,
                inputs: resolved.inputs,
            })?;
            started.push((index, order));
        }
        if started.is_empty() {
            return Ok(has_changed);
        }
        // An attempt is on record before it exists, so that no crash can hide it.
        self.journal.flush().await?;
        for (index, order) in started {
            let planned = self.journal.run.planned(index);
            let needs_gpu = planned.resources.gpu_required == Some(true) && self.engine.settings.limits.gpus == 0;
            let timeout = planned.timeout;
            let refused = if needs_gpu {
                Some(no_gpu())
            } else {
                self.engine.executor.submit(&order).await.err().map(|error| not_started(&error))
            };
            match refused {
                None => {
                    let (run, attempt) = (order.run, order.attempt);
                    self.attempts.watch(Watch { step: index, run, attempt, timeout });
                }
                Some(failure) => self.journal.record(Happening::AttemptFailed {
                    step: order.step,
                    attempt: order.attempt,
                    failure,
                    seconds: 0.0,
                })?,
            }
        }
        Ok(true)
    }

    /// A result that appeared between our look into the cache and our reservation.
    async fn made_meanwhile(&self, key: CacheKey) -> Result<Option<super::CachedResult>, EngineError> {
        let found = self.engine.cache.lookup(&[key]).await?.into_iter().next().map(|(_, cached)| cached);
        Ok(found.filter(|cached| {
            cached.outcome.outputs.values().all(|artifact| self.engine.artifacts.path(artifact).is_ok())
        }))
    }

    fn hold(&mut self, index: usize) {
        let wait = self.held.get(&index).map_or(FIRST_LOOK, |held| (held.wait * 2).min(LONGEST_LOOK));
        self.held.insert(index, Held { look_at: Instant::now() + wait, wait });
    }

    async fn wait(&mut self, wake_at: Option<chrono::DateTime<Utc>>) -> Result<(), DriveError> {
        let run = self.journal.run.id();
        let wake = wake_at.map(|time| Instant::now() + (time - Utc::now()).to_std().unwrap_or_default());
        let wake = wake.into_iter().chain(self.held.values().map(|held| held.look_at)).min();
        let can_cancel = !self.journal.run.is_cancelling();
        let sleep = async {
            match wake {
                Some(time) => tokio::time::sleep_until(time).await,
                None => std::future::pending().await,
            }
        };
        let finished = tokio::select! {
            finished = self.attempts.next() => finished,
            () = sleep => Vec::new(),
            () = self.inbox.changed() => {
                let requests = self.inbox.open();
                self.answer(requests).await?;
                Vec::new()
            }
            () = told(&mut self.control.detach) => Vec::new(),
            by = asked(&mut self.control.cancel), if can_cancel => {
                self.journal.record(Happening::CancelRequested { by })?;
                Vec::new()
            }
            reason = self.lease.lost() => return Err(EngineError::LeaseLost { run, reason }.into()),
        };
        for finished in finished {
            self.take_in(finished).await?;
        }
        Ok(())
    }

    /// Records the end of an attempt.
    pub(super) async fn take_in(&mut self, finished: Finished) -> Result<(), DriveError> {
        let index = finished.step;
        let run = &self.journal.run;
        let StepState::Running(running) = &run.steps[index].state else { return Ok(()) };
        let seconds = (Utc::now() - running.since).as_seconds_f64().max(0.0);
        let planned = run.planned(index);
        let required = self.engine.required_outputs(planned);
        let what = meaning(&planned.name, finished, seconds, planned.timeout, &required);
        let is_damaged = matches!(&what, Happening::AttemptFailed { failure, .. }
            if matches!(failure.code.as_str(), "artifact_missing" | "artifact_corrupt"));
        self.journal.record(what)?;
        if is_damaged && !self.journal.run.is_cancelling() {
            self.heal_inputs(index).await?;
        }
        Ok(())
    }
}

async fn told(detach: &mut watch::Receiver<bool>) {
    if detach.wait_for(|detach| *detach).await.is_err() {
        std::future::pending().await
    }
}

async fn asked(cancel: &mut watch::Receiver<Option<String>>) -> String {
    match cancel.wait_for(Option::is_some).await {
        Ok(by) => by.clone().unwrap_or_default(),
        // Nobody is left who could ask.
        Err(_) => std::future::pending().await,
    }
}
