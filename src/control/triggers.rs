//! Triggers: what there are, firing one by hand, pausing one, and the tokens of webhooks.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::ticks::{DueTrigger, fire_due, tick_fields};
use super::webhook::rights;
use super::{By, ControlError, Version};
use crate::id::RunId;
use crate::manifest::{Missed, Trigger, TriggerKind, WebhookProof, suggest};
use crate::store::queries::{PageRequest, TriggerSummary};
use crate::store::{NewToken, Secret, Store, Tick, Ticked};

/// How many triggers a list without pages holds.
const LISTED: u32 = 10_000;
/// The longest key by which somebody fires a trigger once, in characters.
const LONGEST_KEY: usize = 200;

/// What came of firing a trigger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Firing {
    /// The pipeline.
    pub pipeline: String,
    /// The trigger.
    pub trigger: String,
    /// The key of the tick: the same key fires once.
    pub tick: String,
    /// `fired`, `queued`, `skipped` or `failed`.
    pub state: String,
    /// Why.
    pub because: Option<String>,
    /// The run that was made.
    #[schema(value_type = Option<String>)]
    pub run: Option<RunId>,
    /// Whether the tick is new; an old one did nothing more.
    pub is_new: bool,
}

impl Firing {
    /// The answer to somebody who fires a trigger.
    pub(super) fn of(ticked: Ticked) -> Result<Firing, ControlError> {
        let answer = |tick: Tick, is_new| Firing {
            pipeline: tick.pipeline,
            trigger: tick.trigger,
            tick: tick.key,
            state: tick.state.as_str().to_owned(),
            because: tick.because,
            run: tick.run,
            is_new,
        };
        match ticked {
            Ticked::New(tick) => Ok(answer(tick, true)),
            Ticked::Known(tick) => Ok(answer(tick, false)),
            Ticked::Quiet(until) => {
                let message = format!("the trigger stays quiet until {}", until.format("%Y-%m-%d %H:%M:%S UTC"));
                Err(ControlError::conflict("trigger_quiet", message).help("its `cooldown` or `max_per_day` says so"))
            }
            Ticked::Gone => Err(ControlError::conflict("trigger_gone", "no daemon looks after this trigger yet")
                .help("a daemon takes it up when it loads the manifest")),
        }
    }
}

/// The page that a list without pages is.
pub(super) fn everything() -> PageRequest {
    PageRequest { after: None, limit: LISTED }
}

/// All triggers, of one pipeline or of all, by name.
///
/// # Errors
/// There is no such pipeline.
pub async fn triggers(store: &Store, pipeline: Option<&str>) -> Result<Vec<TriggerSummary>, ControlError> {
    let page = store.triggers_page(pipeline, &everything()).await?;
    if let (true, Some(name)) = (page.items.is_empty(), pipeline) {
        Version::of_pipeline(store, name).await?;
    }
    Ok(page.items)
}

/// Fires a trigger by hand. The same `key` fires once.
///
/// # Errors
/// There is no such trigger, it stays quiet, or the key makes no sense.
pub async fn fire(
    store: &Store,
    pipeline: &str,
    trigger: &str,
    key: Option<&str>,
    by: &By,
    now: DateTime<Utc>,
) -> Result<Firing, ControlError> {
    let is_good = |key: &str| (1..=LONGEST_KEY).contains(&key.chars().count()) && !key.chars().any(char::is_control);
    if !key.is_none_or(is_good) {
        let message = format!("a key has 1 to {LONGEST_KEY} characters that can be printed");
        return Err(ControlError::invalid("bad_key", message));
    }
    let (version, trigger) = declared(store, pipeline, trigger).await?;
    let key = key.map_or_else(|| uuid::Uuid::now_v7().simple().to_string(), str::to_owned);
    let detail = tick_fields(&trigger, now, json!({"by": by.who}));
    let key = format!("manual:{key}");
    let due = DueTrigger { version, pipeline: pipeline.to_owned(), trigger, key, detail };
    Firing::of(fire_due(store, due, now).await?)
}

/// Pauses a trigger: nothing fires it but a hand.
///
/// # Errors
/// There is no such trigger.
pub async fn pause_trigger(store: &Store, pipeline: &str, trigger: &str, by: &By) -> Result<(), ControlError> {
    let (_, trigger) = declared(store, pipeline, trigger).await?;
    kept(store.pause_trigger(pipeline, &trigger.name.value, Some(&by.who), false).await?)
}

/// Passes by what the triggers of a paused pipeline, or only one of them, missed if their `missed` says so.
pub(super) async fn pass_by(store: &Store, pipeline: &str, only: Option<&str>) -> Result<(), ControlError> {
    // Without a version that was loaded there is nothing to resume, which whoever asks is told elsewhere.
    let Some((path, text)) = store.manifest_of(pipeline).await? else { return Ok(()) };
    let manifest = Version::new(path, text).manifest()?;
    let names = manifest.triggers.iter().filter(|trigger| begins_anew(trigger)).map(|trigger| &trigger.name.value);
    let names: Vec<String> = names.filter(|name| only.is_none_or(|only| only == *name)).cloned().collect();
    Ok(store.pass_by(pipeline, &names).await?)
}

/// Whether what came to pass during a pause is passed by.
fn begins_anew(trigger: &Trigger) -> bool {
    trigger.missed == Missed::Skip || !trigger.kind.is_timed()
}

/// Lets a paused trigger fire again. Times that it missed meanwhile are dealt with as its `missed` says; runs that ended
/// meanwhile are passed by.
///
/// # Errors
/// There is no such trigger.
pub async fn resume_trigger(store: &Store, pipeline: &str, trigger: &str) -> Result<(), ControlError> {
    let (_, trigger) = declared(store, pipeline, trigger).await?;
    kept(store.pause_trigger(pipeline, &trigger.name.value, None, begins_anew(&trigger)).await?)
}

/// Makes the token of a webhook: told once, and only its SHA-256 is kept. Older ones of the same trigger end.
///
/// # Errors
/// There is no such trigger, or it asks for no token.
pub async fn make_webhook_token(store: &Store, pipeline: &str, trigger: &str, by: &By) -> Result<Secret, ControlError> {
    let (_, trigger) = declared(store, pipeline, trigger).await?;
    let name = &trigger.name.value;
    if trigger.kind != TriggerKind::Webhook(WebhookProof::Token) {
        let message = match trigger.kind {
            TriggerKind::Webhook(_) => format!("trigger `{name}` asks for a signature and not for a token"),
            _ => format!("trigger `{name}` is no webhook"),
        };
        return Err(ControlError::invalid("no_token", message).help("write `webhook: token` in the manifest"));
    }
    let rights = rights(pipeline, name)?;
    let older = store.tokens().await?.into_iter().filter(|token| token.rights == rights && token.revoked_at.is_none());
    let older: Vec<String> = older.map(|token| token.id).collect();
    let called = format!("webhook {pipeline}.{name}");
    let new = NewToken { name: called, rights, created_by: by.who.clone(), expires_at: None };
    let (_, secret) = store.create_token(new).await?;
    for token in older {
        store.revoke_token(&token).await?;
    }
    Ok(secret)
}

/// A trigger of the last good manifest of a pipeline.
pub(super) async fn declared(store: &Store, pipeline: &str, trigger: &str) -> Result<(Version, Trigger), ControlError> {
    let version = Version::of_pipeline(store, pipeline).await?;
    let manifest = version.manifest()?;
    if let Some(found) = manifest.triggers.iter().find(|known| known.name.value == trigger) {
        return Ok((version, found.clone()));
    }
    let help = suggest(trigger, manifest.triggers.iter().map(|known| known.name.value.as_str()));
    let message = format!("pipeline `{pipeline}` has no trigger `{trigger}`");
    Err(ControlError::not_found("no_such_trigger", message).maybe_help(help))
}

/// Refuses a trigger that is paused, itself or with its pipeline.
pub(super) async fn not_paused(store: &Store, pipeline: &str, trigger: &str) -> Result<(), ControlError> {
    let (_, kept) = store.kept_triggers(pipeline).await?;
    if kept.iter().any(|kept| kept.name == trigger && kept.is_paused) {
        let message = format!("trigger `{trigger}` of `{pipeline}` is paused");
        return Err(ControlError::conflict("trigger_paused", message));
    }
    Ok(())
}

fn kept(is_there: bool) -> Result<(), ControlError> {
    if is_there { Ok(()) } else { Firing::of(Ticked::Gone).map(drop) }
}
