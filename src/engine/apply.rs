//! The one function that changes a run. It first works out the change, and refuses without having touched anything.

use chrono::{DateTime, Utc};

use super::state::{GateState, Made, RunningAttempt, Setback, StepEnd, StepRecord, StepState};
use super::{Happening, InputBinding, Outcome, Pause, Run, RunEvent, SkipReason, Verdict};
use crate::artifact::Digest;
use crate::id::{AttemptId, RunId, StepName};
use crate::phase::Phase;
use crate::step::Fault;
use crate::worker::Failure;

/// An event that cannot happen to a run in its present state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {seq} of {run} is not possible: {reason}")]
pub struct IllegalEvent {
    /// The run.
    pub run: RunId,
    /// The event's number.
    pub seq: u64,
    /// Why it is not possible.
    pub reason: String,
}

enum Change {
    Claim(u64),
    Seal(Digest),
    Step(usize, Box<StepRecord>),
    Gate(usize, GateState),
    Cancel,
    Pause(Option<Pause>),
    Resume,
    Finish(Outcome),
}

impl Run {
    /// Changes the run by one event.
    ///
    /// # Errors
    /// When the event is not possible; the run is as before then.
    pub fn apply(&mut self, event: &RunEvent) -> Result<(), IllegalEvent> {
        let change = self.change(event).map_err(|reason| IllegalEvent { run: self.id, seq: event.seq, reason })?;
        self.next_seq += 1;
        match change {
            Change::Claim(epoch) => self.epoch = epoch,
            Change::Seal(digest) => self.sealed = Some(digest),
            Change::Step(index, record) => self.set_state(index, *record),
            Change::Gate(index, state) => {
                self.gates[index] = state;
                self.count_gates();
            }
            Change::Cancel => self.cancel_requested = true,
            Change::Pause(pause) => self.paused = pause,
            Change::Resume => self.reopen(),
            Change::Finish(outcome) => self.outcome = Some(outcome),
        }
        Ok(())
    }

    /// A resumed run forgets its end and everything that led to it.
    fn reopen(&mut self) {
        self.outcome = None;
        self.cancel_requested = false;
        self.paused = None;
        for record in &mut self.steps {
            let goes_on = match &record.state {
                StepState::Done(StepEnd::Failed(_) | StepEnd::Cancelled) => true,
                StepState::Done(StepEnd::Skipped(because)) => {
                    matches!(because, SkipReason::Upstream(_) | SkipReason::Gate(_))
                }
                _ => false,
            };
            if goes_on {
                record.state = StepState::Waiting;
                record.failures = 0;
                record.losses = 0;
            }
        }
        for (index, gate) in self.plan.gates.values().enumerate() {
            if gate.is_blocking() && self.gates[index].verdict().is_some_and(|verdict| verdict != Verdict::Passed) {
                self.gates[index] = GateState::Open;
            }
        }
        self.rebuild();
    }

    fn change(&self, event: &RunEvent) -> Result<Change, String> {
        if event.seq != self.next_seq {
            return Err(format!("number {} was expected", self.next_seq));
        }
        if let Some(outcome) = self.outcome
            && !matches!(event.what, Happening::RunClaimed { .. } | Happening::RunResumed { .. })
        {
            return Err(format!("the run has {}", outcome.as_str()));
        }
        match &event.what {
            Happening::RunClaimed { epoch, .. } if *epoch >= self.epoch => Ok(Change::Claim(*epoch)),
            Happening::RunClaimed { epoch, .. } => Err(format!("epoch {epoch} is over")),
            Happening::CriteriaSealed { digest } => self.seal(*digest),
            Happening::StepReused { step, key, inputs, made_by, outcome, .. } => {
                let (index, record) = self.startable(step, inputs)?;
                let made = Made { by: *made_by, key: Some(*key), outcome: outcome.clone() };
                Ok(moved(index, record, StepState::Done(StepEnd::Reused(made))))
            }
            Happening::StepSkipped { step, because } => self.skip(step, because),
            Happening::AttemptStarted { step, attempt, number, key, why, inputs, .. } => {
                let (index, record) = self.startable(step, inputs)?;
                if *number != record.started + 1 {
                    return Err(format!("the next attempt of `{step}` is number {}", record.started + 1));
                }
                let running = RunningAttempt { attempt: *attempt, number: *number, since: event.at, key: *key };
                let record = StepRecord { started: *number, why: Some(why.clone()), ..record.clone() };
                Ok(moved(index, &record, StepState::Running(running)))
            }
            Happening::AttemptSucceeded { step, attempt, outcome, seconds, peak_memory_bytes } => {
                let (index, record, running) = self.running(step, *attempt)?;
                let made = Made { by: *attempt, key: running.key, outcome: outcome.clone() };
                let record = StepRecord {
                    losses: 0,
                    seconds: record.seconds + seconds,
                    peak_memory_bytes: record.peak_memory_bytes.max(*peak_memory_bytes),
                    last_failure: None,
                    ..record.clone()
                };
                Ok(moved(index, &record, StepState::Done(StepEnd::Succeeded(made))))
            }
            Happening::AttemptFailed { step, attempt, failure, seconds } => {
                let (index, record, _) = self.running(step, *attempt)?;
                Ok(failed(index, record, failure, *seconds))
            }
            Happening::AttemptLost { step, attempt, why } => {
                let (index, record, _) = self.running(step, *attempt)?;
                let record = StepRecord { losses: record.losses + 1, last_failure: Some(lost(why)), ..record.clone() };
                Ok(moved(index, &record, StepState::Faltered(Setback::Lost(why.clone()))))
            }
            Happening::RetryScheduled { step, number, until } => self.back_off(step, *number, *until),
            Happening::StepReopened { step, .. } => {
                let (index, record) = self.record(step)?;
                record.state.made().ok_or_else(|| format!("step `{step}` has no result"))?;
                Ok(moved(index, record, StepState::Waiting))
            }
            Happening::StepFailed { step } => {
                let (index, record, setback) = self.faltered(step)?;
                let failure = match setback {
                    Setback::Failed(failure) | Setback::BadInput(failure) => failure.clone(),
                    Setback::Lost(why) => lost(why),
                };
                Ok(moved(index, record, StepState::Done(StepEnd::Failed(failure))))
            }
            Happening::StepCancelled { step } => {
                let (index, record) = self.record(step)?;
                match record.state {
                    StepState::Faltered(_) | StepState::BackingOff { .. } if self.cancel_requested => {
                        Ok(moved(index, record, StepState::Done(StepEnd::Cancelled)))
                    }
                    _ => Err(format!("there is nothing to cancel in step `{step}`")),
                }
            }
            Happening::GateEvaluated { gate, verdict, evidence } => {
                let index = self.plan.gates.get_index_of(gate).ok_or_else(|| format!("there is no gate `{gate}`"))?;
                if !self.is_due(index) {
                    return Err(format!("gate `{gate}` cannot be evaluated now"));
                }
                Ok(Change::Gate(index, GateState::Evaluated { verdict: *verdict, evidence: evidence.clone() }))
            }
            Happening::CancelRequested { .. } if self.cancel_requested => Err("cancelling was asked before".to_owned()),
            Happening::CancelRequested { .. } => Ok(Change::Cancel),
            Happening::RunPaused { .. } if self.cancel_requested => Err("the run is being cancelled".to_owned()),
            Happening::RunPaused { .. } if self.paused.is_some() => Err("the run is paused".to_owned()),
            Happening::RunPaused { by, reason } => {
                Ok(Change::Pause(Some(Pause { by: by.clone(), reason: reason.clone() })))
            }
            Happening::RunUnpaused { .. } if self.paused.is_none() => Err("the run is not paused".to_owned()),
            Happening::RunUnpaused { .. } => Ok(Change::Pause(None)),
            Happening::RunResumed { .. } => match self.outcome {
                Some(Outcome::Rejected | Outcome::Failed | Outcome::Cancelled) => Ok(Change::Resume),
                Some(Outcome::Succeeded) => Err("the run has succeeded".to_owned()),
                None => Err("the run has not ended".to_owned()),
            },
            Happening::RunFinished { outcome } => match self.conclusion() {
                Some(expected) if expected == *outcome => Ok(Change::Finish(*outcome)),
                Some(expected) => Err(format!("the run ends as {}", expected.as_str())),
                None => Err("not everything has ended".to_owned()),
            },
        }
    }

    fn record(&self, step: &StepName) -> Result<(usize, &StepRecord), String> {
        let index = self.plan.steps.get_index_of(step).ok_or_else(|| format!("there is no step `{step}`"))?;
        Ok((index, &self.steps[index]))
    }

    /// The step, if a result may be taken over or an attempt started, given `inputs`.
    fn startable(&self, step: &StepName, inputs: &[InputBinding]) -> Result<(usize, &StepRecord), String> {
        let (index, record) = self.record(step)?;
        let phase = self.planned(index).phase;
        if !matches!(record.state, StepState::Waiting | StepState::BackingOff { .. }) {
            return Err(format!("step `{step}` is {}", record.state.as_str()));
        }
        if self.cancel_requested {
            return Err("the run is being cancelled".to_owned());
        }
        if self.paused.is_some() {
            return Err("the run is paused".to_owned());
        }
        if self.board.unmet[index] > 0 || self.board.doomed.contains_key(&index) {
            return Err(format!("step `{step}` waits for another step"));
        }
        if !self.selection.steps[index] || self.board.unwanted.contains(&index) {
            return Err(format!("step `{step}` is left out"));
        }
        if !self.board.is_reached(phase) {
            return Err(format!("a gate before step `{step}` is not passed"));
        }
        if phase >= Phase::ModelEngineering && self.sealed.is_none() {
            return Err(format!("the success criteria are not sealed before step `{step}`"));
        }
        if self.bindings(index).as_deref() != Some(inputs) {
            return Err(format!("step `{step}` does not get the artifacts that were made for it"));
        }
        Ok((index, record))
    }

    fn running(&self, step: &StepName, attempt: AttemptId) -> Result<(usize, &StepRecord, &RunningAttempt), String> {
        let (index, record) = self.record(step)?;
        match &record.state {
            StepState::Running(running) if running.attempt == attempt => Ok((index, record, running)),
            _ => Err(format!("attempt {attempt} of step `{step}` is not running")),
        }
    }

    fn faltered(&self, step: &StepName) -> Result<(usize, &StepRecord, &Setback), String> {
        let (index, record) = self.record(step)?;
        match &record.state {
            StepState::Faltered(setback) => Ok((index, record, setback)),
            _ => Err(format!("no attempt of step `{step}` has just ended")),
        }
    }

    fn seal(&self, digest: Digest) -> Result<Change, String> {
        if self.sealed.is_some() {
            Err("the success criteria are sealed".to_owned())
        } else if digest != self.plan.record.seal() {
            Err("the success criteria are not those of the plan".to_owned())
        } else {
            Ok(Change::Seal(digest))
        }
    }

    fn skip(&self, step: &StepName, because: &SkipReason) -> Result<Change, String> {
        let (index, record) = self.record(step)?;
        let phase = self.planned(index).phase;
        let is_justified = match because {
            SkipReason::WhenFalse => self.board.unwanted.contains(&index),
            SkipReason::NotSelected => !self.selection.steps[index],
            SkipReason::Upstream(name) => self.plan.steps.get_index_of(name).is_some_and(|upstream| {
                self.is_doomed_by(index, upstream)
                    || self.board.broken[..phase as usize].iter().any(|steps| steps.contains(&upstream))
            }),
            SkipReason::Gate(name) => self.plan.gates.get_full(name).is_some_and(|(place, _, gate)| {
                gate.is_blocking()
                    && gate.phase < phase
                    && self.gates[place].verdict().is_some_and(|verdict| verdict != Verdict::Passed)
            }),
        };
        match record.state {
            StepState::Waiting | StepState::BackingOff { .. } if is_justified => {
                Ok(moved(index, record, StepState::Done(StepEnd::Skipped(because.clone()))))
            }
            _ => Err(format!("there is no reason to skip step `{step}`")),
        }
    }

    fn back_off(&self, step: &StepName, number: u32, until: DateTime<Utc>) -> Result<Change, String> {
        let (index, record, _) = self.faltered(step)?;
        if number == record.started + 1 {
            Ok(moved(index, record, StepState::BackingOff { number, until }))
        } else {
            Err(format!("the next attempt of `{step}` is number {}", record.started + 1))
        }
    }
}

fn moved(index: usize, record: &StepRecord, state: StepState) -> Change {
    Change::Step(index, Box::new(StepRecord { state, ..record.clone() }))
}

fn failed(index: usize, record: &StepRecord, failure: &Failure, seconds: f64) -> Change {
    let is_bad_input = matches!(failure.code.as_str(), "artifact_missing" | "artifact_corrupt");
    let (failures, losses) = if is_bad_input { (record.failures, record.losses + 1) } else { (record.failures + 1, 0) };
    let setback = if is_bad_input { Setback::BadInput(failure.clone()) } else { Setback::Failed(failure.clone()) };
    let record = StepRecord {
        failures,
        losses,
        seconds: record.seconds + seconds,
        last_failure: Some(failure.clone()),
        ..record.clone()
    };
    moved(index, &record, StepState::Faltered(setback))
}

/// A vanished worker in the form of a failure.
fn lost(why: &str) -> Failure {
    Failure {
        fault: Fault::Environment,
        code: "worker_lost".to_owned(),
        message: format!("the worker vanished: {why}"),
        help: Some("look at the attempt's log, and whether the machine ran out of memory".to_owned()),
    }
}
