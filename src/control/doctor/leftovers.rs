//! Files that nobody will ask for: folders of unknown runs, scratch of ended attempts, what was set aside or half written.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::report::{Check, Finding};
use super::{Patient, words};
use crate::artifact::Mode;
use crate::id::RunId;
use crate::store::{Store, StoreError};
use crate::units;

/// How many folders of runs are looked through at most, the newest first.
const MOST_FOLDERS: usize = 5_000;
/// Staging is written to for at most as long as an attempt takes.
const STAGED_FOR: Duration = Duration::from_hours(24);

/// A folder of a run, and what of it is scratch.
struct RunFolder {
    run: RunId,
    path: PathBuf,
    scratch: Vec<PathBuf>,
}

pub(super) async fn check(store: &Store, patient: &Patient) -> Result<Check, StoreError> {
    let seen = patient.clone();
    let looked = tokio::task::spawn_blocking(move || (folders(&seen.state), staged(&seen)));
    let (folders, mut findings) = looked.await.unwrap_or_default();
    let runs: Vec<RunId> = folders.iter().map(|folder| folder.run).collect();
    let known = store.known_runs(&runs).await?;
    let unknown: Vec<&RunFolder> = folders.iter().filter(|folder| !known.contains_key(&folder.run)).collect();
    if let Some(first) = unknown.first() {
        let message = format!(
            "{} of runs that the database does not know, such as this",
            words::count(unknown.len() as u64, "folder")
        );
        let help = "delete them if no other database was ever used with this state folder";
        findings.push(Finding::warning(first.path.display(), message, help));
    }
    let ended = folders.iter().filter(|folder| known.get(&folder.run) == Some(&true));
    let scratch: Vec<&PathBuf> = ended.flat_map(|folder| &folder.scratch).collect();
    if let Some(first) = scratch.first() {
        let message =
            format!("{} of attempts of ended runs, such as this", words::count(scratch.len() as u64, "scratch folder"));
        let help =
            "their workers were killed; delete them, or let `phaseline gc --apply` do it with the logs of old runs";
        findings.push(Finding::warning(first.display(), message, help));
    }
    let message = match folders.len() as u64 {
        0 => "no run has left files".to_owned(),
        count => format!("files of {} were looked through", words::count(count, "run")),
    };
    Ok(Check::new("leftovers", message, findings))
}

fn folders(state: &Path) -> Vec<RunFolder> {
    let Ok(entries) = fs::read_dir(state.join("runs")) else { return Vec::new() };
    let mut found: Vec<(RunId, PathBuf)> =
        entries.flatten().filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path()))).collect();
    // Ids begin with their time.
    found.sort_by(|left, right| right.cmp(left));
    found.truncate(MOST_FOLDERS);
    let with_scratch = |(run, path): (RunId, PathBuf)| {
        let attempts = fs::read_dir(path.join("attempts")).into_iter().flatten().flatten();
        let scratch = attempts.map(|attempt| attempt.path().join("scratch")).filter(|path| path.exists()).collect();
        RunFolder { run, path, scratch }
    };
    found.into_iter().map(with_scratch).collect()
}

/// What lies in the store of artifacts and is none.
fn staged(patient: &Patient) -> Vec<Finding> {
    let Ok(Some(artifacts)) = &patient.artifacts else { return Vec::new() };
    let mut findings = Vec::new();
    let set_aside = artifacts.set_aside_count() as u64;
    if set_aside > 0 {
        let place = artifacts.root().join("corrupt");
        let message = format!(
            "{} set aside, since their bytes had changed",
            if set_aside == 1 { "1 file was".to_owned() } else { format!("{set_aside} files were") }
        );
        let help = "find out what changed them (a disk, a hand); `phaseline gc --apply` deletes them after a day";
        findings.push(Finding::warning(place.display(), message, help));
    }
    let before = SystemTime::now().checked_sub(STAGED_FOR).unwrap_or(SystemTime::UNIX_EPOCH);
    match artifacts.free_leftovers(before, Mode::DryRun) {
        Ok(bytes) if bytes > 0 && set_aside == 0 => {
            let message =
                format!("{} were written more than a day ago and never came to be artifacts", units::size(bytes));
            let place = artifacts.root().join("staging");
            findings.push(Finding::warning(place.display(), message, "`phaseline gc --apply` deletes them"));
        }
        _ => {}
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::ArtifactStore;

    #[test]
    fn what_was_set_aside_or_never_finished_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = ArtifactStore::open(folder.path()).unwrap();
        let patient =
            Patient { state: folder.path().to_owned(), artifacts: Ok(Some(artifacts)), is_deep: false, within: None };
        assert_eq!(staged(&patient), []);
        let old = folder.path().join("staging/old");
        fs::write(&old, "half").unwrap();
        let yesterday = SystemTime::now() - STAGED_FOR - Duration::from_secs(60);
        fs::File::open(&old).unwrap().set_modified(yesterday).unwrap();
        assert!(staged(&patient)[0].message.starts_with("4 B were written"), "{:?}", staged(&patient));
        fs::create_dir(folder.path().join("corrupt")).unwrap();
        fs::write(folder.path().join("corrupt/x"), "").unwrap();
        assert!(staged(&patient)[0].message.starts_with("1 file was set aside"));
    }

    #[test]
    fn scratch_is_found_below_its_attempt() {
        let state = tempfile::tempdir().unwrap();
        let run = RunId::from_u128(7);
        let scratch = state.path().join(format!("runs/{run}/attempts/att_1/scratch"));
        fs::create_dir_all(&scratch).unwrap();
        fs::create_dir_all(state.path().join("runs/other")).unwrap();
        let found = folders(state.path());
        assert_eq!((found.len(), found[0].run, &found[0].scratch), (1, run, &vec![scratch]));
    }
}
