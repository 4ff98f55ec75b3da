//! What must hold while runs are driven, and when all have ended.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::daemon::ready;
use super::world::{World, output};
use crate::artifact::Digest;
use crate::engine::state::{GateState, StepEnd};
use crate::engine::{Happening, Outcome, Ruling, Run, RunEvent, RunLog, Slot, StepState, Subject, Verdict};
use crate::id::AttemptId;
use crate::plan::{Gate, OnFail};

impl World {
    /// What is taken never exceeds what there is, by the slots on record; every attempt under way has one, and nobody
    /// else, but for those that were just `granted`.
    pub(super) fn slots_are_right(&self, run: &Run, granted: &BTreeSet<AttemptId>) {
        let seed = self.seed;
        let slots = self.log.slots();
        let running: BTreeSet<AttemptId> = run
            .board
            .running
            .iter()
            .filter_map(|index| match &run.steps[*index].state {
                StepState::Running(running) => Some(running.attempt),
                _ => None,
            })
            .collect();
        let held: BTreeSet<AttemptId> =
            slots.iter().filter(|slot| slot.run == run.id()).map(|slot| slot.attempt).collect();
        assert!(running.is_subset(&held), "seed {seed}: an attempt has no slot");
        let leaked: Vec<&AttemptId> = held.iter().filter(|it| !running.contains(it) && !granted.contains(it)).collect();
        assert!(leaked.is_empty(), "seed {seed}: slots of attempts that have ended are left: {leaked:?}");
        let cpus: u32 = slots.iter().map(|slot| slot.take.cpus).sum();
        let memory: u64 = slots.iter().map(|slot| slot.take.memory_bytes).sum();
        let of = |name: &str| {
            let taken = |slot: &Slot| slot.take.pool.as_ref().filter(|(pool, _)| pool == name).map_or(0, |(_, it)| *it);
            slots.iter().map(taken).sum::<u32>()
        };
        let (narrow, wide) = (of("narrow"), of("wide"));
        let is_within = cpus <= self.limits.cpus && memory <= 100 && narrow <= 1 && wide <= 2;
        assert!(is_within, "seed {seed}: {cpus} cpus, {memory} memory, {narrow} and {wide} in pools");
    }

    /// Checks what must hold when everything has ended, and counts what happened.
    pub(super) fn check(&mut self) {
        let seed = self.seed;
        assert_eq!(self.log.slots(), [], "seed {seed}: slots are left");
        assert!(self.log.waits().is_empty(), "seed {seed}: steps wait that nobody runs");
        for request in &self.asked {
            assert!(self.log.answer(*request).is_some(), "seed {seed}: a request was never answered");
        }
        for id in self.runs.clone() {
            let events = ready(self.log.events(id)).unwrap();
            let run = self.load(id);
            let count = |is: fn(&Happening) -> bool| events.iter().filter(|event| is(&event.what)).count();
            let ends = count(|what| matches!(what, Happening::RunFinished { .. }));
            let resumes = count(|what| matches!(what, Happening::RunResumed { .. }));
            assert!(ends == 1 + resumes && run.outcome().is_some(), "seed {seed}: {id} has {ends} ends");
            assert!(events.iter().enumerate().all(|(place, event)| event.seq == place as u64 + 1), "seed {seed}: gaps");
            self.counts_once(&run, &events);
            self.does_not_overlap(&run, &events);
            self.passes_nothing_unasked(&run, &events);
            self.stands_still_when_paused(&run, &events);
            self.tries_are_right(&run, &events);
            self.ends_truthfully(&run, &events);
            let mut has_ended = false;
            for event in &events {
                let after_the_end = has_ended;
                has_ended = match event.what {
                    Happening::RunFinished { .. } => true,
                    Happening::RunClaimed { .. } => has_ended,
                    _ => false,
                };
                let happened = match &event.what {
                    Happening::ApprovalGiven { .. } => "approved",
                    Happening::ApprovalRefused { .. } => "refused",
                    Happening::ApprovalExpired { .. } => "expired",
                    Happening::GateWaived { .. } if after_the_end => "waived after the end",
                    Happening::GateWaived { .. } => "waived",
                    Happening::RunResumed { .. } => "resumed",
                    Happening::PhaseRestarted { .. } => "phase began again",
                    Happening::CancelRequested { .. } => "cancelled",
                    Happening::RunPaused { .. } => "paused",
                    Happening::StepTimedOut { failure, .. } if failure.code == "queue_timeout" => "waited too long",
                    Happening::StepTimedOut { .. } => "all attempts took too long",
                    _ => continue,
                };
                self.executor.fire(happened);
            }
        }
    }

    /// One attempt of each step counts until its phase begins again, it did make that result, and what is after it
    /// read it.
    fn counts_once(&self, run: &Run, events: &[RunEvent]) {
        let seed = self.seed;
        let mut made: BTreeMap<String, Digest> = BTreeMap::new();
        let mut started = BTreeMap::new();
        for event in events {
            let (step, inputs, outcome) = match &event.what {
                Happening::AttemptStarted { step, attempt, inputs, .. } => {
                    let earlier = started.insert(*attempt, inputs);
                    assert!(earlier.is_none(), "seed {seed}: {attempt} is started twice");
                    (step, Some(inputs), None)
                }
                Happening::AttemptSucceeded { step, attempt, outcome, .. } => {
                    let index = run.plan().steps.get_index_of(step).unwrap();
                    let ours = self.outcome(index, *attempt, started[attempt]);
                    assert_eq!(output(outcome), output(&ours), "seed {seed}: another attempt's result counts");
                    assert!(self.executor.has_made(*attempt), "seed {seed}: {step} counts, but made nothing");
                    (step, None, Some(outcome))
                }
                Happening::StepReused { step, inputs, outcome, .. } => (step, Some(inputs), Some(outcome)),
                Happening::StepReopened { step, .. } => {
                    let was_made = made.remove(step.as_str());
                    let is_damaged = was_made.is_some_and(|digest| self.executor.damaged.contains(&digest));
                    assert!(is_damaged, "seed {seed}: {step} runs again for nothing");
                    continue;
                }
                Happening::PhaseRestarted { again, .. } => {
                    made.retain(|made, _| !again.iter().any(|step| step.as_str() == made));
                    continue;
                }
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

    /// Nothing begins in a run that somebody has paused, and nothing more in one that is being cancelled.
    fn stands_still_when_paused(&self, run: &Run, events: &[RunEvent]) {
        let mut is_still = false;
        for event in events {
            match &event.what {
                Happening::RunPaused { .. } | Happening::CancelRequested { .. } => is_still = true,
                Happening::RunUnpaused { .. } | Happening::RunResumed { .. } => is_still = false,
                Happening::AttemptStarted { step, .. } | Happening::StepReused { step, .. } => {
                    assert!(!is_still, "seed {}: {step} of {} begins though it must not", self.seed, run.id());
                }
                _ => {}
            }
        }
    }

    /// A run is called what it came to: by the ends of its steps and gates, and by what people said last.
    fn ends_truthfully(&self, run: &Run, events: &[RunEvent]) {
        let resumed = events.iter().rposition(|event| matches!(event.what, Happening::RunResumed { .. }));
        let since = &events[resumed.unwrap_or(0)..];
        let was_cancelled = since.iter().any(|event| matches!(event.what, Happening::CancelRequested { .. }));
        let has =
            |is: fn(&StepEnd) -> bool| run.steps.iter().any(|it| matches!(&it.state, StepState::Done(end) if is(end)));
        let (failed, refused) =
            (has(|end| matches!(end, StepEnd::Failed(_))), has(|end| matches!(end, StepEnd::Refused(_))));
        let is_closed = |(gate, state): (&Gate, &GateState)| {
            let is_open = state.unpassed().is_none_or(|ruling| ruling.and_then(Ruling::opens).is_some());
            !is_open && !matches!(gate.on_fail, OnFail::Warn | OnFail::Notify)
        };
        let should_be = match () {
            () if was_cancelled => Outcome::Cancelled,
            () if failed => Outcome::Failed,
            () if refused || run.gates().any(is_closed) => Outcome::Rejected,
            () => Outcome::Succeeded,
        };
        assert_eq!(run.outcome(), Some(should_be), "seed {}: {} is called something else", self.seed, run.id());
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
                let (seed, step) = (self.seed, &first.step);
                assert!(second.epoch > first.epoch, "seed {seed}: two attempts of {step} run at once");
                assert!(!counted.contains(&first.attempt), "seed {seed}: {step} counts although it was given up");
            }
        }
    }

    /// Nothing begins behind an approval that nobody gave, or behind a gate that did not pass and that nobody opened.
    fn passes_nothing_unasked(&self, run: &Run, events: &[RunEvent]) {
        let seed = self.seed;
        let mut given: BTreeSet<String> = BTreeSet::new();
        let mut requested: BTreeMap<String, Option<DateTime<Utc>>> = BTreeMap::new();
        let mut verdicts: BTreeMap<String, Verdict> = BTreeMap::new();
        let plan = run.plan();
        let is_approval =
            |name: &str| plan.steps.iter().any(|(step, it)| step.as_str() == name && it.approval.is_some());
        for event in events {
            let step = match &event.what {
                Happening::ApprovalRequested { subject, expires_at, .. } => {
                    requested.insert(subject.to_string(), *expires_at);
                    continue;
                }
                Happening::ApprovalGiven { subject, .. } => {
                    let until = requested.get(&subject.to_string());
                    let until = until.unwrap_or_else(|| panic!("seed {seed}: nobody asked about {subject}"));
                    let is_late = until.is_some_and(|until| until <= event.at);
                    assert!(!is_late, "seed {seed}: {subject} is approved too late");
                    given.insert(subject.to_string());
                    continue;
                }
                Happening::GateWaived { gate, .. } => {
                    given.insert(Subject::Gate(gate.clone()).to_string());
                    continue;
                }
                Happening::GateEvaluated { gate, verdict, .. } => {
                    verdicts.insert(gate.to_string(), *verdict);
                    continue;
                }
                Happening::AttemptStarted { step, .. } | Happening::StepReused { step, .. } => step,
                _ => continue,
            };
            let planned = &plan.steps[step];
            for needed in planned.needs.iter().filter(|needed| is_approval(needed.as_str())) {
                let subject = Subject::Step(needed.clone()).to_string();
                assert!(given.contains(&subject), "seed {seed}: {step} begins, and nobody gave {subject}");
            }
            for gate in plan.gates.values().filter(|gate| gate.phase < planned.phase) {
                if matches!(gate.on_fail, OnFail::Warn | OnFail::Notify) {
                    continue;
                }
                let has_passed = verdicts.get(gate.name.as_str()) == Some(&Verdict::Passed);
                let subject = Subject::Gate(gate.name.clone()).to_string();
                assert!(has_passed || given.contains(&subject), "seed {seed}: {step} begins behind closed {subject}");
            }
        }
    }
}
