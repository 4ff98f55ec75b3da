//! The forms in which a value is looked for: as it is, in base64, in hexadecimal, and line by line.

/// Shorter pieces are too common to be taken for a part of a secret.
const SHORTEST_PIECE: usize = 4;

/// A line of a value of several lines is looked for by itself from this length on.
const SHORTEST_LINE: usize = 8;

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// All forms of `value`, without repetition.
pub(super) fn forms(value: &str) -> Vec<String> {
    let mut forms = vec![value.to_owned()];
    forms.extend(value.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE).map(str::to_owned));
    for alphabet in [STANDARD, URL_SAFE] {
        // What stands before a value, as a user's name does in `user:password`, shifts its bits.
        forms.extend((0..3).map(|before| base64_core(value.as_bytes(), before, alphabet)));
    }
    let hex = value.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    forms.push(hex.to_ascii_uppercase());
    forms.push(hex);
    forms.retain(|form| form.len() >= SHORTEST_PIECE);
    forms.sort();
    forms.dedup();
    forms
}

/// The characters of the base64 of any text with `before` bytes before `value` that `value` alone decides.
fn base64_core(value: &[u8], before: usize, alphabet: &[u8; 64]) -> String {
    let bits: Vec<bool> = value.iter().flat_map(|byte| (0..8).rev().map(move |shift| byte >> shift & 1 == 1)).collect();
    let first_whole = (before * 8).next_multiple_of(6) - before * 8;
    bits.get(first_whole..)
        .unwrap_or_default()
        .chunks_exact(6)
        .map(|bits| {
            let index = bits.iter().fold(0, |index, bit| index * 2 + usize::from(*bit));
            char::from(alphabet[index])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base64_of_a_text_around_a_value_holds_one_of_its_cores() {
        // base64 of `ada:correct horse`, `x:correct horse` and `correct horse`, by another program.
        let encoded = ["YWRhOmNvcnJlY3QgaG9yc2U=", "eDpjb3JyZWN0IGhvcnNl", "Y29ycmVjdCBob3JzZQ=="];
        for text in encoded {
            assert!(forms("correct horse").iter().any(|form| form.len() > 12 && text.contains(form)), "{text}");
        }
    }

    #[test]
    fn the_lines_of_a_key_are_looked_for_each() {
        let key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----\n";
        assert!(forms(key).contains(&"MIIEvQIBADANBg".to_owned()));
    }
}
