//! What croner itself does where clocks are changed, measured, so that it is known why its rules are not used and seen when
//! a new version of it has others.

use std::cmp::Ordering;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, TimeZone, Timelike};
use chrono_tz::Tz;
use croner::errors::CronError;
use croner::parser::CronParser;
use croner::time::{CivilDateTime, CronDateTime, Resolution, Weekday};

/// A time with its zone, as croner's own `chrono` feature would see it.
#[derive(Clone)]
struct Zoned(DateTime<Tz>);

impl CronDateTime for Zoned {
    fn to_civil(&self) -> CivilDateTime {
        let wall = self.0.naive_local();
        let (date, time) = (wall.date(), wall.time());
        let (year, month, day) = (date.year(), date.month(), date.day());
        CivilDateTime::from_ymd_hms_opt(year, month, day, time.hour(), time.minute(), time.second()).unwrap()
    }

    fn civil_weekday(&self) -> Weekday {
        let days = [
            Weekday::Sunday,
            Weekday::Monday,
            Weekday::Tuesday,
            Weekday::Wednesday,
            Weekday::Thursday,
            Weekday::Friday,
            Weekday::Saturday,
        ];
        days[self.0.naive_local().weekday().num_days_from_sunday() as usize]
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Zoned>, CronError> {
        let date = NaiveDate::from_ymd_opt(civil.year(), civil.month(), civil.day()).unwrap();
        let wall = date.and_hms_opt(civil.hour(), civil.minute(), civil.second()).unwrap();
        Ok(match self.0.timezone().from_local_datetime(&wall) {
            chrono::LocalResult::Single(time) => Resolution::Single(Zoned(time)),
            chrono::LocalResult::Ambiguous(first, second) => Resolution::Ambiguous(Zoned(first), Zoned(second)),
            chrono::LocalResult::None => Resolution::Gap,
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Zoned> {
        self.0.checked_add_signed(TimeDelta::try_seconds(seconds)?).map(Zoned)
    }

    fn cmp_instant(&self, other: &Zoned) -> Ordering {
        self.0.cmp(&other.0)
    }
}

/// The first times after `from`, in UTC.
fn check(line: &str, zone: Tz, from: &str, count: usize) -> Vec<String> {
    let cron = CronParser::new().parse(line).unwrap();
    let mut at = Zoned(from.parse::<DateTime<chrono::Utc>>().unwrap().with_timezone(&zone));
    let mut found = Vec::new();
    for _ in 0..count {
        match cron.find_next_occurrence(&at, false) {
            Ok(next) => {
                found.push(next.0.to_utc().format("%d %H:%M").to_string());
                at = next;
            }
            Err(error) => {
                found.push(error.to_string());
                break;
            }
        }
    }
    found
}

#[test]
fn croner_skips_an_interval_in_the_gap_repeats_it_in_the_fold_and_gives_up_on_a_skipped_day() {
    let berlin = |line, from| check(line, Tz::Europe__Berlin, from, 4);
    // A line with fixed hours and minutes goes by our policy.
    assert_eq!(berlin("30 2 * * *", "2026-03-28T12:00:00Z")[..2], ["29 01:00", "30 00:30"]);
    assert_eq!(berlin("30 2 * * *", "2026-10-24T12:00:00Z")[..2], ["25 00:30", "26 01:30"]);
    // One with a step or a star is lost in the gap, and fires twice in the fold.
    assert_eq!(berlin("*/30 2 * * *", "2026-03-28T12:00:00Z")[..2], ["30 00:00", "30 00:30"]);
    assert_eq!(berlin("*/30 2 * * *", "2026-10-24T12:00:00Z"), ["25 00:00", "25 00:30", "25 01:00", "25 01:30"]);
    // Samoa's skipped day is longer than croner looks for the end of a gap.
    let apia = check("0 12 * * *", Tz::Pacific__Apia, "2011-12-29T22:00:00Z", 2);
    assert_eq!(apia, ["CronScheduler time search limit exceeded."]);
}
