//! What somebody has said about a gate or step, or is asked to say.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::plan::OnFail;

/// A question that nobody has answered yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Question {
    /// Since when.
    pub since: DateTime<Utc>,
    /// What whoever decides reads.
    pub message: Option<String>,
    /// When it counts as refused.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Question {
    /// Whether its time is up.
    pub fn is_over(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }
}

/// Who decided, why and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Until when it counts should it be asked again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

impl Decision {
    /// Whether it still counts at `now`.
    pub fn counts(&self, now: DateTime<Utc>) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// Where the decision about a gate that did not pass stands. The verdict stays what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// Somebody is asked.
    Awaited(Question),
    /// Somebody said yes.
    Approved(Decision),
    /// Somebody lets it count as open.
    Waived(Decision),
    /// Somebody said no.
    Refused(Decision),
    /// Nobody said anything until then.
    Expired(DateTime<Utc>),
}

impl Ruling {
    /// The word in SQL and JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Ruling::Awaited(_) => "awaited",
            Ruling::Approved(_) => "approved",
            Ruling::Waived(_) => "waived",
            Ruling::Refused(_) => "refused",
            Ruling::Expired(_) => "expired",
        }
    }

    /// The decision that opens the gate.
    pub fn opens(&self) -> Option<&Decision> {
        match self {
            Ruling::Approved(decision) | Ruling::Waived(decision) => Some(decision),
            Ruling::Awaited(_) | Ruling::Refused(_) | Ruling::Expired(_) => None,
        }
    }

    /// In a sentence: `approved by ada because the sample is small`.
    pub fn told(&self) -> String {
        let decided = |word: &str, decision: &Decision| {
            let until = decision.until.map(|until| format!(", until {}", time(until))).unwrap_or_default();
            format!("{word} by {} because {}{until}", decision.by, decision.reason)
        };
        match self {
            Ruling::Awaited(question) => match question.expires_at {
                Some(expires_at) => format!("waits for approval until {}", time(expires_at)),
                None => "waits for approval".to_owned(),
            },
            Ruling::Approved(decision) => decided("approved", decision),
            Ruling::Waived(decision) => decided("waived", decision),
            Ruling::Refused(decision) => decided("refused", decision),
            Ruling::Expired(at) => format!("nobody approved it until {}", time(*at)),
        }
    }
}

/// How an approval step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Somebody said no.
    Refused(Decision),
    /// Nobody said anything until then.
    Expired(DateTime<Utc>),
}

impl Refusal {
    /// In a sentence.
    pub fn told(&self) -> String {
        match self {
            Refusal::Refused(decision) => Ruling::Refused(decision.clone()).told(),
            Refusal::Expired(at) => Ruling::Expired(*at).told(),
        }
    }
}

fn time(time: DateTime<Utc>) -> impl std::fmt::Display {
    time.format("%Y-%m-%d %H:%M:%S UTC")
}

/// What a gate that did not pass does to what comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    GoesOn,
    /// It waits for somebody, who may have to be asked first.
    Waits,
    /// It ends there.
    Stops,
}

/// The effect of a gate that did not pass.
pub(crate) fn effect(on_fail: OnFail, ruling: Option<&Ruling>) -> Effect {
    match (on_fail, ruling) {
        (OnFail::Warn | OnFail::Notify, _) | (_, Some(Ruling::Approved(_) | Ruling::Waived(_))) => Effect::GoesOn,
        (OnFail::Stop, _) | (_, Some(Ruling::Refused(_) | Ruling::Expired(_))) => Effect::Stops,
        (OnFail::Approval, None | Some(Ruling::Awaited(_))) => Effect::Waits,
    }
}
