//! Deciding about a gate or step that waits for somebody.

use chrono::{DateTime, Utc};

use super::cancel::unfinished;
use super::{By, ControlError, reason};
use crate::engine::{Request, RequestKind, RunLog};
use crate::id::{RequestId, RunId};
use crate::manifest::suggest;
use crate::store::Store;

/// What somebody decides about a gate or step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Which way.
    pub kind: DecisionKind,
    /// The gate or step.
    pub subject: String,
    /// Why; stands in the audit log and the model card.
    pub reason: String,
    /// Until when it counts.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Which way somebody decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecisionKind {
    /// The run goes on.
    Approve,
    /// The run ends as rejected.
    Reject,
    /// The gate shall not count, whatever it says.
    Waive,
}

impl DecisionKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            DecisionKind::Approve => "approve",
            DecisionKind::Reject => "reject",
            DecisionKind::Waive => "waive",
        }
    }
}

/// Asks whoever drives the run to go by the decision.
///
/// # Errors
/// The run, gate or step is not there, it has been decided about, there is no reason, or the time is past.
pub async fn decide(
    store: &Store,
    run: RunId,
    decision: Decision,
    by: &By,
    now: DateTime<Utc>,
) -> Result<RequestId, ControlError> {
    let word = decision.kind.as_str();
    if decision.reason.trim().is_empty() {
        let message = format!("to {word} needs a reason");
        return Err(
            ControlError::invalid("reason_missing", message).help("it stands in the audit log and the model card")
        );
    }
    reason::check(Some(&decision.reason))?;
    match (decision.kind, decision.expires_at) {
        (DecisionKind::Reject, Some(_)) => {
            return Err(ControlError::invalid("bad_expiry", "a rejection ends the run, so it cannot expire"));
        }
        (_, Some(at)) if at <= now => {
            let message = format!("the decision would have expired at {}", at.format("%Y-%m-%d %H:%M:%S UTC"));
            return Err(ControlError::invalid("bad_expiry", message).help("name a time to come"));
        }
        _ => {}
    }
    let subject = decision.subject.as_str();
    let plan = store.run(run).await?.plan;
    let gate = plan.gates.keys().find(|gate| gate.as_str() == subject);
    let step = plan.steps.keys().find(|step| step.as_str() == subject);
    if gate.is_none() && step.is_none() {
        let known = plan.gates.keys().map(crate::id::GateName::as_str);
        let known = known.chain(plan.steps.keys().map(crate::id::StepName::as_str));
        let message = format!("{run} has no gate or step `{subject}`");
        return Err(ControlError::not_found("no_such_gate", message).maybe_help(suggest(subject, known)));
    }
    if gate.is_none() && decision.kind == DecisionKind::Waive {
        let message = format!("`{subject}` is a step: only a gate can be waived");
        return Err(ControlError::invalid("not_a_gate", message).help("approve or reject it"));
    }
    // A waiver may reopen a run that was rejected because of the gate.
    if decision.kind != DecisionKind::Waive {
        unfinished(store, run, "be decided about").await?;
    }
    let approvals = store.decisions_of(run).await?;
    match approvals.iter().find(|approval| approval.subject == subject) {
        Some(approval) if approval.decided_at.is_some() && !may_still_be_waived(&decision, &approval.state) => {
            let by = approval.decided_by.as_deref().unwrap_or("somebody");
            let message = format!("`{subject}` of {run} has been decided about: {} by {by}", approval.state);
            return Err(ControlError::conflict("already_decided", message));
        }
        None if decision.kind != DecisionKind::Waive => {
            let waiting = approvals.iter().filter(|approval| approval.decided_at.is_none());
            let waiting: Vec<String> = waiting.map(|approval| format!("`{}`", approval.subject)).collect();
            let help = match waiting.as_slice() {
                [] => format!("nothing of this run waits for a decision; see `phaseline show {run}`"),
                _ => format!("what waits is {}", waiting.join(", ")),
            };
            let message = format!("`{subject}` of {run} does not wait for a decision");
            return Err(ControlError::conflict("not_waiting", message).help(help));
        }
        _ => {}
    }
    let kind = match decision.kind {
        DecisionKind::Approve => RequestKind::Approve,
        DecisionKind::Reject => RequestKind::Reject,
        DecisionKind::Waive => RequestKind::Waive,
    };
    let request = Request {
        subject: Some(decision.subject),
        reason: Some(decision.reason.trim().to_owned()),
        expires_at: decision.expires_at,
        ..Request::new(run, kind, by.who.as_str())
    };
    Ok(store.ask(request).await?)
}

/// Whether a gate about which the last word was no, or none, is to be waived.
fn may_still_be_waived(decision: &Decision, state: &str) -> bool {
    decision.kind == DecisionKind::Waive && matches!(state, "refused" | "expired" | "withdrawn")
}
