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

/// The values as an array of a type that can be compared with the column's.
pub(super) fn typed(present: &[&Value], column: &Column) -> Result<ArrayRef, String> {
    let kind = &column.kind;
    let misfit = |value: &Value| format!("column `{}` is {kind}, and {value} in `values` is not", column.name);
    let wants =
        |fits: fn(&Value) -> bool| present.iter().find(|value| !fits(value)).map_or(Ok(()), |value| Err(misfit(value)));
    Ok(match kind {
        DataType::Int64 | DataType::Float64 => {
            wants(Value::is_number)?;
            if *kind == DataType::Int64 && present.iter().all(|value| value.is_i64()) {
                Arc::new(present.iter().map(|value| value.as_i64()).collect::<Int64Array>())
            } else {
                Arc::new(present.iter().map(|value| value.as_f64()).collect::<Float64Array>())
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
                return Err(misfit(present[unreadable]));
            }
            listed
        }
        // A column without a single value is compared with nothing.
        _ => Arc::new(Int64Array::from(vec![0; present.len()])),
    })
}
