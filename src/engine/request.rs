//! What people ask of a run while it is driven or parked, and what comes of it: an event, or only a word.

use chrono::{DateTime, Utc};

use super::{Happening, Outcome, Run};
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
pub(super) fn answer(run: &Run, request: &Request, _now: DateTime<Utc>) -> Answer {
    let by = request.asked_by.clone();
    match (request.kind, run.outcome) {
        (RequestKind::Resume, Some(Outcome::Succeeded)) => Answer::refused("the run has succeeded"),
        (RequestKind::Resume, Some(outcome)) => {
            Answer::recorded(Happening::RunResumed { by }, format!("the run, which had {}, goes on", past(outcome)))
        }
        (_, Some(outcome)) => Answer::refused(format!("the run has {}", past(outcome))),
        (RequestKind::Cancel, None) if run.cancel_requested => Answer::refused("the run is being cancelled already"),
        (RequestKind::Cancel, None) => {
            Answer::recorded(Happening::CancelRequested { by }, "the run is being cancelled")
        }
        (RequestKind::Pause, None) if run.cancel_requested => Answer::refused("the run is being cancelled"),
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
        (RequestKind::Approve | RequestKind::Reject | RequestKind::Waive, None) => {
            Answer::refused("nothing waits for it")
        }
    }
}

fn past(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::Rejected => "been rejected",
        Outcome::Failed => "failed",
        Outcome::Cancelled => "been cancelled",
    }
}
