//! One daemon for each SQLite state: a lock that the system takes away from a process that ends, however it ends.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::DaemonError;

/// The file in the state folder that is locked; it holds the process id of who has it.
const FILE: &str = "daemon.lock";

/// Held as long as this lives. Workers do not inherit it.
#[derive(Debug)]
pub(super) struct StateLock {
    _file: File,
}

impl StateLock {
    /// Locks the state in `folder`.
    pub(super) fn take(folder: &Path) -> Result<StateLock, DaemonError> {
        let refused = |source: io::Error| DaemonError::System { doing: "lock its state folder", source };
        fs::create_dir_all(folder).map_err(refused)?;
        let path = folder.join(FILE);
        // What another daemon wrote must stay until the lock is ours.
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(refused)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let holder = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
                return Err(DaemonError::StateInUse { folder: folder.to_owned(), holder });
            }
            Err(error) => return Err(refused(error.into())),
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(refused)?;
        Ok(StateLock { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_on_the_same_state_is_refused_and_told_who_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = StateLock::take(folder.path()).unwrap();
        let refused = StateLock::take(folder.path()).unwrap_err().to_string();
        assert!(refused.contains(&format!("(process {})", std::process::id())), "{refused}");
        drop(first);
        StateLock::take(folder.path()).unwrap();
    }
}
