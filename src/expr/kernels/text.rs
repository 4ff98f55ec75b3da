//! Functions of text. Positions and sizes count characters, not bytes.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, StringArray, StringBuilder};
use arrow::compute::kernels::comparison::{contains, ends_with, starts_with};
use arrow::datatypes::Int64Type;
use regex::Regex;

use super::super::functions::Function;
use super::super::operand::Operand;

/// Whether `part` occurs in, begins or ends `text`.
pub(in super::super) fn search(function: Function, text: &Operand, part: &Operand) -> ArrayRef {
    let kernel = match function {
        Function::Contains => contains,
        Function::StartsWith => starts_with,
        _ => ends_with,
    };
    let both = text.is_scalar && part.is_scalar;
    let result = if both { kernel(&text.array, &part.array) } else { kernel(text, part) };
    Arc::new(result.expect("both sides are text of one length"))
}

/// Whether the pattern matches somewhere in each text.
pub(in super::super) fn matches(texts: &ArrayRef, pattern: &Regex) -> ArrayRef {
    let texts = texts.as_string::<i32>();
    Arc::new(texts.iter().map(|text| text.map(|text| pattern.is_match(text))).collect::<BooleanArray>())
}

/// The number of characters of each text.
pub(in super::super) fn size(texts: &ArrayRef) -> ArrayRef {
    let texts = texts.as_string::<i32>();
    let characters = |text: &str| i64::try_from(text.chars().count()).expect("a text fits into memory");
    Arc::new(texts.iter().map(|text| text.map(characters)).collect::<Int64Array>())
}

/// A text made of each text.
pub(in super::super) fn map(function: Function, texts: &ArrayRef) -> ArrayRef {
    let texts = texts.as_string::<i32>();
    if function == Function::Trim {
        return Arc::new(texts.iter().map(|text| text.map(str::trim)).collect::<StringArray>());
    }
    let operation = if function == Function::Lower { str::to_lowercase } else { str::to_uppercase };
    Arc::new(texts.iter().map(|text| text.map(operation)).collect::<StringArray>())
}

/// `left + right`.
pub(in super::super) fn concat(left: &ArrayRef, right: &ArrayRef) -> ArrayRef {
    let (left, right) = (left.as_string::<i32>(), right.as_string::<i32>());
    let mut builder = StringBuilder::with_capacity(left.len(), left.values().len() + right.values().len());
    for (left, right) in left.iter().zip(right) {
        if let (Some(left), Some(right)) = (left, right) {
            // What is written before `append_value` belongs to the same value.
            std::fmt::Write::write_str(&mut builder, left).expect("memory takes any text");
            builder.append_value(right);
        } else {
            builder.append_null();
        }
    }
    Arc::new(builder.finish())
}

/// `replace(text, from, to)`.
pub(in super::super) fn replace(arguments: &[ArrayRef]) -> ArrayRef {
    let [texts, from, to] = arguments else { unreachable!("replace takes three arguments") };
    let rows = texts.as_string::<i32>().iter().zip(from.as_string::<i32>()).zip(to.as_string::<i32>());
    Arc::new(rows.map(|((text, from), to)| Some(text?.replace(from?, to?))).collect::<StringArray>())
}

/// `substring(text, start[, end])`, cut to what the text has.
pub(in super::super) fn substring(arguments: &[ArrayRef]) -> ArrayRef {
    let texts = arguments[0].as_string::<i32>();
    let starts = arguments[1].as_primitive::<Int64Type>();
    let ends = arguments.get(2).map(AsArray::as_primitive::<Int64Type>);
    let piece = |row: usize| {
        if texts.is_null(row) || starts.is_null(row) || ends.is_some_and(|ends| ends.is_null(row)) {
            return None;
        }
        let text = texts.value(row);
        let offset = |characters: i64| {
            let characters = usize::try_from(characters).unwrap_or(0);
            text.char_indices().nth(characters).map_or(text.len(), |(offset, _)| offset)
        };
        let start = offset(starts.value(row));
        let end = ends.map_or(text.len(), |ends| offset(ends.value(row)));
        Some(&text[start..end.max(start)])
    };
    Arc::new((0..texts.len()).map(piece).collect::<StringArray>())
}

/// `split(text, separator, index)`.
pub(in super::super) fn split(arguments: &[ArrayRef]) -> ArrayRef {
    let [texts, separators, indexes] = arguments else { unreachable!("split takes three arguments") };
    let rows =
        texts.as_string::<i32>().iter().zip(separators.as_string::<i32>()).zip(indexes.as_primitive::<Int64Type>());
    let piece = |((text, separator), index): ((Option<&str>, Option<&str>), Option<i64>)| {
        let (text, separator, index) = (text?.to_owned(), separator?, index?);
        let pieces: Vec<&str> = text.split(separator).collect();
        let index = if index < 0 { index + i64::try_from(pieces.len()).ok()? } else { index };
        pieces.get(usize::try_from(index).ok()?).map(|piece| (*piece).to_owned())
    };
    Arc::new(rows.map(piece).collect::<StringArray>())
}
