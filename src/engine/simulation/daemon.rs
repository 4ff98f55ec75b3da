//! A daemon as it would be if nothing took time: it claims runs, decides, asks for slots, starts, and takes in what comes.

use std::collections::{BTreeMap, BTreeSet};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rand::RngExt;

use super::executor::{Job, Message};
use super::tries::is_damage;
use super::world::{World, output};
use crate::engine::attempts::{Finished, Stopped, meaning};
use crate::engine::order::attempt_id;
use crate::engine::request::answer;
use crate::engine::{
    Action, Answer, CacheIndex, CachedResult, EngineError, Handled, Happening, Lease, Run, RunEvent, RunLog, Short,
    Slots, StepState, Take, Want, decide,
};
use crate::executor::{Ended, Found};
use crate::id::{AttemptId, OutputName, RunId};
use crate::step::Fault;
use crate::worker::Failure;

pub(super) const LEASE: Duration = Duration::from_secs(15);

/// The daemon went away in the middle of what it did.
pub(super) struct Gone;

#[derive(Default)]
pub(super) struct Daemon {
    pub(super) owner: String,
    pub(super) drives: BTreeMap<RunId, Drive>,
    /// Frozen or down until then.
    pub(super) away_until_ms: i64,
}

pub(super) struct Drive {
    pub(super) run: Run,
    lease: Lease,
    pending: Vec<RunEvent>,
    /// Requests that led to what is pending.
    handled: Vec<Handled>,
    /// Since when there is no room for a step.
    short_since: BTreeMap<usize, i64>,
    /// Whether there is a time at which something goes on by itself.
    wakes: bool,
    stopped: BTreeMap<AttemptId, Stopped>,
    /// Whether steps of it are on record as waiting.
    waits: bool,
}

impl Drive {
    /// Whether nothing goes on unless somebody decides or a question runs out.
    pub(super) fn stands_still(&self) -> bool {
        self.run.board.running.is_empty() && !self.wakes && !self.waits
    }
}

/// The value of a future that has nothing to wait for.
pub(super) fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the log in memory never waits"),
    }
}

impl World {
    /// One turn of one daemon with one run. An error means that it does not drive the run any more.
    pub(super) fn turn(&mut self, drive: &mut Drive) -> Result<(), Gone> {
        self.answer_requests(drive)?;
        self.take_in(drive)?;
        for _ in 0..1000 {
            let mut considered = BTreeSet::new();
            let mut has_recorded = false;
            drive.wakes = false;
            for action in decide(&drive.run, self.now()) {
                match action {
                    Action::Record(what) => {
                        self.record(drive, *what);
                        has_recorded = true;
                    }
                    Action::Consider(step) => drop(considered.insert(step)),
                    Action::Cancel(step) => {
                        if let StepState::Running(running) = &drive.run.steps[step].state {
                            drive.stopped.insert(running.attempt, Stopped::Cancelled);
                            let name = drive.run.planned(step).name.clone();
                            self.executor.cancel(self.now_ms, drive.run.id(), name, running.attempt);
                        }
                    }
                    Action::WakeAt(_) => drive.wakes = true,
                }
            }
            if has_recorded {
                continue;
            }
            self.flush(drive)?;
            if drive.run.outcome().is_some() {
                return Ok(());
            }
            if !self.start(drive, &considered)? && !self.give_up_waiting(drive) {
                self.cancels_what_runs(drive);
                return Ok(());
            }
        }
        panic!("a turn does not end");
    }

    /// No attempt of a run that is being cancelled is left to itself.
    fn cancels_what_runs(&self, drive: &Drive) {
        let left = drive.run.board.running.iter().filter(|index| match &drive.run.steps[**index].state {
            StepState::Running(running) => !drive.stopped.contains_key(&running.attempt),
            _ => false,
        });
        let left = if drive.run.is_cancelling() { left.count() } else { 0 };
        assert_eq!(left, 0, "seed {}: attempts of a cancelled run go on", self.seed);
    }

    fn record(&mut self, drive: &mut Drive, what: Happening) {
        let event = RunEvent { seq: drive.run.next_seq(), at: self.now(), what };
        drive.run.apply(&event).unwrap_or_else(|error| panic!("{error}"));
        drive.pending.push(event);
    }

    fn flush(&mut self, drive: &mut Drive) -> Result<(), Gone> {
        if drive.pending.is_empty() && drive.handled.is_empty() {
            return Ok(());
        }
        let first = drive.pending.first().map_or(drive.run.next_seq(), |event| event.seq);
        self.may_crash("crashed before an append")?;
        ready(self.log.append_answers(&drive.lease, first, &drive.pending, &drive.handled))
            .map_err(|error| fenced(&error))?;
        drive.pending.clear();
        drive.handled.clear();
        self.may_crash("crashed after an append")
    }

    /// Carries out what was asked of the run.
    fn answer_requests(&mut self, drive: &mut Drive) -> Result<(), Gone> {
        for request in ready(self.log.requests(&[drive.run.id()])).unwrap() {
            let told = answer(&drive.run, &request, self.now());
            if drive.run.outcome().is_some() && !told.events.is_empty() {
                self.claimed(drive);
            }
            told.events.into_iter().for_each(|event| self.record(drive, event));
            drive.handled.push(Handled { request: request.id, outcome: told.outcome });
        }
        self.flush(drive)
    }

    fn claimed(&mut self, drive: &mut Drive) {
        let (owner, epoch) = (drive.lease.owner.clone(), drive.lease.epoch);
        self.record(drive, Happening::RunClaimed { owner, epoch });
    }

    /// Gives up steps for which there was no room for too long. Tells whether there were any.
    fn give_up_waiting(&mut self, drive: &mut Drive) -> bool {
        let now_ms = self.now_ms;
        let is_over = |(step, since_ms): (&usize, &i64)| {
            let timeout = drive.run.planned(*step).queue_timeout;
            let waited = u128::from((now_ms - since_ms).unsigned_abs());
            timeout.is_some_and(|timeout| waited >= timeout.as_millis()).then_some(*step)
        };
        let over: Vec<usize> = drive.short_since.iter().filter_map(is_over).collect();
        for index in &over {
            drive.short_since.remove(index);
            let step = drive.run.planned(*index).name.clone();
            let (fault, code) = (Fault::Environment, "queue_timeout".to_owned());
            let failure = Failure { fault, code, message: String::new(), help: None };
            self.record(drive, Happening::StepTimedOut { step, failure });
        }
        !over.is_empty()
    }

    fn may_crash(&mut self, place: &'static str) -> Result<(), Gone> {
        let trouble = self.trouble;
        if self.rng.random_bool(trouble * 0.02) {
            self.executor.fire(place);
            return Err(Gone);
        }
        Ok(())
    }

    /// Looks up, asks for slots and starts. Tells whether the run has changed.
    fn start(&mut self, drive: &mut Drive, considered: &BTreeSet<usize>) -> Result<bool, Gone> {
        let mut wants = Vec::new();
        let mut has_changed = false;
        for index in considered {
            let Some(inputs) = drive.run.bindings(*index) else { continue };
            let key = World::key(&drive.run, *index, &inputs);
            let found = key.and_then(|key| ready(self.log.lookup(&[key])).unwrap().pop());
            let planned = drive.run.planned(*index);
            let step = planned.name.clone();
            let is_whole = |cached: &CachedResult| !self.executor.damaged.contains(&output(&cached.outcome));
            // As when it is looked at before it is taken over; what is damaged later is noticed by whoever reads it.
            let looks = self.rng.random_bool(0.5);
            if let Some((key, cached)) = found.filter(|(_, cached)| !looks || is_whole(cached)) {
                let (made_by, outcome) = (cached.made_by, cached.outcome);
                let parts = World::parts();
                self.record(drive, Happening::StepReused { step, key, parts, inputs, made_by, outcome });
                has_changed = true;
                continue;
            }
            let attempt = attempt_id(drive.run.id(), &step, drive.run.steps[*index].started + 1);
            let take = Take::of(planned, &self.limits);
            wants.push((*index, inputs, Want { attempt, step, key, take }));
        }
        if has_changed || (wants.is_empty() && !drive.waits) {
            return Ok(has_changed);
        }
        let asked: Vec<Want> = wants.iter().map(|(_, _, want)| want.clone()).collect();
        let answers =
            ready(self.log.claim_slots(&drive.lease, &asked, &self.limits)).map_err(|error| fenced(&error))?;
        drive.waits = answers.iter().any(|answer| matches!(answer, Answer::Wait(_)));
        let mut short = BTreeSet::new();
        let mut granted = BTreeSet::new();
        for ((index, _, want), answer) in wants.iter().zip(&answers) {
            match answer {
                Answer::Granted { .. } => drop(granted.insert(want.attempt)),
                Answer::Wait(wait) if wait.short != Short::Result => drop(short.insert(*index)),
                Answer::Wait(_) => {}
            }
        }
        drive.short_since.retain(|step, _| short.contains(step));
        for step in short {
            drive.short_since.entry(step).or_insert(self.now_ms);
        }
        self.slots_are_right(&drive.run, &granted);
        self.may_crash("crashed after a grant")?;
        let mut jobs = Vec::new();
        for ((index, inputs, want), answer) in wants.into_iter().zip(answers) {
            let Answer::Granted { .. } = answer else { continue };
            let number = drive.run.steps[index].started + 1;
            let outcome = self.outcome(index, want.attempt, &inputs);
            let Want { attempt, step, key, .. } = want;
            jobs.push(Job {
                run: drive.run.id(),
                step: step.clone(),
                attempt,
                epoch: drive.lease.epoch,
                key,
                inputs: inputs.iter().map(|input| input.artifact.digest).collect(),
                outcome,
                trouble: self.trouble,
                fails_for_good: self.fails_for_good(drive.run.id(), index) || self.rng.random_bool(self.trouble * 0.08),
                is_cursed: self.is_cursed(drive.run.id(), index),
            });
            let (parts, why) = (World::parts(), String::new());
            self.record(drive, Happening::AttemptStarted { step, attempt, number, key, parts, why, inputs });
        }
        if jobs.is_empty() {
            return Ok(false);
        }
        self.flush(drive)?;
        for job in jobs {
            self.computes_alone(&job);
            self.executor.submit(self.now_ms, job, &mut self.rng);
        }
        Ok(true)
    }

    /// Nobody computes what another run computes that is driven.
    fn computes_alone(&self, job: &Job) {
        let Some(key) = job.key else { return };
        let slots = self.log.slots();
        let others = self.executor.computing(self.now_ms, job.run, key);
        let known = others.filter(|other| slots.iter().any(|slot| slot.attempt == other.attempt));
        let driven: Vec<RunId> = known.map(|other| other.run).filter(|run| self.driver(*run).is_some()).collect();
        assert!(driven.is_empty(), "seed {}: {} of {} is computed by {driven:?}", self.seed, job.step, job.run);
    }

    /// Takes in what was said about attempts, and ends those that take too long.
    fn take_in(&mut self, drive: &mut Drive) -> Result<(), Gone> {
        let running: Vec<(usize, AttemptId, i64)> = drive
            .run
            .board
            .running
            .iter()
            .filter_map(|index| match &drive.run.steps[*index].state {
                StepState::Running(running) => Some((*index, running.attempt, running.since.timestamp_millis())),
                _ => None,
            })
            .collect();
        for (index, attempt, since_ms) in &running {
            let timeout = drive.run.planned(*index).timeout;
            let is_late = timeout
                .is_some_and(|timeout| u128::from((self.now_ms - since_ms).unsigned_abs()) >= timeout.as_millis())
                || drive.run.deadline(*index).is_some_and(|deadline| deadline <= self.now());
            if is_late && !drive.stopped.contains_key(attempt) {
                self.executor.fire("timed out");
                drive.stopped.insert(*attempt, Stopped::TimedOut);
                let name = drive.run.planned(*index).name.clone();
                self.executor.cancel(self.now_ms, drive.run.id(), name, *attempt);
            }
        }
        for message in self.executor.said(self.now_ms, drive.run.id()) {
            match running.iter().find(|(_, attempt, _)| *attempt == message.attempt) {
                Some((index, ..)) => self.ended(drive, *index, message.attempt, message.ended),
                None => self.hears_too_late(drive, message),
            }
        }
        self.flush(drive)
    }

    /// What is said about an attempt that is over, or that another one has followed, changes nothing.
    fn hears_too_late(&mut self, drive: &mut Drive, message: Message) {
        let Message { step, attempt, ended, .. } = message;
        let index = drive.run.plan().steps.get_index_of(&step).unwrap();
        let finished = Finished { step: index, attempt, ended, stopped: None };
        let what = meaning(&step, finished, 1.0, None, &BTreeSet::new());
        let event = RunEvent { seq: drive.run.next_seq(), at: self.now(), what };
        let is_refused = drive.run.apply(&event).is_err();
        assert!(is_refused, "seed {}: {step} takes in what is said about an attempt that is over", self.seed);
        self.executor.fire("heard too late");
    }

    fn ended(&mut self, drive: &mut Drive, step: usize, attempt: AttemptId, ended: Ended) {
        let is_running =
            matches!(&drive.run.steps[step].state, StepState::Running(running) if running.attempt == attempt);
        if !is_running {
            return;
        }
        let stopped = drive.stopped.remove(&attempt);
        let planned = drive.run.planned(step);
        let required: BTreeSet<OutputName> = planned.outputs.keys().cloned().collect();
        let finished = Finished { step, attempt, ended, stopped };
        let what = meaning(&planned.name, finished, 1.0, planned.timeout, &required);
        let is_damaged = matches!(&what, Happening::AttemptFailed { failure, .. } if is_damage(failure));
        self.record(drive, what);
        if is_damaged && !drive.run.is_cancelling() {
            self.heal(drive, step);
        }
    }

    /// Lets the steps run again whose artifacts a failed attempt found damaged.
    fn heal(&mut self, drive: &mut Drive, step: usize) {
        for binding in drive.run.bindings(step).unwrap_or_default() {
            let name = binding.source.step;
            let made = drive.run.step(&name).and_then(|record| record.state().made());
            let Some(made) = made.filter(|_| self.executor.damaged.contains(&binding.artifact.digest)) else {
                continue;
            };
            if let Some(key) = made.key {
                ready(self.log.forget(key)).unwrap();
            }
            self.record(drive, Happening::StepReopened { step: name, why: "damaged".to_owned() });
        }
    }

    /// Claims a run that nobody drives, and finds out what became of its attempts.
    pub(super) fn claim(&mut self, owner: &str, id: RunId) -> Option<Drive> {
        let lease = ready(self.log.claim(id, owner, LEASE)).ok()?;
        let seed = self.seed;
        assert!(
            self.driver(id).is_none_or(|driver| driver == owner),
            "seed {seed}: {owner} takes {id} from its driver"
        );
        self.holds(owner, id);
        let events = ready(self.log.events(id)).unwrap();
        let run = Run::load(ready(self.log.run(id)).unwrap(), &events).unwrap();
        let mut drive = Drive {
            run,
            lease,
            pending: Vec::new(),
            handled: Vec::new(),
            short_since: BTreeMap::new(),
            wakes: false,
            stopped: BTreeMap::new(),
            waits: false,
        };
        if drive.run.outcome().is_none() {
            self.claimed(&mut drive);
        }
        for index in drive.run.board.running.clone() {
            let StepState::Running(running) = &drive.run.steps[index].state else { continue };
            let attempt = running.attempt;
            match self.executor.find(self.now_ms, attempt, self.trouble, &mut self.rng) {
                Found::Running { .. } => {}
                Found::Ended(ended) => self.ended(&mut drive, index, attempt, ended),
                Found::NeverStarted => {
                    self.ended(&mut drive, index, attempt, Ended::Vanished { why: "it never started".to_owned() });
                }
            }
        }
        self.flush(&mut drive).ok().map(|()| drive)
    }

    pub(super) fn renew(&mut self, drive: &Drive) -> Result<(), Gone> {
        ready(self.log.renew(&drive.lease, LEASE)).map_err(|error| fenced(&error))?;
        self.holds(&drive.lease.owner, drive.run.id());
        Ok(())
    }

    pub(super) fn release(&mut self, drive: &Drive) {
        self.held.remove(&drive.run.id());
        // What is lost meanwhile need not be given back.
        ready(self.log.release(&drive.lease)).ok();
    }

    /// Leaves a run until somebody decides or a time comes.
    pub(super) fn park(&mut self, drive: &Drive) {
        let parked = drive.run.standstill();
        let parked = parked.unwrap_or_else(|| panic!("seed {}: {} is stuck", self.seed, drive.run.id()));
        self.executor.fire("parked");
        self.held.remove(&drive.run.id());
        // What is lost meanwhile need not be given back.
        let is_parked = ready(self.log.park(&drive.lease, &parked)).is_ok();
        let (seed, id) = (self.seed, drive.run.id());
        let holds = self.log.slots().iter().any(|slot| slot.run == id);
        assert!(!is_parked || !holds, "seed {seed}: {id} is parked and holds slots");
    }
}

fn fenced(error: &EngineError) -> Gone {
    assert!(matches!(error, EngineError::LeaseLost { .. }), "{error}");
    Gone
}
