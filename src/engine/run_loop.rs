//! Drives a run: asks [`super::decide`] what is next, records it, carries it out, and waits for what comes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::Utc;
use tokio::sync::watch;
use tokio::time::Instant;

use super::attempts::{Attempts, Finished, Watch, meaning, no_gpu, not_started};
use super::crowd::Busy;
use super::desk::Inbox;
use super::journal::Journal;
use super::lease::LeaseKeeper;
use super::order::{attempt_id, work_order};
use super::request::answer;
use super::resolve::{Fate, Question, Resolved, Resolver};
use super::state::StepState;
use super::{
    Action, Answer, Bell, CacheKey, CachedResult, Control, DriveError, Engine, EngineError, Handled, Happening, Limits,
    Outcome, Parked, Request, Short, Take, Want, decide,
};
use crate::id::{AttemptId, RequestId};
use crate::telemetry::metrics;

/// The first wait before steps ask again for room, or for a result that another run makes, if no bell rings before.
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
    pub(super) queued: BTreeMap<usize, Resolved>,
    /// Since when this process has seen them wait.
    queued_since: BTreeMap<usize, Instant>,
    /// Those of them that asked and must wait, and what for.
    pub(super) waits: BTreeMap<usize, Short>,
    /// Since when there is no room for them, as far as this process knows.
    pub(super) short_since: BTreeMap<usize, Instant>,
    /// Whether those that wait are to ask again.
    asks: bool,
    /// Whether they are because the bell was rung.
    was_rung: bool,
    /// After which time they do, if nothing happens before.
    look_after: Duration,
    bell: Bell,
    /// Held unless the run stands in the crowd.
    busy: Option<Busy>,
}

/// A step that has room, with its attempt and the GPU for it.
type Granted = (usize, AttemptId, Option<u32>);

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
    /// Whether a phase has just begun again.
    restarts: bool,
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
            queued_since: BTreeMap::new(),
            waits: BTreeMap::new(),
            short_since: BTreeMap::new(),
            asks: true,
            was_rung: false,
            look_after: FIRST_LOOK,
            bell: engine.settings.bell.clone(),
            busy: None,
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
            if options.restarts {
                // What its other attempts have made is in the cache only once it is durable.
                self.journal.flush().await?;
            }
            self.queued.retain(|step, _| options.considered.contains(step));
            self.queued_since.retain(|step, _| options.considered.contains(step));
            if self.look_up(&options.considered).await? || self.start().await? || self.give_up_waiting()? {
                continue;
            }
            self.journal.flush().await?;
            if options.cancels {
                self.attempts.stop_all();
            }
            if self.attempts.is_empty() && options.wake_at.is_none() && self.waits.is_empty() {
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
            let answer = answer(&self.journal.run, &request, self.journal.now());
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
        let mut restarts = false;
        loop {
            let mut options = Options { restarts, ..Options::default() };
            let mut has_recorded = false;
            for action in decide(&self.journal.run, self.journal.now()) {
                match action {
                    Action::Record(what) => {
                        restarts |= matches!(*what, Happening::PhaseRestarted { .. });
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
        let is_open = |step: &usize| !self.queued.contains_key(step);
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
                self.queued_since.entry(resolved.step).or_insert_with(Instant::now);
                self.queued.insert(resolved.step, resolved);
            }
        }
        Ok(has_changed)
    }

    fn reuse(&mut self, resolved: Resolved) -> Result<(), DriveError> {
        let Resolved { step: index, inputs, parts, key, fate } = resolved;
        let (Some(key), Fate::Reuse(cached)) = (key, fate) else { return Ok(()) };
        let step = self.journal.run.planned(index).name.clone();
        let reused =
            Happening::StepReused { step, key, parts, inputs, made_by: cached.made_by, outcome: cached.outcome };
        Ok(self.journal.record(reused)?)
    }

    /// Starts the queued steps for which there is room. Tells whether the run has changed.
    async fn start(&mut self) -> Result<bool, DriveError> {
        if self.queued.is_empty() && self.waits.is_empty() || !self.asks && self.queued.keys().eq(self.waits.keys()) {
            return Ok(false);
        }
        self.asks = false;
        let limits = self.limits().await;
        let turn = self.engine.crowd.turn().await;
        let rings = self.bell.rings();
        let waits_for_a_core = self.waits.values().all(|short| short.is_a_core());
        let is_known = self.queued.keys().eq(self.waits.keys());
        if std::mem::take(&mut self.was_rung) && is_known && waits_for_a_core && self.engine.crowd.is_full(rings) {
            return Ok(false);
        }
        let granted = self.ask_for_room(&limits).await?;
        let lacks_one = |(step, short): (&usize, &Short)| {
            *short == Short::Cpus && self.journal.run.planned(*step).resources.cpus <= 1
        };
        if self.waits.iter().any(lacks_one) {
            self.engine.crowd.asked_in_vain(rings);
        }
        drop(turn);
        if granted.is_empty() {
            return Ok(false);
        }
        let made = self.made_meanwhile(&granted).await?;
        let mut started = Vec::new();
        let mut unused = Vec::new();
        for (index, attempt, gpu) in granted {
            let Some(mut resolved) = self.queued.remove(&index) else { continue };
            if let Some(cached) =
                resolved.key.filter(|_| !self.journal.run.selection.anew[index]).and_then(|key| made.get(&key))
            {
                unused.push(attempt);
                resolved.fate = Fate::Reuse(cached.clone());
                self.reuse(resolved)?;
                continue;
            }
            let run = &self.journal.run;
            let number = run.steps[index].started + 1;
            let mut order = work_order(run, index, attempt, number, &resolved.inputs, &self.engine.settings);
            let Fate::Run { why } = resolved.fate else { continue };
            if let Some(gpu) = gpu {
                order.env.entry("CUDA_VISIBLE_DEVICES".to_owned()).or_insert_with(|| gpu.to_string());
            }
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
        if !unused.is_empty() {
            self.engine.slots.give_back(&self.journal.lease, &unused).await?;
            self.engine.settings.bell.ring();
        }
        if started.is_empty() {
            return Ok(true);
        }
        // An attempt is on record before it exists, so that no crash can hide it.
        self.journal.flush().await?;
        for (index, order) in started {
            let planned = self.journal.run.planned(index);
            let needs_gpu = planned.resources.gpu_required == Some(true) && limits.gpus.is_empty();
            let left = self
                .journal
                .run
                .deadline(index)
                .map(|deadline| (deadline - self.journal.now()).to_std().unwrap_or_default());
            let timeout = planned.timeout.into_iter().chain(left).min();
            let refused = if needs_gpu {
                Some(no_gpu())
            } else {
                self.engine.executor.submit(&order).await.err().map(|error| not_started(&error))
            };
            match refused {
                None => {
                    let (run, attempt) = (order.run, order.attempt);
                    self.attempts.watch(Watch { step: index, name: order.step, run, attempt, timeout });
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

    /// What there is for attempts. GPUs are asked about when a step wants one.
    async fn limits(&self) -> Limits {
        let mut limits = self.engine.settings.limits.clone();
        let run = &self.journal.run;
        if self.queued.keys().any(|step| run.planned(*step).resources.gpu_required.is_some())
            && let Some(gpus) = self.engine.gpus.look().await
        {
            limits.gpus = gpus;
        }
        limits
    }

    /// Asks for room for all queued steps in one transaction. Gives the steps that have it, with their attempts.
    async fn ask_for_room(&mut self, limits: &Limits) -> Result<Vec<Granted>, DriveError> {
        let run = &self.journal.run;
        let wants: Vec<Want> = self
            .queued
            .values()
            .map(|resolved| {
                let planned = run.planned(resolved.step);
                let number = run.steps[resolved.step].started + 1;
                Want {
                    attempt: attempt_id(run.id(), &planned.name, number),
                    step: planned.name.clone(),
                    key: resolved.key,
                    take: Take::with_memory(planned, run.memory_bytes(resolved.step), limits),
                }
            })
            .collect();
        let answers = self.engine.slots.claim_slots(&self.journal.lease, &wants, limits).await?;
        let before = std::mem::take(&mut self.waits);
        let mut granted = Vec::new();
        for ((index, want), answer) in self.queued.keys().zip(&wants).zip(answers) {
            match answer {
                Answer::Granted { gpu } => {
                    if let Some(since) = self.queued_since.remove(index) {
                        metrics::queue_waited(&run.planned(*index).kind, since.elapsed());
                    }
                    granted.push((*index, want.attempt, gpu));
                }
                Answer::Wait(wait) => drop(self.waits.insert(*index, wait.short)),
            }
        }
        self.look_after =
            if before.keys().eq(self.waits.keys()) { (self.look_after * 2).min(LONGEST_LOOK) } else { FIRST_LOOK };
        Ok(granted)
    }

    /// Results that appeared between our look into the cache and our claim.
    async fn made_meanwhile(&self, granted: &[Granted]) -> Result<BTreeMap<CacheKey, CachedResult>, EngineError> {
        let keys: Vec<CacheKey> =
            granted.iter().filter_map(|(index, ..)| self.queued.get(index).and_then(|resolved| resolved.key)).collect();
        if keys.is_empty() {
            return Ok(BTreeMap::new());
        }
        let found = self.engine.cache.lookup(&keys).await?.into_iter();
        let is_whole = |cached: &CachedResult| {
            cached.outcome.outputs.values().all(|artifact| self.engine.artifacts.path(artifact).is_ok())
        };
        Ok(found.filter(|(_, cached)| is_whole(cached)).collect())
    }

    async fn wait(&mut self, wake_at: Option<chrono::DateTime<Utc>>) -> Result<(), DriveError> {
        let run = self.journal.run.id();
        self.was_rung = false;
        let waits_for_a_core = self.waits.values().any(|short| short.is_a_core());
        if self.attempts.is_empty() && waits_for_a_core {
            self.busy = None;
        } else {
            self.busy.get_or_insert_with(|| self.engine.crowd.enter());
        }
        let wake = wake_at.map(|time| self.journal.clock.instant(time));
        let look = (!self.waits.is_empty()).then(|| Instant::now() + self.look_after);
        let wake = wake.into_iter().chain(look).chain(self.question_over()).chain(self.wait_over()).min();
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
            () = self.bell.rung(), if !self.waits.is_empty() => {
                self.was_rung = true;
                Vec::new()
            }
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
        // Whose result another attempt makes is looked up again first.
        self.asks = true;
        self.queued.retain(|step, _| self.waits.get(step) != Some(&Short::Result));
        Ok(())
    }

    /// Records the end of an attempt.
    pub(super) async fn take_in(&mut self, finished: Finished) -> Result<(), DriveError> {
        let index = finished.step;
        let run = &self.journal.run;
        let StepState::Running(running) = &run.steps[index].state else { return Ok(()) };
        let seconds = (self.journal.now() - running.since).as_seconds_f64().max(0.0);
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
        std::future::pending::<()>().await;
    }
}

async fn asked(cancel: &mut watch::Receiver<Option<String>>) -> String {
    if cancel.wait_for(Option::is_some).await.is_err() {
        // Nobody is left who could ask.
        std::future::pending::<()>().await;
    }
    cancel.borrow().clone().unwrap_or_default()
}
