//! `phaseline triggers`: what makes pipelines run by themselves, when next, and why not.

use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Subcommand;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Client, ask};
use super::database::time;
use super::local::refused;
use super::{Exit, Settings, UsageError, output};
use crate::control::{self, By, Firing, Target, Version};
use crate::daemon::triggers::schedule::Times;
use crate::manifest::{Manifest, Rejected, TriggerKind};
use crate::store::queries::TriggerSummary;

/// Which triggers, and what to do with them.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Only the triggers of this pipeline.
    pipeline: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the coming times of a manifest's triggers; no daemon is needed.
    Next {
        /// The manifest.
        file: PathBuf,
        /// How many times of each trigger.
        #[arg(short, long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
        count: u32,
        /// Count from this time on [default: now].
        #[arg(long, value_name = "TIME")]
        from: Option<DateTime<Utc>>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Fire a trigger now, by hand.
    Fire {
        /// PIPELINE.TRIGGER
        trigger: String,
        /// The same key fires once, however often it is given.
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make the token of a webhook and print it, once; an older one ends.
    Token {
        /// PIPELINE.TRIGGER
        trigger: String,
    },
    /// Let nothing but a hand fire a trigger, or any trigger of a pipeline.
    Pause {
        /// PIPELINE.TRIGGER, or PIPELINE for all of its triggers.
        trigger: String,
    },
    /// Let a paused trigger, or the triggers of a paused pipeline, fire again.
    Resume {
        /// PIPELINE.TRIGGER, or PIPELINE.
        trigger: String,
    },
}

#[derive(Deserialize)]
struct MadeToken {
    token: String,
}

pub(super) fn run(settings: &Settings, args: Args) -> anyhow::Result<Exit> {
    match args.action {
        None => list(settings, args.pipeline.as_deref(), args.json),
        Some(Action::Next { file, count, from, json }) => next(&file, count, from.unwrap_or_else(Utc::now), json),
        Some(Action::Fire { trigger, key, json }) => {
            let (pipeline, name) = named(&trigger)?;
            let fired = ask(settings, async |client| fire(client, pipeline, name, key.as_deref()).await)?;
            tell(&fired, json)
        }
        Some(Action::Token { trigger }) => {
            let (pipeline, name) = named(&trigger)?;
            output::line(ask(settings, async |client| token(client, pipeline, name).await)?)?;
            Ok(Exit::Succeeded)
        }
        Some(Action::Pause { trigger }) => {
            ask(settings, async |client| hold(client, "pause", &trigger).await)?;
            output::line(format!("{trigger} is paused"))?;
            Ok(Exit::Succeeded)
        }
        Some(Action::Resume { trigger }) => {
            ask(settings, async |client| hold(client, "resume", &trigger).await)?;
            output::line(format!("{trigger} fires again"))?;
            Ok(Exit::Succeeded)
        }
    }
}

async fn fire(client: &Client, pipeline: &str, name: &str, key: Option<&str>) -> anyhow::Result<Firing> {
    match client {
        Client::Local(local) => {
            let by = By::local();
            let work = Box::pin(control::fire(&local.store, pipeline, name, key, &by, Utc::now()));
            local.audited("triggers fire", &format!("{pipeline}.{name}"), work).await
        }
        Client::Remote(remote) => {
            let path = ["triggers", pipeline, name, "fire"];
            Ok(remote.post(&path, &json!({"key": key}), None).await?.document)
        }
    }
}

async fn token(client: &Client, pipeline: &str, name: &str) -> anyhow::Result<String> {
    match client {
        Client::Local(local) => {
            let by = By::local();
            let work = control::make_webhook_token(&local.store, pipeline, name, &by);
            let secret = local.audited("triggers token", &format!("{pipeline}.{name}"), work).await?;
            Ok(secret.reveal().to_owned())
        }
        Client::Remote(remote) => {
            let path = ["triggers", pipeline, name, "token"];
            Ok(remote.post::<MadeToken>(&path, &json!({}), None).await?.document.token)
        }
    }
}

/// Pauses or resumes a trigger, or all triggers of a pipeline.
async fn hold(client: &Client, word: &str, text: &str) -> anyhow::Result<()> {
    let trigger = text.split_once('.');
    let local = match client {
        Client::Local(local) => local,
        Client::Remote(remote) => {
            let path = match trigger {
                Some((pipeline, name)) => vec!["triggers", pipeline, name, word],
                None => vec!["pipelines", text, word],
            };
            return remote.post::<Value>(&path, &json!({}), None).await.map(drop);
        }
    };
    let (store, by) = (&local.store, By::local());
    let work = async {
        match (trigger, word) {
            (Some((pipeline, name)), "pause") => control::pause_trigger(store, pipeline, name, &by).await,
            (Some((pipeline, name)), _) => control::resume_trigger(store, pipeline, name).await,
            (None, word) => {
                let target = Target::Pipeline(text.to_owned());
                let held = match word {
                    "pause" => control::pause(store, &target, None, &by, Utc::now()).await,
                    _ => control::resume(store, &target, None, &by).await,
                };
                held.map(drop)
            }
        }
    };
    local.audited(&format!("triggers {word}"), text, work).await
}

fn named(text: &str) -> anyhow::Result<(&str, &str)> {
    text.split_once('.').ok_or_else(|| {
        UsageError::new(format!("`{text}` does not name a trigger")).help("write PIPELINE.TRIGGER").into()
    })
}

fn tell(fired: &Firing, as_json: bool) -> anyhow::Result<Exit> {
    if as_json {
        output::json(fired)?;
    } else {
        let run = fired.run.map(|run| format!(": {run}")).unwrap_or_default();
        let because = fired.because.as_ref().map(|because| format!("\n{because}")).unwrap_or_default();
        output::line(format!("tick {} {}{run}{because}", fired.tick, fired.state))?;
    }
    Ok(if fired.state == "failed" { Exit::Failed } else { Exit::Succeeded })
}

fn list(settings: &Settings, pipeline: Option<&str>, as_json: bool) -> anyhow::Result<Exit> {
    let found: Vec<TriggerSummary> = ask(settings, async |client| match (client, pipeline) {
        (Client::Local(local), _) => control::triggers(&local.store, pipeline).await.map_err(refused),
        (Client::Remote(remote), None) => remote.list(&["triggers"], &[], usize::MAX).await,
        (Client::Remote(remote), Some(name)) => remote.list(&["pipelines", name, "triggers"], &[], usize::MAX).await,
    })?;
    if as_json {
        output::json(&found)?;
    } else if found.is_empty() {
        output::line("no triggers; a daemon takes them up when it loads a manifest that has some")?;
    } else {
        output::write(text(&found).as_bytes())?;
    }
    Ok(Exit::Succeeded)
}

fn text(triggers: &[TriggerSummary]) -> String {
    let dash = || "-".to_owned();
    let rows: Vec<Vec<String>> = triggers
        .iter()
        .map(|trigger| {
            let last = match (&trigger.last_nominal, &trigger.last_state) {
                (Some(nominal), Some(state)) => format!("{} {state}", shown(nominal)),
                _ => dash(),
            };
            let next = match &trigger.paused_at {
                Some(_) => "paused".to_owned(),
                None => trigger.next_at.as_deref().map_or_else(dash, time),
            };
            // The report of a refused manifest has many lines; the first says what it is about.
            let because = trigger.because.as_deref().and_then(|text| text.lines().next()).unwrap_or_default();
            vec![
                format!("{}.{}", trigger.pipeline, trigger.trigger_name),
                trigger.kind.clone(),
                last,
                next,
                because.to_owned(),
            ]
        })
        .collect();
    output::table(&["trigger", "kind", "last (UTC)", "next (UTC)", "why not"], &rows)
}

/// A key of a tick as people read it: times in short, and of others the beginning.
fn shown(nominal: &str) -> String {
    if nominal.parse::<DateTime<Utc>>().is_ok() { time(nominal) } else { nominal.chars().take(24).collect() }
}

fn next(file: &std::path::Path, count: u32, from: DateTime<Utc>, as_json: bool) -> anyhow::Result<Exit> {
    let manifest = match read(file) {
        Ok(manifest) => manifest,
        Err(rejected) => return super::load::refuse(rejected, as_json),
    };
    let mut documents = Vec::new();
    for trigger in &manifest.triggers {
        // An interval counts from when a daemon first sees it: as if that were now.
        let times = Times::of(&trigger.kind, from).map_err(UsageError::new)?;
        let coming: Vec<DateTime<Utc>> = times.map_or_else(Vec::new, |times| {
            std::iter::successors(times.next(from), |last| times.next(*last)).take(count as usize).collect()
        });
        if as_json {
            let times: Vec<String> =
                coming.iter().map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true)).collect();
            documents.push(json!({"trigger": trigger.name.value, "kind": trigger.kind.word(), "times": times}));
            continue;
        }
        output::line(format!("{} ({})", trigger.name.value, trigger.kind.word()))?;
        if coming.is_empty() {
            output::line("  does not go by the clock")?;
        }
        for time in coming {
            let utc = time.format("%Y-%m-%d %H:%M:%S UTC");
            match &trigger.kind {
                TriggerKind::Cron { zone, .. } => {
                    output::line(format!("  {utc}  {}", time.with_timezone(zone).format("%a %Y-%m-%d %H:%M:%S %Z")))?;
                }
                _ => output::line(format!("  {utc}"))?,
            }
        }
    }
    if as_json {
        output::json(&documents)?;
    } else if manifest.triggers.is_empty() {
        output::line("the manifest has no triggers")?;
    }
    Ok(Exit::Succeeded)
}

fn read(file: &std::path::Path) -> Result<Manifest, Rejected> {
    let manifest = Version::read(file)?.manifest()?;
    Rejected::unless_empty(&manifest.source, manifest.mistakes().to_vec())?;
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_tells_what_was_last_what_is_next_and_why_not() {
        let cron = TriggerSummary {
            pipeline: "churn".to_owned(),
            trigger_name: "weekly".to_owned(),
            kind: "cron".to_owned(),
            definition: json!({}),
            next_at: Some("2026-03-09T02:00:00.000000Z".to_owned()),
            looked_at: None,
            because: None,
            paused_at: None,
            paused_by: None,
            last_nominal: Some("2026-03-02T02:00:00.000000Z".to_owned()),
            last_state: Some("fired".to_owned()),
            last_run: None,
        };
        let hook = TriggerSummary {
            trigger_name: "hook".to_owned(),
            kind: "webhook".to_owned(),
            next_at: None,
            last_nominal: Some("delivery:0123456789abcdef0123456789abcdef".to_owned()),
            last_state: Some("failed".to_owned()),
            because: Some("error[wrong_type]: param `n`\n more".to_owned()),
            ..cron.clone()
        };
        let paused = TriggerSummary { paused_at: Some(String::new()), last_nominal: None, ..cron.clone() };
        insta::assert_snapshot!(text(&[cron, hook, paused]), @r"
        trigger       kind     last (UTC)                       next (UTC)           why not
        churn.weekly  cron     2026-03-02 02:00:00 fired        2026-03-09 02:00:00
        churn.hook    webhook  delivery:0123456789abcde failed  -                    error[wrong_type]: param `n`
        churn.weekly  cron     -                                paused
        ");
    }
}
