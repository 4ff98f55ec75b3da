//! Values from an expectation in the type in which a column is compared with them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::DataType;
use serde_json::Value;

use super::column::Column;
use crate::table::cast;
use crate::table::keys::{KeySet, Keys};

/// The values of a set, as keys of one type.
pub(super) struct ValueSet {
    pub(super) keys: KeySet<u128>,
    /// The values with their keys, in the order of the expectation.
    pub(super) listed: Vec<(u128, Value)>,
    /// The type in which values are compared.
    pub(super) kind: DataType,
}

impl ValueSet {
    /// The set of `values`, or why the column cannot hold one of them.
    pub(super) fn of(values: &[Value], column: &Column) -> Result<ValueSet, String> {
        let present: Vec<&Value> = values.iter().filter(|value| !value.is_null()).collect();
        let listed = typed(&present, column)?;
        let keys = Keys::of(&listed);
        let listed_keys: Vec<(u128, Value)> =
            present.iter().enumerate().map(|(index, value)| (keys.at(index), (*value).clone())).collect();
        Ok(ValueSet {
            keys: listed_keys.iter().map(|(key, _)| *key).collect(),
            listed: listed_keys,
            kind: listed.data_type().clone(),
        })
    }

    /// The keys of a column's values, which were read in the column's own type.
    pub(super) fn keys_of(&self, values: &ArrayRef) -> (ArrayRef, Keys) {
        let values = cast(values, &self.kind);
        let keys = Keys::of(&values);
        (values, keys)
    }
}

/// A number as the digits of a column are written: 1.50 is `1.5`. One with more digits than JSON's numbers keep is a text.
fn digits_of(value: &Value, column: &Column) -> Result<String, String> {
    let name = &column.name;
    let text = number_text(value).ok_or_else(|| misfit(value, column))?;
    // Zeros behind count: who wrote one digit more may have got them.
    let digits = text.replace(['-', '.'], "");
    if value.is_f64() && digits.trim_start_matches('0').len() > f64::DIGITS as usize {
        return Err(format!(
            "{value} in `values` has more digits than a number keeps, and column `{name}` is compared to the last one: \
             write it in quotes"
        ));
    }
    Ok(text)
}

/// The shortest text of a number, which may be a text itself; none if the value is no number.
fn number_text(value: &Value) -> Option<String> {
    let text = match value {
        Value::Number(number) if number.is_f64() => number.as_f64()?.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    let (sign, rest) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    let text = if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") };
    Some(if text == "0" { text } else { format!("{sign}{text}") })
}

fn misfit(value: &Value, column: &Column) -> String {
    let kind = if column.is_digits() { "a number".to_owned() } else { column.kind.to_string() };
    format!("column `{}` is {kind}, and {value} in `values` is not", column.name)
}

/// The values as an array of a type that can be compared with the column's.
pub(super) fn typed(present: &[&Value], column: &Column) -> Result<ArrayRef, String> {
    let kind = &column.kind;
    if column.is_digits() {
        let texts: Result<StringArray, String> =
            present.iter().map(|value| digits_of(value, column).map(Some)).collect();
        return Ok(Arc::new(texts?));
    }
    let wants = |fits: fn(&Value) -> bool| {
        present.iter().find(|value| !fits(value)).map_or(Ok(()), |value| Err(misfit(value, column)))
    };
    Ok(match kind {
        DataType::Int64 | DataType::Float64 => {
            // Whoever writes decimals in quotes means them also where the column has become one of doubles.
            wants(|value| number_text(value).is_some())?;
            let whole = |value: &&Value| number_text(value)?.parse().ok();
            if *kind == DataType::Int64 && present.iter().all(|value| whole(value).is_some()) {
                Arc::new(present.iter().map(whole).collect::<Int64Array>())
            } else {
                let double = |value: &&Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
                Arc::new(present.iter().map(double).collect::<Float64Array>())
            }
        }
        DataType::Boolean => {
            wants(Value::is_boolean)?;
            Arc::new(present.iter().map(|value| value.as_bool()).collect::<BooleanArray>())
        }
        DataType::Utf8 | DataType::Date32 | DataType::Timestamp(..) => {
            wants(Value::is_string)?;
            let texts: ArrayRef = Arc::new(present.iter().map(|value| value.as_str()).collect::<StringArray>());
            let listed = cast(&texts, kind);
            if let Some(unreadable) = (0..listed.len()).find(|index| listed.is_null(*index)) {
                return Err(misfit(present[unreadable], column));
            }
            listed
        }
        // A column without a single value is compared with nothing.
        _ => Arc::new(Int64Array::from(vec![0; present.len()])),
    })
}
