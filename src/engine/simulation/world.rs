//! Runs, daemons and time of one seed, and what must hold at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::daemon::{Daemon, LEASE, ready};
use super::executor::Executor;
use crate::artifact::{ArtifactKind, ArtifactRef, Digest, DigestWriter};
use crate::engine::testing::{gate, new_run, plan, step};
use crate::engine::{
    CacheKey, Happening, InputBinding, KeyParts, Limits, MemoryLog, Run, RunEvent, RunLog, RunOptions, Slot,
};
use crate::id::{AttemptId, RunId};
use crate::phase::Phase;
use crate::plan::{OnFail, Plan};
use crate::step::{Metric, StepOutcome};

/// The longest that everything may take, in virtual time.
const PATIENCE_MS: i64 = 4 * 3600 * 1000;
/// When nothing is injected any more, so that what is left must come to an end.
const CALM_AFTER_MS: i64 = 20 * 60 * 1000;

pub(super) struct World {
    pub(super) log: MemoryLog,
    pub(super) executor: Executor,
    pub(super) limits: Limits,
    pub(super) now_ms: i64,
    pub(super) rng: ChaCha8Rng,
    /// How likely things go wrong, from 0 to 1.
    pub(super) trouble: f64,
    runs: Vec<RunId>,
    daemons: Vec<Daemon>,
    seed: u64,
}

impl World {
    pub(super) fn of(seed: u64) -> World {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let limits = Limits {
            host: "here".to_owned(),
            cpus: rng.random_range(2..6),
            memory_bytes: Some(100),
            gpus: Vec::new(),
            pools: BTreeMap::from([("wide".to_owned(), 2)]),
        };
        let log = MemoryLog::new();
        let now_ms = 1_700_000_000_000;
        log.set_time(now_ms);
        let mut runs = Vec::new();
        for number in 0..rng.random_range(1..4u128) {
            let plan = some_plan(&mut rng);
            let mut new = new_run(plan, u128::from(seed) << 8 | number, &RunOptions::default());
            new.origin.priority = rng.random_range(0..3);
            runs.push(new.id);
            ready(log.submit(new)).unwrap();
        }
        let daemons = (0..rng.random_range(1..4)).map(|_| Daemon::default()).collect();
        let trouble = [0.0, 0.1, 0.25][rng.random_range(0..3)];
        World { log, executor: Executor::default(), limits, now_ms, rng, trouble, runs, daemons, seed }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.now_ms).unwrap()
    }

    /// Lets everything come to its end, and checks what must hold then. Gives the faults that happened.
    pub(super) fn live(mut self) -> BTreeMap<&'static str, u64> {
        let began_ms = self.now_ms;
        let mut daemons = std::mem::take(&mut self.daemons);
        let mut left: BTreeSet<RunId> = self.runs.iter().copied().collect();
        let mut incarnation = 0;
        while !left.is_empty() {
            assert!(self.now_ms - began_ms < PATIENCE_MS, "seed {}: these never end: {left:?}", self.seed);
            if self.now_ms - began_ms > CALM_AFTER_MS {
                self.trouble = 0.0;
            }
            self.now_ms += self.rng.random_range(100..1500);
            self.log.set_time(self.now_ms);
            for daemon in &mut daemons {
                if daemon.away_until_ms > self.now_ms {
                    continue;
                }
                if daemon.owner.is_empty() {
                    incarnation += 1;
                    daemon.owner = format!("daemon {incarnation}");
                }
                self.live_on(daemon, &mut left);
            }
        }
        self.check();
        self.executor.fired
    }

    fn live_on(&mut self, daemon: &mut Daemon, left: &mut BTreeSet<RunId>) {
        for id in left.clone() {
            if !daemon.drives.contains_key(&id)
                && let Some(drive) = self.claim(&daemon.owner, id)
            {
                daemon.drives.insert(id, drive);
            }
        }
        for (id, mut drive) in std::mem::take(&mut daemon.drives) {
            if self.renew(&drive).is_err() {
                continue;
            }
            let is_paused = drive.run.paused().is_some();
            if self.rng.random_bool(if is_paused { 0.2 } else { self.trouble * 0.02 }) {
                self.interfere(&mut drive);
            }
            if self.turn(&mut drive).is_err() {
                continue;
            }
            if drive.run.outcome().is_some() {
                self.release(&drive);
                left.remove(&id);
            } else {
                daemon.drives.insert(id, drive);
            }
        }
        let trouble = self.trouble;
        if self.rng.random_bool(trouble * 0.05) {
            daemon.away_until_ms = self.now_ms + self.rng.random_range(1000..45_000);
            let lease_ms = i64::try_from(LEASE.as_millis()).unwrap();
            if self.rng.random_bool(0.5) {
                // The process is killed; another one starts in its place.
                daemon.drives.clear();
                daemon.owner.clear();
            } else if daemon.away_until_ms - self.now_ms > lease_ms && !daemon.drives.is_empty() {
                self.executor.fire("froze beyond its lease");
            }
        }
    }

    /// What is taken never exceeds what there is, by the slots on record, and every attempt under way has one.
    pub(super) fn slots_are_right(&self, run: &Run) {
        let slots = self.log.slots();
        for index in &run.board.running {
            let has_slot = |slot: &Slot| slot.run == run.id() && slot.step == run.planned(*index).name;
            assert!(slots.iter().any(has_slot), "seed {}: an attempt has no slot", self.seed);
        }
        let cpus: u32 = slots.iter().map(|slot| slot.take.cpus).sum();
        let memory: u64 = slots.iter().map(|slot| slot.take.memory_bytes).sum();
        let of = |name: &str| {
            let taken = |slot: &Slot| slot.take.pool.as_ref().filter(|(pool, _)| pool == name).map_or(0, |(_, it)| *it);
            slots.iter().map(taken).sum::<u32>()
        };
        let (narrow, wide) = (of("narrow"), of("wide"));
        let is_within = cpus <= self.limits.cpus && memory <= 100 && narrow <= 1 && wide <= 2;
        assert!(is_within, "seed {}: {cpus} cpus, {memory} memory, {narrow} and {wide} in pools", self.seed);
    }

    fn check(&self) {
        let seed = self.seed;
        assert_eq!(self.log.slots(), [], "seed {seed}: slots are left");
        assert!(self.log.waits().is_empty(), "seed {seed}: steps wait that nobody runs");
        for id in &self.runs {
            let events = ready(self.log.events(*id)).unwrap();
            let run = Run::load(ready(self.log.run(*id)).unwrap(), &events).unwrap();
            let ends = events.iter().filter(|event| matches!(event.what, Happening::RunFinished { .. })).count();
            assert!(ends == 1 && run.outcome().is_some(), "seed {seed}: {id} has {ends} ends");
            self.counts_once(&run, &events);
            self.does_not_overlap(&run, &events);
        }
    }

    /// One attempt of each step counts, and what is after it read what that attempt made.
    fn counts_once(&self, run: &Run, events: &[RunEvent]) {
        let seed = self.seed;
        let mut made: BTreeMap<String, Digest> = BTreeMap::new();
        let mut started = BTreeSet::new();
        for event in events {
            let (step, inputs, outcome) = match &event.what {
                Happening::AttemptStarted { step, attempt, inputs, .. } => {
                    assert!(started.insert(*attempt), "seed {seed}: {attempt} is started twice");
                    (step, Some(inputs), None)
                }
                Happening::AttemptSucceeded { step, attempt, outcome, .. } => {
                    let index = run.plan().steps.get_index_of(step).unwrap();
                    let digest = output(outcome);
                    let inputs = run.bindings(index).unwrap();
                    let ours = self.outcome(index, *attempt, &inputs);
                    assert_eq!(digest, output(&ours), "seed {seed}: another attempt's result counts");
                    (step, None, Some(outcome))
                }
                Happening::StepReused { step, inputs, outcome, .. } => (step, Some(inputs), Some(outcome)),
                _ => continue,
            };
            for input in inputs.into_iter().flatten() {
                let read = made.get(input.source.step.as_str());
                assert_eq!(read, Some(&input.artifact.digest), "seed {seed}: {step} read something else");
            }
            if let Some(outcome) = outcome {
                let earlier = made.insert(step.to_string(), output(outcome));
                assert_eq!(earlier, None, "seed {seed}: {step} counts twice");
            }
        }
    }

    /// Two executions of a step overlap only if the lease of the first had run out, and then its result does not count.
    fn does_not_overlap(&self, run: &Run, events: &[RunEvent]) {
        let counted: BTreeSet<AttemptId> = events
            .iter()
            .filter_map(|event| match &event.what {
                Happening::AttemptSucceeded { attempt, .. } => Some(*attempt),
                _ => None,
            })
            .collect();
        let of_run: Vec<_> = self.executor.ledger.iter().filter(|execution| execution.run == run.id()).collect();
        for (place, first) in of_run.iter().enumerate() {
            for second in &of_run[place + 1..] {
                if first.step != second.step || second.began_ms >= first.ended_ms {
                    continue;
                }
                let step = &first.step;
                assert!(second.epoch > first.epoch, "seed {}: two attempts of {step} run at once", self.seed);
                assert!(
                    !counted.contains(&first.attempt),
                    "seed {}: {step} counts although it was given up",
                    self.seed
                );
            }
        }
    }

    /// A result that tells which attempt made it of what.
    pub(super) fn outcome(&self, index: usize, attempt: AttemptId, inputs: &[InputBinding]) -> StepOutcome {
        let mut content = DigestWriter::new("simulated");
        content.bytes(attempt.to_string());
        for input in inputs {
            content.bytes(input.artifact.digest.to_string());
        }
        let artifact = ArtifactRef { digest: content.finish(), kind: ArtifactKind::Report, bytes: 1, rows: None };
        StepOutcome {
            outputs: BTreeMap::from([("out".parse().unwrap(), artifact)]),
            metrics: vec![Metric::new("m", self.chance(index))],
            ..StepOutcome::default()
        }
    }

    /// A number in [0, 1) that is the same whenever it is asked for.
    fn chance(&self, index: usize) -> f64 {
        ChaCha8Rng::seed_from_u64(self.seed << 8 | index as u64).random()
    }

    pub(super) fn fails_for_good(&self, run: RunId, index: usize) -> bool {
        let place = self.runs.iter().position(|it| *it == run).unwrap_or(0);
        ChaCha8Rng::seed_from_u64(self.seed << 16 | (place << 8 | index) as u64).random_bool(0.02)
    }

    /// Every second step can be reused and is computed by one run at a time.
    pub(super) fn key(&self, run: &Run, index: usize, inputs: &[InputBinding]) -> Option<CacheKey> {
        if index % 2 == 1 {
            return None;
        }
        let mut content = DigestWriter::new("simulated key");
        content.bytes(run.planned(index).name.as_str());
        for input in inputs {
            content.bytes(input.artifact.digest.to_string());
        }
        Some(CacheKey(content.finish()))
    }

    pub(super) fn parts() -> KeyParts {
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
}

fn output(outcome: &StepOutcome) -> Digest {
    outcome.outputs.values().next().unwrap().digest
}

/// Mostly small, sometimes up to 60 steps, with chains, fans and instances of a matrix.
fn some_plan(rng: &mut ChaCha8Rng) -> Plan {
    let count = if rng.random_bool(0.08) { rng.random_range(15..=60) } else { rng.random_range(1..12) };
    let mut phase = 0;
    let mut steps = Vec::new();
    let mut names: Vec<String> = Vec::new();
    while names.len() < count {
        if phase < 5 && rng.random_bool(0.1) {
            phase += 1;
        }
        let share = 2.0 / (names.len() as f64 + 2.0);
        let from: Vec<String> = names.iter().filter(|_| rng.random_bool(share)).cloned().collect();
        let from: Vec<&str> = from.iter().map(String::as_str).collect();
        let number = names.len();
        let instances = if rng.random_bool(0.15) { rng.random_range(2..6) } else { 1 };
        for instance in 0..instances {
            let name = format!("s{number}_{instance}");
            let mut step = step(&name, Phase::ALL[phase], &from);
            step.retry.attempts = rng.random_range(1..4);
            step.retry.initial = Duration::from_secs(rng.random_range(1..5));
            step.retry.max = Duration::from_secs(20);
            step.resources.cpus = rng.random_range(1..4);
            step.resources.memory_bytes = rng.random_bool(0.3).then(|| rng.random_range(10..80));
            step.timeout = rng.random_bool(0.4).then(|| Duration::from_secs(rng.random_range(7..20)));
            step.pool = [None, None, Some("narrow"), Some("wide")][rng.random_range(0..4)].map(str::to_owned);
            if number > 0 && rng.random_bool(0.08) {
                let earlier = &names[rng.random_range(0..names.len())];
                step.when = Some(format!("steps.{earlier}.metrics.m > 0.2"));
            }
            steps.push(step);
            names.push(name);
        }
    }
    let gates = (0..rng.random_range(0..3))
        .map(|number| {
            let on_fail = [OnFail::Stop, OnFail::Warn][rng.random_range(0..2)];
            let check = format!("steps.{}.metrics.m > 0.1", names[rng.random_range(0..names.len())]);
            gate(&format!("g{number}"), Phase::ALL[rng.random_range(0..=phase)], &check, on_fail)
        })
        .collect();
    plan(steps, gates)
}
