//! One form of a value, recognised in any mixture of escapes.

/// How a pattern fits a text from its beginning on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// It does not.
    No,
    /// It ends before this byte.
    Until(usize),
    /// The text ends before it is decided.
    Undecided,
}

/// The ways to write one character. The first is the character itself.
#[derive(Debug)]
struct Spellings(Vec<Vec<u8>>);

/// A text that is looked for.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Spellings>);

impl Pattern {
    pub(super) fn new(text: &str) -> Pattern {
        Pattern(text.chars().map(Spellings::of).collect())
    }

    /// The bytes with which it can begin.
    pub(super) fn first_bytes(&self) -> impl Iterator<Item = u8> {
        let spellings = self.0.first().map_or(&[][..], |spellings| spellings.0.as_slice());
        spellings.iter().filter_map(|spelling| spelling.first().copied())
    }

    pub(super) fn fit(&self, text: &[u8]) -> Fit {
        let mut places = vec![0];
        let mut is_undecided = false;
        for spellings in &self.0 {
            let mut next = Vec::new();
            for place in places {
                let rest = &text[place..];
                for (index, spelling) in spellings.0.iter().enumerate() {
                    let length = spelling.len().min(rest.len());
                    let is_equal = if index == 0 {
                        rest[..length] == spelling[..length]
                    } else {
                        // Escapes are written in either case: `%2f`, `%2F`.
                        rest[..length].eq_ignore_ascii_case(&spelling[..length])
                    };
                    if is_equal && length < spelling.len() {
                        is_undecided = true;
                    } else if is_equal && !next.contains(&(place + length)) {
                        next.push(place + length);
                    }
                }
            }
            if next.is_empty() {
                return if is_undecided { Fit::Undecided } else { Fit::No };
            }
            places = next;
        }
        places.into_iter().max().map_or(Fit::No, Fit::Until)
    }
}

impl Spellings {
    fn of(character: char) -> Spellings {
        let mut buffer = [0; 4];
        let bytes = character.encode_utf8(&mut buffer).as_bytes();
        let code = u32::from(character);
        let each = |escape: fn(&u8) -> String| bytes.iter().map(escape).collect::<String>();
        let mut units = [0; 2];
        let utf16: Vec<String> =
            character.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect();
        let mut spellings = vec![
            each(|byte| format!("%{byte:02x}")),
            each(|byte| format!("\\x{byte:02x}")),
            utf16.concat(),
            format!("\\u{{{code:x}}}"),
            format!("&#{code};"),
            format!("&#x{code:x};"),
        ];
        let named: &[&str] = match character {
            ' ' => &["+", "\\ "],
            '"' => &["\\\"", "&quot;"],
            '\'' => &["\\'", "'\\''", "'\"'\"'", "&apos;"],
            '\\' => &["\\\\"],
            '/' => &["\\/"],
            '&' => &["&amp;"],
            '<' => &["&lt;"],
            '>' => &["&gt;"],
            '\n' => &["\\n", "\r\n"],
            '\r' => &["\\r"],
            '\t' => &["\\t"],
            '$' => &["\\$"],
            '`' => &["\\`"],
            _ => &[],
        };
        spellings.extend(named.iter().map(|spelling| (*spelling).to_owned()));
        let itself = bytes.to_vec();
        Spellings(std::iter::once(itself).chain(spellings.into_iter().map(String::into_bytes)).collect())
    }
}
