//! Drives a run: asks [`super::decide`] what is next, records it, carries it out, and waits for what comes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::Utc;
use tokio::sync::watch;
use tokio::time::Instant;

use super::attempts::{Attempts, Finished, Watch, meaning, no_gpu, not_started};
use super::journal::Journal;
use super::lease::LeaseKeeper;
use super::order::{attempt_id, work_order};
use super::resolve::{Fate, Question, Resolved, Resolver};
use super::state::StepState;
use super::{Action, CacheKey, DriveError, Engine, EngineError, Happening, Outcome, admit, decide};

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
    cancel: watch::Receiver<Option<String>>,
    /// Steps without a result that wait for room.
    queued: BTreeMap<usize, Resolved>,
    /// Steps whose result another attempt is making.
    held: BTreeMap<usize, Held>,
}

struct Held {
    look_at: Instant,
    wait: Duration,
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
        cancel: watch::Receiver<Option<String>>,
    ) -> Drive<'engine> {
        let settings = &engine.settings;
        let lease = LeaseKeeper::start(engine.log.clone(), journal.lease.clone(), settings.lease_for);
        Drive {
            attempts: Attempts::new(engine.executor.clone(), settings.grace),
            engine,
            journal,
            resolver,
            lease,
            cancel,
            queued: BTreeMap::new(),
            held: BTreeMap::new(),
        }
    }

    /// Goes on until the run has ended.
    pub(super) async fn go_on(&mut self) -> Result<Outcome, DriveError> {
        loop {
            let options = self.settle()?;
            if let Some(outcome) = self.journal.run.outcome() {
                self.journal.flush().await?;
                return Ok(outcome);
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
            self.wait(options.wake_at).await?;
        }
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
        if self.attempts.is_empty() && wake.is_none() {
            return Err(DriveError::Stuck { run });
        }
        let sleep = async {
            match wake {
                Some(time) => tokio::time::sleep_until(time).await,
                None => std::future::pending().await,
            }
        };
        let finished = tokio::select! {
            finished = self.attempts.next() => finished,
            () = sleep => Vec::new(),
            by = asked(&mut self.cancel), if can_cancel => {
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

async fn asked(cancel: &mut watch::Receiver<Option<String>>) -> String {
    match cancel.wait_for(Option::is_some).await {
        Ok(by) => by.clone().unwrap_or_default(),
        // Nobody is left who could ask.
        Err(_) => std::future::pending().await,
    }
}
