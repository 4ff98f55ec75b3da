//! Letters without their accents, as scikit-learn's `strip_accents` leaves them.

use std::collections::HashMap;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of letters with accents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "StripAccents")]
pub(in crate::ml::transform) enum StripAccents {
    /// They lose them; all other letters stay.
    Unicode,
    /// They lose them, and what is no ASCII then goes.
    Ascii,
}

/// What is left of each character that changes, made by `tools/accents.py`.
static PLAIN: LazyLock<HashMap<char, &'static str>> = LazyLock::new(|| {
    let entry = |line: &'static str| {
        let first = line.chars().next()?;
        Some((first, &line[first.len_utf8()..]))
    };
    include_str!("accents.txt").split('\n').filter_map(entry).collect()
});

/// The first syllable of Hangul, and how many there are.
const SYLLABLES: (u32, u32) = (0xAC00, 11_172);

impl StripAccents {
    /// The text without accents.
    pub(in crate::ml::transform) fn strip(self, text: String) -> String {
        if text.is_ascii() {
            return text;
        }
        let mut plain = String::with_capacity(text.len());
        for sign in text.chars() {
            if sign.is_ascii() {
                plain.push(sign);
                continue;
            }
            match PLAIN.get(&sign) {
                Some(rest) => plain.push_str(rest),
                None => plain.extend(parts(sign)),
            }
        }
        match self {
            StripAccents::Unicode => plain,
            StripAccents::Ascii => plain.chars().filter(char::is_ascii).collect(),
        }
    }
}

/// A syllable of Hangul in its two or three letters (Unicode, section 3.12); any other character as it is.
fn parts(sign: char) -> impl Iterator<Item = char> {
    let (first, count) = SYLLABLES;
    let place = u32::from(sign).wrapping_sub(first);
    let letters = if place < count {
        let end = place % 28;
        let end = if end == 0 { None } else { char::from_u32(0x11A7 + end) };
        [char::from_u32(0x1100 + place / 588), char::from_u32(0x1161 + place % 588 / 28), end]
    } else {
        [Some(sign), None, None]
    };
    letters.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_lose_their_accents() {
        let strip = |text: &str| StripAccents::Unicode.strip(text.to_owned());
        assert_eq!(strip("Ünïcödé naïve Ångström ﬁne № ½ ｆｕｌｌ"), "Unicode naive Angstrom fine No 1⁄2 full");
        assert_eq!(strip("한글 ø ß 日本"), "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af} ø ß 日本");
        assert_eq!(StripAccents::Ascii.strip("Søren à ½ 日".to_owned()), "Sren a 12 ");
    }
}
