//! Lengths of time and counts for people.

use chrono::{DateTime, TimeDelta, Utc};

/// `3 days`, `2 hours`, `5 minutes` or `12 seconds`.
pub(super) fn length(time: TimeDelta) -> String {
    let seconds = time.num_seconds().max(0);
    match seconds {
        0..120 => count(seconds.unsigned_abs(), "second"),
        120..7_200 => count((seconds / 60).unsigned_abs(), "minute"),
        7_200..172_800 => count((seconds / 3_600).unsigned_abs(), "hour"),
        _ => count((seconds / 86_400).unsigned_abs(), "day"),
    }
}

/// How long ago a stored time was; none if it does not read.
pub(super) fn age(stored: &str, now: DateTime<Utc>) -> Option<TimeDelta> {
    stored.parse::<DateTime<Utc>>().ok().map(|at| now - at)
}

/// A stored time to the second.
pub(super) fn time(stored: &str) -> String {
    stored.get(..19).map_or_else(|| stored.to_owned(), |text| format!("{} UTC", text.replace('T', " ")))
}

/// `1 run`, `2 runs`.
pub(super) fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// The first line of a report.
pub(super) fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// An error with its causes, none of which is told twice.
pub(super) fn error(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !told.contains(&text) {
            told = format!("{told}: {text}");
        }
        source = cause.source();
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_naturally() {
        let told = [1, 119, 120, 7_200, 172_800].map(|seconds| length(TimeDelta::seconds(seconds)));
        assert_eq!(told, ["1 second", "119 seconds", "2 minutes", "2 hours", "2 days"]);
    }
}
