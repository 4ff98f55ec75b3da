//! One look at one trigger: what is due, and what is told about it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::conditions::{self, Verdict};
use super::files;
use super::schedule::Times;
use crate::control::{ControlError, DueTrigger, Version, fire_due, tick_fields};
use crate::expr::Expr;
use crate::id::RunId;
use crate::manifest::{AfterOutcome, Trigger, TriggerKind};
use crate::store::{KeptTrigger, NewTick, Store, Tick, TickState, TickWants, Ticked, TriggerNote};

/// A trigger with what it remembers from one look to the next.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    pub(super) version: Version,
    pub(super) pipeline: String,
    pub(super) trigger: Trigger,
    memory: Memory,
}

/// What can be found out again, but not at once.
#[derive(Debug, Clone, Default)]
struct Memory {
    /// The files that were there, and since when they have been the same.
    files: Option<(String, Instant)>,
    /// Runs that ended before this have been dealt with.
    ended: Option<DateTime<Utc>>,
    /// The runs over which the condition was evaluated, and when.
    judged: Option<(Vec<Option<RunId>>, Instant)>,
    /// Until when it stays quiet although it was due.
    quiet_until: Option<DateTime<Utc>>,
    /// What was last told about it.
    because: Option<String>,
}

/// What a look has shown.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Seen {
    pub(super) note: TriggerNote,
    /// When to look again.
    pub(super) again: Duration,
}

/// How often a trigger that does not go by the clock is looked at.
const EVENTS: Duration = Duration::from_secs(2);
/// How long a look at a trigger that goes by the clock is good for: its row may have changed meanwhile.
const TIMES: Duration = Duration::from_secs(10);
/// How often a condition is evaluated although no run has ended.
const CONDITIONS: Duration = Duration::from_secs(60);
/// How long a run that has ended may take to become visible.
const LAG: TimeDelta = TimeDelta::minutes(10);

impl Watched {
    pub(super) fn new(version: Version, pipeline: String, trigger: Trigger) -> Watched {
        Watched { version, pipeline, trigger, memory: Memory::default() }
    }

    pub(super) fn name(&self) -> &str {
        &self.trigger.name.value
    }

    /// The folder that relative paths in the manifest start from.
    fn folder(&self) -> PathBuf {
        Path::new(&self.version.path).parent().map_or_else(PathBuf::new, Path::to_owned)
    }

    /// Looks at the trigger and fires what is due.
    ///
    /// # Errors
    /// The database refuses, or what the trigger looks at cannot be looked at.
    pub(super) async fn look(&mut self, store: &Store) -> Result<Seen, ControlError> {
        let (now, kept) = store.kept_triggers(&self.pipeline).await?;
        let Some(mut kept) = kept.into_iter().find(|kept| kept.name == self.name()) else {
            return Ok(Seen { again: EVENTS, ..Seen::default() });
        };
        if kept.is_paused {
            // What came to pass meanwhile is for the look after the pause.
            self.memory = Memory::default();
            let note = TriggerNote { because: Some("it is paused".to_owned()), ..TriggerNote::default() };
            return Ok(Seen { note, again: EVENTS });
        }
        if kept.since > now {
            store.begin_trigger_now(&self.pipeline, self.name()).await?;
            kept.since = now;
            self.memory = Memory::default();
        }
        match self.trigger.kind.clone() {
            TriggerKind::Cron { .. } | TriggerKind::Every(_) => self.by_the_clock(store, &kept, now).await,
            TriggerKind::After { pipeline, outcome } => {
                self.after_runs(store, &kept, now, pipeline.as_str(), outcome).await
            }
            TriggerKind::Files { glob, settle } => self.for_files(store, &kept, now, &glob, settle).await,
            TriggerKind::When { check, .. } => self.on_condition(store, &kept, now, &check.value).await,
            TriggerKind::Webhook(_) => Ok(Seen { again: TIMES, ..Seen::default() }),
        }
    }

    async fn by_the_clock(
        &mut self,
        store: &Store,
        kept: &KeptTrigger,
        now: DateTime<Utc>,
    ) -> Result<Seen, ControlError> {
        let times = Times::of(&self.trigger.kind, kept.anchor)
            .map_err(|message| ControlError::invalid("bad_cron", message))?
            .ok_or_else(|| ControlError::invalid("bad_trigger", "it does not go by the clock"))?;
        let last = store.last_time(&self.pipeline, self.name(), now).await?;
        let start = last.map_or(kept.since, |last| last.max(kept.since));
        let due = times.due(start, now, self.trigger.missed);
        if let Some((first, last)) = due.missed {
            let missed = if first == last {
                "no daemon was there".to_owned()
            } else {
                format!("no daemon was there from {} to then", seconds(first))
            };
            store
                .record_tick(&NewTick {
                    pipeline: self.pipeline.clone(),
                    trigger: self.name().to_owned(),
                    key: key(last),
                    detail: Value::Null,
                    wants: TickWants::Skip(missed),
                })
                .await?;
        }
        for time in due.fires {
            let detail = tick_fields(&self.trigger, time, Value::Null);
            self.fire(store, key(time), detail, now).await?;
        }
        // Until the next time, but not so long that a change of the row goes unseen.
        let until = due.next.and_then(|next| (next - now).to_std().ok()).unwrap_or(TIMES);
        let because = self.memory.because.clone();
        Ok(Seen { note: TriggerNote { next_at: due.next, because, state: None }, again: until.min(TIMES) })
    }

    async fn after_runs(
        &mut self,
        store: &Store,
        kept: &KeptTrigger,
        now: DateTime<Utc>,
        upstream: &str,
        outcome: AfterOutcome,
    ) -> Result<Seen, ControlError> {
        let since = self.memory.ended.map_or(kept.since, |ended| ended.max(kept.since));
        let ended = store.ended_without_tick(upstream, since, &self.pipeline, self.name()).await?;
        let is_all = ended.len() < 100;
        for run in &ended {
            if outcome != AfterOutcome::Any && outcome.word() != run.state {
                continue;
            }
            let own = json!({"run": run.run.to_string(), "outcome": run.state});
            let detail = tick_fields(&self.trigger, run.finished_at, own);
            self.fire(store, run.run.to_string(), detail, now).await?;
        }
        // Others go on from the last that was seen here; a run that ended otherwise is passed by.
        self.memory.ended = if is_all { Some(now - LAG) } else { ended.last().map(|run| run.finished_at) };
        let because = self.memory.because.clone();
        Ok(Seen { note: TriggerNote { because, ..TriggerNote::default() }, again: EVENTS })
    }

    async fn for_files(
        &mut self,
        store: &Store,
        kept: &KeptTrigger,
        now: DateTime<Utc>,
        glob: &str,
        settle: Duration,
    ) -> Result<Seen, ControlError> {
        let listing =
            files::list(glob, &self.folder()).await.map_err(|message| ControlError::conflict("files", message))?;
        let digest = listing.digest();
        let again = (settle / 3).clamp(Duration::from_millis(200), EVENTS * 5);
        let settled = kept.state["files"].as_str();
        let note = |because: Option<String>, state| TriggerNote { because, state, next_at: None };
        let mut state = kept.state.clone();
        state["files"] = json!(digest);
        // What is there when the trigger begins has not come; and when all is gone, there is nothing to run for.
        if settled.is_none() || (listing.is_empty() && settled != Some(&digest)) {
            return Ok(Seen { note: note(None, Some(state)), again });
        }
        if settled == Some(&digest) {
            self.memory.files = None;
            return Ok(Seen { note: note(self.memory.because.clone(), None), again });
        }
        let same_since = match &self.memory.files {
            Some((known, since)) if *known == digest => *since,
            _ => Instant::now(),
        };
        self.memory.files = Some((digest.clone(), same_since));
        if same_since.elapsed() < settle {
            let because = format!("waits until its {} files have not changed for a while", listing.len());
            return Ok(Seen { note: note(Some(because), None), again });
        }
        let own = json!({"file": listing.newest(), "files": listing.paths()});
        self.fire(store, format!("files:{digest}"), tick_fields(&self.trigger, now, own), now).await?;
        Ok(Seen { note: note(self.memory.because.clone(), Some(state)), again })
    }

    async fn on_condition(
        &mut self,
        store: &Store,
        kept: &KeptTrigger,
        now: DateTime<Utc>,
        check: &str,
    ) -> Result<Seen, ControlError> {
        let check = Expr::parse(check).map_err(|error| ControlError::invalid("expression", error.message))?;
        let runs = conditions::latest(store, &check).await?;
        let ids: Vec<Option<RunId>> = runs.values().map(|ended| ended.as_ref().map(|ended| ended.run)).collect();
        let is_quiet_over = self.memory.quiet_until.is_some_and(|until| until <= now);
        let is_known = self.memory.judged.as_ref().is_some_and(|(known, at)| {
            let may_change = conditions::reads_the_clock(&check) || self.memory.because.is_some();
            *known == ids && !is_quiet_over && (!may_change || at.elapsed() < CONDITIONS)
        });
        if is_known {
            return Ok(self.on_condition_seen(now));
        }
        self.memory.quiet_until = None;
        let judged = conditions::judge(store, &check, runs, now).await?;
        // Runs that ended before the trigger began are none of its own.
        let is_old = judged.runs.values().flatten().all(|ended| ended.finished_at <= kept.since);
        self.memory.because = match &judged.verdict {
            Verdict::True if is_old && !conditions::reads_the_clock(&check) => {
                Some("the runs that it reads ended before it began".to_owned())
            }
            Verdict::True => {
                let detail = tick_fields(&self.trigger, now, Value::Null);
                self.fire(store, judged.key(), detail, now).await?;
                self.memory.because.take()
            }
            Verdict::False => None,
            Verdict::Unknown(why) => Some(why.clone()),
        };
        self.memory.judged = Some((ids, Instant::now()));
        Ok(self.on_condition_seen(now))
    }

    /// What is told about a condition; one that has to stay quiet is looked at again when it may speak.
    fn on_condition_seen(&self, now: DateTime<Utc>) -> Seen {
        let note = TriggerNote { because: self.memory.because.clone(), ..TriggerNote::default() };
        let quiet = self.memory.quiet_until.and_then(|until| (until - now).to_std().ok());
        Seen { note, again: quiet.map_or(EVENTS, |quiet| quiet.min(EVENTS)) }
    }

    /// Fires a tick, and remembers what is to be told about the trigger then.
    async fn fire(
        &mut self,
        store: &Store,
        key: String,
        detail: Value,
        now: DateTime<Utc>,
    ) -> Result<(), ControlError> {
        let due = DueTrigger {
            version: self.version.clone(),
            pipeline: self.pipeline.clone(),
            trigger: self.trigger.clone(),
            key,
            detail,
        };
        self.memory.because = match fire_due(store, due, now).await? {
            Ticked::New(tick) => {
                let Tick { pipeline, trigger, key, .. } = &tick;
                let state = tick.state.as_str();
                if tick.state == TickState::Fired {
                    tracing::info!(
                        pipeline,
                        trigger,
                        key,
                        run.id = tick.run.map(tracing::field::display),
                        "tick fired"
                    );
                    None
                } else {
                    tracing::warn!(pipeline, trigger, key, because = tick.because, "tick {state}");
                    Some(format!("tick {key} was {state}: {}", tick.because.as_deref().unwrap_or_default()))
                }
            }
            Ticked::Quiet(until) => {
                self.memory.quiet_until = Some(until);
                Some(format!("stays quiet until {}", seconds(until)))
            }
            Ticked::Known(_) | Ticked::Gone => None,
        };
        Ok(())
    }
}

/// The key of a tick at a time, which sorts as the times do.
fn key(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn seconds(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
