//! Runs, daemons and time of one seed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::daemon::{Daemon, LEASE, ready};
use super::executor::Executor;
use super::plans::some_plan;
use crate::artifact::{ArtifactKind, ArtifactRef, Digest, DigestWriter};
use crate::engine::testing::new_run;
use crate::engine::{CacheKey, Happening, InputBinding, KeyParts, Limits, MemoryLog, Run, RunLog, RunOptions};
use crate::id::{AttemptId, RequestId, RunId};
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
    pub(super) runs: Vec<RunId>,
    daemons: Vec<Daemon>,
    pub(super) seed: u64,
    /// Everything that was asked of runs.
    pub(super) asked: Vec<RequestId>,
    /// Runs whose end somebody has looked at.
    pub(super) reopened: BTreeSet<RunId>,
    /// Who holds the lease of a run, and until when, as far as the holder knows.
    pub(super) held: BTreeMap<RunId, (String, i64)>,
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
        World {
            log,
            executor: Executor::default(),
            limits,
            now_ms,
            rng,
            trouble,
            runs,
            daemons,
            seed,
            asked: Vec::new(),
            reopened: BTreeSet::new(),
            held: BTreeMap::new(),
        }
    }

    pub(super) fn holds(&mut self, owner: &str, run: RunId) {
        let until_ms = self.now_ms + i64::try_from(LEASE.as_millis()).unwrap();
        self.held.insert(run, (owner.to_owned(), until_ms));
    }

    /// Who drives a run now.
    pub(super) fn driver(&self, run: RunId) -> Option<&str> {
        self.held.get(&run).filter(|(_, until_ms)| self.now_ms < *until_ms).map(|(owner, _)| owner.as_str())
    }

    /// Now and then the bytes of a result change behind everybody's back.
    fn damage(&mut self) {
        let share = self.trouble * 0.02;
        if !self.rng.random_bool(share) {
            return;
        }
        let made: Vec<Digest> = self.made_so_far();
        if !made.is_empty() {
            self.executor.fire("damaged");
            self.executor.damaged.insert(made[self.rng.random_range(0..made.len())]);
        }
    }

    fn made_so_far(&self) -> Vec<Digest> {
        let events = self.runs.iter().flat_map(|id| ready(self.log.events(*id)).unwrap());
        let made = events.filter_map(|event| match event.what {
            Happening::AttemptSucceeded { outcome, .. } => Some(output(&outcome)),
            _ => None,
        });
        made.collect()
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
            for id in &left {
                self.look_at(*id);
            }
            self.damage();
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
                && self.is_due(id)
                && let Some(drive) = self.claim(&daemon.owner, id)
            {
                daemon.drives.insert(id, drive);
            }
        }
        for (id, mut drive) in std::mem::take(&mut daemon.drives) {
            if self.renew(&drive).is_err() {
                continue;
            }
            if self.turn(&mut drive).is_err() {
                continue;
            }
            if drive.run.outcome().is_some() {
                self.release(&drive);
                self.look_at_the_end_of(&drive.run);
                if !self.is_asked(id) {
                    left.remove(&id);
                }
            } else if drive.stands_still() {
                self.park(&drive);
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

    /// Whether a run is not parked, or parked no longer.
    fn is_due(&self, id: RunId) -> bool {
        let parked = self.log.parked(id);
        parked.is_none_or(|parked| parked.until.is_some_and(|until| until <= self.now()) || self.is_asked(id))
    }

    pub(super) fn is_asked(&self, id: RunId) -> bool {
        !ready(self.log.requests(&[id])).unwrap().is_empty()
    }

    /// The run as its log tells.
    pub(super) fn load(&self, id: RunId) -> Run {
        let events = ready(self.log.events(id)).unwrap();
        Run::load(ready(self.log.run(id)).unwrap(), &events).unwrap_or_else(|error| panic!("{error}"))
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
        self.fate(run, index) < 0.02
    }

    pub(super) fn is_cursed(&self, run: RunId, index: usize) -> bool {
        self.fate(run, index) > 0.99
    }

    /// A number in [0, 1) for a step of a run that is the same whenever it is asked for.
    fn fate(&self, run: RunId, index: usize) -> f64 {
        let place = self.runs.iter().position(|it| *it == run).unwrap_or(0);
        ChaCha8Rng::seed_from_u64(self.seed << 16 | (place << 8 | index) as u64).random()
    }

    /// Every second step can be reused and is computed by one run at a time.
    pub(super) fn key(run: &Run, index: usize, inputs: &[InputBinding]) -> Option<CacheKey> {
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

pub(super) fn output(outcome: &StepOutcome) -> Digest {
    outcome.outputs.values().next().unwrap().digest
}
