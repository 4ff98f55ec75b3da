//! Cron lines and time zones, checked when a manifest is read.

use std::cmp::Ordering;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Timelike};
use chrono_tz::{TZ_VARIANTS, Tz};
use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use croner::time::{CivilDateTime, CronDateTime, Resolution, Weekday};

use crate::manifest::decode::Decoder;
use crate::manifest::nearest::nearest;
use crate::manifest::node::Node;
use crate::manifest::rejected::Mistake;

const FIELDS: &str = "write minute, hour, day of month, month and day of week: `0 3 * * MON`";

/// A cron line: the times on a wall clock that it names. What they mean where that clock is changed is not its matter.
#[derive(Debug, Clone)]
pub struct CronLine(Cron);

impl CronLine {
    /// The cron line that `text` writes: five fields, or six with seconds in front.
    ///
    /// # Errors
    /// It is none, or it has no times.
    pub fn parse(text: &str) -> Result<CronLine, String> {
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let cron = parser.parse(text).map_err(|error| {
            let reason = error.to_string();
            let reason = reason.rsplit(": ").next().unwrap_or_default();
            format!("`{text}` is not a cron line: {}", reason.trim_end_matches('.').to_lowercase())
        })?;
        let line = CronLine(cron);
        if line.next(DateTime::UNIX_EPOCH.naive_utc()).is_none() {
            return Err(format!("there is no day on which `{text}` fires"));
        }
        Ok(line)
    }

    /// The first time on the wall clock after `wall`; none in the years that the calendar has.
    pub fn next(&self, wall: NaiveDateTime) -> Option<NaiveDateTime> {
        self.0.find_next_occurrence(&Wall(wall), false).ok().map(|Wall(next)| next)
    }
}

/// A time on a wall clock that is never changed, so that croner's own rules for daylight saving never apply.
#[derive(Debug, Clone)]
struct Wall(NaiveDateTime);

impl CronDateTime for Wall {
    fn to_civil(&self) -> CivilDateTime {
        let (date, time) = (self.0.date(), self.0.time());
        CivilDateTime::from_ymd_hms_opt(
            date.year(),
            date.month(),
            date.day(),
            time.hour(),
            time.minute(),
            time.second(),
        )
        .expect("a date is valid in either calendar")
    }

    fn civil_weekday(&self) -> Weekday {
        match self.0.weekday() {
            chrono::Weekday::Mon => Weekday::Monday,
            chrono::Weekday::Tue => Weekday::Tuesday,
            chrono::Weekday::Wed => Weekday::Wednesday,
            chrono::Weekday::Thu => Weekday::Thursday,
            chrono::Weekday::Fri => Weekday::Friday,
            chrono::Weekday::Sat => Weekday::Saturday,
            chrono::Weekday::Sun => Weekday::Sunday,
        }
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Wall>, CronError> {
        NaiveDate::from_ymd_opt(civil.year(), civil.month(), civil.day())
            .and_then(|date| date.and_hms_opt(civil.hour(), civil.minute(), civil.second()))
            .map(|wall| Resolution::Single(Wall(wall)))
            .ok_or(CronError::InvalidDate)
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Wall> {
        self.0.checked_add_signed(TimeDelta::try_seconds(seconds)?).map(Wall)
    }

    fn cmp_instant(&self, other: &Wall) -> Ordering {
        self.0.cmp(&other.0)
    }
}

/// The time zone of that name in the tz database.
///
/// # Errors
/// There is none; with the name that was probably meant, if there is one.
pub fn zone(name: &str) -> Result<Tz, Option<&'static str>> {
    Tz::from_str(name).map_err(|_| {
        let same = |zone: &&Tz| {
            let known = zone.name();
            known.eq_ignore_ascii_case(name)
                || known.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name))
        };
        TZ_VARIANTS
            .iter()
            .find(same)
            .map(|zone| zone.name())
            .or_else(|| nearest(name, TZ_VARIANTS.iter().map(|zone| zone.name())))
    })
}

pub(super) fn read_line(decoder: &mut Decoder, node: &Node) -> Option<String> {
    let line = decoder.text(node, "`cron`")?;
    match CronLine::parse(&line.value) {
        Ok(_) => Some(line.value),
        Err(message) => {
            decoder.note(Mistake::new("bad_cron", line.span, message).help(FIELDS));
            None
        }
    }
}

pub(super) fn read_zone(decoder: &mut Decoder, node: &Node) -> Option<Tz> {
    let name = decoder.text(node, "`timezone`")?;
    match zone(&name.value) {
        Ok(zone) => Some(zone),
        Err(meant) => {
            let help = meant.map_or_else(
                || "write a name of the tz database, such as `Europe/Zurich` or `UTC`".to_owned(),
                |meant| format!("did you mean `{meant}`?"),
            );
            let message = format!("there is no time zone `{}`", name.value);
            decoder.note(Mistake::new("unknown_zone", name.span, message).help(help));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cron_line_has_five_fields_or_six_and_some_time_at_which_it_fires() {
        for line in
            ["0 3 * * MON", "*/15 * * * *", "30 0 3 * * *", "0 0 L * *", "0 9 * * MON#1", "0 9 * * FRI#L", "@daily"]
        {
            assert!(CronLine::parse(line).is_ok(), "{line}: {:?}", CronLine::parse(line));
        }
        for line in ["", "* * * *", "61 * * * *", "0 0 1 1 * * 2030", "every monday", "@reboot", "0 25 * * *"] {
            assert!(CronLine::parse(line).is_err(), "{line}");
        }
        assert_eq!(CronLine::parse("0 0 30 2 *").unwrap_err(), "there is no day on which `0 0 30 2 *` fires");
    }

    #[test]
    fn a_zone_is_found_by_its_name_and_a_slip_is_told() {
        assert_eq!(zone("Europe/Zurich"), Ok(Tz::Europe__Zurich));
        assert_eq!(zone("Europe/Zurch"), Err(Some("Europe/Zurich")));
        assert_eq!(zone("zurich"), Err(Some("Europe/Zurich")));
        assert_eq!(zone("europe/berlin"), Err(Some("Europe/Berlin")));
        assert_eq!(zone("Middle Earth"), Err(None));
    }
}
