//! Whether the clock can be believed. Whatever is deleted by its age would go at once if somebody set the clock ahead, so
//! a leap that nobody was there to see is doubted for a day.

use std::fmt;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::connection::{Row, Session, Value};
use super::retry::written;
use super::{Store, StoreError};

/// A longer time without any daemon is a leap, and so long it is doubted.
const DAY: TimeDelta = TimeDelta::days(1);
/// How exactly it is kept when a daemon was here.
const OFTEN: TimeDelta = TimeDelta::minutes(1);

/// The clock that all users of the database share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// What it says.
    pub now: DateTime<Utc>,
    /// Why it is not to be believed yet.
    pub doubt: Option<Leap>,
}

/// The clock went from one time to another, and no daemon was there in between: none ran, or somebody has set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leap {
    /// The last time before it.
    pub from: DateTime<Utc>,
    /// The first one after it.
    pub to: DateTime<Utc>,
}

impl fmt::Display for Leap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, to] = [self.from, self.to].map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true));
        write!(formatter, "the clock went from {from} to {to} and nothing was done in between")
    }
}

/// What is kept between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kept {
    seen: DateTime<Utc>,
    leap: Option<Leap>,
}

impl Kept {
    fn at(self, now: DateTime<Utc>) -> Kept {
        let leap = if now - self.seen > DAY {
            Some(Leap { from: self.seen, to: now })
        } else {
            // A clock that was set back again has shown that it was wrong.
            self.leap.filter(|leap| leap.to <= now && now - leap.to < DAY)
        };
        Kept { seen: now, leap }
    }
}

impl Store {
    /// Looks at the clock, and keeps that somebody was there. Daemons do so all the time.
    pub async fn see_clock(&self) -> Result<Clock, StoreError> {
        let (now, kept) = self.kept_clock().await?;
        let next = kept.map_or(Kept { seen: now, leap: None }, |kept| kept.at(now));
        let is_fresh = kept.is_some_and(|kept| kept.leap == next.leap && now >= kept.seen && now - kept.seen < OFTEN);
        if !is_fresh {
            self.keep_clock(next).await?;
        }
        Ok(Clock { now, doubt: next.leap })
    }

    /// From the last time at which anything was done to now, or a leap that is doubted still. Keeps nothing.
    pub async fn clock_leap(&self) -> Result<Option<Leap>, StoreError> {
        let (now, kept) = self.kept_clock().await?;
        let mut session = self.read("look at the clock").await?;
        let newest = newest_run(&mut session, now).await?;
        let doubted = kept.and_then(|kept| kept.leap.filter(|leap| leap.to <= now && now - leap.to < DAY));
        let last = kept.map(|kept| kept.seen).into_iter().chain(newest).max();
        Ok(doubted.or_else(|| last.map(|from| Leap { from, to: now })))
    }

    async fn kept_clock(&self) -> Result<(DateTime<Utc>, Option<Kept>), StoreError> {
        let mut session = self.read("look at the clock").await?;
        let now = moment(session.now_ms().await?);
        let sql = "select seen_ms, leap_from_ms, leap_to_ms from clock";
        let rows = session.fetch(sql, vec![]).await?;
        // What cannot be read is as good as nothing, and is written anew.
        if let Some(Ok(kept)) = rows.first().map(read) {
            return Ok((now, Some(kept)));
        }
        let seen = newest_run(&mut session, now).await?;
        Ok((now, seen.map(|seen| Kept { seen, leap: None })))
    }

    async fn keep_clock(&self, kept: Kept) -> Result<(), StoreError> {
        written!(self, "keep that somebody was here", session => {
            let ends = kept.leap.map(|leap| (leap.from.timestamp_millis(), leap.to.timestamp_millis())).unzip();
            let sql = "insert into clock (one, seen_ms, leap_from_ms, leap_to_ms) values (1, $1, $2, $3)
                on conflict (one) do update set seen_ms = excluded.seen_ms, leap_from_ms = excluded.leap_from_ms,
                    leap_to_ms = excluded.leap_to_ms";
            session.execute(sql, vec![kept.seen.timestamp_millis().into(), Value::Int(ends.0), Value::Int(ends.1)]).await?;
        })
    }
}

/// When the newest run was made that the clock has reached.
async fn newest_run(session: &mut Session<'_>, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    let sql = "select max(created_at) as at from runs where created_at <= $1";
    let rows = session.fetch(sql, vec![super::time::text(now).into()]).await?;
    let newest: Option<String> = rows[0].get("at")?;
    Ok(newest.and_then(|newest| newest.parse().ok()))
}

fn read(row: &Row) -> Result<Kept, sqlx::Error> {
    let ends: (Option<i64>, Option<i64>) = (row.get("leap_from_ms")?, row.get("leap_to_ms")?);
    let leap = ends.0.zip(ends.1).map(|(from, to)| Leap { from: moment(from), to: moment(to) });
    Ok(Kept { seen: moment(row.get("seen_ms")?), leap })
}

fn moment(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How the clock is seen at these hours, one after the other: whether it is doubted.
    fn doubted(hours: &[i64]) -> Vec<bool> {
        let hour = |hour: i64| DateTime::UNIX_EPOCH + TimeDelta::hours(hour);
        let mut kept = Kept { seen: hour(hours[0]), leap: None };
        hours
            .iter()
            .map(|now| {
                kept = kept.at(hour(*now));
                kept.leap.is_some()
            })
            .collect()
    }

    #[test]
    fn a_leap_of_more_than_a_day_is_doubted_for_a_day_or_until_it_is_taken_back() {
        assert_eq!(doubted(&[0, 24, 48]), [false, false, false], "a day without anybody is no leap");
        assert_eq!(doubted(&[0, 25, 30, 48, 49, 50]), [false, true, true, true, false, false]);
        assert_eq!(doubted(&[0, 100_000, 100_001, 2, 3]), [false, true, true, false, false], "it was set back");
        assert_eq!(doubted(&[0, 100_000, 200_000, 200_001]), [false, true, true, true], "and another one");
        assert_eq!(doubted(&[100, 0, 1]), [false, false, false], "to be behind deletes nothing");
    }

    #[test]
    fn a_leap_is_told_with_both_its_ends() {
        let to = DateTime::UNIX_EPOCH + TimeDelta::days(24_855);
        let leap = Leap { from: DateTime::UNIX_EPOCH, to };
        assert_eq!(
            leap.to_string(),
            "the clock went from 1970-01-01T00:00:00Z to 2038-01-19T00:00:00Z and nothing was done in between"
        );
    }
}
