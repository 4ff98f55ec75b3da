//! The loop that looks at all triggers, each when it is time, none held up by another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::{Semaphore, watch};
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, timeout};

use super::circles::circles;
use super::look::{Seen, Watched};
use crate::control::{ControlError, Version, fire_waiting};
use crate::daemon::Health;
use crate::engine::Bell;
use crate::manifest::{Manifest, TriggerKind};
use crate::store::{DeclaredTrigger, Looks, Store, TriggerNote};

/// How often the loop asks which trigger is to be looked at.
const BEAT: Duration = Duration::from_millis(500);
/// How long one look may take.
const DEADLINE: Duration = Duration::from_secs(120);
/// How long a trigger is left alone after a look that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// How often ticks that wait for the end of another run are looked for.
const QUEUE: Duration = Duration::from_secs(2);
/// How long such a look is left out where it can be told that nothing was written.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many looks go on at once: each may plan a run, which takes a core.
const AT_ONCE: usize = 8;
/// How long looks that go on may take once the daemon is to end.
const FAREWELL: Duration = Duration::from_secs(5);

/// How often the bell may lead to a look at the same trigger.
const SOON: Duration = Duration::from_millis(250);
/// How long a turn may take while the database is away.
const TURN: Duration = Duration::from_secs(60);
/// The name of the loop in [`Health`].
const LOOP: &str = "triggers";

type Name = (String, String);

/// A trigger between two looks; while one goes on, `watched` is away.
struct Post {
    watched: Option<Watched>,
    look_at: Instant,
    /// Whether the end of a run may make it due, and the last look at it went well.
    heeds_bell: bool,
    told: Option<TriggerNote>,
    /// What speaks against how it is declared.
    warning: Option<String>,
}

/// Looks after the triggers of `pipelines`, the last good versions of all manifests, until `shutdown` says so. What waits
/// for runs is looked at soon after the bell rings.
pub async fn look_after(
    store: Store,
    mut bell: Bell,
    health: Arc<Health>,
    mut pipelines: watch::Receiver<Arc<Vec<Version>>>,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut upkeep = Upkeep {
        store,
        versions: Vec::new(),
        posts: BTreeMap::new(),
        looks: JoinSet::new(),
        underway: BTreeMap::new(),
        room: Arc::new(Semaphore::new(AT_ONCE)),
        queue_at: Instant::now(),
        queue_looks: Looks::default(),
    };
    pipelines.mark_changed();
    loop {
        if pipelines.has_changed().unwrap_or(false) {
            let loaded = Arc::clone(&pipelines.borrow_and_update());
            if upkeep.take_up(&loaded).await.is_err() {
                // The database is away: the same versions are taken up at the next beat.
                pipelines.mark_changed();
            }
        }
        health.turned(LOOP, TURN);
        upkeep.start_looks();
        tokio::select! {
            biased;
            () = over(&mut shutdown) => break,
            () = bell.rung() => upkeep.look_soon(),
            Some(ended) = upkeep.looks.join_next_with_id(), if !upkeep.looks.is_empty() => upkeep.end_look(ended),
            () = tokio::time::sleep(BEAT) => {}
        }
    }
    health.ended(LOOP);
    let rest = async { while upkeep.looks.join_next().await.is_some() {} };
    if timeout(FAREWELL, rest).await.is_err() {
        upkeep.looks.shutdown().await;
    }
}

/// Returns once the daemon is to end; a sender that is gone means the same.
async fn over(shutdown: &mut watch::Receiver<bool>) {
    drop(shutdown.wait_for(|is_over| *is_over).await);
}

enum Looked {
    Trigger(Name, Box<Watched>, After),
    Queue,
}

/// What is to be kept of a look.
struct After {
    again: Duration,
    told: Option<TriggerNote>,
}

struct Upkeep {
    store: Store,
    versions: Vec<Version>,
    posts: BTreeMap<Name, Post>,
    looks: JoinSet<Looked>,
    underway: BTreeMap<Id, Option<Name>>,
    room: Arc<Semaphore>,
    queue_at: Instant,
    queue_looks: Looks,
}

impl Upkeep {
    /// Takes up the triggers that are declared now, and keeps what the unchanged ones remember.
    async fn take_up(&mut self, loaded: &[Version]) -> Result<(), ControlError> {
        let mut manifests = Vec::new();
        for version in loaded {
            match version.manifest() {
                Ok(manifest) if manifest.mistakes().is_empty() => manifests.push((version, manifest)),
                Ok(_) | Err(_) => tracing::warn!(manifest = version.path, "its triggers cannot be read"),
            }
        }
        let warnings = warnings(&manifests);
        let mut posts = BTreeMap::new();
        for (version, manifest) in manifests {
            let pipeline = manifest.pipeline.as_str();
            if !self.versions.contains(version) {
                let declared: Vec<DeclaredTrigger> = manifest
                    .triggers
                    .iter()
                    .map(|trigger| DeclaredTrigger {
                        name: trigger.name.value.clone(),
                        kind: trigger.kind.word(),
                        definition: trigger.kind.definition(),
                    })
                    .collect();
                let kept = self.store.keep_triggers(pipeline, &declared).await;
                kept.inspect_err(|error| tracing::warn!(pipeline, %error, "its triggers cannot be taken up"))?;
            }
            for trigger in manifest.triggers {
                let name = (pipeline.to_owned(), trigger.name.value.clone());
                let warning = warnings.get(&name).cloned();
                let before = self.posts.remove(&name).filter(|post| {
                    post.watched
                        .as_ref()
                        .is_some_and(|watched| watched.version == *version && watched.trigger == trigger)
                });
                let post = before.unwrap_or_else(|| Post {
                    heeds_bell: false,
                    watched: Some(Watched::new(version.clone(), pipeline.to_owned(), trigger)),
                    look_at: Instant::now(),
                    told: None,
                    warning: None,
                });
                posts.insert(name, Post { warning, ..post });
            }
        }
        self.posts = posts;
        self.versions = loaded.to_vec();
        Ok(())
    }

    /// A run may have ended, so what waits for runs is not left alone for long.
    fn look_soon(&mut self) {
        let soon = Instant::now() + SOON;
        self.queue_at = self.queue_at.min(soon);
        for post in self.posts.values_mut().filter(|post| post.heeds_bell) {
            post.look_at = post.look_at.min(soon);
        }
    }

    fn start_looks(&mut self) {
        let now = Instant::now();
        let is_underway = |name: Option<&Name>| self.underway.values().any(|known| known.as_ref() == name);
        if now >= self.queue_at && !is_underway(None) && self.queue_looks.is_due(&self.store, PATIENCE) {
            let (store, versions, room) = (self.store.clone(), self.versions.clone(), Arc::clone(&self.room));
            self.queue_at = now + QUEUE;
            let look = async move {
                let _permit = room.acquire_owned().await;
                let work = fire_queue(&store, &versions);
                match timeout(DEADLINE, work).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(%error, "ticks that wait cannot be fired"),
                    Err(_) => tracing::warn!("firing ticks that wait took longer than {} s", DEADLINE.as_secs()),
                }
                Looked::Queue
            };
            self.underway.insert(self.looks.spawn(look).id(), None);
        }
        for (name, post) in &mut self.posts {
            if post.look_at > now || self.underway.values().any(|known| known.as_ref() == Some(name)) {
                continue;
            }
            let Some(mut watched) = post.watched.take() else { continue };
            let (store, room, name) = (self.store.clone(), Arc::clone(&self.room), name.clone());
            let (known, told, warning) = (name.clone(), post.told.clone(), post.warning.clone());
            let look = async move {
                let _permit = room.acquire_owned().await;
                let seen = timeout(DEADLINE, watched.look(&store)).await.unwrap_or_else(|_| {
                    let message = format!("the look at it took longer than {} s", DEADLINE.as_secs());
                    Err(ControlError::conflict("look_timeout", message))
                });
                let after = tell(&store, &name, seen, told, warning).await;
                Looked::Trigger(name, Box::new(watched), after)
            };
            self.underway.insert(self.looks.spawn(look).id(), Some(known));
        }
    }

    fn end_look(&mut self, ended: Result<(Id, Looked), tokio::task::JoinError>) {
        let (name, watched, after) = match ended {
            Ok((id, looked)) => {
                self.underway.remove(&id);
                match looked {
                    Looked::Trigger(name, watched, after) => (name, Some(*watched), after),
                    Looked::Queue => return,
                }
            }
            Err(error) => {
                let Some(Some(name)) = self.underway.remove(&error.id()) else { return };
                tracing::error!(pipeline = name.0, trigger = name.1, "the look at a trigger broke off; this is a bug");
                (name, None, After { again: AFTER_FAILURE, told: None })
            }
        };
        // The manifest may have changed meanwhile: then another one stands at this post, or none.
        let Some(post) = self.posts.get_mut(&name) else { return };
        if post.watched.is_none() {
            post.watched = watched.or_else(|| again(&self.versions, &name));
            let kind = post.watched.as_ref().map(|watched| &watched.trigger.kind);
            post.heeds_bell = after.again < AFTER_FAILURE
                && matches!(kind, Some(TriggerKind::After { .. } | TriggerKind::When { .. }));
            post.told = after.told;
        }
        post.look_at = Instant::now() + after.again;
    }
}

/// Writes down what a look has shown, unless that is what was told before.
async fn tell(
    store: &Store,
    (pipeline, trigger): &Name,
    seen: Result<Seen, ControlError>,
    told: Option<TriggerNote>,
    warning: Option<String>,
) -> After {
    let (mut note, again) = match seen {
        Ok(seen) => (seen.note, seen.again),
        Err(error) => {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            let because = format!("{error}{source}");
            tracing::warn!(pipeline, trigger, because, "a trigger cannot be looked at");
            let next_at = told.as_ref().and_then(|told| told.next_at);
            (TriggerNote { because: Some(because), next_at, state: None }, AFTER_FAILURE)
        }
    };
    note.because = note.because.or(warning);
    if note.state.is_none() && told.as_ref() == Some(&note) {
        return After { again, told };
    }
    match store.note_trigger(pipeline, trigger, &note).await {
        Ok(()) => After { again, told: Some(TriggerNote { state: None, ..note }) },
        Err(error) => {
            tracing::warn!(pipeline, trigger, %error, "what a look has shown cannot be kept");
            After { again: AFTER_FAILURE, told: None }
        }
    }
}

/// The trigger of that name, anew: what it remembered is lost with a look that broke.
fn again(versions: &[Version], (pipeline, trigger): &Name) -> Option<Watched> {
    versions.iter().find_map(|version| {
        let manifest = version.manifest().ok().filter(|manifest| manifest.pipeline.as_str() == pipeline)?;
        let found = manifest.triggers.into_iter().find(|known| known.name.value == *trigger)?;
        Some(Watched::new(version.clone(), pipeline.clone(), found))
    })
}

/// What speaks against triggers although each of them is right: pipelines that start each other for ever.
fn warnings(manifests: &[(&Version, Manifest)]) -> BTreeMap<Name, String> {
    let afters = || {
        manifests.iter().flat_map(|(_, manifest)| {
            manifest.triggers.iter().filter_map(move |trigger| match &trigger.kind {
                TriggerKind::After { pipeline, .. } => Some((pipeline.as_str(), manifest.pipeline.as_str(), trigger)),
                _ => None,
            })
        })
    };
    let mut warnings = BTreeMap::new();
    for circle in circles(afters().map(|(from, to, _)| (from, to))) {
        let message = format!("these pipelines start each other for ever: {}", circle.join(" -> "));
        tracing::warn!("{message}");
        for (from, to, trigger) in afters() {
            if circle.windows(2).any(|pair| pair[0] == from && pair[1] == to) {
                warnings.insert((to.to_owned(), trigger.name.value.clone()), message.clone());
            }
        }
    }
    warnings
}

/// Makes the runs of ticks that have waited for another run, which has ended.
async fn fire_queue(store: &Store, versions: &[Version]) -> Result<(), ControlError> {
    let waiting = store.queued_ticks().await?;
    for tick in waiting {
        let found = again(versions, &(tick.pipeline.clone(), tick.trigger.clone()));
        let Some(watched) = found else { continue };
        let (_, kept) = store.kept_triggers(&tick.pipeline).await?;
        if kept.iter().any(|kept| kept.name == tick.trigger && !kept.is_paused) {
            fire_waiting(store, watched.version, watched.trigger, &tick, Utc::now()).await?;
        }
    }
    Ok(())
}
