//! `count_vectorizer` and `tfidf`: how often the terms of the fit table's texts occur.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::accents::StripAccents;
use super::stop_words::StopWords;
use super::tokens::{Analyzer, Tokens, WORDS, check_range};
use crate::ml::transform::fitted::{Fitted, Rows, names};
use crate::ml::transform::frame::{Column, Frame, Kind};
use crate::ml::transform::learn::{Learner, LearningRows};
use crate::ml::transform::plan::{Columns, Plan, Planning, Promise, Transform};
use crate::ml::transform::registry::Unit;
use crate::ml::transform::{ColumnType, TransformError};
use crate::units::size;

/// More columns than this are more than a dense table holds with ease.
const MOST_COLUMNS: usize = 10_000;

/// What a term takes beside its text, in a tree whose nodes are half empty.
const BYTES_PER_TERM: usize = 96;
/// More terms than this are not kept while learning.
const MOST_TERMS: usize = 4_000_000;

/// A number of texts, or a share of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Documents")]
pub(in crate::ml::transform) enum Documents {
    /// A number of texts.
    Count(u64),
    /// A share of them, from 0 to 1.
    Share(f64),
}

impl Documents {
    fn of(self, documents: u64) -> f64 {
        match self {
            Documents::Count(count) => count as f64,
            Documents::Share(share) => share * documents as f64,
        }
    }

    fn check(self, name: &str) -> Result<(), String> {
        match self {
            Documents::Share(share) if !(0.0..=1.0).contains(&share) => {
                Err(format!("`{name}: {share}` must be a number of texts, or a share from 0.0 to 1.0"))
            }
            _ => Ok(()),
        }
    }
}

/// How the length of a row of numbers is made 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "TextNorm")]
pub(in crate::ml::transform) enum Norm {
    /// Absolute values sum to 1.
    L1,
    /// Squares sum to 1.
    #[default]
    L2,
    /// It stays as it is.
    None,
}

impl Norm {
    /// Brings a row to the length.
    pub(in crate::ml::transform) fn apply(self, row: &mut BTreeMap<usize, f64>) {
        let length = match self {
            Norm::L1 => row.values().map(|value| value.abs()).sum::<f64>(),
            Norm::L2 => row.values().map(|value| value * value).sum::<f64>().sqrt(),
            Norm::None => return,
        };
        if length > 0.0 {
            for value in row.values_mut() {
                *value /= length;
            }
        }
    }
}

fn pattern() -> String {
    WORDS.to_owned()
}

fn yes() -> bool {
    true
}

fn single() -> (usize, usize) {
    (1, 1)
}

fn once() -> Documents {
    Documents::Count(1)
}

fn always() -> Documents {
    Documents::Share(1.0)
}

/// Replaces a text by how often each term of the fit table's texts occurs in it, `NAME_TERM` (scikit-learn's
/// `CountVectorizer`). Terms are sorted; a missing text has none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CountVectorizer")]
pub(in crate::ml::transform) struct CountParams {
    /// The least and the most words or characters of a term.
    #[serde(default = "single")]
    ngram_range: (usize, usize),
    /// Terms in fewer texts are left out: a number of texts, or a share such as 0.01.
    #[serde(default = "once")]
    min_df: Documents,
    /// Terms in more texts are left out: a number of texts, or a share such as 0.9.
    #[serde(default = "always")]
    max_df: Documents,
    /// Only the terms that occur most often; of equally frequent ones the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_features: Option<usize>,
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
    /// Whether 1 stands for any number of times.
    #[serde(default)]
    binary: bool,
}

/// Replaces a text by how often each term of the fit table's texts occurs in it, weighed by how rare the term is,
/// `NAME_TERM` (scikit-learn's `TfidfVectorizer`): times `ln((1 + n) / (1 + df)) + 1`, and each row to the length 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Tfidf")]
#[expect(clippy::struct_excessive_bools, reason = "these are the params of scikit-learn")]
pub(in crate::ml::transform) struct TfidfParams {
    /// The least and the most words or characters of a term.
    #[serde(default = "single")]
    ngram_range: (usize, usize),
    /// Terms in fewer texts are left out: a number of texts, or a share such as 0.01.
    #[serde(default = "once")]
    min_df: Documents,
    /// Terms in more texts are left out: a number of texts, or a share such as 0.9.
    #[serde(default = "always")]
    max_df: Documents,
    /// Only the terms that occur most often; of equally frequent ones the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_features: Option<usize>,
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
    /// Whether 1 stands for any number of times.
    #[serde(default)]
    binary: bool,
    /// Whether `1 + ln(count)` stands for a count.
    #[serde(default)]
    sublinear_tf: bool,
    /// Whether rare terms weigh more.
    #[serde(default = "yes")]
    use_idf: bool,
    /// Whether one more text with every term is imagined.
    #[serde(default = "yes")]
    smooth_idf: bool,
    /// How a row is brought to the length 1.
    #[serde(default)]
    norm: Norm,
}

impl CountParams {
    fn weighed(&self) -> TfidfParams {
        let CountParams {
            ngram_range,
            min_df,
            max_df,
            max_features,
            analyzer,
            lowercase,
            strip_accents,
            stop_words,
            ..
        } = self.clone();
        TfidfParams {
            ngram_range,
            min_df,
            max_df,
            max_features,
            analyzer,
            lowercase,
            strip_accents,
            stop_words,
            token_pattern: self.token_pattern.clone(),
            binary: self.binary,
            sublinear_tf: false,
            use_idf: false,
            smooth_idf: true,
            norm: Norm::None,
        }
    }
}

impl Transform for CountParams {
    const COLUMNS: Columns = Columns::Selected("@categorical");
    const EXAMPLE: &'static str = "{count_vectorizer: {max_features: 100}, columns: [plan]}";

    fn check(&self) -> Result<(), String> {
        self.weighed().check()
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        plan("count_vectorizer", self.weighed(), planning)
    }
}

impl Transform for TfidfParams {
    const COLUMNS: Columns = Columns::Selected("@categorical");
    const EXAMPLE: &'static str = "{tfidf: {ngram_range: [1, 2], max_features: 100}, columns: [plan]}";

    fn check(&self) -> Result<(), String> {
        check_range(self.ngram_range)?;
        self.min_df.check("min_df")?;
        self.max_df.check("max_df")?;
        if self.max_features == Some(0) {
            return Err("`max_features` must be 1 or more".to_owned());
        }
        self.tokens().map(drop)
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        plan("tfidf", self.clone(), planning)
    }
}

impl TfidfParams {
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

fn plan(key: &'static str, params: TfidfParams, planning: &Planning<'_>) -> Result<Plan, TransformError> {
    let (name, column) = planning.one()?;
    need_text(key, name, column)?;
    let tokens = params.tokens().map_err(|message| TransformError::input("params", message))?;
    let learner = Terms {
        key,
        memory_bytes: planning.facts.memory_bytes,
        name: name.to_owned(),
        params,
        tokens,
        found: BTreeMap::new(),
        found_bytes: 0,
        documents: 0,
    };
    Ok(Plan::Learn(Box::new(learner), Promise::open(Kind::Encoded)))
}

/// Refuses a column that is no text.
pub(in crate::ml::transform) fn need_text(key: &str, name: &str, column: &Column) -> Result<(), TransformError> {
    let found = column.column_type();
    if found == ColumnType::Text {
        return Ok(());
    }
    let message = format!("`{key}` needs text, but column `{name}` holds {}", found.describe());
    Err(TransformError::input("column_type", message).help("name the columns with text under `columns`"))
}

/// The text of a row; none where it is missing.
pub(in crate::ml::transform) fn text(array: &ArrayRef, row: usize) -> &str {
    if array.is_null(row) { "" } else { array.as_string::<i32>().value(row) }
}

struct Terms {
    key: &'static str,
    memory_bytes: Option<u64>,
    name: String,
    params: TfidfParams,
    tokens: Tokens,
    /// In how many texts a term occurs, and how often in all.
    found: BTreeMap<String, (u64, u64)>,
    /// What the terms themselves take.
    found_bytes: usize,
    documents: u64,
}

impl Learner for Terms {
    fn learn(&mut self, frame: &Frame, _: &LearningRows<'_>) -> Result<(), TransformError> {
        let array = Arc::clone(&frame.column(&self.name)?.array);
        let mut of_text: BTreeMap<String, u64> = BTreeMap::new();
        for row in 0..array.len() {
            self.documents += 1;
            self.tokens.each(text(&array, row), |term| match of_text.get_mut(term) {
                Some(count) => *count += 1,
                None => drop(of_text.insert(term.to_owned(), 1)),
            });
            for (term, count) in std::mem::take(&mut of_text) {
                let count = if self.params.binary { 1 } else { count };
                let length = term.len();
                let known = self.found.entry(term).or_default();
                self.found_bytes += if known.0 == 0 { length } else { 0 };
                known.0 += 1;
                known.1 += count;
            }
            if self.found.len() > MOST_TERMS {
                let message = format!("column `{}` has more than {MOST_TERMS} different terms", self.name);
                return Err(TransformError::input("too_many_columns", message)
                    .help("take `hashing_vectorizer`, or a shorter `ngram_range`"));
            }
        }
        let bytes = (self.found.len() * BYTES_PER_TERM + self.found_bytes) as u64;
        if let Some(limit) = self.memory_bytes.filter(|limit| bytes > *limit) {
            let message = format!(
                "`{}` keeps {} of the {} different terms of column `{}` that it has seen so far, and the step may use {}",
                self.key,
                size(bytes),
                self.found.len(),
                self.name,
                size(limit)
            );
            return Err(TransformError::input("memory", message)
                .help("raise `resources.memory` of the step, take `hashing_vectorizer`, or a shorter `ngram_range`"));
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let Terms { key, name, params, tokens, found, documents, .. } = *self;
        let (least, most) = (params.min_df.of(documents), params.max_df.of(documents));
        let mut kept: Vec<(String, (u64, u64))> =
            found.into_iter().filter(|(_, (df, _))| (least..=most).contains(&(*df as f64))).collect();
        if let Some(limit) = params.max_features.filter(|limit| *limit < kept.len()) {
            kept.sort_by_key(|(_, (_, count))| std::cmp::Reverse(*count));
            kept.truncate(limit);
            kept.sort();
        }
        if kept.is_empty() {
            let message = format!("column `{name}` has no terms that `{key}` keeps");
            return Err(TransformError::input("no_terms", message)
                .help("lower `min_df`, raise `max_df`, or look at `token_pattern` and `stop_words`"));
        }
        if kept.len() > MOST_COLUMNS {
            let message = format!("column `{name}` has {} terms, and a table holds {MOST_COLUMNS} of them", kept.len());
            return Err(TransformError::input("too_many_columns", message)
                .help("set `max_features`, raise `min_df`, or take `hashing_vectorizer`"));
        }
        let weight = |df: u64| {
            let (documents, df) = (documents as f64, df as f64);
            match (params.use_idf, params.smooth_idf) {
                (false, _) => 1.0,
                (true, true) => ((1.0 + documents) / (1.0 + df)).ln() + 1.0,
                (true, false) => (documents / df).ln() + 1.0,
            }
        };
        let vocabulary = Vocabulary {
            columns: kept.iter().map(|(term, _)| format!("{name}_{term}")).collect(),
            weights: if params.use_idf { kept.iter().map(|(_, (df, _))| weight(*df)).collect() } else { Vec::new() },
            terms: kept.into_iter().map(|(term, _)| term).collect(),
            column: name,
            tokens,
            binary: params.binary,
            sublinear_tf: params.sublinear_tf,
            norm: params.norm,
        };
        Ok(if key == "tfidf" { Unit::Tfidf(vocabulary) } else { Unit::CountVectorizer(vocabulary) })
    }
}

/// The terms of one column and their weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Vocabulary {
    column: String,
    /// Sorted.
    terms: Vec<String>,
    columns: Vec<String>,
    /// The weight of each term; none if all are 1.
    weights: Vec<f64>,
    tokens: Tokens,
    binary: bool,
    sublinear_tf: bool,
    norm: Norm,
}

impl Vocabulary {
    fn row(&self, text: &str) -> BTreeMap<usize, f64> {
        let mut row: BTreeMap<usize, f64> = BTreeMap::new();
        self.tokens.each(text, |term| {
            if let Ok(place) = self.terms.binary_search_by(|known| known.as_str().cmp(term)) {
                *row.entry(place).or_default() += 1.0;
            }
        });
        for (place, value) in &mut row {
            if self.binary {
                *value = 1.0;
            }
            if self.sublinear_tf {
                *value = value.ln() + 1.0;
            }
            *value *= self.weights.get(*place).copied().unwrap_or(1.0);
        }
        self.norm.apply(&mut row);
        row
    }
}

/// Columns out of a few places of each row.
pub(in crate::ml::transform) fn dense(
    rows: usize,
    columns: &[String],
    row: impl Fn(usize) -> BTreeMap<usize, f64>,
) -> Vec<(String, Column)> {
    let mut values = vec![vec![0.0; rows]; columns.len()];
    for (index, found) in (0..rows).map(|index| (index, row(index))) {
        for (place, value) in found {
            values[place][index] = value;
        }
    }
    let columns = columns.iter().cloned().zip(values);
    columns.map(|(name, values)| (name, Column::encoded(Arc::new(Float64Array::from(values))))).collect()
}

impl Fitted for Vocabulary {
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
