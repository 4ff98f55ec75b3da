//! The claim: which process runs an attempt. The first claim wins, so an attempt starts at most once.

use std::fs;
use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::folder::{AttemptFolder, create_once, read_json};

/// The process that runs an attempt, identified so that a reused process id is not mistaken for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The process id, which is also the id of its process group.
    pub pid: u32,
    /// When the process started, in clock ticks since boot.
    pub start_ticks: u64,
    /// The boot that the ticks count from.
    pub boot: String,
}

/// A claim that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another process has claimed the attempt.
    #[error("the attempt is claimed already")]
    Taken,
    /// The claim could not be written.
    #[error("cannot write the claim")]
    Io(#[from] io::Error),
}

impl Claim {
    /// What a claim of this process says.
    pub fn of_this_process() -> Claim {
        let pid = std::process::id();
        Claim { pid, start_ticks: start_ticks(pid).unwrap_or(0), boot: boot() }
    }

    /// Claims the attempt for this process.
    pub fn take(folder: &AttemptFolder) -> Result<Claim, ClaimError> {
        let claim = Claim::of_this_process();
        match create_once(&folder.claim(), &claim) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(ClaimError::Taken),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(claim),
        }
    }

    /// The claim on an attempt, if there is one.
    pub fn read(folder: &AttemptFolder) -> io::Result<Option<Claim>> {
        read_json(&folder.claim())
    }

    /// How long ago the claiming process started, counted from boot on both sides: nobody sets that clock, and it goes on
    /// while the machine sleeps. None if the machine was started since.
    pub fn age(&self) -> Option<Duration> {
        let uptime = fs::read_to_string("/proc/uptime").ok()?;
        let uptime: f64 = uptime.split(' ').next()?.parse().ok()?;
        let started = self.start_ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
        if self.boot != boot() {
            return None;
        }
        Duration::try_from_secs_f64((uptime - started).max(0.0)).ok()
    }

    /// Whether the claiming process still runs on this machine.
    pub fn is_alive(&self) -> bool {
        self.boot == boot() && start_ticks(self.pid) == Some(self.start_ticks)
    }
}

/// When process `pid` started, in clock ticks since boot; none if there is no such process or it has ended.
fn start_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name is in parentheses and may hold anything, blanks and parentheses too.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_claim_wins() {
        let folder = tempfile::tempdir().unwrap();
        let folder = AttemptFolder::at(folder.path());
        let claim = Claim::take(&folder).unwrap();
        assert!(claim.is_alive());
        assert!(matches!(Claim::take(&folder), Err(ClaimError::Taken)));
        assert_eq!(Claim::read(&folder).unwrap(), Some(claim));
    }

    #[test]
    fn the_age_of_a_claim_is_that_of_its_process() {
        let claim = Claim::of_this_process();
        let second = rustix::param::clock_ticks_per_second();
        let older = Claim { start_ticks: claim.start_ticks.saturating_sub(3 * second), ..claim.clone() };
        let (younger, older) = (claim.age().unwrap(), older.age().unwrap());
        assert!(younger + Duration::from_millis(2900) < older, "{younger:?} {older:?}");
        assert!(younger < Duration::from_hours(1), "{younger:?}");
    }

    #[test]
    fn a_reused_process_id_is_not_mistaken_for_the_worker() {
        let folder = tempfile::tempdir().unwrap();
        let claim = Claim::take(&AttemptFolder::at(folder.path())).unwrap();
        assert!(!Claim { start_ticks: claim.start_ticks + 1, ..claim.clone() }.is_alive());
        let elsewhen = Claim { boot: "another boot".to_owned(), ..claim };
        assert!(!elsewhen.is_alive());
        assert_eq!(elsewhen.age(), None);
    }
}
