//! Room on the disks that runs write to: below a floor nothing new begins, so that what runs can end.

use std::path::{Path, PathBuf};

/// Folders that must keep some room.
#[derive(Debug, Clone)]
pub(super) struct DiskFloor {
    folders: Vec<PathBuf>,
    floor_bytes: u64,
}

impl DiskFloor {
    /// A floor below the folders; what is no folder of this machine, such as a URL, is left out.
    pub(super) fn new(folders: Vec<PathBuf>, floor_bytes: u64) -> DiskFloor {
        DiskFloor { folders, floor_bytes }
    }

    /// The first folder without enough room, in words.
    pub(super) fn trouble(&self) -> Option<String> {
        if self.floor_bytes == 0 {
            return None;
        }
        self.folders.iter().find_map(|folder| {
            let free = free_bytes(folder)?;
            (free < self.floor_bytes).then(|| {
                format!(
                    "only {} are free in `{}`, and nothing new begins below {}: make room, and it goes on by itself",
                    mebibytes(free),
                    folder.display(),
                    mebibytes(self.floor_bytes)
                )
            })
        })
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes / (1024 * 1024))
}

/// Room for users without privileges, on the disk of `folder` or of what is above it as long as it does not exist.
fn free_bytes(folder: &Path) -> Option<u64> {
    let existing = folder.ancestors().find(|path| path.exists())?;
    let disk = rustix::fs::statvfs(existing).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_below_the_floor_is_named_with_what_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let folders = vec![folder.path().join("not").join("there").join("yet")];
        assert_eq!(DiskFloor::new(folders.clone(), 1).trouble(), None);
        assert_eq!(DiskFloor::new(folders.clone(), 0).trouble(), None, "no floor");
        let trouble = DiskFloor::new(folders, u64::MAX).trouble().unwrap();
        assert!(trouble.contains("MiB are free in") && trouble.contains("make room"), "{trouble}");
    }
}
