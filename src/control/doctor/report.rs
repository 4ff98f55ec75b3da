//! What was found: checks, each with what is the matter in its subject.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How many findings of one check are told.
const MOST_FINDINGS: usize = 20;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, and somebody should look at it.
    Warning,
    /// Something does not work, or is about to stop.
    Problem,
}

impl Level {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Problem => "problem",
        }
    }
}

/// Everything that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Diagnosis {
    /// The worst of the checks.
    pub level: Level,
    /// When it was looked.
    pub at: String,
    /// The machine that looked: files and processes are its own.
    pub host: String,
    /// The version of the program that looked.
    pub version: String,
    /// Whether every byte was read, and not only a sample.
    pub is_deep: bool,
    /// What was looked at, always in the same order.
    pub checks: Vec<Check>,
}

impl Diagnosis {
    pub(super) fn of(checks: Vec<Check>, is_deep: bool, now: DateTime<Utc>) -> Diagnosis {
        Diagnosis {
            level: checks.iter().map(|check| check.level).max().unwrap_or(Level::Ok),
            at: now.to_rfc3339_opts(SecondsFormat::Secs, true),
            host: super::super::host(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            is_deep,
            checks,
        }
    }

    /// How many findings of a level there are.
    pub fn count(&self, level: Level) -> u64 {
        self.checks.iter().map(|check| if level == Level::Warning { check.warnings } else { check.problems }).sum()
    }
}

/// One subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// The stable name, such as `database` or `leases`.
    pub check: String,
    /// The worst of its findings.
    pub level: Level,
    /// How things are, in a sentence.
    pub message: String,
    /// How many warnings there are.
    pub warnings: u64,
    /// How many problems.
    pub problems: u64,
    /// What is the matter, the worst first, at most 20.
    pub findings: Vec<Finding>,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// Where: a file, a run, a trigger, ...
    pub place: String,
    /// What is the matter.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl Finding {
    pub(super) fn warning(place: impl ToString, message: impl Into<String>, help: impl Into<String>) -> Finding {
        Finding { level: Level::Warning, place: place.to_string(), message: message.into(), help: help.into() }
    }

    pub(super) fn problem(place: impl ToString, message: impl Into<String>, help: impl Into<String>) -> Finding {
        Finding { level: Level::Problem, ..Finding::warning(place, message, help) }
    }
}

impl Check {
    pub(super) fn new(check: &str, message: impl Into<String>, mut findings: Vec<Finding>) -> Check {
        let count = |level| findings.iter().filter(|finding| finding.level == level).count() as u64;
        let (warnings, problems) = (count(Level::Warning), count(Level::Problem));
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
        let level = findings.first().map_or(Level::Ok, |finding| finding.level);
        findings.truncate(MOST_FINDINGS);
        Check { check: check.to_owned(), level, message: message.into(), warnings, problems, findings }
    }

    /// How many findings are not told.
    pub fn untold(&self) -> u64 {
        (self.warnings + self.problems).saturating_sub(self.findings.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_counts_and_comes_first_and_the_others_are_counted() {
        let mut findings = vec![Finding::warning("a", "odd", "look"); MOST_FINDINGS + 1];
        findings.push(Finding::problem("b", "broken", "mend"));
        let check = Check::new("subject", "message", findings);
        assert_eq!((check.level, check.warnings, check.problems, check.untold()), (Level::Problem, 21, 1, 2));
        assert_eq!(check.findings[0].place, "b");
        let diagnosis = Diagnosis::of(vec![Check::new("other", "fine", vec![]), check], false, DateTime::UNIX_EPOCH);
        assert_eq!((diagnosis.level, diagnosis.count(Level::Warning)), (Level::Problem, 21));
    }
}
