//! The time of the world as one driver of a run sees it.

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// A clock that goes on evenly from the wall clock's time when it was made. Whoever sets the wall clock meanwhile makes no
/// time limit run out, and no event earlier than the one before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    began: DateTime<Utc>,
    since: Instant,
}

impl Clock {
    pub(super) fn new() -> Clock {
        Clock { began: Utc::now(), since: Instant::now() }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        let passed = TimeDelta::from_std(self.since.elapsed()).unwrap_or(TimeDelta::MAX);
        self.began.checked_add_signed(passed).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Goes on from an earlier time, or from a later one for a negative difference.
    pub(super) fn set_back(&mut self, by: TimeDelta) {
        self.began = self.began.checked_sub_signed(by).unwrap_or(self.began);
    }

    /// The instant of a time, now if it is past.
    pub(super) fn instant(&self, time: DateTime<Utc>) -> Instant {
        Instant::now() + (time - self.now()).to_std().unwrap_or_default()
    }
}
