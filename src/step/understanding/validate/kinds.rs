//! What a text stands for: `format` with its kinds.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use regex::Regex;

use super::expectation::TextKind;

static EMAIL: LazyLock<Regex> = LazyLock::new(|| {
    // One `@`, a local part without blanks, and a domain of labels with a dot; what RFC 5321 allows beyond that no form accepts.
    Regex::new(r"^[^\s@<>(),;:\\\x22\[\]]+@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$")
        .expect("a constant pattern")
});
static UUID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$").expect("a constant pattern"));
static NUMBER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$").expect("a constant pattern"));

/// Whether a text is of a kind.
pub(super) fn is_of(kind: TextKind, text: &str) -> bool {
    match kind {
        TextKind::Email => {
            let local = text.split('@').next().unwrap_or_default();
            EMAIL.is_match(text)
                && text.len() <= 254
                && local.len() <= 64
                && !local.starts_with('.')
                && !local.ends_with('.')
                && !local.contains("..")
        }
        TextKind::Url => {
            url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https" | "ftp") && url.has_host())
                && !text.contains(char::is_whitespace)
        }
        TextKind::Uuid => UUID.is_match(text),
        TextKind::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
        TextKind::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
        TextKind::Date => text.len() == 10 && text.parse::<chrono::NaiveDate>().is_ok(),
        TextKind::Datetime => is_moment(text),
        TextKind::Json => serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(),
        TextKind::Number => NUMBER.is_match(text),
        TextKind::CreditCard => is_card(text),
    }
}

fn is_moment(text: &str) -> bool {
    let text = text.replacen(' ', "T", 1);
    chrono::DateTime::parse_from_rfc3339(&text).is_ok()
        || ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
            .iter()
            .any(|format| chrono::NaiveDateTime::parse_from_str(&text, format).is_ok())
}

/// Luhn's check over 13 to 19 digits, which may stand in groups.
fn is_card(text: &str) -> bool {
    if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b' ' || byte == b'-') {
        return false;
    }
    let digits: Vec<u32> = text.bytes().filter(u8::is_ascii_digit).map(|byte| u32::from(byte - b'0')).collect();
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit * 2) {
            (0, _) => *digit,
            (_, doubled) if doubled > 9 => doubled - 9,
            (_, doubled) => doubled,
        })
        .sum();
    (13..=19).contains(&digits.len()) && sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_by_their_kind() {
        let check = |kind, good: &[&str], bad: &[&str]| {
            for text in good {
                assert!(is_of(kind, text), "{text} is a {kind:?}");
            }
            for text in bad {
                assert!(!is_of(kind, text), "{text} is no {kind:?}");
            }
        };
        check(
            TextKind::Email,
            &["ada@example.org", "a.b+c@x-y.co.uk"],
            &["ada", "a@b", "a@@b.de", "a b@c.de", ".a@b.de", ""],
        );
        check(
            TextKind::Url,
            &["https://example.org/a?b=c", "ftp://x.y"],
            &["example.org", "mailto:a@b.de", "http://", "http://a b"],
        );
        check(
            TextKind::Uuid,
            &["123e4567-e89b-12d3-a456-426614174000"],
            &["123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400g"],
        );
        check(TextKind::Ipv4, &["127.0.0.1", "255.255.255.255"], &["256.1.1.1", "1.2.3", "1.2.3.4.5", "01.2.3.4"]);
        check(TextKind::Ipv6, &["::1", "2001:db8::ff00:42:8329"], &["127.0.0.1", ":::"]);
        check(TextKind::Date, &["2026-02-28", "1899-12-31"], &["2026-02-29", "28.02.2026", "2026-2-28", ""]);
        check(
            TextKind::Datetime,
            &["2026-02-28T10:30:00Z", "2026-02-28 10:30:00", "2026-02-28T10:30:00.25+02:00", "2026-02-28T10:30"],
            &["2026-02-28", "2026-02-28T25:00:00Z", "10:30"],
        );
        check(TextKind::Json, &["{\"a\": [1, null]}", "3", "\"x\""], &["{a: 1}", "", "{\"a\": }"]);
        check(TextKind::Number, &["1", "-2.5e-3", "+.5", "7."], &["", "1,5", "0x1f", "NaN", "1 "]);
        check(
            TextKind::CreditCard,
            &["4111 1111 1111 1111", "378282246310005"],
            &["4111111111111112", "0000000000000000", "41"],
        );
    }
}
