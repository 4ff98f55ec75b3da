//! `text_stats`: lengths and counts of a text.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::vocabulary::need_text;
use crate::ml::transform::TransformError;
use crate::ml::transform::fitted::{Fitted, Rows, names};
use crate::ml::transform::frame::{Column, Frame};
use crate::ml::transform::plan::{Columns, Plan, Planning, Transform};
use crate::ml::transform::registry::Unit;

/// One number of a text, with feature-engine's names. Words are what white space separates; letters are those of the
/// Latin alphabet without accents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "TextStatistic")]
pub(in crate::ml::transform) enum Statistic {
    /// Characters that are no white space.
    CharCount,
    /// Words.
    WordCount,
    /// Runs of `.`, `!` and `?`.
    SentenceCount,
    /// Characters per word, white space between words included.
    AvgWordLength,
    /// Digits from 0 to 9.
    DigitCount,
    /// Letters.
    LetterCount,
    /// Capital letters.
    UppercaseCount,
    /// Small letters.
    LowercaseCount,
    /// What is no letter, no digit from 0 to 9 and no white space.
    SpecialCharCount,
    /// White space.
    WhitespaceCount,
    /// White space as a share of all characters.
    WhitespaceRatio,
    /// Digits as a share of the characters that are no white space.
    DigitRatio,
    /// Capital letters as a share of the characters that are no white space.
    UppercaseRatio,
    /// 1 if there is a digit.
    HasDigits,
    /// 1 if there is a capital letter.
    HasUppercase,
    /// 1 if there is no character.
    IsEmpty,
    /// 1 if the first character is a capital letter.
    StartsWithUppercase,
    /// 1 if the last character is `.`, `!` or `?`.
    EndsWithPunctuation,
    /// Different words, in lower case.
    UniqueWordCount,
    /// Words per different word.
    LexicalDiversity,
}

impl Statistic {
    const ALL: [Statistic; 20] = [
        Statistic::CharCount,
        Statistic::WordCount,
        Statistic::SentenceCount,
        Statistic::AvgWordLength,
        Statistic::DigitCount,
        Statistic::LetterCount,
        Statistic::UppercaseCount,
        Statistic::LowercaseCount,
        Statistic::SpecialCharCount,
        Statistic::WhitespaceCount,
        Statistic::WhitespaceRatio,
        Statistic::DigitRatio,
        Statistic::UppercaseRatio,
        Statistic::HasDigits,
        Statistic::HasUppercase,
        Statistic::IsEmpty,
        Statistic::StartsWithUppercase,
        Statistic::EndsWithPunctuation,
        Statistic::UniqueWordCount,
        Statistic::LexicalDiversity,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Statistic::CharCount => "char_count",
            Statistic::WordCount => "word_count",
            Statistic::SentenceCount => "sentence_count",
            Statistic::AvgWordLength => "avg_word_length",
            Statistic::DigitCount => "digit_count",
            Statistic::LetterCount => "letter_count",
            Statistic::UppercaseCount => "uppercase_count",
            Statistic::LowercaseCount => "lowercase_count",
            Statistic::SpecialCharCount => "special_char_count",
            Statistic::WhitespaceCount => "whitespace_count",
            Statistic::WhitespaceRatio => "whitespace_ratio",
            Statistic::DigitRatio => "digit_ratio",
            Statistic::UppercaseRatio => "uppercase_ratio",
            Statistic::HasDigits => "has_digits",
            Statistic::HasUppercase => "has_uppercase",
            Statistic::IsEmpty => "is_empty",
            Statistic::StartsWithUppercase => "starts_with_uppercase",
            Statistic::EndsWithPunctuation => "ends_with_punctuation",
            Statistic::UniqueWordCount => "unique_word_count",
            Statistic::LexicalDiversity => "lexical_diversity",
        }
    }

    /// The number of a text; 0 where it would be a division by no words.
    fn of(self, text: &str) -> f64 {
        let count = |is: fn(char) -> bool| text.chars().filter(|character| is(*character)).count() as f64;
        let flag = |is: bool| f64::from(u8::from(is));
        let is_special = |character: char| !character.is_ascii_alphanumeric() && !character.is_whitespace();
        let is_digit = |character: char| character.is_ascii_digit();
        let is_end = |character: char| matches!(character, '.' | '!' | '?');
        let words = || text.split_whitespace().count() as f64;
        let different = || text.split_whitespace().map(str::to_lowercase).collect::<BTreeSet<String>>().len() as f64;
        let share = |part: f64, whole: f64| part / if whole > 0.0 { whole } else { 1.0 };
        let per = |all: f64, parts: f64| if parts > 0.0 { all / parts } else { 0.0 };
        let dense = || count(|character| !character.is_whitespace());
        match self {
            Statistic::CharCount => dense(),
            Statistic::WordCount => words(),
            Statistic::SentenceCount => {
                let ends: Vec<bool> = text.chars().map(is_end).collect();
                ends.chunk_by(|one, other| one == other).filter(|run| run[0]).count() as f64
            }
            Statistic::AvgWordLength => per(text.trim().chars().count() as f64, words()),
            Statistic::DigitCount => count(is_digit),
            Statistic::LetterCount => count(|character| character.is_ascii_alphabetic()),
            Statistic::UppercaseCount => count(|character| character.is_ascii_uppercase()),
            Statistic::LowercaseCount => count(|character| character.is_ascii_lowercase()),
            Statistic::SpecialCharCount => count(is_special),
            Statistic::WhitespaceCount => count(char::is_whitespace),
            Statistic::WhitespaceRatio => share(count(char::is_whitespace), text.chars().count() as f64),
            Statistic::DigitRatio => share(count(is_digit), dense()),
            Statistic::UppercaseRatio => share(count(|character| character.is_ascii_uppercase()), dense()),
            Statistic::HasDigits => flag(count(is_digit) > 0.0),
            Statistic::HasUppercase => flag(count(|character| character.is_ascii_uppercase()) > 0.0),
            Statistic::IsEmpty => flag(text.is_empty()),
            Statistic::StartsWithUppercase => flag(text.starts_with(|character: char| character.is_ascii_uppercase())),
            Statistic::EndsWithPunctuation => flag(text.ends_with(is_end)),
            Statistic::UniqueWordCount => different(),
            Statistic::LexicalDiversity => per(words(), different()),
        }
    }
}

/// Replaces a text by lengths and counts, `NAME_char_count`, `NAME_word_count`, ... (feature-engine's `TextFeatures`). A
/// missing text has missing numbers. A bare list is `features`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TextStats")]
pub(in crate::ml::transform) struct Params {
    /// Which numbers; all of them if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    features: Option<Vec<Statistic>>,
    /// Keep the text beside its numbers, for a transform after this one.
    #[serde(default)]
    keep_original: bool,
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("features");
    const COLUMNS: Columns = Columns::Selected("@categorical");
    const EXAMPLE: &'static str = "{text_stats: [char_count, word_count], columns: [plan]}";

    fn check(&self) -> Result<(), String> {
        if self.features.as_ref().is_some_and(Vec::is_empty) { Err("`features` is empty".to_owned()) } else { Ok(()) }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        need_text("text_stats", name, column)?;
        let statistics = self.features.clone().unwrap_or_else(|| Statistic::ALL.to_vec());
        let columns = statistics.iter().map(|statistic| format!("{name}_{}", statistic.as_str())).collect();
        let keep_original = self.keep_original;
        Ok(Plan::Ready(Unit::TextStats(TextStats { column: name.to_owned(), statistics, columns, keep_original })))
    }
}

/// The numbers of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct TextStats {
    column: String,
    statistics: Vec<Statistic>,
    columns: Vec<String>,
    keep_original: bool,
}

impl Fitted for TextStats {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let array: ArrayRef = Arc::clone(&frame.column(&self.column)?.array);
        let texts = array.as_string::<i32>();
        let columns: Vec<(String, Column)> = self
            .columns
            .iter()
            .zip(&self.statistics)
            .map(|(name, statistic)| {
                let values = texts.iter().map(|text| text.map(|text| statistic.of(text)));
                (name.clone(), Column::number(Arc::new(values.collect::<Float64Array>())))
            })
            .collect();
        if self.keep_original {
            for (name, column) in columns {
                frame.set(&name, column);
            }
        } else {
            frame.replace(&self.column, columns);
        }
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn outputs(&self) -> Vec<&str> {
        names(&self.columns)
    }
}
