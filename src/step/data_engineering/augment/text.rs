//! `augment.text`: rows again, with a few words of their texts changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, UInt32Array};
use arrow::compute::{cast, take_record_batch};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use rand::Rng;
use schemars::JsonSchema;
use serde::Deserialize;

use super::super::parts;
use super::chance::{check_share, copies, of_row};
use super::table::{extend, open, ports};
use super::words::{Amount, delete, swap, synonym};
use crate::phase::Phase;
use crate::step::{ParamErrors, Ports, StepContext, StepError, StepKind};
use crate::table::{TableReader, canonical_type};

/// What is done to words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "AugmentTextMethod")]
pub enum Method {
    /// They give way to a synonym from `synonyms`.
    Synonym,
    /// They change places with a neighbour.
    Swap,
    /// They are left out.
    Delete,
}

/// Adds training rows that are copies of others with a few words of their texts changed, as nlpaug does; everything else
/// stays. A text that cannot be changed, such as one of a single word, gives no new row.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The columns of text that are changed.
    #[schemars(length(min = 1))]
    pub columns: Vec<String>,
    /// What is done to words.
    pub method: Method,
    /// For `synonym`: words in small letters, each with those that may stand in its place.
    #[serde(default)]
    pub synonyms: BTreeMap<String, Vec<String>>,
    /// The share of the words of a text that are changed.
    #[serde(default = "three_tenths")]
    #[schemars(range(min = 0, max = 1))]
    pub aug_p: f64,
    /// At least so many words are changed.
    #[serde(default = "one_word")]
    pub aug_min: usize,
    /// At most so many words are changed.
    #[serde(default = "ten")]
    pub aug_max: usize,
    /// How many rows are made of each row, on average.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 100))]
    pub share: f64,
    /// Another seed than the run's.
    #[serde(default)]
    pub seed: Option<u64>,
}

fn three_tenths() -> f64 {
    0.3
}

fn one_word() -> usize {
    1
}

fn ten() -> usize {
    10
}

fn one() -> f64 {
    1.0
}

/// A step that changes texts.
pub struct AugmentText {
    params: Params,
}

impl StepKind for AugmentText {
    const NAME: &'static str = "augment.text";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::DataEngineering;
    const SUMMARY: &'static str =
        "Adds training rows whose texts have a few words swapped, left out or said otherwise.";
    const EXAMPLE: &'static str = "\
uses: augment.text
inputs: {train: split.train}
with:
  columns: [review]
  method: synonym
  synonyms: {good: [fine, great], bad: [poor, awful]}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        check_share(params.share)?;
        if params.columns.is_empty() {
            return Err(ParamErrors::one(["columns"], "name at least one column of text"));
        }
        if !(0.0..=1.0).contains(&params.aug_p) {
            return Err(ParamErrors::one(["aug_p"], format!("`aug_p: {}` must be from 0 to 1", params.aug_p)));
        }
        if params.aug_max == 0 || params.aug_min > params.aug_max {
            return Err(ParamErrors::one(["aug_max"], "it must be 1 or more, and not less than `aug_min`"));
        }
        if (params.method == Method::Synonym) == params.synonyms.is_empty() {
            let message = "`synonyms` are for `method: synonym`, which needs them";
            return Err(ParamErrors::one(["synonyms"], message));
        }
        if let Some(word) = params.synonyms.keys().find(|word| word.to_lowercase() != **word) {
            let message = format!("write `{word}` in small letters; a word with a capital gets a synonym with one");
            return Err(ParamErrors::one(["synonyms", word], message));
        }
        Ok(AugmentText { params })
    }

    fn ports(&self) -> Ports {
        ports()
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let table = open(context)?;
        self.params.columns.iter().try_for_each(|name| need_text(&table, name))?;
        let seed = self.params.seed.unwrap_or_else(|| context.seed());
        extend(context, &table, &self.params.columns, "augment", |batch, first| self.changed(batch, first, seed))
    }
}

impl AugmentText {
    fn change(&self, random: &mut impl Rng, text: &str) -> Option<String> {
        let amount = Amount { share: self.params.aug_p, least: self.params.aug_min, most: self.params.aug_max };
        match self.params.method {
            Method::Delete => delete(random, text, amount),
            Method::Swap => swap(random, text, amount),
            Method::Synonym => synonym(random, text, amount, &self.params.synonyms),
        }
    }

    /// The new rows that the rows of `batch` give.
    fn changed(&self, batch: &RecordBatch, first: u64, seed: u64) -> Result<RecordBatch, StepError> {
        let places: Vec<usize> =
            self.params.columns.iter().map(|name| batch.schema_ref().index_of(name)).collect::<Result<_, _>>()?;
        let texts: Vec<ArrayRef> =
            places.iter().map(|place| cast(batch.column(*place), &DataType::Utf8)).collect::<Result<_, _>>()?;
        let mut rows = Vec::new();
        let mut new: Vec<Vec<Option<String>>> = vec![Vec::new(); texts.len()];
        for (place, row) in (0..batch.num_rows()).zip(first..) {
            let mut random = of_row(seed, row);
            for _ in 0..copies(&mut random, self.params.share) {
                let old: Vec<Option<&str>> = texts.iter().map(|array| text(array, place)).collect();
                let changed: Vec<Option<String>> =
                    old.iter().map(|text| text.and_then(|text| self.change(&mut random, text))).collect();
                if changed.iter().all(Option::is_none) {
                    continue;
                }
                rows.push(u32::try_from(place).unwrap_or(u32::MAX));
                for ((new, changed), old) in new.iter_mut().zip(changed).zip(old) {
                    new.push(changed.or_else(|| old.map(str::to_owned)));
                }
            }
        }
        let copied = take_record_batch(batch, &UInt32Array::from(rows))?;
        let mut columns = copied.columns().to_vec();
        for (place, texts) in places.into_iter().zip(new) {
            let texts: ArrayRef = Arc::new(StringArray::from(texts));
            columns[place] = cast(&texts, columns[place].data_type())?;
        }
        Ok(RecordBatch::try_new(copied.schema(), columns)?)
    }
}

fn text(array: &ArrayRef, row: usize) -> Option<&str> {
    let texts = array.as_string::<i32>();
    texts.is_valid(row).then(|| texts.value(row))
}

fn need_text(table: &TableReader, name: &str) -> Result<(), StepError> {
    let field = parts::known(table, name)?;
    if canonical_type(field.data_type()) == Some(DataType::Utf8) {
        return Ok(());
    }
    let message = format!("column `{name}` is of type {} and no text", field.data_type());
    Err(StepError::input("column_type", message).help("leave it out of `columns`; it stays as it is"))
}
