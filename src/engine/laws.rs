//! Laws of the pure core: random plans and ends of attempts, a crash at every event, and every event a second time.
//!
//! A failure names its seed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::testing::{at, gate, plan, step};
use super::{
    Action, Answer, CacheKey, Happening, KeyParts, Limits, Outcome, Run, RunEvent, RunOptions, Slot, StepEnd,
    StepState, Take, Waiting, admit, decide,
};
use crate::artifact::{ArtifactKind, ArtifactRef, Digest};
use crate::id::{AttemptId, RunId};
use crate::phase::Phase;
use crate::plan::{OnFail, Plan};
use crate::step::{Fault, Metric, StepOutcome};
use crate::worker::Failure;

/// What an attempt of a step comes to, as a function of the attempts that failed before it: a crash of the driver does
/// not change it.
#[derive(Debug, Clone)]
struct Fate {
    is_cached: bool,
    transient_failures: u32,
    fails_for_good: bool,
    losses: u32,
    metric: f64,
}

struct World {
    plan: Arc<Plan>,
    fates: Vec<Fate>,
    limits: Limits,
    seed: u64,
}

impl World {
    fn of(seed: u64) -> World {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let count = rng.random_range(1..10);
        let mut phase = 0;
        let mut steps = Vec::new();
        let mut fates = Vec::new();
        for number in 0..count {
            if phase < 5 && rng.random_bool(0.25) {
                phase += 1;
            }
            let names: Vec<String> =
                (0..number).filter(|_| rng.random_bool(0.3)).map(|from| format!("s{from}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let mut step = step(&format!("s{number}"), Phase::ALL[phase], &names);
            step.retry.attempts = rng.random_range(1..4);
            step.resources.cpus = rng.random_range(1..4);
            step.pool = rng.random_bool(0.2).then(|| "pool".to_owned());
            if number > 0 && rng.random_bool(0.15) {
                step.when = Some(format!("steps.s{}.metrics.m > 0.3", rng.random_range(0..number)));
            }
            steps.push(step);
            fates.push(Fate {
                is_cached: rng.random_bool(0.3),
                transient_failures: if rng.random_bool(0.2) { rng.random_range(1..3) } else { 0 },
                fails_for_good: rng.random_bool(0.05),
                losses: if rng.random_bool(0.1) { rng.random_range(1..3) } else { 0 },
                metric: rng.random_range(0.0..1.0),
            });
        }
        let gates = (0..rng.random_range(0..3))
            .map(|number| {
                let on_fail = [OnFail::Stop, OnFail::Warn][rng.random_range(0..2)];
                let check = format!("steps.s{}.metrics.m > 0.2", rng.random_range(0..count));
                gate(&format!("g{number}"), Phase::ALL[rng.random_range(0..=phase)], &check, on_fail)
            })
            .collect();
        let limits =
            Limits { cpus: rng.random_range(1..4), memory_bytes: None, gpus: Vec::new(), ..Limits::of_machine() };
        World { plan: Arc::new(plan(steps, gates)), fates, limits, seed }
    }

    fn fresh(&self) -> Run {
        Run::fresh(Arc::clone(&self.plan), RunId::from_u128(u128::from(self.seed) + 1), &RunOptions::default())
    }

    fn outcome_of(&self, step: usize) -> StepOutcome {
        let artifact =
            ArtifactRef { digest: Digest::of(step.to_string()), kind: ArtifactKind::Report, bytes: 1, rows: None };
        StepOutcome {
            outputs: BTreeMap::from([("out".parse().unwrap(), artifact)]),
            metrics: vec![Metric::new("m", self.fates[step].metric)],
            ..StepOutcome::default()
        }
    }

    fn parts() -> KeyParts {
        KeyParts {
            kind: "test.step".to_owned(),
            kind_version: 1,
            params: Value::Null,
            seed: 0,
            inputs: BTreeMap::new(),
            files: BTreeMap::new(),
            env: BTreeMap::new(),
            purpose: None,
        }
    }

    /// How the running attempt of a step ends.
    fn end(&self, run: &Run, index: usize) -> Happening {
        let (record, fate) = (&run.steps[index], &self.fates[index]);
        let StepState::Running(running) = &record.state else { panic!("step {index} does not run") };
        let (step, attempt) = (run.planned(index).name.clone(), running.attempt);
        let failed = |fault, code: &str| Happening::AttemptFailed {
            step: step.clone(),
            attempt,
            failure: Failure { fault, code: code.to_owned(), message: String::new(), help: None },
            seconds: 1.0,
        };
        if record.losses < fate.losses && record.failures == 0 {
            Happening::AttemptLost { step, attempt, why: "killed".to_owned() }
        } else if fate.fails_for_good {
            failed(Fault::Input, "column_missing")
        } else if record.failures < fate.transient_failures {
            failed(Fault::Environment, "io")
        } else {
            let outcome = self.outcome_of(index);
            Happening::AttemptSucceeded { step, attempt, outcome, seconds: 1.0, peak_memory_bytes: 1 }
        }
    }
}

/// A run with its log, which checks the laws at each event.
struct Simulation<'world> {
    world: &'world World,
    run: Run,
    log: Vec<RunEvent>,
    now: DateTime<Utc>,
    rng: ChaCha8Rng,
    /// Whether the costly laws are checked too.
    is_strict: bool,
}

impl<'world> Simulation<'world> {
    fn from(world: &'world World, log: &[RunEvent], order: u64) -> Simulation<'world> {
        let run = Run::replay(Arc::clone(&world.plan), world.fresh().id(), &RunOptions::default(), log);
        Simulation {
            world,
            run: run.unwrap_or_else(|error| panic!("seed {}: {error}", world.seed)),
            log: log.to_vec(),
            now: at(1000),
            rng: ChaCha8Rng::seed_from_u64(order),
            is_strict: log.is_empty() && order == 0,
        }
    }

    fn record(&mut self, what: Happening) {
        let seed = self.world.seed;
        let event = RunEvent { seq: self.run.next_seq(), at: self.now, what };
        if let Happening::AttemptStarted { step, .. } | Happening::StepReused { step, .. } = &event.what {
            let index = self.run.plan.steps.get_index_of(step).unwrap();
            for upstream in &self.run.graph.upstream[index] {
                assert!(self.run.steps[*upstream].state.is_done(), "seed {seed}: {step} began before its input");
            }
        }
        self.run.apply(&event).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        self.log.push(event);
        if !self.is_strict {
            return;
        }
        let mut rebuilt = self.run.clone();
        rebuilt.rebuild();
        assert!(rebuilt.board == self.run.board, "seed {seed}: the board is not what the states say");
        self.nothing_happens_twice();
    }

    /// Every event since the run was begun or resumed is refused if it comes again, and leaves no trace.
    fn nothing_happens_twice(&self) {
        let is_resumption = |event: &RunEvent| matches!(event.what, Happening::RunResumed { .. });
        let start = self.log.iter().rposition(is_resumption).unwrap_or(0);
        for event in &self.log[start..] {
            let mut again = self.run.clone();
            let event = RunEvent { seq: again.next_seq(), ..event.clone() };
            match &event.what {
                Happening::RunClaimed { .. } | Happening::RunResumed { .. } | Happening::RetryScheduled { .. } => {}
                what => {
                    assert!(again.apply(&event).is_err(), "seed {}: {what:?} came twice", self.world.seed);
                    assert!(again == self.run, "seed {}: a refused {what:?} left a trace", self.world.seed);
                }
            }
        }
    }

    fn limits_hold(&self) {
        let running: Vec<_> = self.run.board.running.iter().map(|index| self.run.planned(*index)).collect();
        let limit = self.world.limits.cpus;
        let cpus: u32 = running.iter().map(|step| step.resources.cpus.min(limit)).sum();
        assert!(cpus <= limit, "seed {}: {cpus} of {limit} cpus are taken", self.world.seed);
        let in_pool = running.iter().filter(|step| step.pool.is_some()).count();
        assert!(in_pool <= 1, "seed {}: {in_pool} attempts in a pool of one", self.world.seed);
    }

    fn start(&mut self, index: usize) {
        let planned = self.run.planned(index);
        let (step, number) = (planned.name.clone(), self.run.steps[index].started + 1);
        let inputs = self.run.bindings(index).unwrap();
        let key = CacheKey(Digest::of(step.as_str()));
        let attempt = AttemptId::from_u128((index as u128) << 32 | u128::from(number));
        let what = if self.world.fates[index].is_cached {
            Happening::StepReused {
                step,
                key,
                parts: World::parts(),
                inputs,
                made_by: attempt,
                outcome: self.world.outcome_of(index),
            }
        } else {
            Happening::AttemptStarted {
                step,
                attempt,
                number,
                key: Some(key),
                parts: World::parts(),
                why: String::new(),
                inputs,
            }
        };
        self.record(what);
    }

    /// Those of the `queued` steps for which there is room.
    fn admitted(&self, queued: &[usize]) -> Vec<usize> {
        let (run, limits) = (&self.run, &self.world.limits);
        let (id, host) = (run.id(), || limits.host.clone());
        let slot = |index: &usize| Slot {
            attempt: AttemptId::from_u128(*index as u128),
            run: id,
            step: run.planned(*index).name.clone(),
            host: host(),
            take: Take::of(run.planned(*index), limits),
            gpu: None,
        };
        let taken: Vec<Slot> = run.board.running.iter().map(slot).collect();
        let asking: Vec<Waiting> = queued
            .iter()
            .map(|index| Waiting {
                run: id,
                step: run.planned(*index).name.clone(),
                host: host(),
                take: Take::of(run.planned(*index), limits),
                priority: 0,
                since_ms: 0,
                asked: None,
            })
            .collect();
        let answers = admit(0, limits, &taken, &[], &asking);
        let granted = queued.iter().zip(answers).filter(|(_, answer)| matches!(answer, Answer::Granted { .. }));
        granted.map(|(index, _)| *index).collect()
    }

    /// Drives the run to its end; asks for its cancellation after `cancel_after` events.
    fn finish(mut self, cancel_after: Option<usize>) -> (Run, Vec<RunEvent>) {
        for _ in 0..1000 {
            let is_time = cancel_after.is_some_and(|count| self.log.len() >= count);
            if is_time && !self.run.cancel_requested && self.run.outcome.is_none() {
                self.record(Happening::CancelRequested { by: "test".to_owned() });
            }
            let actions = decide(&self.run, self.now);
            if self.run.outcome.is_some() {
                return (self.run, self.log);
            }
            let mut considered = BTreeSet::new();
            let mut wake = None;
            let mut has_recorded = false;
            for action in actions {
                match action {
                    Action::Record(what) => {
                        self.record(*what);
                        has_recorded = true;
                    }
                    Action::Consider(index) => drop(considered.insert(index)),
                    Action::Cancel(_) => {}
                    Action::WakeAt(time) => wake = Some(wake.map_or(time, |earlier: DateTime<Utc>| earlier.min(time))),
                }
            }
            if has_recorded {
                continue;
            }
            let cached: Vec<usize> =
                considered.iter().copied().filter(|index| self.world.fates[*index].is_cached).collect();
            let queued: Vec<usize> =
                considered.iter().copied().filter(|index| !self.world.fates[*index].is_cached).collect();
            let admitted = self.admitted(&queued);
            for index in cached.into_iter().chain(admitted) {
                self.start(index);
                self.limits_hold();
            }
            let running: Vec<usize> = self.run.board.running.iter().copied().collect();
            if running.is_empty() {
                assert!(wake.is_some() || !considered.is_empty(), "seed {}: stuck", self.world.seed);
                self.now = wake.unwrap_or(self.now).max(self.now);
            } else {
                let index = running[self.rng.random_range(0..running.len())];
                let end = self.world.end(&self.run, index);
                self.record(end);
            }
        }
        panic!("seed {}: the run does not end", self.world.seed);
    }
}

fn words(run: &Run) -> Vec<&'static str> {
    run.steps().map(|(_, record)| record.state().as_str()).collect()
}

fn seeds() -> u64 {
    150
}

#[test]
fn a_crash_at_any_event_leads_to_the_same_end() {
    for seed in 0..seeds() {
        let world = World::of(seed);
        let (whole, log) = Simulation::from(&world, &[], 0).finish(None);
        for cut in 0..=log.len() {
            let (resumed, _) = Simulation::from(&world, &log[..cut], cut as u64).finish(None);
            assert_eq!(resumed.outcome(), whole.outcome(), "seed {seed}, cut at {cut}");
            if whole.outcome() == Some(Outcome::Succeeded) {
                assert_eq!(words(&resumed), words(&whole), "seed {seed}, cut at {cut}");
            }
        }
    }
}

#[test]
fn a_cancelled_run_that_is_resumed_ends_as_if_nothing_had_been() {
    for seed in 0..seeds() {
        let world = World::of(seed);
        let (whole, log) = Simulation::from(&world, &[], 0).finish(None);
        for after in [1, log.len() / 2, log.len().saturating_sub(2)] {
            let (cancelled, log) = Simulation::from(&world, &[], 0).finish(Some(after));
            if cancelled.outcome() != Some(Outcome::Cancelled) {
                continue;
            }
            assert!(cancelled.board.running.is_empty(), "seed {seed}");
            let mut again = Simulation::from(&world, &log, 1);
            again.record(Happening::RunResumed { by: "test".to_owned() });
            let (resumed, _) = again.finish(None);
            assert_eq!(resumed.outcome(), whole.outcome(), "seed {seed}, cancelled after {after}");
        }
    }
}

#[test]
fn every_step_of_a_finished_run_has_ended_and_none_behind_a_rejected_gate_ran() {
    for seed in 0..seeds() {
        let world = World::of(seed);
        let (run, _) = Simulation::from(&world, &[], 0).finish(None);
        for (step, record) in run.steps() {
            assert!(record.state().is_done(), "seed {seed}: {} has not ended", step.name);
            let rejected = run.gates().find(|(gate, state)| {
                gate.is_blocking()
                    && gate.phase < step.phase
                    && state.verdict().is_some_and(|verdict| verdict != super::Verdict::Passed)
            });
            if let Some((gate, _)) = rejected {
                let is_skipped = matches!(record.state(), StepState::Done(StepEnd::Skipped(_)));
                assert!(is_skipped, "seed {seed}: {} ran behind {}", step.name, gate.name);
            }
        }
    }
}
