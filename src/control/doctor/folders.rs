//! The folders that runs write to: whether they can be written, and how much room there is.

use std::path::Path;

use super::Patient;
use super::report::{Check, Finding};
use crate::units;

/// With less room a daemon begins nothing new unless it is told otherwise.
const FLOOR_BYTES: u64 = 256 << 20;
/// With less room somebody should know.
const LITTLE_BYTES: u64 = 2 << 30;
/// With fewer files left somebody should know; small artifacts take several each.
const LITTLE_FILES: u64 = 10_000;

/// How much room a disk has.
#[derive(Debug, Clone, Copy)]
struct Room {
    bytes: u64,
    /// How many more files fit; none where the file system makes room as it goes.
    files: Option<u64>,
}

pub(super) fn check(patient: &Patient) -> Check {
    let mut findings = Vec::new();
    let mut message = Vec::new();
    let runs = patient.state.join("runs");
    let mut folders = vec![("state", patient.state.as_path())];
    if runs.exists() {
        folders.push(("logs", &runs));
    }
    match &patient.artifacts {
        Ok(Some(artifacts)) => folders.push(("artifacts", artifacts.root())),
        Ok(None) => {}
        Err(because) => {
            let help = "see that the folder or the object store is there, and that the credentials for it are";
            findings.push(Finding::problem("artifacts", because.as_str(), help));
        }
    }
    for (what, path) in folders {
        findings.extend(unusable(path));
        if let Some(room) = room(path) {
            message.push(format!("{} free for {what}", units::size(room.bytes)));
            findings.extend(short(path, room));
        }
    }
    let message = if message.is_empty() { "there are none yet".to_owned() } else { message.join(", ") };
    Check::new("folders", message, findings)
}

fn unusable(path: &Path) -> Option<Finding> {
    if !path.exists() {
        let help = "the first run or a daemon makes it; `--state` and `--artifacts` name others";
        return Some(Finding::warning(path.display(), "there is no such folder yet", help));
    }
    // A file without a name: what permissions and mounts say is not always what the disk does.
    let error = tempfile::tempfile_in(path).err()?;
    let help = "give the folder to the user of the daemon, and see that its disk is not mounted to be read only";
    Some(Finding::problem(path.display(), format!("nothing can be written there: {error}"), help))
}

fn short(path: &Path, room: Room) -> Option<Finding> {
    let place = path.display();
    if room.bytes < LITTLE_BYTES {
        let message = format!("only {} are free", units::size(room.bytes));
        let help = "make room, with `phaseline gc` for one; a daemon begins nothing new below its `--disk-floor`";
        let finding = if room.bytes < FLOOR_BYTES { Finding::problem } else { Finding::warning };
        return Some(finding(place, message.as_str(), help));
    }
    let files = room.files.filter(|files| *files < LITTLE_FILES)?;
    let message = format!("only {files} more files fit on its disk (inodes), however much room there is");
    Some(Finding::warning(place, message, "delete many small files, or make a file system with more inodes"))
}

fn room(path: &Path) -> Option<Room> {
    let disk = rustix::fs::statvfs(path).ok()?;
    let files = (disk.f_files > 0).then_some(disk.f_favail);
    Some(Room { bytes: disk.f_bavail.saturating_mul(disk.f_frsize), files })
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn patient(state: &Path) -> Patient {
        Patient { state: state.to_owned(), artifacts: Ok(None), is_deep: false, within: None }
    }

    #[test]
    fn a_folder_that_is_none_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let check = check(&patient(&file));
        assert_eq!(check.level, Level::Problem);
        assert!(check.findings[0].message.contains("nothing can be written"), "{check:?}");
        let absent = super::check(&patient(&folder.path().join("absent")));
        assert_eq!(absent.findings[0].message, "there is no such folder yet");
    }

    #[test]
    fn little_room_is_a_warning_and_less_a_problem() {
        let told = |bytes, files| short(Path::new("/x"), Room { bytes, files }).map(|finding| finding.level);
        assert_eq!(told(LITTLE_BYTES, Some(LITTLE_FILES)), None);
        assert_eq!(told(LITTLE_BYTES, None), None);
        assert_eq!(told(LITTLE_BYTES - 1, None), Some(Level::Warning));
        assert_eq!(told(FLOOR_BYTES - 1, None), Some(Level::Problem));
        assert_eq!(told(u64::MAX, Some(3)), Some(Level::Warning));
    }

    #[test]
    fn artifacts_that_cannot_be_had_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let check = check(&Patient { artifacts: Err("no such bucket".to_owned()), ..patient(folder.path()) });
        assert!(check.findings.iter().any(|finding| finding.message == "no such bucket"), "{check:?}");
    }
}
