//! `phaseline audit`, and the audit of what is done from this command line.

use chrono::{SecondsFormat, Utc};

use super::client::{Client, ask};
use super::database::{self, time};
use super::local::answered;
use super::{Exit, Settings, UsageError, output};
use crate::control::{By, host};
use crate::store::queries::{AuditEntry, PageRequest};
use crate::store::{Act, Store, StoreError};
use crate::units::duration;

/// Which part of the audit log.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only what was done within this time, such as `2h` or `7d`.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// How many rows, newest first.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    let since = match &args.since {
        None => None,
        Some(text) => {
            let length = duration(text).and_then(|length| chrono::TimeDelta::from_std(length).ok());
            let start = length.and_then(|length| Utc::now().checked_sub_signed(length));
            let refused = || UsageError::new(format!("`{text}` is not a length of time")).help("write `2h` or `7d`");
            Some(start.ok_or_else(refused)?)
        }
    };
    let rows: Vec<AuditEntry> = ask(settings, async |client| match client {
        Client::Local(local) => {
            let request = PageRequest { after: None, limit: args.limit };
            Ok(answered(local.store.audit_page(since, &request).await)?.items)
        }
        Client::Remote(remote) => {
            let since = since.map(|since| since.to_rfc3339_opts(SecondsFormat::Micros, true));
            let query: Vec<(&str, &str)> = since.iter().map(|since| ("since", since.as_str())).collect();
            remote.list(&["audit"], &query, args.limit as usize).await
        }
    })?;
    if args.json {
        output::json(&rows)?;
    } else if rows.is_empty() {
        output::line("nothing was done")?;
    } else {
        output::write(text(&rows).as_bytes())?;
    }
    Ok(Exit::Succeeded)
}

fn text(rows: &[AuditEntry]) -> String {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                time(&row.at),
                row.who.clone(),
                or_dash(&row.role),
                row.action.clone(),
                or_dash(&row.object),
                row.outcome.clone(),
                or_dash(&row.remote),
            ]
        })
        .collect();
    output::table(&["when (UTC)", "who", "role", "did", "to", "outcome", "from"], &rows)
}

/// What somebody does at this command line, as the audit log has it.
pub(super) fn act(action: &str, object: Option<&str>) -> Act {
    Act {
        who: format!("{}@{}", By::local().who, host()),
        role: None,
        action: action.to_owned(),
        object: object.map(str::to_owned),
        remote: None,
    }
}

/// Does `work` on the database of this machine, with a row in the audit log that is there before the work is done.
pub(super) fn local<T>(
    settings: &Settings,
    action: &str,
    object: Option<&str>,
    work: impl AsyncFnOnce(&Store) -> Result<T, StoreError>,
) -> anyhow::Result<T> {
    database::open(settings, async |store| {
        let position = store.audit_begun(&act(action, object)).await?;
        let done = work(store).await;
        let (outcome, detail) = match &done {
            Ok(_) => ("done", None),
            Err(error) => ("failed", Some(error.to_string())),
        };
        store.audit_ended(position, outcome, detail.as_deref()).await?;
        done
    })
}
