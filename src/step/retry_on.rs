//! Which failures a retry answers to.

use serde::{Deserialize, Serialize};

use super::Fault;

/// What a retry answers to: everything that is the fault of one side, or one class of failures of the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryOn {
    /// Any failure of the environment.
    Environment,
    /// The user's data, manifest or command.
    Input,
    /// A mistake in Phaseline.
    Bug,
    /// A failure of the environment that is none of the classes below: network, database, disk.
    Transient,
    /// The attempt took longer than it may.
    Timeout,
    /// There was not enough memory.
    OutOfMemory,
    /// The worker vanished. Such an attempt is followed by another in any case, and does not count.
    Lost,
}

impl RetryOn {
    /// The words in manifests.
    pub const WORDS: [(&str, RetryOn); 7] = [
        ("environment", RetryOn::Environment),
        ("input", RetryOn::Input),
        ("bug", RetryOn::Bug),
        ("transient", RetryOn::Transient),
        ("timeout", RetryOn::Timeout),
        ("out_of_memory", RetryOn::OutOfMemory),
        ("lost", RetryOn::Lost),
    ];

    /// The class of a failure: for the environment's what went wrong, else whose fault it is.
    pub fn class_of(fault: Fault, code: &str) -> RetryOn {
        match (fault, code) {
            (Fault::Input, _) => RetryOn::Input,
            (Fault::Bug, _) => RetryOn::Bug,
            (Fault::Environment, "timeout" | "queue_timeout" | "total_timeout") => RetryOn::Timeout,
            (Fault::Environment, "out_of_memory") => RetryOn::OutOfMemory,
            (Fault::Environment, "worker_lost" | "lost") => RetryOn::Lost,
            (Fault::Environment, _) => RetryOn::Transient,
        }
    }

    /// Whether a failure is one that this answers to.
    pub fn covers(self, fault: Fault, code: &str) -> bool {
        self == RetryOn::class_of(fault, code) || (self == RetryOn::Environment && fault == Fault::Environment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_part_of_the_environment_and_covers_nothing_else() {
        let covers = |on: RetryOn, fault, code| on.covers(fault, code);
        assert!(covers(RetryOn::Environment, Fault::Environment, "out_of_memory"));
        assert!(covers(RetryOn::OutOfMemory, Fault::Environment, "out_of_memory"));
        assert!(!covers(RetryOn::OutOfMemory, Fault::Input, "out_of_memory"));
        assert!(!covers(RetryOn::Timeout, Fault::Environment, "out_of_memory"));
        assert!(covers(RetryOn::Transient, Fault::Environment, "connection_refused"));
        assert!(!covers(RetryOn::Transient, Fault::Environment, "timeout"));
        assert!(!covers(RetryOn::Environment, Fault::Bug, "bug"));
    }

    #[test]
    fn plans_of_earlier_versions_name_faults() {
        let stored = serde_json::to_string(&[Fault::Environment, Fault::Input, Fault::Bug]).unwrap();
        let read: Vec<RetryOn> = serde_json::from_str(&stored).unwrap();
        assert_eq!(read, [RetryOn::Environment, RetryOn::Input, RetryOn::Bug]);
    }
}
