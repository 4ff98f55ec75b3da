//! The times at which a trigger is due. Pure: times come in and go out in UTC, and nothing here looks at a clock.
//!
//! Where a wall clock is changed, the policy is ours and not croner's: a time that the clock skips counts at the first
//! instant after the gap, once for the whole gap, and a time that the clock shows twice counts the first time only.

use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use crate::manifest::{CronLine, Missed, TriggerKind};

/// The times that a trigger names.
#[derive(Debug, Clone)]
pub enum Times {
    /// Those of a cron line on the wall clock of a zone.
    Cron(Box<CronLine>, Tz),
    /// Whole steps from an anchor.
    Every {
        /// Where the steps are counted from, in both directions: a clock that is set back must stop nothing.
        anchor: DateTime<Utc>,
        /// From one to the next.
        step: TimeDelta,
    },
}

/// A time that is no older than this was not missed, whatever the loop did meanwhile.
pub const GRACE: TimeDelta = TimeDelta::seconds(60);
/// How far the clocks of a zone may be apart before and after a change; Samoa skipped a whole day.
const WIDEST_CHANGE: TimeDelta = TimeDelta::hours(50);

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Due {
    /// The times that fire, in their order.
    pub fires: Vec<DateTime<Utc>>,
    /// The first and the last of the times that were missed and do not fire.
    pub missed: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// The first time after now.
    pub next: Option<DateTime<Utc>>,
}

impl Times {
    /// The times of a trigger; none for one that does not go by the clock. `anchor` is when it was first seen.
    ///
    /// # Errors
    /// A stored cron line that is none.
    pub fn of(kind: &TriggerKind, anchor: DateTime<Utc>) -> Result<Option<Times>, String> {
        Ok(match kind {
            TriggerKind::Cron { line, zone } => Some(Times::Cron(Box::new(CronLine::parse(line)?), *zone)),
            TriggerKind::Every(every) => {
                let step = TimeDelta::from_std(*every).map_err(|_| "the interval is too long".to_owned())?;
                Some(Times::Every { anchor, step: step.max(TimeDelta::seconds(1)) })
            }
            TriggerKind::After { .. }
            | TriggerKind::Files { .. }
            | TriggerKind::Webhook(_)
            | TriggerKind::When { .. } => None,
        })
    }

    /// The first time after `after`.
    pub fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Times::Cron(line, zone) => {
                let mut wall = zone.from_utc_datetime(&after.naive_utc()).naive_local();
                // Walls in the second half of a repeated hour lead back to the first half, which is over.
                loop {
                    wall = line.next(wall)?;
                    let time = instant(*zone, wall)?;
                    if time > after {
                        return Some(time);
                    }
                }
            }
            Times::Every { anchor, step } => {
                let (since, step) = ((after - *anchor).num_milliseconds(), step.num_milliseconds());
                let steps = since.div_euclid(step) + 1;
                anchor.checked_add_signed(TimeDelta::try_milliseconds(steps.checked_mul(step)?)?)
            }
        }
    }

    /// What is due at `now`, after `start`: the last time that was dealt with, or when the definition came.
    pub fn due(&self, start: DateTime<Utc>, now: DateTime<Utc>, missed: Missed) -> Due {
        let next = self.next(now.max(start));
        let Some(first) = self.next(start).filter(|first| *first <= now) else {
            return Due { next, ..Due::default() };
        };
        let (mut fires, late) = self.latest(start, now, missed);
        let before = match missed {
            Missed::Latest if fires.is_empty() => late.last().copied().into_iter().collect(),
            Missed::Latest | Missed::Skip => Vec::new(),
            Missed::All(most) => late[late.len().saturating_sub(most as usize)..].to_vec(),
        };
        let left_out = late.len() - before.len();
        // Times further back than those that were counted may have been missed as well, the first of them for sure.
        let missed = left_out.checked_sub(1).map(|last| (first, late[last]));
        fires.splice(..0, before);
        Due { fires, missed, next }
    }

    /// The times up to `now` that are not late, and the latest of those that are: enough to tell what fires, and one
    /// more if there is one. A year of seconds is not counted one by one.
    fn latest(
        &self,
        start: DateTime<Utc>,
        now: DateTime<Utc>,
        missed: Missed,
    ) -> (Vec<DateTime<Utc>>, Vec<DateTime<Utc>>) {
        let wanted = match missed {
            Missed::Skip => 1,
            Missed::Latest => 2,
            Missed::All(most) => most as usize + 1,
        };
        let limit = now - GRACE;
        let mut window = GRACE * 2;
        loop {
            let from = now.checked_sub_signed(window).unwrap_or(start).max(start);
            let mut times = Vec::new();
            let mut at = from;
            while let Some(time) = self.next(at).filter(|time| *time <= now) {
                times.push(time);
                at = time;
            }
            let on_time = times.split_off(times.partition_point(|time| *time < limit));
            if times.len() >= wanted || from <= start {
                return (on_time, times);
            }
            window = window * 4;
        }
    }
}

/// The instant at which the wall clock of `zone` shows `wall`: the first of two, and for a time that it skips the first
/// instant after the gap.
fn instant(zone: Tz, wall: NaiveDateTime) -> Option<DateTime<Utc>> {
    if let Some(time) = zone.from_local_datetime(&wall).earliest() {
        return Some(time.to_utc());
    }
    let shows = |seconds: i64| {
        let utc = DateTime::from_timestamp(seconds, 0)?.naive_utc();
        utc.checked_add_offset(zone.offset_from_utc_datetime(&utc).fix())
    };
    let middle = wall.and_utc().timestamp();
    let (mut before, mut after) = (middle - WIDEST_CHANGE.num_seconds(), middle + WIDEST_CHANGE.num_seconds());
    while after - before > 1 {
        let between = before + (after - before) / 2;
        if shows(between)? >= wall { after = between } else { before = between }
    }
    DateTime::from_timestamp(after, 0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn cron(line: &str, zone: Tz) -> Times {
        Times::Cron(Box::new(CronLine::parse(line).unwrap()), zone)
    }

    fn texts(times: &[DateTime<Utc>]) -> Vec<String> {
        times.iter().map(|time| time.format("%d %H:%M").to_string()).collect()
    }

    #[test]
    fn a_time_in_the_gap_counts_once_right_after_it_and_one_in_the_fold_the_first_time() {
        let times = cron("*/20 2 * * *", Tz::Europe__Berlin);
        // Clocks go from 02:00 to 03:00 at 01:00 UTC.
        assert_eq!(times.next(at("2026-03-28T12:00:00Z")), Some(at("2026-03-29T01:00:00Z")));
        assert_eq!(times.next(at("2026-03-29T01:00:00Z")), Some(at("2026-03-30T00:00:00Z")));
        // And from 03:00 back to 02:00 at 01:00 UTC.
        assert_eq!(times.next(at("2026-10-25T00:30:00Z")), Some(at("2026-10-25T00:40:00Z")));
        assert_eq!(times.next(at("2026-10-25T00:40:00Z")), Some(at("2026-10-26T01:00:00Z")));
        // Samoa had no 30 December 2011.
        let noon = cron("0 12 * * *", Tz::Pacific__Apia);
        assert_eq!(noon.next(at("2011-12-29T22:00:00Z")), Some(at("2011-12-30T10:00:00Z")));
        assert_eq!(noon.next(at("2011-12-30T10:00:00Z")), Some(at("2011-12-30T22:00:00Z")));
    }

    #[test]
    fn an_interval_counts_from_its_anchor() {
        let kind = TriggerKind::Every(Duration::from_secs(900));
        let times = Times::of(&kind, at("2026-03-02T08:07:00Z")).unwrap().unwrap();
        assert_eq!(times.next(at("2026-03-02T08:07:00Z")), Some(at("2026-03-02T08:22:00Z")));
        assert_eq!(times.next(at("2026-03-02T08:21:59Z")), Some(at("2026-03-02T08:22:00Z")));
        assert_eq!(times.next(at("1970-01-01T00:00:00Z")), Some(at("1970-01-01T00:07:00Z")));
        assert_eq!(times.next(at("2038-01-19T03:14:08Z")), Some(at("2038-01-19T03:22:00Z")));
    }

    #[test]
    fn missed_times_are_left_out_or_the_latest_of_them_fire() {
        let times = cron("0 * * * *", Tz::UTC);
        let check = |missed| {
            let due = times.due(at("2026-03-02T08:30:00Z"), at("2026-03-03T08:20:00Z"), missed);
            (texts(&due.fires), due.missed.map(|(first, last)| texts(&[first, last])))
        };
        let (first, text) = ("02 09:00", ToString::to_string);
        assert_eq!(check(Missed::Skip), (vec![], Some(vec![text(first), text("03 08:00")])));
        assert_eq!(check(Missed::Latest), (vec![text("03 08:00")], Some(vec![text(first), text("03 07:00")])));
        let two = vec![text("03 07:00"), text("03 08:00")];
        assert_eq!(check(Missed::All(2)), (two, Some(vec![text(first), text("03 06:00")])));
        let (fires, missed) = check(Missed::All(100));
        assert_eq!((fires.len(), missed), (24, None));
    }

    #[test]
    fn what_is_on_time_fires_whatever_is_said_about_missed_times() {
        let times = cron("*/10 * * * * *", Tz::UTC);
        for missed in [Missed::Skip, Missed::Latest, Missed::All(1)] {
            let due = times.due(at("2026-03-02T08:00:00Z"), at("2026-03-02T08:00:31Z"), missed);
            assert_eq!((due.fires.len(), due.missed), (3, None), "{missed:?}");
            assert_eq!(due.next, Some(at("2026-03-02T08:00:40Z")));
        }
    }

    #[test]
    fn forty_years_of_seconds_are_not_counted_one_by_one() {
        let times = cron("* * * * * *", Tz::UTC);
        let due = times.due(at("1998-01-01T00:00:00Z"), at("2038-01-19T03:14:08Z"), Missed::All(5));
        assert_eq!(due.fires.len(), 5 + 61);
        assert_eq!(due.missed.unwrap().0, at("1998-01-01T00:00:01Z"));
    }

    #[test]
    fn before_its_start_nothing_is_due() {
        let times = cron("0 * * * *", Tz::UTC);
        let due = times.due(at("2026-03-02T08:30:00Z"), at("1970-01-01T00:00:00Z"), Missed::All(5));
        assert_eq!(due, Due { next: Some(at("2026-03-02T09:00:00Z")), ..Due::default() });
    }
}
