//! Units for people: lengths of time and sizes.

use std::time::Duration;

/// A length of time: `500ms`, `30s`, `5m`, `2h`, `7d`, `2w`.
pub fn duration(text: &str) -> Option<Duration> {
    age(text).filter(|duration| !duration.is_zero())
}

/// A length of time, or none: `0s`.
pub fn age(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        "w" => 604_800.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * seconds).ok()
}

/// A size: `512KiB`, `6GiB`, `2GB`, `100B`.
pub fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return None,
    };
    let bytes = number * factor as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
    (bytes >= 1.0 && bytes < u64::MAX as f64).then_some(bytes as u64)
}

/// A size as people read it: `12 B`, `1.2 GiB`.
pub fn size(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, "B");
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, next);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

/// A decimal number without sign, and the unit after it.
fn split(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|char: char| !char.is_ascii_digit() && char != '.')?;
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_shown_in_the_unit_that_fits() {
        assert_eq!(
            [12, 1023, 1536, 5 << 30, 3 << 50].map(size),
            ["12 B", "1023 B", "1.5 KiB", "5.0 GiB", "3072.0 TiB"]
        );
    }

    #[test]
    fn times_and_sizes_read_as_people_write_them() {
        assert_eq!(duration("30s"), Some(Duration::from_secs(30)));
        assert_eq!(duration("1.5h"), Some(Duration::from_secs(5400)));
        assert_eq!([duration("7d"), duration("1w")], [Some(Duration::from_secs(604_800)); 2]);
        assert_eq!(age("0s"), Some(Duration::ZERO));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(bytes("6GiB"), Some(6 << 30));
        assert_eq!(bytes("2 GB"), Some(2_000_000_000));
    }

    #[test]
    fn a_number_without_unit_and_a_unit_without_number_are_refused() {
        for text in ["30", "s", "", "-5s", "5 minutes", "0s", "1e3s", "1..2s", "99999999999999999999999d"] {
            assert_eq!(duration(text), None, "{text}");
        }
        for text in ["6", "GiB", "6Gb", "0GiB", "-1GiB", "99999999999TiB"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
