//! The whole of it: looks, and frees what may go if that was asked for.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::apply::{apply, failed};
use super::decide::{Policy, look};
use super::files::free_run_files;
use super::report::Report;
use crate::artifact::{ArtifactStore, Mode};
use crate::control::ControlError;
use crate::store::Store;
use crate::units;

/// So long nobody may have done anything without the clock being doubted.
const LONG: TimeDelta = TimeDelta::days(30);

/// What somebody asks for, in the words of the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = GcBody)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Free artifacts that no run has made, reused or read within this time; `30d` unless told or a size is.
    #[schema(max_length = 50, example = "30d")]
    pub older_than: Option<String>,
    /// Free those used least recently until this much is left.
    #[schema(max_length = 50, example = "50GiB")]
    pub max_size: Option<String>,
    /// How many of the last successful runs of each pipeline keep everything; 3 unless told.
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 4_294_967_295_i64)]
    pub keep_last: Option<u32>,
    /// Free nothing that was made within this time; `1d` unless told.
    #[schema(max_length = 50, example = "1d")]
    pub grace: Option<String>,
    /// Whether the clock is right although nothing was done for long.
    #[serde(default)]
    pub trust_clock: bool,
    /// Whether to do it; only shows what would go unless told.
    #[serde(default)]
    pub apply: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collection {
    /// What is kept.
    pub policy: Policy,
    /// Whether it is done or only shown.
    pub mode: Mode,
    /// Whether the clock counts although nothing was done for long.
    pub trusts_clock: bool,
}

impl Asked {
    /// What is to be done.
    ///
    /// # Errors
    /// A time or a size does not read.
    pub fn resolve(&self) -> Result<Collection, ControlError> {
        let usual = Policy::default();
        let older_than = self.older_than.as_deref().map(|text| time("older_than", text)).transpose()?;
        let max_bytes = self.max_size.as_deref().map(size).transpose()?;
        let grace = self.grace.as_deref().map(|text| time("grace", text)).transpose()?;
        let policy = Policy {
            // A size alone frees by size; an age alone by age; both by both.
            older_than: if max_bytes.is_some() { older_than } else { older_than.or(usual.older_than) },
            max_bytes,
            keep_last: self.keep_last.unwrap_or(usual.keep_last),
            grace: grace.unwrap_or(usual.grace),
        };
        let mode = if self.apply { Mode::Apply } else { Mode::DryRun };
        Ok(Collection { policy, mode, trusts_clock: self.trust_clock })
    }
}

/// Looks, and frees what may go if that is to be done: artifacts, files of runs in `state`, and what attempts left behind.
///
/// # Errors
/// The clock is doubted, or the database or the disk refuses; what was freed until then stays freed.
pub async fn collect(
    store: &Store,
    artifacts: &ArtifactStore,
    state: &Path,
    collection: &Collection,
    now: DateTime<Utc>,
) -> Result<Report, ControlError> {
    let Collection { policy, mode, trusts_clock } = collection;
    if *mode == Mode::Apply && !trusts_clock {
        check_clock(store).await?;
    }
    let decision = look(store, policy, now).await?;
    let age = policy.older_than.or(Policy::default().older_than).unwrap_or(Duration::MAX);
    let files = free_run_files(store, state, age, now, *mode).await?;
    let leftovers = artifacts.free_leftovers(decision.before.into(), *mode).map_err(failed)?;
    let freed = match mode {
        Mode::Apply => Some(apply(store, artifacts, &decision).await?),
        Mode::DryRun => None,
    };
    Ok(Report::of(&decision, files, leftovers, freed))
}

/// Everything is old by a clock that was set ahead.
async fn check_clock(store: &Store) -> Result<(), ControlError> {
    let Some(leap) = store.clock_leap().await?.filter(|leap| leap.to - leap.from > LONG) else { return Ok(()) };
    Err(ControlError::conflict("clock_doubted", format!("nothing is freed, since {leap}"))
        .help("look whether the clock is right, and give --trust-clock (`trust_clock` over HTTP) if it is"))
}

fn time(name: &str, text: &str) -> Result<Duration, ControlError> {
    units::duration(text).ok_or_else(|| {
        ControlError::invalid("bad_time", format!("`{name}` must be a time, not `{text}`"))
            .help("give one such as `12h` or `30d`")
    })
}

fn size(text: &str) -> Result<u64, ControlError> {
    units::bytes(text).ok_or_else(|| {
        ControlError::invalid("bad_size", format!("`max_size` must be a size, not `{text}`"))
            .help("give one such as `500MiB` or `50GiB`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_alone_frees_by_size_an_age_alone_by_age_and_nothing_by_the_usual_age() {
        let resolved = |older_than: Option<&str>, max_size: Option<&str>| {
            let [older_than, max_size] = [older_than, max_size].map(|text| text.map(str::to_owned));
            let policy = Asked { older_than, max_size, ..Asked::default() }.resolve().unwrap().policy;
            (policy.older_than.map(|age| age.as_secs() / 86_400), policy.max_bytes)
        };
        assert_eq!(resolved(None, None), (Some(30), None));
        assert_eq!(resolved(Some("2d"), None), (Some(2), None));
        assert_eq!(resolved(None, Some("1KiB")), (None, Some(1024)));
        assert_eq!(resolved(Some("2d"), Some("1KiB")), (Some(2), Some(1024)));
    }

    #[test]
    fn nothing_is_done_unless_told_and_what_does_not_read_is_refused_by_its_name() {
        let usual = Asked::default().resolve().unwrap();
        assert_eq!((usual.policy, usual.mode, usual.trusts_clock), (Policy::default(), Mode::DryRun, false));
        for (asked, expected) in [
            (
                Asked { older_than: Some("soon".to_owned()), ..Asked::default() },
                "`older_than` must be a time, not `soon`",
            ),
            (Asked { grace: Some("1".to_owned()), ..Asked::default() }, "`grace` must be a time, not `1`"),
            (Asked { max_size: Some("big".to_owned()), ..Asked::default() }, "`max_size` must be a size, not `big`"),
        ] {
            assert_eq!(asked.resolve().unwrap_err().message, expected);
        }
    }
}
