//! Texts to terms: words or characters, and runs of several.

use std::collections::BTreeSet;

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::accents::StripAccents;

/// What terms are made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Analyzer")]
pub(in crate::ml::transform) enum Analyzer {
    /// Words, as `token_pattern` finds them.
    #[default]
    Word,
    /// Characters.
    Char,
    /// Characters within words, with a blank before and after each.
    CharWb,
}

/// The pattern of words: two or more letters or digits.
pub(in crate::ml::transform) const WORDS: &str = r"(?u)\b\w\w+\b";

/// How texts become terms, as in scikit-learn's vectorizers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Tokens {
    pub(in crate::ml::transform) analyzer: Analyzer,
    pub(in crate::ml::transform) lowercase: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::ml::transform) strip_accents: Option<StripAccents>,
    pub(in crate::ml::transform) ngram_range: (usize, usize),
    pub(in crate::ml::transform) stop_words: BTreeSet<String>,
    pub(in crate::ml::transform) token_pattern: Pattern,
}

/// A regular expression that is text in JSON and compiled in memory.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(in crate::ml::transform) struct Pattern(Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Pattern, String> {
        let regex = Regex::new(&text).map_err(|error| format!("`token_pattern` is no regular expression: {error}"))?;
        if regex.captures_len() > 2 {
            return Err("`token_pattern` has more than one group".to_owned());
        }
        Ok(Pattern(regex))
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.0.as_str().to_owned()
    }
}

/// Whether a range of n-grams makes sense.
pub(in crate::ml::transform) fn check_range((least, most): (usize, usize)) -> Result<(), String> {
    if least >= 1 && least <= most && most <= 20 {
        Ok(())
    } else {
        Err(format!("`ngram_range: [{least}, {most}]` must go from 1 or more up, and to 20 at most"))
    }
}

impl Tokens {
    /// Calls `take` for each term of a text, in scikit-learn's order.
    pub(in crate::ml::transform) fn each(&self, text: &str, mut take: impl FnMut(&str)) {
        let text = if self.lowercase { text.to_lowercase() } else { text.to_owned() };
        let text = match self.strip_accents {
            Some(accents) => accents.strip(text),
            None => text,
        };
        match self.analyzer {
            Analyzer::Word => {
                let words: Vec<&str> = if self.token_pattern.0.captures_len() == 2 {
                    let groups = self.token_pattern.0.captures_iter(&text);
                    groups.map(|groups| groups.get(1).map_or("", |group| group.as_str())).collect()
                } else {
                    self.token_pattern.0.find_iter(&text).map(|found| found.as_str()).collect()
                };
                let words: Vec<&str> = words.into_iter().filter(|word| !self.stop_words.contains(*word)).collect();
                for length in self.ngram_range.0..=self.ngram_range.1 {
                    match length {
                        1 => words.iter().for_each(|word| take(word)),
                        length => words.windows(length).for_each(|words| take(&words.join(" "))),
                    }
                }
            }
            Analyzer::Char => {
                let spaced = single_blanks(&text);
                self.runs(&spaced, &mut take);
            }
            Analyzer::CharWb => {
                let spaced = single_blanks(&text);
                for word in spaced.split_whitespace() {
                    let padded: Vec<char> = std::iter::once(' ').chain(word.chars()).chain([' ']).collect();
                    for length in self.ngram_range.0..=self.ngram_range.1 {
                        // A word that is no longer than the run counts once, whole.
                        if padded.len() <= length {
                            take(&padded.iter().collect::<String>());
                            break;
                        }
                        padded.windows(length).for_each(|run| take(&run.iter().collect::<String>()));
                    }
                }
            }
        }
    }

    fn runs(&self, text: &str, take: &mut impl FnMut(&str)) {
        let characters: Vec<char> = text.chars().collect();
        for length in self.ngram_range.0..=self.ngram_range.1 {
            characters.windows(length).for_each(|run| take(&run.iter().collect::<String>()));
        }
    }
}

/// The text with a single blank for each run of two or more white spaces.
fn single_blanks(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len());
    let mut blanks = String::new();
    let close = |blanks: &mut String, spaced: &mut String| {
        if blanks.chars().count() > 1 {
            spaced.push(' ');
        } else {
            spaced.push_str(blanks);
        }
        blanks.clear();
    };
    for character in text.chars() {
        if character.is_whitespace() {
            blanks.push(character);
        } else {
            close(&mut blanks, &mut spaced);
            spaced.push(character);
        }
    }
    close(&mut blanks, &mut spaced);
    spaced
}
