//! Which way memory limits are enforced on this machine, for people.

use std::fmt;
use std::path::PathBuf;

use super::cgroup::Cgroups;

/// How steps are kept to `resources.memory` here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemoryEnforcement {
    /// A control group for each attempt, below this one.
    ControlGroup(PathBuf),
    /// A limit for each process.
    EachProcess {
        /// Why there are no control groups.
        because: String,
    },
}

impl MemoryEnforcement {
    /// Looks which way there is, and makes it ready.
    pub fn prepare() -> MemoryEnforcement {
        match Cgroups::prepare() {
            Ok(groups) => MemoryEnforcement::ControlGroup(groups.base().to_owned()),
            Err(because) => MemoryEnforcement::EachProcess { because },
        }
    }

    /// Tells which way there is, and makes nothing ready.
    pub fn look() -> MemoryEnforcement {
        match Cgroups::look() {
            Ok(groups) => MemoryEnforcement::ControlGroup(groups.base().to_owned()),
            Err(because) => MemoryEnforcement::EachProcess { because },
        }
    }
}

impl fmt::Display for MemoryEnforcement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MemoryEnforcement::ControlGroup(base) => {
                write!(
                    formatter,
                    "memory limits hold for all processes of an attempt (control groups below `{}`)",
                    base.display()
                )
            }
            MemoryEnforcement::EachProcess { because } => write!(
                formatter,
                "memory limits hold for each process of an attempt by itself (rlimit), since {because}"
            ),
        }
    }
}
