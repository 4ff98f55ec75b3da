//! Files of runs in the state folder: logs, reports and checkpoints.

use std::fs;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::artifact::Mode;
use crate::control::{ControlError, ErrorKind};
use crate::id::RunId;
use crate::store::Store;

/// What was, or would be, deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct RunFiles {
    /// Runs whose logs went.
    pub logs: u64,
    /// Runs whose checkpoints went.
    pub checkpoints: u64,
    /// Bytes in all.
    pub bytes: u64,
}

/// Deletes the checkpoints of runs that succeeded, and everything of runs that ended more than `age` ago. Folders of runs
/// that the database does not know are left alone.
///
/// # Errors
/// When the database does not answer or the disk refuses.
pub async fn free_run_files(
    store: &Store,
    state: &Path,
    age: Duration,
    now: DateTime<Utc>,
    mode: Mode,
) -> Result<RunFiles, ControlError> {
    let before = now - TimeDelta::from_std(age).unwrap_or(TimeDelta::days(36_500));
    let mut files = RunFiles::default();
    let Ok(entries) = fs::read_dir(state.join("runs")) else { return Ok(files) };
    for folder in entries.flatten() {
        let name = folder.file_name();
        let Some(run) = name.to_str().and_then(|name| name.parse::<RunId>().ok()) else { continue };
        let Ok(summary) = store.run_summary(run).await else { continue };
        let Some(ended) = summary.finished_at.as_ref().and_then(|at| at.parse::<DateTime<Utc>>().ok()) else {
            continue;
        };
        let checkpoints = folder.path().join("checkpoints");
        if ended < before {
            files.logs += 1;
            files.bytes += delete(&folder.path(), mode)?;
        } else if summary.state == "succeeded" && checkpoints.exists() {
            files.checkpoints += 1;
            files.bytes += delete(&checkpoints, mode)?;
        }
    }
    Ok(files)
}

fn delete(folder: &Path, mode: Mode) -> Result<u64, ControlError> {
    let bytes = size(folder);
    if mode == Mode::Apply {
        fs::remove_dir_all(folder).map_err(|error| {
            let message = format!("`{}` cannot be deleted", folder.display());
            ControlError { source: Some(Box::new(error)), ..ControlError::new(ErrorKind::Failed, "gc", message) }
        })?;
    }
    Ok(bytes)
}

fn size(path: &Path) -> u64 {
    match fs::read_dir(path) {
        Ok(entries) => entries.flatten().map(|entry| size(&entry.path())).sum(),
        Err(_) => fs::symlink_metadata(path).map_or(0, |found| found.len()),
    }
}
