//! Whether anything was written since a look, so that the next look can be left out: by the files of a SQLite database.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::{Store, StoreUrl};

/// Two writes within this time may leave the same time on a file.
const UNSETTLED: Duration = Duration::from_millis(50);

/// The size and the last change of the two files that a SQLite database is written to.
type Stamp = [Option<(u64, SystemTime)>; 2];

/// What was seen before the last look of somebody who looks again and again.
#[derive(Debug, Default)]
pub struct Looks {
    last: Option<(Stamp, Instant)>,
}

impl Looks {
    /// Whether to look now: something may have been written since the last look that found nothing, or `patience` is over
    /// since then. Always where it cannot be told, as on Postgres.
    pub fn is_due(&mut self, store: &Store, patience: Duration) -> bool {
        let StoreUrl::Sqlite(path) = store.url() else { return true };
        let stamp = stamp(path);
        if let Some((seen, at)) = &self.last
            && *seen == stamp
            && at.elapsed() < patience
        {
            return false;
        }
        self.last = is_settled(&stamp, SystemTime::now()).then(|| (stamp, Instant::now()));
        true
    }

    /// Says that the last look found something, so that the next one is due.
    pub fn found(&mut self) {
        self.last = None;
    }
}

fn stamp(database: &Path) -> Stamp {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    [database.to_owned(), PathBuf::from(log)].map(|path| {
        let facts = fs::metadata(path).ok()?;
        Some((facts.len(), facts.modified().ok()?))
    })
}

/// Whether the next write will change it for sure.
fn is_settled(stamp: &Stamp, now: SystemTime) -> bool {
    let is_old = |changed: &SystemTime| now.duration_since(*changed).is_ok_and(|age| age > UNSETTLED);
    stamp.iter().flatten().all(|(_, changed)| is_old(changed)) && stamp[0].is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    async fn store(folder: &Path) -> Store {
        let store = Store::open(&StoreUrl::in_state_folder(folder)).await.unwrap();
        tokio::time::sleep(UNSETTLED * 2).await;
        store
    }

    #[tokio::test]
    async fn a_look_is_left_out_until_somebody_writes_or_patience_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path()).await;
        let mut looks = Looks::default();
        assert!(looks.is_due(&store, LONG));
        assert!(!looks.is_due(&store, LONG));
        assert!(looks.is_due(&store, Duration::ZERO));
        looks.found();
        assert!(looks.is_due(&store, LONG) && !looks.is_due(&store, LONG));
        let other = Store::open(store.url()).await.unwrap();
        other.set_pool("gpu", 1, "test", chrono::Utc::now()).await.unwrap();
        assert!(looks.is_due(&store, LONG), "a write of another connection is seen");
        // Times to come are as near as can be, however long this test is kept waiting.
        let StoreUrl::Sqlite(path) = store.url() else { panic!("the store is a file") };
        let database = fs::File::options().write(true).open(path).unwrap();
        database.set_modified(SystemTime::now() + LONG).unwrap();
        for _ in 0..2 {
            assert!(looks.is_due(&store, LONG), "the files were written a moment ago: another write may not show");
        }
    }

    #[test]
    fn files_that_were_written_a_moment_ago_may_be_written_again_unseen() {
        let now = SystemTime::now();
        let stamp = |ago: Duration| [Some((1, now - ago)), None];
        assert!(is_settled(&stamp(UNSETTLED * 2), now) && !is_settled(&stamp(UNSETTLED / 2), now));
        assert!(!is_settled(&stamp(Duration::ZERO), now) && !is_settled(&stamp(LONG), now - LONG * 2));
        assert!(!is_settled(&[None, None], now), "there is no such file");
    }
}
