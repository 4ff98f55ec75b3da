//! Evaluates an expression over columns; scalars take the same way as columns of one.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, new_null_array};
use arrow::datatypes::DataType;

use super::check::{call_type, comparable, list_outside_in, matches_type};
use super::functions::Function;
use super::kernels::{convert, date, logic, number, text};
use super::operand::{Operand, aligned};
use super::syntax::{Kind, Literal, Node};
use super::types::Type;
use super::{EvalError, ExprError};
use crate::table::cast;

/// Where the values of names come from.
pub(super) trait Scope {
    /// The value that a path refers to.
    fn value(&self, path: &[String], span: &Range<usize>) -> Result<Operand, EvalError>;
    /// The items of the list that a path refers to; none if it is no list.
    fn list(&self, path: &[String]) -> Option<Vec<Operand>>;
    /// Whether a path refers to a list or an object, which is present but no single value.
    fn is_structured(&self, path: &[String]) -> bool;
}

/// The value of `node` in `scope`.
pub(super) fn evaluate(node: &Node, scope: &dyn Scope) -> Result<Operand, EvalError> {
    match &node.kind {
        Kind::Literal(literal) => Ok(Operand::literal(literal)),
        Kind::Path(path) => scope.value(path, &node.span),
        Kind::List(_) => Err(list_outside_in(node).into()),
        Kind::In(item, list) => is_in(item, list, scope),
        Kind::Matches(inner, pattern) => {
            let value = evaluate(inner, scope)?;
            matches_type(value.kind(), &inner.span)?;
            let array = text::matches(&value.convert(Type::Text).array, pattern);
            Ok(Operand { array, is_scalar: value.is_scalar })
        }
        Kind::Call(function @ (Function::IsPresent | Function::IsNull), arguments) if matches!(&arguments[0].kind, Kind::Path(path) if scope.is_structured(path)) => {
            Ok(Operand::literal(&Literal::Bool(*function == Function::IsPresent)))
        }
        Kind::Call(Function::Size, arguments) if list_size(&arguments[0], scope).is_some() => {
            Ok(list_size(&arguments[0], scope).expect("just seen"))
        }
        Kind::Call(function, arguments) => {
            let values: Vec<Operand> =
                arguments.iter().map(|argument| evaluate(argument, scope)).collect::<Result<_, _>>()?;
            let kinds: Vec<Type> = values.iter().map(Operand::kind).collect();
            let kind = call_type(*function, arguments, &kinds, &node.span)?;
            if matches!(function, Function::Equal | Function::NotEqual)
                && let Some(literal) = arguments.iter().position(Node::is_null_literal)
            {
                return Ok(against_null(*function, &values[1 - literal]));
            }
            Ok(call(*function, kind, &kinds, &values))
        }
    }
}

/// `x == null` and `x != null`, which ask whether `x` is missing.
fn against_null(function: Function, value: &Operand) -> Operand {
    let missing: ArrayRef = Arc::new(logic::is_null(&value.array));
    let array = if function == Function::Equal { missing } else { logic::not(&missing) };
    Operand { array, is_scalar: value.is_scalar }
}

/// The result of `function`, whose type is known to be `kind`.
fn call(function: Function, kind: Type, kinds: &[Type], values: &[Operand]) -> Operand {
    let is_scalar = values.iter().all(|value| value.is_scalar);
    let array = match function {
        Function::Add if kind == Type::Text => {
            let (arrays, _) = aligned(&converted(values, Type::Text));
            text::concat(&arrays[0], &arrays[1])
        }
        _ if kind == Type::Null => {
            let rows = values.iter().find(|value| !value.is_scalar).map_or(1, |value| value.array.len());
            new_null_array(&DataType::Null, rows)
        }
        Function::Add
        | Function::Subtract
        | Function::Multiply
        | Function::Divide
        | Function::Remainder
        | Function::Pow => number::arithmetic(function, kind, &values[0].convert(kind), &values[1].convert(kind)),
        Function::Round if values.len() == 2 => {
            let (arrays, _) = aligned(&[values[0].convert(kind), values[1].convert(Type::Int)]);
            number::round(kind, &arrays[0], &arrays[1])
        }
        Function::Negate
        | Function::Abs
        | Function::Sign
        | Function::Ceil
        | Function::Floor
        | Function::Round
        | Function::Sqrt
        | Function::Ln
        | Function::Log10
        | Function::Exp => number::unary(function, kind, &values[0].convert(kind).array),
        Function::Equal
        | Function::NotEqual
        | Function::Less
        | Function::LessEqual
        | Function::Greater
        | Function::GreaterEqual => {
            let common = kinds[0].comparable(kinds[1]).expect("the types were checked");
            logic::compare(function, &values[0].convert(common), &values[1].convert(common))
        }
        Function::Contains | Function::StartsWith | Function::EndsWith => {
            text::search(function, &values[0].convert(Type::Text), &values[1].convert(Type::Text))
        }
        Function::Not => logic::not(&values[0].convert(Type::Bool).array),
        Function::IsNull => Arc::new(logic::is_null(&values[0].array)),
        Function::IsPresent => logic::not(&(Arc::new(logic::is_null(&values[0].array)) as ArrayRef)),
        _ => aligned_call(function, kind, kinds, values),
    };
    Operand { array, is_scalar }
}

/// The functions whose kernels want columns of one length.
fn aligned_call(function: Function, kind: Type, kinds: &[Type], values: &[Operand]) -> ArrayRef {
    let arrays_as = |wanted: Type| aligned(&converted(values, wanted)).0;
    match function {
        Function::And | Function::Or => {
            let arrays = arrays_as(Type::Bool);
            logic::connect(function, &arrays[0], &arrays[1])
        }
        Function::If => {
            let choice = [values[0].convert(Type::Bool), values[1].convert(kind), values[2].convert(kind)];
            let (arrays, _) = aligned(&choice);
            logic::choose(&arrays[0], &arrays[1], &arrays[2])
        }
        Function::Coalesce => logic::coalesce(&arrays_as(kind)),
        Function::Min | Function::Max => logic::extreme(function, &arrays_as(kind)),
        Function::Size => text::size(&arrays_as(Type::Text)[0]),
        Function::Lower | Function::Upper | Function::Trim => text::map(function, &arrays_as(Type::Text)[0]),
        Function::Replace => text::replace(&arrays_as(Type::Text)),
        Function::Substring | Function::Split => {
            let wanted = |index: usize| match (function, index) {
                (_, 0) | (Function::Split, 1) => Type::Text,
                _ => Type::Int,
            };
            let typed: Vec<Operand> =
                values.iter().enumerate().map(|(index, value)| value.convert(wanted(index))).collect();
            let (arrays, _) = aligned(&typed);
            if function == Function::Split { text::split(&arrays) } else { text::substring(&arrays) }
        }
        Function::Date | Function::Timestamp => {
            let (arrays, _) = aligned(values);
            match arrays.get(1) {
                Some(formats) if kinds[0] == Type::Text => {
                    date::read_as(&arrays[0], &cast(formats, &Type::Text.data_type()), kind)
                }
                _ => date::read(&arrays[0], kind),
            }
        }
        Function::DaysBetween => {
            let (arrays, _) = aligned(values);
            date::days_between(&arrays[0], &arrays[1])
        }
        Function::ToInt | Function::ToFloat | Function::ToText | Function::ToBool => {
            convert::convert(function, kinds[0], &values[0].array)
        }
        _ => date::part(function, &values[0].array),
    }
}

fn converted(values: &[Operand], kind: Type) -> Vec<Operand> {
    values.iter().map(|value| value.convert(kind)).collect()
}

/// How many items a list has, if the argument is one.
fn list_size(argument: &Node, scope: &dyn Scope) -> Option<Operand> {
    let items = match &argument.kind {
        Kind::List(items) => items.len(),
        Kind::Path(path) => scope.list(path)?.len(),
        _ => return None,
    };
    Some(Operand::literal(&Literal::Int(i64::try_from(items).ok()?)))
}

fn is_in(item: &Node, list: &Node, scope: &dyn Scope) -> Result<Operand, EvalError> {
    let value = evaluate(item, scope)?;
    let items = match &list.kind {
        Kind::List(items) => items.iter().map(|item| evaluate(item, scope)).collect::<Result<Vec<_>, _>>()?,
        Kind::Path(path) => scope.list(path).ok_or_else(|| {
            ExprError::new(list.span.clone(), format!("`{}` is no list", path.join("."))).help("write `x in [1, 2]`")
        })?,
        _ => return Err(list_outside_in(list).into()),
    };
    // A null in the list is equal to nothing.
    let items: Vec<Operand> = items.into_iter().filter(|item| item.kind() != Type::Null).collect();
    let mut common = value.kind();
    for listed in &items {
        comparable(value.kind(), listed.kind(), &list.span)?;
        common = comparable(common, listed.kind(), &list.span)?;
    }
    let value = value.convert(common);
    let (constant, varying): (Vec<Operand>, Vec<Operand>) =
        items.iter().map(|item| item.convert(common)).partition(|item| item.is_scalar);
    let constants: Vec<&dyn Array> = constant.iter().map(|item| item.array.as_ref()).collect();
    let mut found = if constants.is_empty() {
        let none: ArrayRef = Arc::new(BooleanArray::from(vec![false; value.array.len()]));
        let unknown: ArrayRef = Arc::new(BooleanArray::new_null(value.array.len()));
        let missing: ArrayRef = Arc::new(logic::is_null(&value.array));
        Operand { array: logic::choose(&missing, &unknown, &none), is_scalar: value.is_scalar }
    } else {
        let listed = arrow::compute::concat(&constants).expect("the items have one type");
        Operand { array: logic::is_in(&value.array, &listed, common), is_scalar: value.is_scalar }
    };
    for item in &varying {
        let is_scalar = value.is_scalar && item.is_scalar;
        let equal = Operand { array: logic::compare(Function::Equal, &value, item), is_scalar };
        let present =
            Operand { array: logic::not(&(Arc::new(logic::is_null(&item.array)) as ArrayRef)), is_scalar: false };
        let (arrays, _) = aligned(&[equal, Operand { is_scalar: item.is_scalar, ..present }]);
        let equal = Operand { array: logic::connect(Function::And, &arrays[0], &arrays[1]), is_scalar };
        let (arrays, is_scalar) = aligned(&[found, equal]);
        found = Operand { array: logic::connect(Function::Or, &arrays[0], &arrays[1]), is_scalar };
    }
    Ok(found)
}
