//! MySQL's binary values that have no counterpart elsewhere: days that are none, lengths of time, bits.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

/// A day or a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Moment {
    /// One of the calendar.
    Known(NaiveDateTime),
    /// One with a month, a day or all of it zero, as text.
    Unknown(String),
}

/// The day or moment that the bytes mean, after their length.
pub(super) fn moment(bytes: &[u8]) -> Option<Moment> {
    let (_, fields) = bytes.split_first()?;
    let field = |at: usize| fields.get(at).copied().unwrap_or_default();
    let year = u16::from_le_bytes([field(0), field(1)]);
    let micros = u32::from_le_bytes([field(7), field(8), field(9), field(10)]);
    let [month, day, hour, minute, second] = [2, 3, 4, 5, 6].map(field);
    let date = NaiveDate::from_ymd_opt(i32::from(year), month.into(), day.into());
    let time = NaiveTime::from_hms_micro_opt(hour.into(), minute.into(), second.into(), micros)?;
    Some(match date {
        Some(date) => Moment::Known(date.and_time(time)),
        None if time == NaiveTime::MIN => Moment::Unknown(format!("{year:04}-{month:02}-{day:02}")),
        None => Moment::Unknown(format!("{year:04}-{month:02}-{day:02} {time}")),
    })
}

/// The length of time that the bytes mean, which may be longer than a day: `-838:59:59`.
pub(super) fn time(bytes: &[u8]) -> Option<String> {
    let (_, fields) = bytes.split_first()?;
    let field = |at: usize| fields.get(at).copied().unwrap_or_default();
    let word = |at: usize| u32::from_le_bytes([field(at), field(at + 1), field(at + 2), field(at + 3)]);
    let [hour, minute, second] = [5, 6, 7].map(field);
    let (hours, micros) = (u64::from(word(1)) * 24 + u64::from(hour), word(8));
    let sign = if field(0) == 0 { "" } else { "-" };
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    Some(format!("{sign}{hours:02}:{minute:02}:{second:02}{fraction}"))
}

/// The number of the bits, its highest byte first.
pub(super) fn bits(bytes: &[u8]) -> Option<u64> {
    (bytes.len() <= 8).then(|| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> String {
        match moment(bytes) {
            Some(Moment::Known(moment)) => moment.to_string(),
            Some(Moment::Unknown(text)) => format!("no day {text}"),
            None => "nothing".to_owned(),
        }
    }

    #[test]
    fn days_that_are_none_are_told() {
        assert_eq!(shown(&[4, 0xE8, 0x07, 2, 29]), "2024-02-29 00:00:00");
        assert_eq!(shown(&[7, 0x0F, 0x27, 12, 31, 23, 59, 59]), "9999-12-31 23:59:59");
        assert_eq!(shown(&[11, 0x3A, 0x07, 6, 1, 10, 0, 0, 0x40, 0xE2, 1, 0]), "1850-06-01 10:00:00.123456");
        assert_eq!(shown(&[0]), "no day 0000-00-00");
        assert_eq!(shown(&[4, 0xE8, 0x07, 0, 0]), "no day 2024-00-00");
        assert_eq!(shown(&[7, 0, 0, 0, 0, 10, 30, 0]), "no day 0000-00-00 10:30:00");
        assert_eq!(shown(&[7, 0xE8, 0x07, 2, 29, 24, 0, 0]), "nothing");
        assert_eq!(shown(&[]), "nothing");
    }

    #[test]
    fn lengths_of_time_and_bits_are_read_whole() {
        assert_eq!(time(&[0]).unwrap(), "00:00:00");
        assert_eq!(time(&[8, 1, 34, 0, 0, 0, 22, 59, 59]).unwrap(), "-838:59:59");
        assert_eq!(time(&[12, 0, 0, 0, 0, 0, 23, 59, 59, 0x20, 0xA1, 7, 0]).unwrap(), "23:59:59.500000");
        assert_eq!(time(&[]), None);
        assert_eq!(bits(&[1, 0]), Some(256));
        assert_eq!(bits(&[0xFF; 8]), Some(u64::MAX));
        assert_eq!(bits(&[0; 9]), None);
    }
}
