//! `hashing_vectorizer`: terms into a fixed number of columns, without learning anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::accents::StripAccents;
use super::stop_words::StopWords;
use super::tokens::{Analyzer, Tokens, WORDS, check_range};
use super::vocabulary::{Norm, dense, need_text, text};
use crate::ml::transform::TransformError;
use crate::ml::transform::encode::hash::murmur3;
use crate::ml::transform::fitted::{Fitted, Rows, names};
use crate::ml::transform::frame::Frame;
use crate::ml::transform::plan::{Columns, Plan, Planning, Transform};
use crate::ml::transform::registry::Unit;

/// Replaces a text by how often terms occur in it, each in the column that its hash says, `NAME_0`, `NAME_1`, ...
/// (scikit-learn's `HashingVectorizer`). A missing text has no terms. A bare number is `n_features`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "HashingVectorizer")]
pub(in crate::ml::transform) struct Params {
    /// The number of columns.
    #[serde(default = "buckets")]
    #[schemars(range(min = 1, max = 10000))]
    n_features: u32,
    /// The least and the most words or characters of a term.
    #[serde(default = "single")]
    ngram_range: (usize, usize),
    /// What terms are made of.
    #[serde(default)]
    analyzer: Analyzer,
    /// Whether upper and lower case are the same.
    #[serde(default = "yes")]
    lowercase: bool,
    /// What becomes of letters with accents; they stay if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    strip_accents: Option<StripAccents>,
    /// Words that are left out: a list, in lower case if `lowercase` is on, or `english`.
    #[serde(default)]
    stop_words: StopWords,
    /// The regular expression of a word.
    #[serde(default = "pattern")]
    token_pattern: String,
    /// Whether 1 stands for all that falls into a column, as in scikit-learn.
    #[serde(default)]
    binary: bool,
    /// Whether half of the terms count as -1, so that collisions cancel out on average.
    #[serde(default = "yes")]
    alternate_sign: bool,
    /// How a row is brought to the length 1.
    #[serde(default)]
    norm: Norm,
}

fn buckets() -> u32 {
    256
}

fn single() -> (usize, usize) {
    (1, 1)
}

fn yes() -> bool {
    true
}

fn pattern() -> String {
    WORDS.to_owned()
}

impl Params {
    fn tokens(&self) -> Result<Tokens, String> {
        Ok(Tokens {
            analyzer: self.analyzer,
            lowercase: self.lowercase,
            ngram_range: self.ngram_range,
            strip_accents: self.strip_accents,
            stop_words: self.stop_words.words(),
            token_pattern: self.token_pattern.clone().try_into()?,
        })
    }
}

impl Transform for Params {
    const BARE: Option<&'static str> = Some("n_features");
    const COLUMNS: Columns = Columns::Selected("@categorical");
    const EXAMPLE: &'static str = "{hashing_vectorizer: {n_features: 64}, columns: [plan]}";

    fn check(&self) -> Result<(), String> {
        check_range(self.ngram_range)?;
        if !(1..=10_000).contains(&self.n_features) {
            return Err(format!("`n_features: {}` must be from 1 to 10000", self.n_features));
        }
        self.tokens().map(drop)
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        let (name, column) = planning.one()?;
        need_text("hashing_vectorizer", name, column)?;
        Ok(Plan::Ready(Unit::HashingVectorizer(HashedTerms {
            column: name.to_owned(),
            columns: (0..self.n_features).map(|bucket| format!("{name}_{bucket}")).collect(),
            tokens: self.tokens().map_err(|message| TransformError::input("params", message))?,
            binary: self.binary,
            alternate_sign: self.alternate_sign,
            norm: self.norm,
        })))
    }
}

/// The hashed terms of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct HashedTerms {
    column: String,
    columns: Vec<String>,
    tokens: Tokens,
    binary: bool,
    alternate_sign: bool,
    norm: Norm,
}

impl HashedTerms {
    fn row(&self, text: &str) -> BTreeMap<usize, f64> {
        let mut row: BTreeMap<usize, f64> = BTreeMap::new();
        self.tokens.each(text, |term| {
            let hash = murmur3(term.as_bytes()).cast_signed();
            let bucket = hash.unsigned_abs() as usize % self.columns.len();
            *row.entry(bucket).or_default() += if self.alternate_sign && hash < 0 { -1.0 } else { 1.0 };
        });
        if self.binary {
            for value in row.values_mut() {
                *value = 1.0;
            }
        }
        self.norm.apply(&mut row);
        row
    }
}

impl Fitted for HashedTerms {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        let array = Arc::clone(&frame.column(&self.column)?.array);
        let columns = dense(frame.rows(), &self.columns, |row| self.row(text(&array, row)));
        frame.replace(&self.column, columns);
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn outputs(&self) -> Vec<&str> {
        names(&self.columns)
    }
}
