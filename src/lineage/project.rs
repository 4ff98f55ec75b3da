//! Events to rows.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::rows::{
    AttemptEnd, AttemptStart, ColumnRow, DecisionChange, GateResult, InputRow, MetricRow, OutputRow, Projection,
    Registered, StepChange,
};
use crate::artifact::ArtifactRef;
use crate::engine::{Happening, InputBinding, RunEvent, SkipReason, Subject};
use crate::id::{AttemptId, InputName, StepName};
use crate::step::{Fault, StepOutcome};
use crate::worker::Failure;

/// The rows that `events`, which follow each other in one log, turn into.
pub fn project(events: &[RunEvent]) -> Projection {
    let mut projection = Projection::default();
    for event in events {
        projection.event(event);
    }
    projection
}

impl Projection {
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of event")]
    fn event(&mut self, event: &RunEvent) {
        let at = event.at;
        match &event.what {
            Happening::RunClaimed { .. } => {
                self.run.state = Some("running");
                self.run.started_at.get_or_insert(at);
            }
            Happening::CriteriaSealed { digest } => self.run.criteria = Some(*digest),
            Happening::StepReused { step, key, parts, inputs, made_by, outcome } => {
                let change = self.change(step, "reused");
                change.attempt = Some(*made_by);
                change.key = Some(*key);
                change.finished_at = Some(at);
                self.bind(step, inputs);
                self.results(step, *made_by, outcome, at);
                self.reused_keys.insert(step.clone(), (*key, parts.clone()));
            }
            Happening::StepSkipped { step, because } => {
                let change = self.change(step, "skipped");
                change.because = Some(reason(because));
                change.finished_at = Some(at);
            }
            Happening::AttemptStarted { step, attempt, number, key, parts, why, inputs } => {
                let change = self.change(step, "running");
                change.attempts = Some(*number);
                change.attempt = Some(*attempt);
                change.key = *key;
                change.why = Some(why.clone());
                change.started_at.get_or_insert(at);
                self.bind(step, inputs);
                self.attempts.push(AttemptStart {
                    attempt: *attempt,
                    step: step.clone(),
                    number: *number,
                    key: *key,
                    parts: parts.clone(),
                    why: why.clone(),
                    at,
                });
            }
            Happening::AttemptSucceeded { step, attempt, outcome, seconds, peak_memory_bytes } => {
                let change = self.change(step, "succeeded");
                change.attempt = Some(*attempt);
                change.finished_at = Some(at);
                self.results(step, *attempt, outcome, at);
                self.measures(*attempt, outcome);
                self.registrations.extend(outcome.registrations.iter().map(|registration| Registered {
                    step: step.clone(),
                    registration: registration.clone(),
                    at,
                }));
                self.ends.push(AttemptEnd {
                    outcome: Some(outcome.clone()),
                    seconds: Some(*seconds),
                    peak_memory_bytes: Some(*peak_memory_bytes),
                    ..end(*attempt, step, "succeeded", at)
                });
            }
            Happening::AttemptFailed { step, attempt, failure, seconds } => self.ends.push(AttemptEnd {
                failure: Some(failure.clone()),
                seconds: Some(*seconds),
                ..end(*attempt, step, "failed", at)
            }),
            Happening::AttemptLost { step, attempt, why } => self.lost(step, *attempt, why, at),
            Happening::RetryScheduled { step, .. } => {
                self.change(step, "waiting");
            }
            Happening::StepReopened { step, why } => self.change(step, "waiting").why = Some(why.clone()),
            Happening::StepFailed { step } => self.change(step, "failed").finished_at = Some(at),
            Happening::StepCancelled { step } => {
                self.change(step, "cancelled").finished_at = Some(at);
                self.cancelled.insert(step.clone(), at);
            }
            Happening::GateEvaluated { gate, verdict, evidence } => {
                let evidence = serde_json::to_string(evidence).expect("evidence is plain data");
                self.gates.insert(gate.clone(), GateResult { verdict: verdict.as_str(), evidence, at });
            }
            Happening::ApprovalRequested { subject, message, expires_at } => {
                if let Subject::Step(step) = subject {
                    self.change(step, "awaiting_approval").started_at.get_or_insert(at);
                }
                self.decisions.push(DecisionChange {
                    message: message.clone(),
                    expires_at: *expires_at,
                    ..decision(subject, "awaited", at)
                });
            }
            Happening::ApprovalGiven { subject, by, reason, until } => {
                let because = format!("approved by {by}: {reason}");
                self.decided(subject, "succeeded", because, at);
                self.decisions.push(DecisionChange {
                    expires_at: *until,
                    by: Some(by.clone()),
                    reason: Some(reason.clone()),
                    ..decision(subject, "approved", at)
                });
            }
            Happening::ApprovalRefused { subject, by, reason } => {
                self.decided(subject, "failed", format!("refused by {by}: {reason}"), at);
                self.decisions.push(DecisionChange {
                    by: Some(by.clone()),
                    reason: Some(reason.clone()),
                    ..decision(subject, "refused", at)
                });
            }
            Happening::ApprovalExpired { subject } => {
                self.decided(subject, "failed", "nobody approved it in time".to_owned(), at);
                self.decisions.push(decision(subject, "expired", at));
            }
            Happening::GateWaived { gate, by, reason, until } => self.decisions.push(DecisionChange {
                expires_at: *until,
                by: Some(by.clone()),
                reason: Some(reason.clone()),
                ..decision(&Subject::Gate(gate.clone()), "waived", at)
            }),
            Happening::StepTimedOut { step, failure } => {
                let change = self.change(step, "failed");
                change.because = Some(failure.message.clone());
                change.finished_at = Some(at);
            }
            Happening::PhaseRestarted { phase, because, again } => {
                for step in again {
                    let why = format!("{phase} begins again, since {because} failed");
                    self.change(step, "waiting").why = Some(why);
                }
            }
            Happening::CancelRequested { .. } | Happening::RunPaused { .. } | Happening::RunUnpaused { .. } => {}
            Happening::RunResumed { .. } => {
                self.resumed_at = Some(at);
                self.run.state = Some("running");
                self.run.finished = None;
                self.decisions.retain(|decision| decision.counts(at));
                for change in self.steps.values_mut().filter(|change| waits_again(change)) {
                    change.state = "waiting";
                    change.because = None;
                    change.finished_at = None;
                }
            }
            Happening::RunFinished { outcome } => {
                self.run.state = Some(outcome.as_str());
                self.run.finished = Some((at, *outcome));
            }
        }
    }

    fn lost(&mut self, step: &StepName, attempt: AttemptId, why: &str, at: DateTime<Utc>) {
        self.change(step, "waiting");
        let failure =
            Failure { fault: Fault::Environment, code: "worker_lost".to_owned(), message: why.to_owned(), help: None };
        self.ends.push(AttemptEnd { failure: Some(failure), ..end(attempt, step, "lost", at) });
    }

    /// The change of `step`, now to `state`.
    fn change(&mut self, step: &StepName, state: &'static str) -> &mut StepChange {
        let change = self.steps.entry(step.clone()).or_insert_with(|| StepChange::to(state));
        change.state = state;
        change.because = None;
        change.finished_at = None;
        change
    }

    /// An approval step ends with the word about it; a gate keeps its verdict.
    fn decided(&mut self, subject: &Subject, state: &'static str, because: String, at: DateTime<Utc>) {
        if let Subject::Step(step) = subject {
            let change = self.change(step, state);
            change.because = Some(because);
            change.finished_at = Some(at);
        }
    }

    fn bind(&mut self, step: &StepName, inputs: &[InputBinding]) {
        self.inputs.retain(|row| row.step != *step);
        let mut positions: BTreeMap<&InputName, u32> = BTreeMap::new();
        for binding in inputs {
            let next = positions.entry(&binding.input).or_default();
            self.inputs.push(InputRow {
                step: step.clone(),
                input: binding.input.to_string(),
                position: *next,
                digest: binding.artifact.digest,
                source_step: binding.source.step.clone(),
                source_output: binding.source.output.clone(),
            });
            *next += 1;
        }
    }

    fn results(&mut self, step: &StepName, attempt: AttemptId, outcome: &StepOutcome, at: DateTime<Utc>) {
        let row = |output, artifact: &ArtifactRef| OutputRow {
            step: step.clone(),
            output,
            artifact: artifact.clone(),
            attempt,
            at,
        };
        self.outputs.extend(outcome.outputs.iter().map(|(output, artifact)| row(Some(output.clone()), artifact)));
        for registration in &outcome.registrations {
            if outcome.outputs.values().all(|artifact| artifact.digest != registration.bundle.digest) {
                self.outputs.push(row(None, &registration.bundle));
                self.bundled.insert((registration.model.digest, registration.bundle.digest));
            }
        }
    }

    fn measures(&mut self, attempt: AttemptId, outcome: &StepOutcome) {
        for (position, metric) in (0..).zip(&outcome.metrics) {
            self.metrics.push(MetricRow { attempt, position, metric: metric.clone() });
        }
        for (position, edge) in (0..).zip(&outcome.columns) {
            let Some(artifact) = outcome.outputs.get(&edge.output) else { continue };
            self.columns.push(ColumnRow {
                attempt,
                position,
                output: edge.output.clone(),
                digest: artifact.digest,
                column: edge.column.clone(),
                from_digest: edge.from,
                from_column: edge.from_column.clone(),
                transform: edge.transform.clone(),
            });
        }
    }
}

fn decision(subject: &Subject, state: &'static str, at: DateTime<Utc>) -> DecisionChange {
    DecisionChange { subject: subject.clone(), state, message: None, expires_at: None, by: None, reason: None, at }
}

fn end(attempt: AttemptId, step: &StepName, state: &'static str, at: DateTime<Utc>) -> AttemptEnd {
    AttemptEnd {
        attempt,
        step: step.clone(),
        state,
        failure: None,
        outcome: None,
        seconds: None,
        peak_memory_bytes: None,
        at,
    }
}

/// What is left out or unwanted stays so when the run goes on.
pub(crate) const LEFT_OUT: [&str; 2] = ["not selected", "its `when` is false"];

fn waits_again(change: &StepChange) -> bool {
    let is_left_out = change.because.as_deref().is_some_and(|because| LEFT_OUT.contains(&because));
    matches!(change.state, "failed" | "skipped" | "cancelled" | "awaiting_approval") && !is_left_out
}

fn reason(because: &SkipReason) -> String {
    match because {
        SkipReason::WhenFalse => LEFT_OUT[1].to_owned(),
        SkipReason::Upstream(step) => format!("step {step} did not end well"),
        SkipReason::EarlierPhase(step) => format!("its phase waits for step {step}, which did not end well"),
        SkipReason::Gate(gate) => format!("gate {gate} did not pass"),
        SkipReason::NotSelected => LEFT_OUT[0].to_owned(),
    }
}
