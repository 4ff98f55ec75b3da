//! Which artifacts may go, and why each other one stays.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::artifact::{ArtifactKind, Digest};
use crate::control::ControlError;
use crate::store::{Needs, Store, StoredArtifact};

/// Attempts commit before they are recorded; clocks of machines differ.
const MARGIN: TimeDelta = TimeDelta::minutes(10);

/// What is kept beyond what is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Artifacts that a run has made, reused or read within this time stay; none to free by size alone.
    pub older_than: Option<Duration>,
    /// Those used least recently go until this many bytes are left.
    pub max_bytes: Option<u64>,
    /// The last successful runs of each pipeline that keep all they have made or read.
    pub keep_last: u32,
    /// Nothing goes that was made within this time.
    pub grace: Duration,
}

impl Default for Policy {
    fn default() -> Policy {
        const DAY: Duration = Duration::from_hours(24);
        Policy { older_than: Some(DAY * 30), max_bytes: None, keep_last: 3, grace: DAY }
    }
}

/// Why an artifact stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Somebody pinned it.
    Pinned {
        /// Why.
        reason: String,
        /// Who.
        by: String,
    },
    /// An alias, or an endpoint by its alias, has a model that is this or was made from it.
    Model {
        /// The model.
        model: String,
        /// The alias.
        alias: String,
        /// The version.
        version: i64,
    },
    /// A run that has not ended has made or read it.
    Unfinished {
        /// The run.
        run: String,
    },
    /// It belongs to one of the last successful runs of a pipeline.
    LastRun {
        /// The run.
        run: String,
        /// The pipeline.
        pipeline: String,
    },
    /// It was made or used lately.
    Recent {
        /// When.
        at: String,
    },
    /// There is room for it.
    Room,
}

impl fmt::Display for Kept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kept::Pinned { reason, by } => write!(formatter, "pinned by {by}: {reason}"),
            Kept::Model { model, alias, version } => {
                write!(formatter, "`{model}` version {version} ({alias}) needs it")
            }
            Kept::Unfinished { run } => write!(formatter, "{run} has not ended"),
            Kept::LastRun { run, pipeline } => write!(formatter, "{run} is one of the last of `{pipeline}`"),
            Kept::Recent { at } => write!(formatter, "last used {at}"),
            Kept::Room => formatter.write_str("there is room for it"),
        }
    }
}

/// An artifact with what was decided about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The artifact.
    pub digest: Digest,
    /// Its kind.
    pub kind: ArtifactKind,
    /// Its size.
    pub bytes: u64,
    /// When it was last made, reused or read, as stored.
    pub used_at: String,
}

/// What may go and what stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// When it was looked.
    pub looked_at: DateTime<Utc>,
    /// Nothing goes that was published after this.
    pub before: DateTime<Utc>,
    /// What may go, used least recently first.
    pub free: Vec<Candidate>,
    /// What stays, and why.
    pub keep: Vec<(Candidate, Kept)>,
    /// What was freed earlier.
    pub collected: Vec<Candidate>,
}

impl Decision {
    /// How many bytes may go.
    pub fn free_bytes(&self) -> u64 {
        self.free.iter().map(|candidate| candidate.bytes).sum()
    }

    /// How many bytes stay.
    pub fn keep_bytes(&self) -> u64 {
        self.keep.iter().map(|(candidate, _)| candidate.bytes).sum()
    }
}

/// Looks at all artifacts and decides.
///
/// # Errors
/// When the database does not answer.
pub async fn look(store: &Store, policy: &Policy, now: DateTime<Utc>) -> Result<Decision, ControlError> {
    // Artifacts first: one that is recorded in between is no candidate, and what keeps it is seen by the second look.
    let artifacts = store.stored_artifacts().await?;
    let needs = store.needs(policy.keep_last).await?;
    Ok(decide(artifacts, &needs, policy, now))
}

fn decide(artifacts: Vec<StoredArtifact>, needs: &Needs, policy: &Policy, now: DateTime<Utc>) -> Decision {
    let ago = |age: Duration| now - TimeDelta::from_std(age).unwrap_or(TimeDelta::days(36_500));
    let graced = ago(policy.grace);
    let running = needs.oldest_attempt.as_ref().and_then(|at| at.parse::<DateTime<Utc>>().ok());
    let before = running.map_or(graced, |at| graced.min(at)) - MARGIN;
    let mut decision = Decision { looked_at: now, before, free: vec![], keep: vec![], collected: vec![] };
    let mut spare = Vec::new();
    for artifact in artifacts {
        let used_at = match needs.uses.get(&artifact.digest) {
            Some(last) if last.at > artifact.created_at => last.at.clone(),
            _ => artifact.created_at.clone(),
        };
        let candidate = Candidate { digest: artifact.digest, kind: artifact.kind, bytes: artifact.bytes, used_at };
        let used: Option<DateTime<Utc>> = candidate.used_at.parse().ok();
        match reason(&candidate, needs) {
            _ if artifact.is_collected => decision.collected.push(candidate),
            Some(kept) => decision.keep.push((candidate, kept)),
            // A time that does not read is no reason to free anything.
            None if used.is_none_or(|at| at > before) => {
                let at = candidate.used_at.clone();
                decision.keep.push((candidate, Kept::Recent { at }));
            }
            None if policy.older_than.is_some_and(|age| used.is_some_and(|at| at < ago(age))) => {
                decision.free.push(candidate);
            }
            None => spare.push(candidate),
        }
    }
    spare.sort_by(|left, right| left.used_at.cmp(&right.used_at).then(left.digest.cmp(&right.digest)));
    let mut bytes = decision.keep_bytes() + spare.iter().map(|candidate| candidate.bytes).sum::<u64>();
    for candidate in spare {
        if policy.max_bytes.is_some_and(|max| bytes > max) {
            bytes -= candidate.bytes;
            decision.free.push(candidate);
        } else {
            let at = candidate.used_at.clone();
            let kept = if policy.older_than.is_some() { Kept::Recent { at } } else { Kept::Room };
            decision.keep.push((candidate, kept));
        }
    }
    decision.free.sort_by(|left, right| left.used_at.cmp(&right.used_at).then(left.digest.cmp(&right.digest)));
    decision
}

fn reason(candidate: &Candidate, needs: &Needs) -> Option<Kept> {
    let digest = &candidate.digest;
    if let Some(pin) = needs.pins.get(digest) {
        return Some(Kept::Pinned { reason: pin.reason.clone(), by: pin.pinned_by.clone() });
    }
    if let Some(model) = needs.models.get(digest) {
        let (model, alias, version) = (model.model.clone(), model.alias.clone(), model.version);
        return Some(Kept::Model { model, alias, version });
    }
    needs.runs.get(digest).map(|kept| {
        let run = kept.run.clone();
        if kept.is_unfinished {
            Kept::Unfinished { run }
        } else {
            Kept::LastRun { run, pipeline: kept.pipeline.clone() }
        }
    })
}

#[cfg(test)]
mod tests {
    use crate::store::{AliasedModel, KeptRun, Pin};

    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-03-31T00:00:00.000000Z".parse().unwrap()
    }

    fn made(name: &str, day: u32) -> StoredArtifact {
        StoredArtifact {
            digest: Digest::of(name),
            kind: ArtifactKind::Table,
            bytes: 10,
            created_at: format!("2026-03-{day:02}T00:00:00.000000Z"),
            is_collected: false,
        }
    }

    fn freed(artifacts: Vec<StoredArtifact>, needs: &Needs, policy: Policy) -> Vec<Digest> {
        let decision = decide(artifacts, needs, &policy, now());
        decision.free.into_iter().map(|candidate| candidate.digest).collect()
    }

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn what_is_needed_stays_whatever_its_age() {
        let mut needs = Needs::default();
        let pin = |name: &str| Pin {
            digest: Digest::of(name),
            reason: "audit".to_owned(),
            pinned_by: "ada".to_owned(),
            pinned_at: String::new(),
        };
        needs.pins.insert(Digest::of("pinned"), pin("pinned"));
        let model = AliasedModel { model: "churn".to_owned(), alias: "champion".to_owned(), version: 3 };
        needs.models.insert(Digest::of("served"), model);
        let run = |is_unfinished| KeptRun { run: "r1".to_owned(), pipeline: "churn".to_owned(), is_unfinished };
        needs.runs.insert(Digest::of("running"), run(true));
        needs.runs.insert(Digest::of("last"), run(false));
        let names = ["pinned", "served", "running", "last", "old", "new"];
        let artifacts: Vec<_> = names.iter().map(|name| made(name, if *name == "new" { 20 } else { 1 })).collect();
        let policy = Policy { older_than: Some(DAY * 20), max_bytes: None, ..Policy::default() };
        assert_eq!(freed(artifacts.clone(), &needs, policy), [Digest::of("old")]);
        let no_room = Policy { max_bytes: Some(0), ..policy };
        assert_eq!(freed(artifacts, &needs, no_room), [Digest::of("old"), Digest::of("new")]);
    }

    #[test]
    fn the_least_recently_used_go_first_until_there_is_room() {
        let needs = Needs {
            uses: [(Digest::of("a"), crate::store::Use { at: made("", 9).created_at, run: "r".to_owned() })].into(),
            ..Needs::default()
        };
        let artifacts = vec![made("a", 1), made("b", 2), made("c", 3), made("d", 4)];
        let policy = Policy { older_than: None, max_bytes: Some(20), ..Policy::default() };
        assert_eq!(freed(artifacts, &needs, policy), [Digest::of("b"), Digest::of("c")]);
    }

    #[test]
    fn nothing_goes_that_a_running_attempt_may_have_committed() {
        let needs = Needs { oldest_attempt: Some(made("", 5).created_at), ..Needs::default() };
        let policy = Policy { older_than: Some(DAY), max_bytes: Some(0), ..Policy::default() };
        assert_eq!(freed(vec![made("a", 1), made("b", 6)], &needs, policy), [Digest::of("a")]);
        let at_once = Policy { grace: Duration::ZERO, ..policy };
        assert_eq!(freed(vec![made("a", 30)], &Needs::default(), at_once), [Digest::of("a")]);
    }
}
