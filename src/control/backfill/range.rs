//! The values of a backfill: days or whole numbers from one to another, or a list.

use chrono::{Days, Months, NaiveDate};

use crate::control::ControlError;

/// The most values that one backfill has. More is a slip of the finger, or a loop that belongs into the pipeline.
pub const MOST_VALUES: usize = 10_000;

/// How far one value is from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Days(u64),
    Months(u32),
    Number(u64),
}

/// The values that `text` means: `2026-01-01..2026-01-31`, `1..12` (both ends included), or `a,b,c`. `step` is the
/// distance: `1d`, `2w`, `1mo` for days, a number for numbers.
///
/// # Errors
/// The range cannot be read, runs backwards, or has more than [`MOST_VALUES`] values.
pub fn values(text: &str, step: Option<&str>) -> Result<Vec<String>, ControlError> {
    let Some((first, last)) = text.split_once("..") else { return list(text, step) };
    let (first, last) = (first.trim(), last.trim());
    if let (Ok(first), Ok(last)) = (first.parse::<i64>(), last.parse::<i64>()) {
        return numbers(first, last, step);
    }
    match (day(first), day(last)) {
        (Some(first), Some(last)) => days(first, last, step),
        _ => {
            let message = format!("`{text}` is not a range");
            Err(bad_range(message)
                .help("write days as `2026-01-01..2026-01-31`, numbers as `1..12`, a list as `a,b,c`"))
        }
    }
}

/// A day, and nothing that only begins like one.
fn day(text: &str) -> Option<NaiveDate> {
    (text.len() == 10).then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()).flatten()
}

fn list(text: &str, step: Option<&str>) -> Result<Vec<String>, ControlError> {
    if step.is_some() {
        return Err(bad_range("a list has no step").help("write a range as `A..B`"));
    }
    let values: Vec<String> = match serde_json::from_str::<Vec<serde_json::Value>>(text) {
        Ok(values) => {
            values.into_iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect()
        }
        Err(_) => text.split(',').map(|value| value.trim().to_owned()).collect(),
    };
    if values.iter().any(String::is_empty) || values.is_empty() {
        return Err(bad_range(format!("`{text}` has an empty value")));
    }
    let mut seen = std::collections::BTreeSet::new();
    if let Some(twice) = values.iter().find(|value| !seen.insert(value.as_str())) {
        return Err(bad_range(format!("`{twice}` is in the list twice")));
    }
    if values.len() > MOST_VALUES {
        return Err(too_many(values.len() as u128));
    }
    Ok(values)
}

fn numbers(first: i64, last: i64, step: Option<&str>) -> Result<Vec<String>, ControlError> {
    let step = match step.map(parse_step).transpose()? {
        None => 1,
        Some(Step::Number(step)) => step,
        Some(_) => return Err(bad_range("the step of a range of numbers is a number")),
    };
    forwards(first <= last, &first, &last)?;
    let count = u128::from(last.abs_diff(first)) / u128::from(step) + 1;
    if count > MOST_VALUES as u128 {
        return Err(too_many(count));
    }
    let values = (0..).map_while(|number: u64| first.checked_add_unsigned(number.checked_mul(step)?));
    Ok(values.take_while(|value| *value <= last).map(|value| value.to_string()).collect())
}

fn days(first: NaiveDate, last: NaiveDate, step: Option<&str>) -> Result<Vec<String>, ControlError> {
    let step = match step.map(parse_step).transpose()? {
        None => Step::Days(1),
        Some(Step::Number(_)) => {
            return Err(bad_range("the step of a range of days needs a unit").help("write `1d`, `1w` or `1mo`"));
        }
        Some(step) => step,
    };
    forwards(first <= last, &first, &last)?;
    // Counted before anything is listed; a month has at least 28 days.
    let length = u128::from(last.signed_duration_since(first).num_days().unsigned_abs());
    let count = match step {
        Step::Days(days) | Step::Number(days) => length / u128::from(days) + 1,
        Step::Months(months) => length / (u128::from(months) * 28) + 1,
    };
    if count > MOST_VALUES as u128 {
        return Err(too_many(count));
    }
    // From the first day each time: the last day of January, a month on and another one, is the last of March.
    let nth = |number: u64| match step {
        Step::Days(days) | Step::Number(days) => first.checked_add_days(Days::new(number.checked_mul(days)?)),
        Step::Months(months) => first.checked_add_months(Months::new(u32::try_from(number).ok()?.checked_mul(months)?)),
    };
    Ok((0..).map_while(nth).take_while(|day| *day <= last).map(|day| day.to_string()).collect())
}

fn parse_step(text: &str) -> Result<Step, ControlError> {
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let refused =
        || bad_range(format!("`{text}` is not a step")).help("write `1d`, `2w`, `1mo`, or a number for numbers");
    let number: u32 = number.parse().ok().filter(|number| *number > 0).ok_or_else(refused)?;
    match unit {
        "" => Ok(Step::Number(number.into())),
        "d" => Ok(Step::Days(number.into())),
        "w" => Ok(Step::Days(u64::from(number) * 7)),
        "mo" => Ok(Step::Months(number)),
        _ => Err(refused()),
    }
}

fn forwards(
    is_forwards: bool,
    first: &dyn std::fmt::Display,
    last: &dyn std::fmt::Display,
) -> Result<(), ControlError> {
    if is_forwards {
        return Ok(());
    }
    Err(bad_range(format!("the range runs backwards, from {first} to {last}"))
        .help("write the smaller end first; `--newest-first` turns the order around"))
}

fn bad_range(message: impl Into<String>) -> ControlError {
    ControlError::invalid("bad_range", message)
}

fn too_many(count: u128) -> ControlError {
    ControlError::invalid(
        "too_many_values",
        format!("the range has {count} values, and a backfill at most {MOST_VALUES}"),
    )
    .help("take a larger `--step`, or several backfills")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, step: Option<&str>) -> String {
        match values(text, step) {
            Ok(values) => values.join(" "),
            Err(error) => error.message,
        }
    }

    #[test]
    fn both_ends_belong_to_a_range() {
        assert_eq!(check("2026-02-27..2026-03-01", None), "2026-02-27 2026-02-28 2026-03-01");
        assert_eq!(check("2026-01-01..2026-01-15", Some("1w")), "2026-01-01 2026-01-08 2026-01-15");
        assert_eq!(check("2026-01-31..2026-03-31", Some("1mo")), "2026-01-31 2026-02-28 2026-03-31");
        assert_eq!(check("-1..1", None), "-1 0 1");
        assert_eq!(check("1..10", Some("4")), "1 5 9");
        assert_eq!(check("7..7", None), "7");
        assert_eq!(check("a, b,c", None), "a b c");
        assert_eq!(check(r#"["x,y", 3]"#, None), "x,y 3");
    }

    #[test]
    fn a_range_that_makes_no_sense_is_refused_before_it_is_listed() {
        assert_eq!(
            check("0..9223372036854775807", None),
            "the range has 9223372036854775808 values, and a backfill at most 10000"
        );
        assert_eq!(check("0001-01-01..9999-12-31", None), "the range has 3652059 values, and a backfill at most 10000");
        assert_eq!(check("2026-01-02..2026-01-01", None), "the range runs backwards, from 2026-01-02 to 2026-01-01");
        assert_eq!(check("2026-01-01..2026-01-05", Some("2")), "the step of a range of days needs a unit");
        assert_eq!(check("1..5", Some("0")), "`0` is not a step");
        assert_eq!(check("1..5", Some("1d")), "the step of a range of numbers is a number");
        assert_eq!(check("2026-02-30..2026-03-01", None), "`2026-02-30..2026-03-01` is not a range");
        assert_eq!(check("a,,b", None), "`a,,b` has an empty value");
        assert_eq!(check("a,b,a", None), "`a` is in the list twice");
        assert_eq!(check("", None), "`` has an empty value");
    }
}
