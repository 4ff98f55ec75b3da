//! How much memory an attempt may use, and how it is kept to that.
//!
//! A control group counts all processes of the attempt together and is used where this process may make some. Elsewhere
//! each process of the attempt gets a limit of its own. What is in force is a file in the attempt's folder, so that
//! whoever finds the attempt ended can tell why, and tidy up.

mod cgroup;
mod enforcement;
mod rlimit;

use std::io;

use serde::{Deserialize, Serialize};

use super::folder::{AttemptFolder, create_once, read_json};
use super::report::Failure;
use crate::id::AttemptId;
use crate::step::Fault;

use cgroup::Cgroups;
pub use cgroup::{AttemptGroup, BASE_VARIABLE};
pub use enforcement::MemoryEnforcement;

/// What is in force for an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// How much memory the step may use, if that is limited.
    pub memory_bytes: Option<u64>,
    /// The control group of the attempt, if it has one.
    pub group: Option<AttemptGroup>,
}

impl Limits {
    /// Puts this process, and all that it will start, under the limit of its attempt. Returns what is in force, and a
    /// remark for the log if it is less than was asked for.
    pub(super) fn apply(
        folder: &AttemptFolder,
        attempt: AttemptId,
        memory_bytes: Option<u64>,
    ) -> (Limits, Option<String>) {
        let entered = Cgroups::of_worker().map(|groups| groups.enter(attempt, memory_bytes));
        let (group, mut remark) = match entered {
            None => (None, None),
            Some(Ok(group)) => (Some(group), None),
            Some(Err(error)) => (None, Some(format!("the attempt has no control group of its own: {error}"))),
        };
        if let Some(bytes) = memory_bytes.filter(|_| group.is_none())
            && let Err(error) = rlimit::apply(bytes)
        {
            remark = Some(format!("the memory of the step is not limited: {error}"));
        }
        let limits = Limits { memory_bytes, group };
        if limits.memory_bytes.is_some() || limits.group.is_some() {
            // Without the file the end of the attempt is told less exactly, and its group is removed later.
            drop(create_once(&folder.limits(), &limits));
        }
        (limits, remark)
    }

    /// What is in force for the attempt of `folder`, if anything is.
    pub fn read(folder: &AttemptFolder) -> io::Result<Option<Limits>> {
        read_json(&folder.limits())
    }

    /// What to say of a step that needed more memory than it may use.
    pub fn exceeded(&self) -> Failure {
        let limit = match self.memory_bytes {
            Some(bytes) => format!("its {} of memory", in_words(bytes)),
            None => "the memory that it can have".to_owned(),
        };
        Failure {
            fault: Fault::Environment,
            code: "out_of_memory".to_owned(),
            message: format!("the step used more than {limit}"),
            help: Some("raise `resources: {memory: …}`, or let `retry: {grow: {memory: 2x}}` raise it".to_owned()),
        }
    }
}

/// `512 MiB`.
fn in_words(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let whole = units.into_iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{bytes} bytes"), |(unit, name)| format!("{} {name}", bytes / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_told_in_the_unit_that_it_was_given_in() {
        let told = |bytes| Limits { memory_bytes: Some(bytes), group: None }.exceeded().message;
        assert_eq!(told(512 << 20), "the step used more than its 512 MiB of memory");
        assert_eq!(told(1_500_000_000), "the step used more than its 1500000000 bytes of memory");
    }
}
