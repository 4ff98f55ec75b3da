//! `phaseline approve`, `reject` and `waive`.

use chrono::{DateTime, Utc};

use super::client::ask;
use super::{Exit, Settings, UsageError, request};
use crate::control::{Decision, DecisionKind};
use crate::units::duration;

/// What is decided about, and why.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A run id, the beginning of one, or `latest`.
    run: String,
    /// The gate or step.
    subject: String,
    /// Why; stands in the audit log and the model card.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The same for a decision that may end.
#[derive(Debug, clap::Args)]
pub(super) struct Expiring {
    #[command(flatten)]
    args: Args,
    /// How long it counts, such as `12h` or `2d` [default: for ever].
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
}

pub(super) fn approve(settings: &Settings, args: &Expiring) -> anyhow::Result<Exit> {
    decide(settings, &args.args, DecisionKind::Approve, end(args.expires.as_deref())?)
}

pub(super) fn waive(settings: &Settings, args: &Expiring) -> anyhow::Result<Exit> {
    decide(settings, &args.args, DecisionKind::Waive, end(args.expires.as_deref())?)
}

pub(super) fn reject(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    decide(settings, args, DecisionKind::Reject, None)
}

fn end(expires: Option<&str>) -> Result<Option<DateTime<Utc>>, UsageError> {
    let Some(text) = expires else { return Ok(None) };
    let length = duration(text).and_then(|length| chrono::TimeDelta::from_std(length).ok());
    let end = length.and_then(|length| Utc::now().checked_add_signed(length));
    let refused = || UsageError::new(format!("`{text}` is not a length of time")).help("write `12h` or `2d`");
    end.map(Some).ok_or_else(refused)
}

fn decide(
    settings: &Settings,
    args: &Args,
    kind: DecisionKind,
    expires_at: Option<DateTime<Utc>>,
) -> anyhow::Result<Exit> {
    ask(settings, async |client| {
        let run = client.find_run(&args.run).await?;
        let (subject, reason) = (args.subject.clone(), args.reason.clone());
        let asked = client.decide(run, Decision { kind, subject, reason, expires_at }).await?;
        request::tell(client, settings, &asked, args.json).await
    })
}
