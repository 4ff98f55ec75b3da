//! Patterns of texts: regular expressions, and those of SQL's `LIKE`.

use regex::Regex;

/// A regular expression, or why it is none.
pub(super) fn regex(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| {
        let reason = error.to_string();
        reason.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned()
    })
}

/// The regular expression of a `LIKE` pattern over the whole text: `%` stands for any characters, `_` for one, `[abc]`,
/// `[a-f]` and `[^abc]` for one of a set as on SQL Server; a backslash takes the meaning from what follows.
pub(super) fn like(pattern: &str) -> Result<Regex, String> {
    let mut text = String::from("(?s)^");
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '%' => text.push_str(".*"),
            '_' => text.push('.'),
            '\\' => literal(letters.next().unwrap_or('\\'), &mut text),
            '[' => {
                let set: String = letters.by_ref().take_while(|letter| *letter != ']').collect();
                let (is_negated, members) = match set.strip_prefix('^') {
                    Some(members) => (true, members),
                    None => (false, set.as_str()),
                };
                if members.is_empty() {
                    return Err(format!("the set in `{pattern}` is empty"));
                }
                text.push_str(if is_negated { "[^" } else { "[" });
                for member in members.chars() {
                    if member == '-' { text.push('-') } else { literal(member, &mut text) }
                }
                text.push(']');
            }
            other => literal(other, &mut text),
        }
    }
    text.push('$');
    regex(&text)
}

fn literal(letter: char, text: &mut String) {
    text.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4])));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_fits_the_whole_text() {
        let check = |pattern: &str, text: &str| like(pattern).unwrap().is_match(text);
        assert!(check("a%", "abc") && check("a%", "a") && !check("a%", "ba"));
        assert!(check("a_c", "abc") && check("a_c", "aüc") && !check("a_c", "ac"));
        assert!(check("[ab]%", "bcd") && !check("[ab]%", "cde") && check("[^ab]%", "cde") && check("[a-f]", "e"));
        assert!(check("100\\%", "100%") && !check("100\\%", "1000"));
        assert!(check("a.c", "a.c") && !check("a.c", "abc"), "a point is a point");
        assert!(check("%b%", "a\nb\nc"), "a line break is a character");
        assert!(like("[]").is_err());
    }
}
