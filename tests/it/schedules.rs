//! Cron lines against a reference that shares no code with them: every minute of the days on which clocks change.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use phaseline::daemon::triggers::schedule::{GRACE, Times};
use phaseline::manifest::{CronLine, Missed};

/// Zones with the days around which their clocks change: both ways, by half an hour, by a whole day, or never.
const CHANGES: [(Tz, [&str; 2]); 6] = [
    (Tz::Europe__Berlin, ["2026-03-29", "2026-10-25"]),
    (Tz::America__New_York, ["2026-03-08", "2026-11-01"]),
    (Tz::America__Sao_Paulo, ["2018-11-04", "2018-02-18"]),
    (Tz::Australia__Lord_Howe, ["2026-04-05", "2026-10-04"]),
    (Tz::Pacific__Apia, ["2011-12-30", "2012-04-01"]),
    (Tz::UTC, ["2024-02-29", "2026-12-31"]),
];

const LINES: [&str; 20] = [
    "* * * * *",
    "*/5 * * * *",
    "7-59/13 * * * *",
    "0 * * * *",
    "30 * * * *",
    "0 0 * * *",
    "15 0 * * *",
    "30 1 * * *",
    "0 2 * * *",
    "30 2 * * *",
    "59 2 * * *",
    "0 3 * * *",
    "*/10 1-3 * * *",
    "45 23 * * *",
    "0,15,30,45 0,2,23 * * *",
    "30 2 * * SUN",
    "10 2 1 * MON-FRI",
    "20 1 L * *",
    "40 0 * * SUN#1",
    "50 23 * MAR,APR,OCT,NOV FRI#L",
];

/// One field of a cron line, read anew: the values of a list of `*`, numbers, names, ranges and steps.
fn values(field: &str, low: u32, high: u32, names: &[&str]) -> BTreeSet<u32> {
    let number = |text: &str| {
        let place = names.iter().position(|name| *name == text).map(|found| u32::try_from(found).unwrap());
        place.unwrap_or_else(|| text.parse().unwrap())
    };
    let mut found = BTreeSet::new();
    for part in field.split(',') {
        let (range, step) = part.split_once('/').map_or((part, 1), |(range, step)| (range, step.parse().unwrap()));
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (low, high),
            Some((from, to)) => (number(from), number(to)),
            None => (number(range), number(range)),
        };
        found.extend((from..=to).step_by(step));
    }
    found
}

/// A cron line as the reference reads it.
struct Reference {
    minutes: BTreeSet<u32>,
    hours: BTreeSet<u32>,
    day: String,
    months: BTreeSet<u32>,
    weekday: String,
}

const MONTHS: [&str; 13] = ["-", "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Reference {
    fn new(line: &str) -> Reference {
        let fields: Vec<&str> = line.split(' ').collect();
        Reference {
            minutes: values(fields[0], 0, 59, &[]),
            hours: values(fields[1], 0, 23, &[]),
            day: fields[2].to_owned(),
            months: values(fields[3], 1, 12, &MONTHS),
            weekday: fields[4].to_owned(),
        }
    }

    fn is_day(&self, date: NaiveDate) -> bool {
        let is_last = |days: i64| (date + TimeDelta::days(days)).month() != date.month();
        let by_date = match self.day.as_str() {
            "L" => is_last(1),
            field => values(field, 1, 31, &[]).contains(&date.day()),
        };
        let weekday = date.weekday().num_days_from_sunday();
        let by_weekday = match self.weekday.split_once('#') {
            Some((name, "L")) => DAYS[weekday as usize] == name && is_last(7),
            Some((name, nth)) => {
                DAYS[weekday as usize] == name && (date.day() - 1) / 7 + 1 == nth.parse::<u32>().unwrap()
            }
            None => values(&self.weekday, 0, 6, &DAYS).contains(&weekday),
        };
        match (self.day.as_str(), self.weekday.as_str()) {
            ("*", "*") => true,
            ("*", _) => by_weekday,
            (_, "*") => by_date,
            // As in every cron: with both given, either counts.
            _ => by_date || by_weekday,
        }
    }

    fn matches(&self, wall: NaiveDateTime) -> bool {
        self.minutes.contains(&wall.minute())
            && self.hours.contains(&wall.hour())
            && self.months.contains(&wall.month())
            && self.is_day(wall.date())
    }

    /// The times between `from` and `to`, found by looking at what the wall clock shows in each minute.
    fn times(&self, zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let minute = TimeDelta::minutes(1);
        let shows = |time: DateTime<Utc>| time.with_timezone(&zone).naive_local();
        // Far enough back that what the first minutes show again is known.
        let mut time = from - TimeDelta::days(2);
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        while time < to {
            let (before, wall) = (shows(time - minute), shows(time));
            let mut skipped = before + minute;
            let mut is_due = seen.insert(wall) && self.matches(wall);
            while skipped < wall {
                is_due |= self.matches(skipped);
                skipped += minute;
            }
            if is_due && time > from {
                found.push(time);
            }
            time += minute;
        }
        found
    }
}

fn start_of(zone: Tz, day: &str, days: i64) -> DateTime<Utc> {
    let date: NaiveDate = day.parse().unwrap();
    // Midnight itself may be skipped; an hour off matters nothing at the edges of the window.
    let wall = (date + TimeDelta::days(days)).and_hms_opt(12, 0, 0).unwrap();
    let noon = zone.from_local_datetime(&wall).earliest();
    noon.map_or_else(|| wall.and_utc() - TimeDelta::hours(12), |noon| noon.to_utc() - TimeDelta::hours(12))
}

#[test]
fn every_minute_of_the_days_on_which_clocks_change_is_as_the_policy_says() {
    let (mut minutes, mut fired) = (0, 0);
    for (zone, days) in CHANGES {
        for day in days {
            let (from, to) = (start_of(zone, day, -1), start_of(zone, day, 2));
            for line in LINES {
                let expected = Reference::new(line).times(zone, from, to);
                let times = Times::Cron(Box::new(CronLine::parse(line).unwrap()), zone);
                let mut found = Vec::new();
                let mut at = from;
                while let Some(time) = times.next(at).filter(|time| *time < to) {
                    assert!(time > at, "{zone} {line}: {time} is not after {at}");
                    found.push(time);
                    at = time;
                }
                assert_eq!(found, expected, "{zone} {day} `{line}`");
                // From whatever minute one looks, the next time is the same.
                let mut at = from;
                while at < to {
                    let next = times.next(at).filter(|time| *time < to);
                    let place = expected.partition_point(|time| *time <= at);
                    assert_eq!(next, expected.get(place).copied(), "{zone} `{line}` after {at}");
                    at += TimeDelta::minutes(1);
                    minutes += 1;
                }
                fired += found.len();
            }
        }
    }
    assert!(minutes >= 345_000 && fired > 50_000, "{minutes} minutes, {fired} times");
}

/// A daemon that looks every 20 seconds, with the table of its ticks, while somebody sets the clock.
struct Daemon {
    times: Times,
    missed: Missed,
    since: DateTime<Utc>,
    ticks: BTreeSet<DateTime<Utc>>,
    fired: Vec<DateTime<Utc>>,
}

impl Daemon {
    fn look(&mut self, now: DateTime<Utc>) {
        let last = self.ticks.range(..=now).next_back().copied();
        let due = self.times.due(last.map_or(self.since, |last| last.max(self.since)), now, self.missed);
        for time in due.fires {
            assert!(time <= now, "{time} fires at {now}");
            if self.ticks.insert(time) {
                self.fired.push(time);
            }
        }
        if let Some((_, last)) = due.missed {
            self.ticks.insert(last);
        }
    }

    fn look_during(&mut self, from: DateTime<Utc>, minutes: i64) -> DateTime<Utc> {
        let mut now = from;
        while now < from + TimeDelta::minutes(minutes) {
            self.look(now);
            now += TimeDelta::seconds(20);
        }
        now
    }
}

/// What somebody does to the clock.
type Jump = fn(DateTime<Utc>) -> DateTime<Utc>;

#[test]
fn a_clock_that_jumps_fires_nothing_twice_and_no_more_missed_times_than_is_said() {
    let noon: DateTime<Utc> = "2026-03-28T12:00:00Z".parse().unwrap();
    let jumps: [(&str, Jump, bool); 6] = [
        ("-1h", |now| now - TimeDelta::hours(1), false),
        ("+1h", |now| now + TimeDelta::hours(1), true),
        ("+1d", |now| now + TimeDelta::days(1), true),
        ("-1d", |now| now - TimeDelta::days(1), false),
        ("1970", |now| now - TimeDelta::days(20_540), false),
        ("2038", |now| now + TimeDelta::days(4_315), true),
    ];
    for (zone, _) in CHANGES {
        for line in ["*/7 * * * *", "0 * * * *", "30 2 * * *"] {
            for missed in [Missed::Skip, Missed::Latest, Missed::All(5)] {
                for (jump, set, is_forward) in jumps {
                    let times = Times::Cron(Box::new(CronLine::parse(line).unwrap()), zone);
                    let mut daemon = Daemon { times, missed, since: noon, ticks: BTreeSet::new(), fired: Vec::new() };
                    let now = daemon.look_during(noon, 180);
                    let before = daemon.fired.len();
                    let wrong = set(now);
                    daemon.look(wrong);
                    let at_once = daemon.fired.len() - before;
                    let most = match missed {
                        Missed::Skip => 0,
                        Missed::Latest => 1,
                        Missed::All(most) => most as usize,
                    };
                    let on_time = usize::from(daemon.fired[before..].iter().any(|time| *time >= wrong - GRACE));
                    assert!(
                        at_once <= (most + on_time) * usize::from(is_forward),
                        "{jump} {line} {missed:?}: {at_once}"
                    );
                    // Somebody sets the clock right again: what would have been due meanwhile is due.
                    daemon.look_during(wrong, 60);
                    let right = now + TimeDelta::hours(1);
                    daemon.look_during(right, 600);
                    let distinct: BTreeSet<_> = daemon.fired.iter().collect();
                    assert_eq!(distinct.len(), daemon.fired.len(), "{jump} {line} {missed:?} fired twice");
                    let mut at = right;
                    while let Some(time) = daemon.times.next(at).filter(|time| *time < right + TimeDelta::hours(9)) {
                        assert!(daemon.ticks.contains(&time), "{jump} {line} {missed:?} lost {time}");
                        at = time;
                    }
                }
            }
        }
    }
}
