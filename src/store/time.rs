//! Times as text: ISO-8601 in UTC with microseconds, so that they sort and compare as text.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

/// The time as it stands in the database.
pub(super) fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Whole milliseconds, for leases.
pub(super) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}
