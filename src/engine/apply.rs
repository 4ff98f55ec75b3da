//! The one function that changes a run. It first works out the change, and refuses without having touched anything.

use chrono::{DateTime, Utc};

use super::board::PerPhase;
use super::state::{GateState, Made, RunningAttempt, Setback, StepEnd, StepRecord, StepState};
use super::{
    Decision, Happening, InputBinding, Outcome, Pause, Question, Refusal, Ruling, Run, RunEvent, SkipReason, Subject,
    Verdict,
};
use crate::artifact::Digest;
use crate::id::{AttemptId, GateName, RunId, StepName};
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
    Restart(Phase, Vec<usize>),
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
        self.clock = Some(event.at);
        self.counts_from.get_or_insert(event.at);
        match change {
            Change::Claim(epoch) => self.epoch = epoch,
            Change::Seal(digest) => self.sealed = Some(digest),
            Change::Step(index, record) => self.set_state(index, *record),
            Change::Gate(index, state) => {
                self.gates[index] = state;
                self.count_gates();
            }
            Change::Cancel => self.cancel_requested = true,
            Change::Pause(pause) => {
                self.paused = pause;
                self.counts_from = Some(event.at);
            }
            Change::Restart(phase, again) => self.restart(phase, &again),
            Change::Resume => self.reopen(event.at),
            Change::Finish(outcome) => self.outcome = Some(outcome),
        }
        Ok(())
    }

    /// A resumed run forgets its end and everything that led to it.
    fn reopen(&mut self, now: DateTime<Utc>) {
        self.outcome = None;
        self.cancel_requested = false;
        self.paused = None;
        self.restarts = PerPhase::default();
        self.counts_from = Some(now);
        for record in &mut self.steps {
            let goes_on = match &record.state {
                StepState::Done(StepEnd::Failed(_) | StepEnd::Cancelled | StepEnd::Refused(_))
                | StepState::Asking(_) => true,
                StepState::Done(StepEnd::Approved(decision)) => !decision.counts(now),
                StepState::Done(StepEnd::Skipped(because)) => {
                    matches!(because, SkipReason::Upstream(_) | SkipReason::EarlierPhase(_) | SkipReason::Gate(_))
                }
                _ => false,
            };
            if goes_on {
                begin_again(record);
            }
        }
        for (index, gate) in self.plan.gates.values().enumerate() {
            let Some(ruling) = self.gates[index].unpassed().filter(|_| gate.is_blocking()) else { continue };
            // What somebody has decided counts for its time; everything else is asked again.
            if !ruling.and_then(Ruling::opens).is_some_and(|decision| decision.counts(now)) {
                self.gates[index] = GateState::Open;
            }
        }
        self.rebuild();
    }

    /// A phase begins again: these steps wait.
    fn restart(&mut self, phase: Phase, again: &[usize]) {
        self.restarts[phase as usize] += 1;
        for index in again {
            begin_again(&mut self.steps[*index]);
        }
        self.rebuild();
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each kind of event")]
    fn change(&self, event: &RunEvent) -> Result<Change, String> {
        if event.seq != self.next_seq {
            return Err(format!("number {} was expected", self.next_seq));
        }
        if let Some(outcome) = self.outcome
            && !matches!(
                event.what,
                Happening::RunClaimed { .. } | Happening::RunResumed { .. } | Happening::GateWaived { .. }
            )
        {
            return Err(format!("the run has {}", outcome.as_str()));
        }
        match &event.what {
            Happening::RunClaimed { epoch, .. } if *epoch >= self.epoch => Ok(Change::Claim(*epoch)),
            Happening::RunClaimed { epoch, .. } => Err(format!("epoch {epoch} is over")),
            Happening::CriteriaSealed { digest } => self.seal(*digest),
            Happening::StepReused { step, key, inputs, made_by, outcome, .. } => {
                let (index, record) = self.workable(step, inputs)?;
                let made = Made { by: *made_by, key: Some(*key), outcome: outcome.clone() };
                Ok(moved(index, record, StepState::Done(StepEnd::Reused(made))))
            }
            Happening::StepSkipped { step, because } => self.skip(step, because),
            Happening::AttemptStarted { step, attempt, number, key, why, inputs, .. } => {
                let (index, record) = self.workable(step, inputs)?;
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
                    StepState::Faltered(_) | StepState::BackingOff { .. } | StepState::Asking(_)
                        if self.cancel_requested =>
                    {
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
                let (verdict, evidence) = (*verdict, evidence.clone());
                Ok(Change::Gate(index, GateState::Evaluated { verdict, evidence, ruling: None }))
            }
            Happening::ApprovalRequested { subject, message, expires_at } => {
                let question = Question { since: event.at, message: message.clone(), expires_at: *expires_at };
                self.ask(subject, question)
            }
            Happening::ApprovalGiven { subject, by, reason, until } => {
                let decision = Decision { by: by.clone(), reason: reason.clone(), at: event.at, until: *until };
                self.decided(subject, |_| Ok((Ruling::Approved(decision.clone()), StepEnd::Approved(decision.clone()))))
            }
            Happening::ApprovalRefused { subject, by, reason } => {
                let decision = Decision { by: by.clone(), reason: reason.clone(), at: event.at, until: None };
                let refusal = Refusal::Refused(decision.clone());
                self.decided(subject, |_| Ok((Ruling::Refused(decision.clone()), StepEnd::Refused(refusal.clone()))))
            }
            Happening::ApprovalExpired { subject } => self.decided(subject, |question| {
                if !question.is_over(event.at) {
                    return Err(format!("there is time left to decide about {subject}"));
                }
                Ok((Ruling::Expired(event.at), StepEnd::Refused(Refusal::Expired(event.at))))
            }),
            Happening::GateWaived { gate, by, reason, until } => {
                let decision = Decision { by: by.clone(), reason: reason.clone(), at: event.at, until: *until };
                self.waive(gate, decision)
            }
            Happening::StepTimedOut { step, failure } => {
                let (index, record) = self.record(step)?;
                if self.cancel_requested || !matches!(record.state, StepState::Waiting | StepState::BackingOff { .. }) {
                    return Err(format!("step `{step}` does not wait"));
                }
                let record = StepRecord { last_failure: Some(failure.clone()), ..record.clone() };
                Ok(moved(index, &record, StepState::Done(StepEnd::Failed(failure.clone()))))
            }
            Happening::PhaseRestarted { phase, again, .. } => match self.restartable() {
                Some((restartable, _)) if restartable != *phase => Err(format!("`{phase}` does not begin again")),
                Some(_) if self.cancel_requested || !self.is_quiet(*phase) => {
                    Err(format!("attempts of `{phase}` are under way"))
                }
                Some(_) if *again != self.again(*phase) => Err("other steps have to wait again".to_owned()),
                Some(_) => {
                    let again = again.iter().filter_map(|step| self.plan.steps.get_index_of(step));
                    Ok(Change::Restart(*phase, again.collect()))
                }
                None => Err(format!("`{phase}` does not begin again")),
            },
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
    fn workable(&self, step: &StepName, inputs: &[InputBinding]) -> Result<(usize, &StepRecord), String> {
        let (index, record) = self.startable(step, inputs)?;
        if self.planned(index).approval.is_some() {
            return Err(format!("step `{step}` is an approval, which no worker gives"));
        }
        Ok((index, record))
    }

    /// The step, if it is its turn, given `inputs`.
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
        // What comes from another run is nothing that this one made.
        let is_former = |binding: &&InputBinding| {
            let former = &self.planned(index).former;
            binding.source.step == *step && former.contains(&binding.source.output)
        };
        let made_here: Vec<&InputBinding> = inputs.iter().filter(|binding| !is_former(binding)).collect();
        if self.bindings(index).is_none_or(|bound| !bound.iter().eq(made_here)) {
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
            // Older logs name what stops a whole phase in the same way.
            SkipReason::Upstream(name) => self
                .plan
                .steps
                .get_index_of(name)
                .is_some_and(|upstream| self.is_doomed_by(index, upstream) || self.board.stops(upstream, phase)),
            SkipReason::EarlierPhase(name) => {
                self.plan.steps.get_index_of(name).is_some_and(|earlier| self.board.stops(earlier, phase))
            }
            SkipReason::Gate(name) => self.plan.gates.get_full(name).is_some_and(|(place, _, gate)| {
                // Logs of versions without approvals skip behind a gate about which nobody was asked.
                gate.phase < phase && (self.stops(place) || self.needs_asking(place))
            }),
        };
        match record.state {
            StepState::Waiting | StepState::BackingOff { .. } if is_justified => {
                Ok(moved(index, record, StepState::Done(StepEnd::Skipped(because.clone()))))
            }
            _ => Err(format!("there is no reason to skip step `{step}`")),
        }
    }

    fn ask(&self, subject: &Subject, question: Question) -> Result<Change, String> {
        match subject {
            Subject::Gate(name) => {
                let index = self.gate_index(name)?;
                match &self.gates[index] {
                    GateState::Evaluated { verdict, evidence, .. } if self.needs_asking(index) => {
                        let (verdict, evidence) = (*verdict, evidence.clone());
                        let ruling = Some(Ruling::Awaited(question));
                        Ok(Change::Gate(index, GateState::Evaluated { verdict, evidence, ruling }))
                    }
                    _ => Err(format!("nobody has to be asked about gate `{name}`")),
                }
            }
            Subject::Step(name) => {
                let (index, record) = self.startable(name, &[])?;
                if self.planned(index).approval.is_none() {
                    return Err(format!("step `{name}` is no approval"));
                }
                Ok(moved(index, record, StepState::Asking(question)))
            }
        }
    }

    /// The end of a question, as a ruling about a gate or as the end of a step.
    fn decided(
        &self,
        subject: &Subject,
        end: impl Fn(&Question) -> Result<(Ruling, StepEnd), String>,
    ) -> Result<Change, String> {
        let waits_for_nothing = || format!("{subject} does not wait for an approval");
        if self.cancel_requested {
            return Err("the run is being cancelled".to_owned());
        }
        match subject {
            Subject::Gate(name) => {
                let index = self.gate_index(name)?;
                match &self.gates[index] {
                    GateState::Evaluated { verdict, evidence, ruling: Some(Ruling::Awaited(question)) } => {
                        let ruling = Some(end(question)?.0);
                        let (verdict, evidence) = (*verdict, evidence.clone());
                        Ok(Change::Gate(index, GateState::Evaluated { verdict, evidence, ruling }))
                    }
                    _ => Err(waits_for_nothing()),
                }
            }
            Subject::Step(name) => {
                let (index, record) = self.record(name)?;
                match &record.state {
                    StepState::Asking(question) => Ok(moved(index, record, StepState::Done(end(question)?.1))),
                    _ => Err(waits_for_nothing()),
                }
            }
        }
    }

    /// A gate that did not pass counts as open from now on, even if the run has been rejected because of it.
    fn waive(&self, name: &GateName, decision: Decision) -> Result<Change, String> {
        let index = self.gate_index(name)?;
        if let Some(outcome) = self.outcome.filter(|outcome| *outcome != Outcome::Rejected) {
            return Err(format!("the run has {}", outcome.as_str()));
        }
        match &self.gates[index] {
            GateState::Evaluated { verdict, evidence, ruling } if *verdict != Verdict::Passed => {
                if ruling.as_ref().is_some_and(|ruling| ruling.opens().is_some()) {
                    return Err(format!("gate `{name}` is open"));
                }
                let (verdict, evidence) = (*verdict, evidence.clone());
                let ruling = Some(Ruling::Waived(decision));
                Ok(Change::Gate(index, GateState::Evaluated { verdict, evidence, ruling }))
            }
            _ => Err(format!("gate `{name}` has not failed")),
        }
    }

    fn gate_index(&self, name: &GateName) -> Result<usize, String> {
        self.plan.gates.get_index_of(name).ok_or_else(|| format!("there is no gate `{name}`"))
    }

    /// Whether no attempt of a phase or of what follows from it is under way.
    pub(super) fn is_quiet(&self, phase: Phase) -> bool {
        let follows = self.following(phase);
        self.board.running.is_disjoint(&follows) && self.board.faltered.is_disjoint(&follows)
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

/// Lets a step wait again, with all its attempts before it.
fn begin_again(record: &mut StepRecord) {
    record.state = StepState::Waiting;
    record.failures = 0;
    record.losses = 0;
    record.ready_since = None;
}

fn moved(index: usize, record: &StepRecord, state: StepState) -> Change {
    Change::Step(index, Box::new(StepRecord { state, ..record.clone() }))
}

fn failed(index: usize, record: &StepRecord, failure: &Failure, seconds: f64) -> Change {
    let is_bad_input = matches!(failure.code.as_str(), "artifact_missing" | "artifact_corrupt");
    let (failures, losses) = if is_bad_input { (record.failures, record.losses + 1) } else { (record.failures + 1, 0) };
    let setback = if is_bad_input { Setback::BadInput(failure.clone()) } else { Setback::Failed(failure.clone()) };
    let is_shortage = failure.code == "out_of_memory";
    let record = StepRecord {
        failures,
        losses,
        shortages: if is_shortage { record.shortages + 1 } else { record.shortages },
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
