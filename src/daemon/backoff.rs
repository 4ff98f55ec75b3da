//! Runs whose driver failed, and when they are to be tried again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::id::RunId;

/// The first wait.
const FIRST: Duration = Duration::from_millis(500);
/// The longest one.
const LONGEST: Duration = Duration::from_secs(30);

/// How often drivers of runs have failed in a row.
#[derive(Debug, Default)]
pub(super) struct BackOff {
    failed: HashMap<RunId, Failed>,
}

#[derive(Debug, Clone, Copy)]
struct Failed {
    times: u32,
    until: Instant,
}

impl BackOff {
    /// The driver of `run` has failed: how often now, and how long the run is left alone.
    pub(super) fn failed(&mut self, run: RunId, now: Instant) -> (u32, Duration) {
        let times = self.failed.get(&run).map_or(1, |failed| failed.times + 1);
        let wait = FIRST.saturating_mul(1 << (times - 1).min(6)).min(LONGEST);
        self.failed.insert(run, Failed { times, until: now + wait });
        (times, wait)
    }

    /// The driver of `run` did its work.
    pub(super) fn worked(&mut self, run: RunId) {
        self.failed.remove(&run);
    }

    /// The runs that are to be left alone now.
    pub(super) fn waiting(&self, now: Instant) -> impl Iterator<Item = RunId> {
        self.failed.iter().filter(move |(_, failed)| failed.until > now).map(|(run, _)| *run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_whose_driver_fails_again_and_again_waits_longer_each_time_but_not_for_ever() {
        let (mut backoff, run, now) = (BackOff::default(), RunId::generate(), Instant::now());
        let waits: Vec<u128> = (0..9).map(|_| backoff.failed(run, now).1.as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
        assert_eq!(backoff.waiting(now).collect::<Vec<_>>(), [run]);
        assert_eq!(backoff.waiting(now + LONGEST).count(), 0);
        backoff.worked(run);
        assert_eq!(backoff.failed(run, now), (1, FIRST));
    }
}
