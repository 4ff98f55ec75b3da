//! Laws of runs in which people take part: random plans, random ends of attempts, random requests at random times.
//!
//! A failure names its seed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::request::answer;
use super::testing::{at, gate, plan, step};
use super::{
    Action, CacheKey, Happening, KeyParts, Outcome, Request, RequestKind, Run, RunEvent, RunOptions, StepState, decide,
};
use crate::artifact::{ArtifactKind, ArtifactRef, Digest};
use crate::id::{AttemptId, RunId};
use crate::phase::Phase;
use crate::plan::{ApprovalTerms, OnFail, Plan};
use crate::step::{Fault, Metric, RetryOn, StepOutcome};
use crate::worker::Failure;

/// How many turns a run gets before nobody interferes with it any more.
const TURNS: usize = 80;

fn random_plan(rng: &mut ChaCha8Rng) -> Plan {
    let terms = |rng: &mut ChaCha8Rng| ApprovalTerms {
        message: rng.random_bool(0.5).then(|| "well?".to_owned()),
        expires: rng.random_bool(0.5).then(|| Duration::from_secs(rng.random_range(0..60))),
    };
    let count = rng.random_range(1..9);
    let mut phase = 0;
    let mut steps = Vec::new();
    for number in 0..count {
        if phase < 5 && rng.random_bool(0.3) {
            phase += 1;
        }
        let is_approval = rng.random_bool(0.2);
        let earlier: Vec<String> =
            (0..number).filter(|_| rng.random_bool(0.3)).map(|from| format!("s{from}")).collect();
        let made: Vec<&str> = earlier
            .iter()
            .map(String::as_str)
            .filter(|name| {
                steps.iter().all(|it: &crate::plan::PlannedStep| it.name.as_str() != *name || it.approval.is_none())
            })
            .collect();
        let mut step = step(&format!("s{number}"), Phase::ALL[phase], if is_approval { &[] } else { &made });
        step.needs.extend(earlier.iter().map(|name| name.parse().unwrap()));
        if is_approval {
            step.outputs.clear();
            step.approval = Some(terms(rng));
        }
        step.retry.attempts = rng.random_range(1..4);
        step.retry.on = vec![RetryOn::Environment];
        step.retry.grow_memory = rng.random_bool(0.5).then_some(2.0);
        step.resources.memory_bytes = Some(100);
        step.total_timeout = rng.random_bool(0.3).then(|| Duration::from_secs(rng.random_range(1..90)));
        if number > 0 && rng.random_bool(0.15) {
            step.when = Some(format!("steps.s{}.metrics.m > 0.3", rng.random_range(0..number)));
        }
        steps.push(step);
    }
    let gates = (0..rng.random_range(0..4))
        .map(|number| {
            let on_fail = [OnFail::Stop, OnFail::Warn, OnFail::Approval, OnFail::Approval][rng.random_range(0..4)];
            let check = format!("steps.s{}.metrics.m > 0.5", rng.random_range(0..count));
            let mut gate = gate(&format!("g{number}"), Phase::ALL[rng.random_range(0..=phase)], &check, on_fail);
            gate.terms = terms(rng);
            gate
        })
        .collect();
    let mut plan = plan(steps, gates);
    for phase in Phase::ALL {
        if rng.random_bool(0.3) {
            plan.phase_retries.insert(phase, rng.random_range(0..3));
        }
    }
    plan
}

fn parts() -> KeyParts {
    let parts = json!({
        "kind": "test.step", "kind_version": 1, "params": null, "seed": 0, "inputs": {}, "files": {}, "env": {},
    });
    serde_json::from_value(parts).unwrap()
}

/// A run, its log, and the world around it.
pub(super) struct Story {
    seed: u64,
    pub(super) run: Run,
    pub(super) log: Vec<RunEvent>,
    now: DateTime<Utc>,
    rng: ChaCha8Rng,
}

impl Story {
    /// A random run with everything that happens to it until it has ended and nobody asks for more.
    pub(super) fn of(seed: u64) -> Story {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let plan = Arc::new(random_plan(&mut rng));
        let run = Run::fresh(plan, RunId::from_u128(u128::from(seed) + 1), &RunOptions::default());
        let mut story = Story { seed, run, log: Vec::new(), now: at(0), rng };
        story.record(Happening::RunClaimed { owner: "test".to_owned(), epoch: 1 });
        for _ in 0..TURNS {
            story.now += TimeDelta::milliseconds(story.rng.random_range(0..3000));
            if story.rng.random_bool(0.15) {
                story.somebody_asks();
            } else {
                story.turn();
            }
        }
        story
    }

    fn record(&mut self, what: Happening) {
        let event = RunEvent { seq: self.run.next_seq(), at: self.now, what };
        let before = self.run.clone();
        self.run.apply(&event).unwrap_or_else(|error| panic!("seed {}: {error}", self.seed));
        let mut rebuilt = self.run.clone();
        rebuilt.rebuild();
        assert!(rebuilt.board == self.run.board, "seed {}: the board after {:?}", self.seed, event.what);
        // The same number again is refused and leaves no trace.
        let mut again = self.run.clone();
        assert!(again.apply(&event).is_err() && again == self.run, "seed {}: {:?} twice", self.seed, event.what);
        assert!(before.next_seq() + 1 == self.run.next_seq());
        self.log.push(event);
    }

    /// Whatever follows now, or the end of an attempt, or time goes by.
    fn turn(&mut self) {
        let mut wake = None;
        let mut started = false;
        for action in decide(&self.run, self.now) {
            match action {
                Action::Record(what) => {
                    self.record(*what);
                    started = true;
                }
                Action::Consider(index) if self.rng.random_bool(0.7) => {
                    self.start(index);
                    started = true;
                }
                Action::Consider(_) | Action::Cancel(_) => {}
                Action::WakeAt(time) => wake = Some(wake.map_or(time, |earlier: DateTime<Utc>| earlier.min(time))),
            }
        }
        if started {
            return;
        }
        let running: Vec<usize> = self.run.board.running.iter().copied().collect();
        if running.is_empty() {
            let over = self.run.questions().filter_map(|(_, question)| question.expires_at).min();
            self.now = wake.into_iter().chain(over).min().unwrap_or(self.now).max(self.now);
        } else {
            let index = running[self.rng.random_range(0..running.len())];
            self.end(index);
        }
    }

    fn start(&mut self, index: usize) {
        let number = self.run.steps[index].started + 1;
        let step = self.run.planned(index).name.clone();
        let inputs = self.run.bindings(index).unwrap_or_else(|| panic!("seed {}: {step} has no inputs", self.seed));
        let key = CacheKey(Digest::of(step.as_str()));
        let attempt = AttemptId::from_u128((index as u128) << 32 | u128::from(number));
        let what = if self.rng.random_bool(0.2) {
            Happening::StepReused { step, key, parts: parts(), inputs, made_by: attempt, outcome: self.outcome(index) }
        } else {
            Happening::AttemptStarted {
                step,
                attempt,
                number,
                key: Some(key),
                parts: parts(),
                why: "never ran".to_owned(),
                inputs,
            }
        };
        self.record(what);
    }

    fn outcome(&mut self, index: usize) -> StepOutcome {
        let artifact =
            ArtifactRef { digest: Digest::of(index.to_string()), kind: ArtifactKind::Report, bytes: 1, rows: None };
        StepOutcome {
            outputs: BTreeMap::from([("out".parse().unwrap(), artifact)]),
            metrics: vec![Metric::new("m", self.rng.random_range(0.0..1.0))],
            ..StepOutcome::default()
        }
    }

    fn end(&mut self, index: usize) {
        let StepState::Running(running) = &self.run.steps[index].state else { return };
        let (step, attempt) = (self.run.planned(index).name.clone(), running.attempt);
        let what = match self.rng.random_range(0..10) {
            0 => Happening::AttemptLost { step, attempt, why: "killed".to_owned() },
            number @ 1..=3 => {
                let (fault, code) = [
                    (Fault::Environment, "out_of_memory"),
                    (Fault::Environment, "artifact_missing"),
                    (Fault::Input, "diverged"),
                ][number - 1];
                let failure = Failure { fault, code: code.to_owned(), message: "no".to_owned(), help: None };
                Happening::AttemptFailed { step, attempt, failure, seconds: 0.5 }
            }
            _ => {
                let outcome = self.outcome(index);
                Happening::AttemptSucceeded { step, attempt, outcome, seconds: 1.5, peak_memory_bytes: 7 }
            }
        };
        self.record(what);
        // Now and then a result is gone later.
        let done: Vec<usize> =
            (0..self.run.steps.len()).filter(|it| self.run.steps[*it].state.made().is_some()).collect();
        let quiet = self.run.board.running.is_empty() && self.run.outcome.is_none();
        if quiet && !done.is_empty() && self.rng.random_bool(0.1) {
            let step = self.run.planned(done[self.rng.random_range(0..done.len())]).name.clone();
            self.record(Happening::StepReopened { step, why: "gone".to_owned() });
        }
    }

    /// A random request, which the run answers as it does when it is driven.
    fn somebody_asks(&mut self) {
        let kind = RequestKind::ALL[self.rng.random_range(0..RequestKind::ALL.len())];
        // Few runs would come far if cancelling were as frequent as the rest.
        if kind == RequestKind::Cancel && self.rng.random_bool(0.7) {
            return;
        }
        let gates = self.run.plan.gates.keys().map(ToString::to_string);
        let names: Vec<String> = gates.chain(self.run.plan.steps.keys().map(ToString::to_string)).collect();
        let subject = names[self.rng.random_range(0..names.len())].clone();
        let expires_at = self.rng.random_bool(0.5).then(|| self.now + TimeDelta::seconds(self.rng.random_range(0..60)));
        let asked = Request::new(self.run.id(), kind, "ada").about(subject, "because");
        for what in answer(&self.run, &Request { expires_at, ..asked }, self.now).events {
            self.record(what);
        }
    }
}

/// The events as they are kept: through JSON.
fn kept(log: &[RunEvent]) -> Vec<RunEvent> {
    let text = serde_json::to_string(log).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn seeds() -> u64 {
    300
}

#[test]
fn a_run_with_people_in_it_replays_from_its_log_and_from_any_part_of_it() {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..seeds() {
        let story = Story::of(seed);
        let (id, options) = (story.run.id(), RunOptions::default());
        let replay = |log: &[RunEvent]| Run::replay(Arc::clone(&story.run.plan), id, &options, log).unwrap();
        let log = kept(&story.log);
        assert!(replay(&log) == story.run, "seed {seed}: the log tells of another run");
        for cut in (0..log.len()).step_by(7) {
            let mut run = replay(&log[..cut]);
            // What a driver works out meanwhile changes nothing by itself.
            decide(&run, story.now);
            log[cut..].iter().for_each(|event| run.apply(event).unwrap());
            assert!(run == story.run, "seed {seed}: cut at {cut}");
        }
        for event in &log {
            let Value::Object(fields) = serde_json::to_value(&event.what).unwrap() else { unreachable!() };
            *seen.entry(fields["event"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    // Everything that can happen does happen in some of the stories.
    assert_eq!(seen.len(), 25, "{seen:?}");
}

#[test]
fn a_run_that_is_left_to_itself_ends_or_waits_for_somebody() {
    for seed in 0..seeds() {
        let mut story = Story::of(seed);
        for _ in 0..3000 {
            if story.run.outcome().is_some() {
                break;
            }
            if let Some(pause) = story.run.paused().filter(|_| story.run.board.running.is_empty()) {
                let what = Happening::RunUnpaused { by: pause.by.clone() };
                story.record(what);
            }
            story.now += TimeDelta::seconds(1);
            story.turn();
        }
        let parked = story.run.standstill();
        assert!(story.run.outcome().is_some() || parked.is_some(), "seed {seed}: the run is stuck");
        if let Some(outcome) = story.run.outcome() {
            let is_open = |state: &StepState| !matches!(state, StepState::Done(_));
            let open = story.run.steps().filter(|(_, record)| is_open(record.state())).count();
            assert!(open == 0 || outcome == Outcome::Cancelled, "seed {seed}: {open} steps are open");
            assert!(story.run.questions().next().is_none() || outcome != Outcome::Succeeded, "seed {seed}");
            assert!(story.run.board.running.is_empty(), "seed {seed}");
        }
    }
}
