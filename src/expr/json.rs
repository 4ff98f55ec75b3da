//! Expressions over JSON: the scope of gates and params, where a value is a column of one.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, StringArray};
use serde_json::Value;

use super::eval::{Scope, evaluate};
use super::functions::Function;
use super::operand::Operand;
use super::syntax::{Kind, Literal, Node};
use super::{EvalError, ExprError};
use crate::table::json_value;

/// The value of `node` over `scope`. Lists and objects pass through choices as they are.
pub(super) fn evaluate_json(node: &Node, scope: &Value) -> Result<Value, EvalError> {
    match &node.kind {
        Kind::Path(path) => Ok(look_up(scope, path).cloned().unwrap_or(Value::Null)),
        Kind::List(items) => {
            Ok(Value::Array(items.iter().map(|item| evaluate_json(item, scope)).collect::<Result<_, _>>()?))
        }
        Kind::Call(Function::If, arguments) if arguments[1..].iter().any(|branch| is_structured(branch, scope)) => {
            match evaluate_json(&arguments[0], scope)? {
                Value::Bool(true) => evaluate_json(&arguments[1], scope),
                Value::Bool(false) => evaluate_json(&arguments[2], scope),
                Value::Null => Ok(Value::Null),
                _ => Err(ExprError::new(arguments[0].span.clone(), "a condition is true or false").into()),
            }
        }
        Kind::Call(Function::Coalesce, arguments)
            if arguments.iter().any(|argument| is_structured(argument, scope)) =>
        {
            for argument in arguments {
                let value = evaluate_json(argument, scope)?;
                if !value.is_null() {
                    return Ok(value);
                }
            }
            Ok(Value::Null)
        }
        // An int is given back as written, without a detour that cuts it to 64 bits.
        Kind::Literal(Literal::Int(value)) => Ok(Value::from(*value)),
        _ => Ok(json_value(evaluate(node, &JsonScope(scope))?.array.as_ref(), 0)),
    }
}

/// Whether the value may be a list or an object, which columns do not hold.
fn is_structured(node: &Node, scope: &Value) -> bool {
    match &node.kind {
        Kind::List(_) => true,
        Kind::Path(path) => JsonScope(scope).is_structured(path),
        Kind::Call(Function::If, arguments) => arguments[1..].iter().any(|branch| is_structured(branch, scope)),
        Kind::Call(Function::Coalesce, arguments) => arguments.iter().any(|argument| is_structured(argument, scope)),
        _ => false,
    }
}

struct JsonScope<'a>(&'a Value);

impl Scope for JsonScope<'_> {
    fn value(&self, path: &[String], span: &Range<usize>) -> Result<Operand, EvalError> {
        let value = look_up(self.0, path).unwrap_or(&Value::Null);
        from_json(value).ok_or_else(|| {
            let what = if value.is_array() { "a list" } else { "an object" };
            let error =
                ExprError::new(span.clone(), format!("`{}` is {what}, where one value is wanted", path.join(".")));
            error.help("name one of its fields, or use `x in list` or `size(list)`").into()
        })
    }

    fn list(&self, path: &[String]) -> Option<Vec<Operand>> {
        match look_up(self.0, path)? {
            Value::Array(items) => items.iter().map(from_json).collect(),
            Value::Object(fields) => {
                Some(fields.keys().map(|key| Operand::literal(&Literal::Text(key.clone()))).collect())
            }
            _ => None,
        }
    }

    fn is_structured(&self, path: &[String]) -> bool {
        look_up(self.0, path).is_some_and(|value| value.is_array() || value.is_object())
    }
}

/// What `path` refers to. Keys may hold points themselves, as the metric `valid.roc_auc` does.
fn look_up<'value>(value: &'value Value, path: &[String]) -> Option<&'value Value> {
    let Some((first, rest)) = path.split_first() else {
        return Some(value);
    };
    match value {
        Value::Array(items) => look_up(items.get(first.parse::<usize>().ok()?)?, rest),
        Value::Object(fields) => (1..=path.len()).find_map(|width| {
            let key = if width == 1 { first.clone() } else { path[..width].join(".") };
            look_up(fields.get(&key)?, &path[width..])
        }),
        _ => None,
    }
}

fn from_json(value: &Value) -> Option<Operand> {
    let array: ArrayRef = match value {
        Value::Null => return Some(Operand::literal(&Literal::Null)),
        Value::Bool(value) => Arc::new(BooleanArray::from(vec![*value])),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Arc::new(Int64Array::from(vec![whole])),
            None => return Some(Operand::literal(&Literal::Float(number.as_f64()?))),
        },
        Value::String(text) => Arc::new(StringArray::from(vec![text.as_str()])),
        Value::Array(_) | Value::Object(_) => return None,
    };
    Some(Operand::scalar(array))
}
