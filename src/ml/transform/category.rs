//! Categories: the distinct values of a column, numbered, with lookups that allocate nothing per row.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use serde::{Deserialize, Serialize};

use super::TransformError;
use super::needs::infinite;
use crate::table::keys::{KeyHasher, word};

/// The code of a value that is not among the categories.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// More distinct values than this are no categories but names or numbers.
const MOST_CATEGORIES: usize = 1_000_000;

/// One distinct value of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Category {
    /// The missing value.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
}

impl Category {
    /// scikit-learn's order: values ascending, text by code point, the missing value last.
    pub(super) fn order(&self, other: &Category) -> Ordering {
        match (self, other) {
            (Category::Bool(one), Category::Bool(two)) => one.cmp(two),
            (Category::Int(one), Category::Int(two)) => one.cmp(two),
            (Category::Float(one), Category::Float(two)) => one.total_cmp(two),
            (Category::Text(one), Category::Text(two)) => one.cmp(two),
            _ => self.rank().cmp(&other.rank()),
        }
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<String> {
        if let Category::Text(text) = self { Some(text.clone()) } else { None }
    }

    fn rank(&self) -> u8 {
        match self {
            Category::Bool(_) => 0,
            Category::Int(_) => 1,
            Category::Float(_) => 2,
            Category::Text(_) => 3,
            Category::Null => 4,
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Category::Null => formatter.pad("null"),
            Category::Bool(value) => write!(formatter, "{value}"),
            Category::Int(value) => write!(formatter, "{value}"),
            Category::Float(value) => write!(formatter, "{value}"),
            Category::Text(value) => formatter.pad(value),
        }
    }
}

/// The categories of a column, numbered from 0.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Category>", into = "Vec<Category>")]
pub struct Dictionary {
    categories: Vec<Category>,
    /// Texts that are as long as a number can hold: those are compared at once.
    short: HashMap<u128, u32, BuildHasherDefault<KeyHasher>>,
    text: HashMap<String, u32, BuildHasherDefault<FastHasher>>,
    whole: HashMap<i64, u32, BuildHasherDefault<FastHasher>>,
    null: Option<u32>,
}

/// A value of a canonical column, without a copy. Booleans are 0 and 1, floats their bits.
enum Key<'array> {
    Null,
    Text(&'array str),
    Whole(i64),
}

impl Dictionary {
    /// The categories, by code.
    pub fn categories(&self) -> &[Category] {
        &self.categories
    }

    /// The number of categories.
    pub fn len(&self) -> usize {
        self.categories.len()
    }

    /// Whether there are no categories.
    pub fn is_empty(&self) -> bool {
        self.categories.is_empty()
    }

    /// The code of each row; [`UNKNOWN`] for values that are no categories.
    pub(super) fn codes(&self, array: &ArrayRef) -> Vec<u32> {
        codes_of(array, |key| match key {
            Key::Null => self.null.unwrap_or(UNKNOWN),
            Key::Text(text) => self.code_of_text(text).unwrap_or(UNKNOWN),
            Key::Whole(whole) => self.whole.get(&whole).copied().unwrap_or(UNKNOWN),
        })
    }

    /// The code of each row, where a value seen for the first time becomes a category.
    ///
    /// # Errors
    /// When there are too many, or an infinite one, which `transform` could not read back from JSON.
    pub(super) fn learn(
        &mut self,
        transform: &str,
        column: &str,
        array: &ArrayRef,
    ) -> Result<Vec<u32>, TransformError> {
        let floats = array.as_primitive_opt::<Float64Type>();
        if floats.is_some_and(|floats| floats.iter().flatten().any(f64::is_infinite)) {
            return Err(infinite(column, transform));
        }
        let is_float = array.data_type() == &DataType::Float64;
        let is_bool = array.data_type() == &DataType::Boolean;
        let codes = codes_of(array, |key| {
            let next = u32::try_from(self.categories.len()).unwrap_or(UNKNOWN);
            match key {
                Key::Null => *self.null.get_or_insert_with(|| {
                    self.categories.push(Category::Null);
                    next
                }),
                Key::Text(text) => self.code_of_text(text).unwrap_or_else(|| {
                    self.categories.push(Category::Text(text.to_owned()));
                    self.number_text(text, next);
                    next
                }),
                Key::Whole(whole) => *self.whole.entry(whole).or_insert_with(|| {
                    self.categories.push(match whole {
                        whole if is_float => Category::Float(f64::from_bits(whole.cast_unsigned())),
                        whole if is_bool => Category::Bool(whole != 0),
                        whole => Category::Int(whole),
                    });
                    next
                }),
            }
        });
        if self.categories.len() > MOST_CATEGORIES {
            let message = format!("column `{column}` has more than {MOST_CATEGORIES} distinct values");
            return Err(TransformError::input("too_many_categories", message)
                .help(format!("`hash` it, or put `{column}` under `drop`")));
        }
        Ok(codes)
    }

    fn code_of_text(&self, text: &str) -> Option<u32> {
        match short(text) {
            Some(key) => self.short.get(&key).copied(),
            None => self.text.get(text).copied(),
        }
    }

    fn number_text(&mut self, text: &str, code: u32) {
        match short(text) {
            Some(key) => drop(self.short.insert(key, code)),
            None => drop(self.text.insert(text.to_owned(), code)),
        }
    }

    /// The same categories in scikit-learn's order, and for each new code the old one.
    pub(super) fn sorted(self) -> (Dictionary, Vec<usize>) {
        let mut order: Vec<usize> = (0..self.categories.len()).collect();
        order.sort_by(|one, two| self.categories[*one].order(&self.categories[*two]));
        let sorted: Vec<Category> = order.iter().map(|index| self.categories[*index].clone()).collect();
        (Dictionary::from(sorted), order)
    }
}

impl From<Vec<Category>> for Dictionary {
    fn from(categories: Vec<Category>) -> Dictionary {
        let mut dictionary = Dictionary::default();
        for (category, code) in categories.iter().zip(0..) {
            match category {
                Category::Null => dictionary.null = Some(code),
                Category::Bool(value) => drop(dictionary.whole.insert(i64::from(*value), code)),
                Category::Int(value) => drop(dictionary.whole.insert(*value, code)),
                Category::Float(value) => drop(dictionary.whole.insert(float_key(*value), code)),
                Category::Text(value) => dictionary.number_text(value, code),
            }
        }
        Dictionary { categories, ..dictionary }
    }
}

impl From<Dictionary> for Vec<Category> {
    fn from(dictionary: Dictionary) -> Vec<Category> {
        dictionary.categories
    }
}

impl PartialEq for Dictionary {
    fn eq(&self, other: &Dictionary) -> bool {
        self.categories == other.categories
    }
}

/// A text of at most 15 bytes with its length, as a number.
fn short(text: &str) -> Option<u128> {
    let bytes = text.as_bytes();
    let (low, high) = bytes.split_at(bytes.len().min(8));
    (bytes.len() < 16).then(|| u128::from(word(low)) | u128::from(word(high)) << 64 | (bytes.len() as u128) << 120)
}

fn float_key(value: f64) -> i64 {
    // Both zeros are one category.
    let value = if value == 0.0 { 0.0 } else { value };
    value.to_bits().cast_signed()
}

/// The code of each row, where `code` says that of a value; of texts with a dictionary it is asked once for each, when
/// the first row has it.
fn codes_of(array: &ArrayRef, mut code: impl FnMut(Key<'_>) -> u32) -> Vec<u32> {
    let mut codes = Vec::with_capacity(array.len());
    let Some(encoded) = array.as_dictionary_opt::<Int32Type>() else {
        each_key(array, |key| codes.push(code(key)));
        return codes;
    };
    let texts = encoded.values().as_string::<i32>();
    let mut known: Vec<Option<u32>> = vec![None; texts.len() + 1];
    for key in encoded.keys() {
        let place = key.and_then(|key| usize::try_from(key).ok()).unwrap_or(texts.len());
        let look = || code(if place < texts.len() { Key::Text(texts.value(place)) } else { Key::Null });
        codes.push(*known[place].get_or_insert_with(look));
    }
    codes
}

fn each_key(array: &ArrayRef, mut visit: impl FnMut(Key<'_>)) {
    match array.data_type() {
        DataType::Utf8 => {
            for value in array.as_string::<i32>() {
                visit(value.map_or(Key::Null, Key::Text));
            }
        }
        DataType::Boolean => {
            for value in array.as_boolean() {
                visit(value.map_or(Key::Null, |value| Key::Whole(i64::from(value))));
            }
        }
        DataType::Int64 => {
            for value in array.as_primitive::<Int64Type>() {
                visit(value.map_or(Key::Null, Key::Whole));
            }
        }
        DataType::Float64 => {
            for value in array.as_primitive::<Float64Type>() {
                visit(value.map_or(Key::Null, |value| Key::Whole(float_key(value))));
            }
        }
        // Dates are never categories: the step refuses them before.
        _ => (0..array.len()).for_each(|_| visit(Key::Null)),
    }
}

/// The multiply-and-rotate hash that compilers use: several times faster than the default on short keys. The keys are
/// the user's own data, so resistance against crafted collisions buys nothing here.
#[derive(Default)]
pub(super) struct FastHasher {
    state: u64,
}

impl FastHasher {
    fn mix(&mut self, word: u64) {
        self.state = (self.state.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for FastHasher {
    fn finish(&self) -> u64 {
        // The map takes its bucket from the low bits, which the multiplication mixes least.
        self.state ^ (self.state >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.mix(u64::from_le_bytes(chunk.try_into().expect("a chunk has eight bytes")));
        }
        self.mix(word(chunks.remainder()));
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(u64::from(value));
    }

    fn write_i64(&mut self, value: i64) {
        self.mix(value.cast_unsigned());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{DictionaryArray, Float64Array, Int32Array, StringArray};

    use super::*;

    #[test]
    fn categories_are_sorted_with_the_missing_value_last() {
        let array: ArrayRef = Arc::new(StringArray::from(vec![Some("b"), None, Some("ä"), Some(""), Some("b")]));
        let mut dictionary = Dictionary::default();
        assert_eq!(dictionary.learn("ordinal", "x", &array).unwrap(), [0, 1, 2, 3, 0]);
        let (dictionary, order) = dictionary.sorted();
        let names: Vec<String> = dictionary.categories().iter().map(Category::to_string).collect();
        assert_eq!(names, ["", "b", "ä", "null"]);
        assert_eq!(order, [3, 0, 2, 1]);
        let other: ArrayRef = Arc::new(StringArray::from(vec![Some("ä"), Some("c"), None]));
        assert_eq!(dictionary.codes(&other), [2, UNKNOWN, 3]);
    }

    #[test]
    fn texts_with_a_dictionary_are_learnt_as_they_come_and_only_those_that_come() {
        let plain: ArrayRef = Arc::new(StringArray::from(vec![Some("b"), None, Some("a"), Some("b")]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["never", "a", "b"]));
        let keys = Int32Array::from(vec![Some(2), None, Some(1), Some(2)]);
        let encoded: ArrayRef = Arc::new(DictionaryArray::try_new(keys, texts).unwrap());
        let learnt = [&plain, &encoded].map(|array| {
            let mut dictionary = Dictionary::default();
            (dictionary.learn("ordinal", "x", array).unwrap(), dictionary)
        });
        assert_eq!(learnt[0], learnt[1]);
        assert_eq!(learnt[0].0, [0, 1, 2, 0]);
        assert_eq!(learnt[0].1.codes(&encoded.slice(1, 2)), [1, 2]);
    }

    #[test]
    fn texts_of_all_lengths_are_told_apart() {
        let mut texts: Vec<String> = (0..40).map(|length| "ab\0".repeat(14)[..length].to_owned()).collect();
        texts.extend((1..20).map(|zeros| "\0".repeat(zeros)));
        let array: ArrayRef = Arc::new(StringArray::from(texts.clone()));
        let mut dictionary = Dictionary::default();
        let codes: Vec<u32> = (0..59).collect();
        assert_eq!(dictionary.learn("ordinal", "x", &array).unwrap(), codes);
        assert_eq!(Dictionary::from(Vec::from(dictionary)).codes(&array), codes);
    }

    #[test]
    fn a_dictionary_reads_back_as_written() {
        let array: ArrayRef = Arc::new(Float64Array::from(vec![Some(2.0), Some(-0.0), None, Some(1.5)]));
        let mut dictionary = Dictionary::default();
        dictionary.learn("ordinal", "x", &array).unwrap();
        let text = serde_json::to_string(&dictionary).unwrap();
        let back: Dictionary = serde_json::from_str(&text).unwrap();
        assert_eq!(back.codes(&array), dictionary.codes(&array));
        assert_eq!(back, dictionary);
    }
}
