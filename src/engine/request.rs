//! What people ask of a run while it is driven or parked, and what comes of it: an event, or only a word.

use chrono::{DateTime, Utc};

use super::{Happening, Outcome, Run, Subject};
use crate::id::{RequestId, RunId};

/// Something that somebody asked of a run. Whoever drives the run carries it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its id.
    pub id: RequestId,
    /// The run.
    pub run: RunId,
    /// What is asked.
    pub kind: RequestKind,
    /// The gate or step that it is about.
    pub subject: Option<String>,
    /// Who asks.
    pub asked_by: String,
    /// Why.
    pub reason: Option<String>,
    /// Until when an approval or a waiver counts.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was asked.
    pub created_at: DateTime<Utc>,
}

/// What can be asked of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// End it.
    Cancel,
    /// Let it go on behind a gate or step that waits for somebody's word.
    Approve,
    /// Say no to a gate or step that waits for somebody's word.
    Reject,
    /// Let a gate that did not pass count as open.
    Waive,
    /// Start no new attempts.
    Pause,
    /// Go on, after a pause or after an end.
    Resume,
}

impl RequestKind {
    /// All of them.
    pub const ALL: [RequestKind; 6] = [
        RequestKind::Cancel,
        RequestKind::Approve,
        RequestKind::Reject,
        RequestKind::Waive,
        RequestKind::Pause,
        RequestKind::Resume,
    ];

    /// The word in SQL and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            RequestKind::Cancel => "cancel",
            RequestKind::Approve => "approve",
            RequestKind::Reject => "reject",
            RequestKind::Waive => "waive",
            RequestKind::Pause => "pause",
            RequestKind::Resume => "resume",
        }
    }

    /// What is asked by this word.
    pub fn from_word(word: &str) -> Option<RequestKind> {
        RequestKind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether it is about a gate or step and needs a reason.
    pub fn is_decision(self) -> bool {
        matches!(self, RequestKind::Approve | RequestKind::Reject | RequestKind::Waive)
    }
}

impl Request {
    /// A request without subject and reason, made now.
    pub fn new(run: RunId, kind: RequestKind, asked_by: impl Into<String>) -> Request {
        Request {
            id: RequestId::generate(),
            run,
            kind,
            subject: None,
            asked_by: asked_by.into(),
            reason: None,
            expires_at: None,
            created_at: Utc::now(),
        }
    }

    /// The same request about a gate or step, with a reason.
    #[must_use]
    pub fn about(self, subject: impl Into<String>, reason: impl Into<String>) -> Request {
        Request { subject: Some(subject.into()), reason: Some(reason.into()), ..self }
    }
}

/// A request that was carried out or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handled {
    /// The request.
    pub request: RequestId,
    /// What came of it, for people.
    pub outcome: String,
}

/// What a request comes to: events to record, none if it makes no sense, and what to tell.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) events: Vec<Happening>,
    pub(super) outcome: String,
}

impl Answer {
    fn refused(outcome: impl Into<String>) -> Answer {
        Answer { events: Vec::new(), outcome: format!("nothing changed: {}", outcome.into()) }
    }

    fn recorded(event: Happening, outcome: impl Into<String>) -> Answer {
        Answer { events: vec![event], outcome: outcome.into() }
    }
}

/// What `request` comes to in the present state of `run`.
pub(super) fn answer(run: &Run, request: &Request, now: DateTime<Utc>) -> Answer {
    let by = request.asked_by.clone();
    match (request.kind, run.outcome) {
        (RequestKind::Waive, None | Some(Outcome::Rejected)) => waive(run, request, now),
        (RequestKind::Resume, Some(Outcome::Succeeded)) => Answer::refused("the run has succeeded"),
        (RequestKind::Resume, Some(outcome)) => {
            Answer::recorded(Happening::RunResumed { by }, format!("the run, which had {}, goes on", past(outcome)))
        }
        (_, Some(outcome)) => Answer::refused(format!("the run has {}", past(outcome))),
        (RequestKind::Cancel, None) if run.cancel_requested => Answer::refused("the run is being cancelled already"),
        (RequestKind::Cancel, None) => {
            Answer::recorded(Happening::CancelRequested { by }, "the run is being cancelled")
        }
        (_, None) if run.cancel_requested => Answer::refused("the run is being cancelled"),
        (RequestKind::Pause, None) => match &run.paused {
            Some(pause) => Answer::refused(format!("{} has paused the run already", pause.by)),
            None => Answer::recorded(
                Happening::RunPaused { by, reason: request.reason.clone() },
                "the run is paused: attempts that run go on, and no new ones are started",
            ),
        },
        (RequestKind::Resume, None) if run.paused.is_some() => {
            Answer::recorded(Happening::RunUnpaused { by }, "the run goes on")
        }
        (RequestKind::Resume, None) => Answer::refused("the run is neither paused nor at its end"),
        (RequestKind::Approve, None) => decide(run, request, now, |subject, reason| {
            let event = Happening::ApprovalGiven { subject: subject.clone(), by, reason, until: request.expires_at };
            Answer::recorded(event, format!("{subject} is approved"))
        }),
        (RequestKind::Reject, None) => decide(run, request, now, |subject, reason| {
            let event = Happening::ApprovalRefused { subject: subject.clone(), by, reason };
            Answer::recorded(event, format!("{subject} is refused, which rejects the run"))
        }),
    }
}

/// The answer of `decided` if the gate or step waits for somebody.
fn decide(
    run: &Run,
    request: &Request,
    now: DateTime<Utc>,
    decided: impl FnOnce(&Subject, String) -> Answer,
) -> Answer {
    let (name, reason) = match named(request, now) {
        Ok(named) => named,
        Err(refused) => return refused,
    };
    let mut questions = run.questions();
    match questions.find(|(subject, _)| subject.name() == name) {
        Some((subject, question)) if question.is_over(now) => {
            Answer::refused(format!("the time to decide about {subject} was up"))
        }
        Some((subject, _)) => decided(&subject, reason),
        None => {
            let waiting: Vec<String> = run.questions().map(|(subject, _)| subject.to_string()).collect();
            let known = run.plan.gates.keys().any(|gate| gate.as_str() == name)
                || run.plan.steps.keys().any(|step| step.as_str() == name);
            let what = if known { "waits for nothing" } else { "is no gate or step of this run" };
            let hint = if waiting.is_empty() { String::new() } else { format!("; what waits: {}", waiting.join(", ")) };
            Answer::refused(format!("`{name}` {what}{hint}"))
        }
    }
}

/// A waiver opens a gate that did not pass; if the run was rejected because of it, it goes on.
fn waive(run: &Run, request: &Request, now: DateTime<Utc>) -> Answer {
    let (name, reason) = match named(request, now) {
        Ok(named) => named,
        Err(refused) => return refused,
    };
    let found = run.plan.gates.iter().enumerate().find(|(_, (gate, _))| gate.as_str() == name);
    let Some((index, (gate, _))) = found else {
        return Answer::refused(format!("`{name}` is no gate of this run"));
    };
    match run.gates[index].unpassed() {
        None if run.gates[index].verdict().is_some() => Answer::refused(format!("gate `{gate}` has passed")),
        None => Answer::refused(format!("gate `{gate}` has not been evaluated yet")),
        Some(Some(ruling)) if ruling.opens().is_some() => {
            Answer::refused(format!("gate `{gate}` is open: {}", ruling.told()))
        }
        Some(_) => {
            let (gate, by) = (gate.clone(), request.asked_by.clone());
            let outcome = format!("gate `{gate}` is waived");
            let waived = Happening::GateWaived { gate, by: by.clone(), reason, until: request.expires_at };
            if run.outcome.is_none() {
                return Answer::recorded(waived, outcome);
            }
            let events = vec![waived, Happening::RunResumed { by }];
            Answer { events, outcome: format!("{outcome}, and the run goes on") }
        }
    }
}

/// The name and the reason that a decision needs.
fn named(request: &Request, now: DateTime<Utc>) -> Result<(&str, String), Answer> {
    let given =
        |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    let Some(name) = request.subject.as_deref().filter(|name| !name.is_empty()) else {
        return Err(Answer::refused("no gate or step was named"));
    };
    let reason = given(&request.reason).ok_or_else(|| Answer::refused("it needs a reason"))?;
    if request.expires_at.is_some_and(|expires_at| expires_at <= now) {
        return Err(Answer::refused("it would have expired already"));
    }
    Ok((name, reason))
}

fn past(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::Rejected => "been rejected",
        Outcome::Failed => "failed",
        Outcome::Cancelled => "been cancelled",
    }
}
