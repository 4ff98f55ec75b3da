//! `phaseline triggers`: what makes pipelines run by themselves, when next, and why not.

use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Subcommand;
use serde_json::json;

use super::database::{time, url};
use super::local::{Local, refused};
use super::{Exit, Settings, UsageError, output, parts};
use crate::control::{self, By, ControlError, Firing, Target, Version};
use crate::daemon::triggers::schedule::Times;
use crate::manifest::{Manifest, Rejected, TriggerKind};
use crate::store::queries::TriggerSummary;
use crate::store::{Store, StoreUrl};

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

pub(super) fn run(settings: &Settings, args: Args) -> anyhow::Result<Exit> {
    match args.action {
        None => list(settings, args.pipeline.as_deref(), args.json),
        Some(Action::Next { file, count, from, json }) => next(&file, count, from.unwrap_or_else(Utc::now), json),
        Some(Action::Fire { trigger, key, json }) => {
            let (pipeline, name) = named(&trigger)?;
            let fired = changed(settings, "triggers fire", &trigger, async |store| {
                control::fire(store, pipeline, name, key.as_deref(), &By::local(), Utc::now()).await
            })?;
            tell(&fired, json)
        }
        Some(Action::Token { trigger }) => {
            let (pipeline, name) = named(&trigger)?;
            let secret = changed(settings, "triggers token", &trigger, async |store| {
                control::make_webhook_token(store, pipeline, name, &By::local()).await
            })?;
            output::line(secret.reveal())?;
            Ok(Exit::Succeeded)
        }
        Some(Action::Pause { trigger }) => {
            changed(settings, "triggers pause", &trigger, async |store| match trigger.split_once('.') {
                Some((pipeline, name)) => control::pause_trigger(store, pipeline, name, &By::local()).await,
                None => control::pause(store, &Target::Pipeline(trigger.clone()), None, &By::local(), Utc::now())
                    .await
                    .map(drop),
            })?;
            output::line(format!("{trigger} is paused"))?;
            Ok(Exit::Succeeded)
        }
        Some(Action::Resume { trigger }) => {
            changed(settings, "triggers resume", &trigger, async |store| match trigger.split_once('.') {
                Some((pipeline, name)) => control::resume_trigger(store, pipeline, name).await,
                None => control::resume(store, &Target::Pipeline(trigger.clone()), None, &By::local()).await.map(drop),
            })?;
            output::line(format!("{trigger} fires again"))?;
            Ok(Exit::Succeeded)
        }
    }
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
    let found = asked(settings, async |store| control::triggers(store, pipeline).await)?;
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

/// Asks the database that daemons use.
fn asked<T>(settings: &Settings, action: impl AsyncFnOnce(&Store) -> Result<T, ControlError>) -> anyhow::Result<T> {
    with(settings, async |local| action(&local.store).await.map_err(refused))
}

/// Changes something in it, with a row in the audit log.
fn changed<T>(
    settings: &Settings,
    word: &str,
    trigger: &str,
    action: impl AsyncFnOnce(&Store) -> Result<T, ControlError>,
) -> anyhow::Result<T> {
    with(settings, async |local| local.audited(word, trigger, action(&local.store)).await)
}

fn with<T>(settings: &Settings, work: impl AsyncFnOnce(&Local) -> anyhow::Result<T>) -> anyhow::Result<T> {
    if let StoreUrl::Sqlite(path) = url(settings)?
        && !path.exists()
    {
        let message = format!("no daemon has worked in `{}` yet", settings.state.display());
        return Err(UsageError::new(message).help("name its folder by --state").into());
    }
    parts::runtime()?.block_on(async {
        let local = Local::open(settings, true).await?;
        let done = work(&local).await;
        local.store.close().await;
        done
    })
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
