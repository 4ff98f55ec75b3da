//! Holding something back and letting it go on: a run, a backfill, the triggers of a pipeline, or one of them.

use chrono::{DateTime, Utc};

use super::cancel::unfinished;
use super::pipeline::unknown_pipeline;
use super::triggers::pass_by;
use super::{By, ControlError, pause_backfill, reason as reasons, resume_backfill};
use crate::engine::{Request, RequestKind};
use crate::id::{BackfillId, RequestId, RunId, is_name};
use crate::manifest::suggest;
use crate::store::Store;

/// What can be held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A run: it starts no more attempts.
    Run(RunId),
    /// A backfill: it hands out no more runs.
    Backfill(BackfillId),
    /// A pipeline: its triggers make no more runs.
    Pipeline(String),
    /// One trigger.
    Trigger {
        /// The pipeline.
        pipeline: String,
        /// Its name.
        trigger: String,
    },
}

impl Target {
    /// What `text` means: `latest`, a run id or the beginning of one, a backfill id, `PIPELINE` or `PIPELINE.TRIGGER`.
    ///
    /// # Errors
    /// Nothing of that name is there.
    pub async fn find(store: &Store, text: &str) -> Result<Target, ControlError> {
        if let Ok(backfill) = text.parse() {
            return Ok(Target::Backfill(backfill));
        }
        if let Some((pipeline, trigger)) = text.split_once('.')
            && is_name(pipeline)
        {
            return Ok(Target::Trigger { pipeline: pipeline.to_owned(), trigger: trigger.to_owned() });
        }
        if is_name(text) && text != "latest" && !text.starts_with("run_") && store.manifest_of(text).await?.is_some() {
            return Ok(Target::Pipeline(text.to_owned()));
        }
        match store.find_run(text).await {
            Ok(run) => Ok(Target::Run(run)),
            Err(_) if is_name(text) && text != "latest" && !text.starts_with("run_") => {
                Err(unknown_pipeline(store, text).await?)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Holds something back. For a run the request is returned, which whoever drives it carries out.
///
/// # Errors
/// It is not there, has ended, or is held back already; or the reason is too long.
pub async fn pause(
    store: &Store,
    target: &Target,
    reason: Option<&str>,
    by: &By,
    now: DateTime<Utc>,
) -> Result<Option<RequestId>, ControlError> {
    reasons::check(reason)?;
    match target {
        Target::Run(run) => {
            unfinished(store, *run, "be paused").await?;
            Ok(Some(ask(store, *run, RequestKind::Pause, reason, by).await?))
        }
        Target::Backfill(backfill) => pause_backfill(store, *backfill).await.map(|()| None),
        Target::Pipeline(_) | Target::Trigger { .. } => hold(store, target, Some((by, reason, now))).await,
    }
}

/// Lets something go on that was held back, or a run that ended badly.
///
/// # Errors
/// It is not there, or is not held back; or the reason is too long.
pub async fn resume(
    store: &Store,
    target: &Target,
    reason: Option<&str>,
    by: &By,
) -> Result<Option<RequestId>, ControlError> {
    reasons::check(reason)?;
    match target {
        Target::Run(run) => {
            let summary = store.run_summary(*run).await?;
            if summary.state == "succeeded" {
                let message = format!("{run} has succeeded: there is nothing to go on with");
                return Err(ControlError::conflict("run_ended", message)
                    .help(format!("`phaseline rerun {run}` makes a new run of it")));
            }
            Ok(Some(ask(store, *run, RequestKind::Resume, reason, by).await?))
        }
        Target::Backfill(backfill) => resume_backfill(store, *backfill).await.map(|()| None),
        Target::Pipeline(pipeline) => {
            pass_by(store, pipeline, None).await?;
            hold(store, target, None).await
        }
        Target::Trigger { pipeline, trigger } => {
            pass_by(store, pipeline, Some(trigger)).await?;
            hold(store, target, None).await
        }
    }
}

async fn ask(
    store: &Store,
    run: RunId,
    kind: RequestKind,
    reason: Option<&str>,
    by: &By,
) -> Result<RequestId, ControlError> {
    Ok(store.ask(Request { reason: reason.map(str::to_owned), ..Request::new(run, kind, by.who.as_str()) }).await?)
}

/// Pauses triggers, or with `None` lets them go on.
async fn hold(
    store: &Store,
    target: &Target,
    pause: Option<(&By, Option<&str>, DateTime<Utc>)>,
) -> Result<Option<RequestId>, ControlError> {
    let by = pause.map(|(by, reason, now)| (by.who.as_str(), reason, now));
    let (held, name) = match target {
        Target::Pipeline(pipeline) => (store.hold_pipeline(pipeline, by).await?, pipeline.clone()),
        Target::Trigger { pipeline, trigger } => {
            (store.hold_trigger(pipeline, trigger, by).await?, format!("{pipeline}.{trigger}"))
        }
        Target::Run(_) | Target::Backfill(_) => unreachable!("these are no triggers"),
    };
    match (held, pause) {
        (Some(was_paused), pause) if was_paused != pause.is_some() => Ok(None),
        (Some(_), Some(_)) => Err(ControlError::conflict("already_paused", format!("`{name}` is paused already"))),
        (Some(_), None) => Err(ControlError::conflict("not_paused", format!("`{name}` is not paused"))),
        (None, _) => Err(missing(store, target).await?),
    }
}

async fn missing(store: &Store, target: &Target) -> Result<ControlError, ControlError> {
    let (pipeline, trigger) = match target {
        Target::Trigger { pipeline, trigger } => (pipeline, trigger),
        Target::Pipeline(pipeline) => return unknown_pipeline(store, pipeline).await,
        Target::Run(_) | Target::Backfill(_) => unreachable!("these are no triggers"),
    };
    if store.manifest_of(pipeline).await?.is_none() {
        return unknown_pipeline(store, pipeline).await;
    }
    let known = store.trigger_names(pipeline).await?;
    let help = suggest(trigger, known.iter().map(String::as_str));
    let message = format!("pipeline `{pipeline}` has no trigger `{trigger}`");
    Ok(ControlError::not_found("no_such_trigger", message).maybe_help(help))
}
