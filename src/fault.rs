//! Points at which a test can make this program fail: in debug builds, and in release builds with the feature `faults`.
//!
//! `PHASELINE_FAULT=append.before_commit:3:kill` ends the process by SIGKILL when the point is reached for the third
//! time; `error` makes the point return an error instead, `full` one that says that the disk is full, and `pause` stops the
//! process by SIGSTOP, from which SIGCONT wakes it. Several faults are separated by commas. Each fault that fires appends `name:nth:action pid` to the file that
//! `PHASELINE_FAULT_LOG` names, before it acts, so that a test can tell that it did; what that file has does not fire
//! again, in this or any other process.

use std::io;

/// Reaches the point `name`: returns an error if a test asked for one here, or does not return at all.
///
/// # Errors
/// Only when the environment asks for it.
#[cfg(any(debug_assertions, feature = "faults"))]
pub fn point(name: &str) -> io::Result<()> {
    armed::reach(name)
}

/// Does nothing: the program was built without fault points.
///
/// # Errors
/// Never.
#[cfg(not(any(debug_assertions, feature = "faults")))]
#[inline]
#[expect(clippy::unnecessary_wraps, reason = "with fault points it may fail")]
pub fn point(_name: &str) -> io::Result<()> {
    Ok(())
}

#[cfg(any(debug_assertions, feature = "faults"))]
mod armed {
    use std::fs::OpenOptions;
    use std::io::{self, Write};
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use nix::sys::signal::{Signal, raise};

    /// A fault that waits for its point.
    struct Fault {
        name: String,
        nth: u64,
        action: Action,
        reached: AtomicU64,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Action {
        Kill,
        Error,
        Full,
        Pause,
    }

    static FAULTS: LazyLock<Vec<Fault>> = LazyLock::new(|| {
        let text = std::env::var("PHASELINE_FAULT").unwrap_or_default();
        text.split(',').filter(|fault| !fault.is_empty()).map(parse).collect()
    });

    /// A test that arms nothing would prove nothing, so a wrong text ends the program.
    fn parse(text: &str) -> Fault {
        let parts: Vec<&str> = text.split(':').collect();
        let [name, nth, action] = parts.as_slice() else { panic!("`{text}` is not NAME:NTH:ACTION") };
        let action = match *action {
            "kill" => Action::Kill,
            "error" => Action::Error,
            "full" => Action::Full,
            "pause" => Action::Pause,
            other => panic!("`{other}` is not kill, error, full or pause"),
        };
        let nth = nth.parse().unwrap_or_else(|_| panic!("`{nth}` is not a number"));
        Fault { name: (*name).to_owned(), nth, action, reached: AtomicU64::new(0) }
    }

    pub(super) fn reach(name: &str) -> io::Result<()> {
        for fault in FAULTS.iter().filter(|fault| fault.name == name) {
            if fault.reached.fetch_add(1, Ordering::SeqCst) + 1 == fault.nth {
                fire(fault)?;
            }
        }
        Ok(())
    }

    fn fire(fault: &Fault) -> io::Result<()> {
        if let Some(path) = std::env::var_os("PHASELINE_FAULT_LOG") {
            let told = format!("{}:{}:{:?} ", fault.name, fault.nth, fault.action).to_lowercase();
            if std::fs::read_to_string(&path).unwrap_or_default().contains(&told) {
                return Ok(());
            }
            let mut file = OpenOptions::new().create(true).append(true).open(path)?;
            file.write_all(format!("{told}{}\n", std::process::id()).as_bytes())?;
        }
        let signal = match fault.action {
            Action::Error => return Err(io::Error::other(format!("the fault point `{}` was armed", fault.name))),
            Action::Full => return Err(io::ErrorKind::StorageFull.into()),
            Action::Kill => Signal::SIGKILL,
            Action::Pause => Signal::SIGSTOP,
        };
        raise(signal).map_err(io::Error::from)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_fault_names_its_point_its_turn_and_its_action() {
            let fault = parse("append.before_commit:3:kill");
            assert_eq!((fault.name.as_str(), fault.nth, fault.action), ("append.before_commit", 3, Action::Kill));
        }

        #[test]
        fn a_point_that_is_not_armed_does_nothing() {
            assert!(reach("nowhere").is_ok());
        }
    }
}
