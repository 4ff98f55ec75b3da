//! How the daemon is: what keeps it from working, and whether its loops still turn.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// What keeps the daemon from taking work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// The database does not answer.
    Database,
    /// There is too little room on a disk.
    Disk,
    /// It is about to end.
    Draining,
    /// A loop of it does not turn any more.
    Stuck,
}

impl Trouble {
    /// The stable code.
    pub fn as_str(self) -> &'static str {
        match self {
            Trouble::Database => "database_away",
            Trouble::Disk => "disk_full",
            Trouble::Draining => "draining",
            Trouble::Stuck => "stuck",
        }
    }
}

/// How a daemon is. Shared by its loops and by those who ask.
#[derive(Debug)]
pub struct Health {
    troubles: watch::Sender<BTreeMap<&'static str, String>>,
    turns: Mutex<BTreeMap<&'static str, Turn>>,
}

/// A loop that must come round within a time.
#[derive(Debug, Clone, Copy)]
struct Turn {
    at: Instant,
    within: Duration,
}

impl Default for Health {
    fn default() -> Health {
        Health { troubles: watch::channel(BTreeMap::new()).0, turns: Mutex::default() }
    }
}

impl Health {
    /// Everything that keeps the daemon from taking work, in words by its code, and its changes.
    pub fn troubles(&self) -> watch::Receiver<BTreeMap<&'static str, String>> {
        self.troubles.subscribe()
    }

    /// What is the matter in this respect.
    pub(super) fn trouble(&self, trouble: Trouble) -> Option<String> {
        self.troubles.borrow().get(trouble.as_str()).cloned()
    }

    /// Everything that is the matter, in one line.
    pub(super) fn in_words(&self) -> Option<String> {
        let troubles = self.troubles.borrow();
        let words: Vec<&str> = troubles.values().map(String::as_str).collect();
        (!words.is_empty()).then(|| words.join("; "))
    }

    /// Whether nothing does.
    pub(super) fn is_fine(&self) -> bool {
        self.troubles.borrow().is_empty()
    }

    /// Notes what is the matter, or that nothing is any more. Tells whether that is new.
    pub(super) fn set(&self, trouble: Trouble, what: Option<String>) -> bool {
        let mut is_new = false;
        self.troubles.send_if_modified(|troubles| {
            let code = trouble.as_str();
            is_new = troubles.contains_key(code) != what.is_some();
            let before = match &what {
                Some(what) => troubles.insert(code, what.clone()),
                None => troubles.remove(code),
            };
            before != what
        });
        is_new
    }

    /// The loop of this name has come round, and will again within the given time.
    pub(super) fn turned(&self, name: &'static str, within: Duration) {
        let mut turns = self.turns.lock().expect("no holder of the lock panics");
        turns.insert(name, Turn { at: Instant::now(), within });
    }

    /// The loop has ended as it should.
    pub(super) fn ended(&self, name: &'static str) {
        self.turns.lock().expect("no holder of the lock panics").remove(name);
    }

    /// The first loop that should have come round by `now`.
    pub(super) fn stuck(&self, now: Instant) -> Option<&'static str> {
        let turns = self.turns.lock().expect("no holder of the lock panics");
        turns.iter().find(|(_, turn)| now.duration_since(turn.at) > turn.within).map(|(name, _)| *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_new_once_and_gone_once() {
        let health = Health::default();
        assert!(health.set(Trouble::Database, Some("away".to_owned())));
        assert!(!health.set(Trouble::Database, Some("still away".to_owned())));
        assert_eq!(health.trouble(Trouble::Database).unwrap(), "still away");
        assert!(health.set(Trouble::Database, None) && !health.set(Trouble::Database, None));
        assert!(health.is_fine());
    }

    #[test]
    fn a_loop_that_does_not_come_round_is_named() {
        let health = Health::default();
        health.turned("supervisor", Duration::from_secs(30));
        health.turned("pipelines", Duration::from_secs(5));
        assert_eq!(health.stuck(Instant::now()), None);
        assert_eq!(health.stuck(Instant::now() + Duration::from_secs(10)), Some("pipelines"));
        health.ended("pipelines");
        assert_eq!(health.stuck(Instant::now() + Duration::from_secs(10)), None);
    }
}
