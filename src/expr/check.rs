//! Checks an expression against a schema before any data is read.

use std::ops::Range;

use arrow::datatypes::Schema;

use super::ExprError;
use super::functions::Function;
use super::rules::{Mismatch, cast_help, result_type};
use super::syntax::{Kind, Literal, Node};
use super::types::Type;

/// The type of `node` over a table with `schema`.
pub(super) fn type_of(node: &Node, schema: &Schema) -> Result<Type, ExprError> {
    match &node.kind {
        Kind::Literal(literal) => Ok(literal_type(literal)),
        Kind::Path(path) => column_type(path, &node.span, schema),
        Kind::List(_) => Err(list_outside_in(node)),
        Kind::Call(function, arguments) => {
            let kinds: Vec<Type> =
                arguments.iter().map(|argument| type_of(argument, schema)).collect::<Result<_, _>>()?;
            call_type(*function, arguments, &kinds, &node.span)
        }
        Kind::Matches(text, _) => {
            let kind = type_of(text, schema)?;
            matches_type(kind, &text.span)
        }
        Kind::In(item, list) => {
            let kind = type_of(item, schema)?;
            let Kind::List(items) = &list.kind else {
                return Err(ExprError::new(list.span.clone(), "a column is no list").help("write `x in [1, 2]`"));
            };
            for other in items {
                let listed = type_of(other, schema)?;
                comparable(kind, listed, &other.span)?;
            }
            Ok(Type::Bool)
        }
    }
}

/// The place of a column in `schema`: its name may hold points.
pub(super) fn column_index(path: &[String], span: &Range<usize>, schema: &Schema) -> Result<usize, ExprError> {
    let name = path.join(".");
    schema.index_of(&name).map_err(|_| {
        let error = ExprError::new(span.clone(), format!("there is no column `{name}`"));
        let lower = name.to_lowercase();
        let nearest = schema
            .fields()
            .iter()
            .map(|field| (strsim::damerau_levenshtein(&field.name().to_lowercase(), &lower), field.name()))
            .min()
            .filter(|(distance, _)| *distance <= 3);
        match nearest {
            Some((_, nearest)) if is_plain(nearest) => error.help(format!("did you mean `{nearest}`?")),
            Some((_, nearest)) => error.help(format!("did you mean `col(\"{nearest}\")`?")),
            None => {
                let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).take(20).collect();
                error.help(format!("the table has: {}", names.join(", ")))
            }
        }
    })
}

fn column_type(path: &[String], span: &Range<usize>, schema: &Schema) -> Result<Type, ExprError> {
    let field = schema.field(column_index(path, span, schema)?);
    Type::of(field.data_type()).ok_or_else(|| unreadable(&path.join("."), &field.data_type().to_string(), span))
}

/// A column of a type that expressions cannot read.
pub(super) fn unreadable(name: &str, data_type: &str, span: &Range<usize>) -> ExprError {
    ExprError::new(span.clone(), format!("column `{name}` is {data_type}, which expressions cannot read"))
}

/// A column with a value that has no place in the type that expressions compute in.
pub(super) fn beyond(name: &str, value: &str, span: &Range<usize>) -> ExprError {
    ExprError::new(
        span.clone(),
        format!("column `{name}` holds {value}, which is beyond what expressions compute with"),
    )
    .help("give the column another type, or leave such rows out, in a `data.sql` step before")
}

/// The type of a call, with the mismatch placed in the text.
pub(super) fn call_type(
    function: Function,
    arguments: &[Node],
    kinds: &[Type],
    span: &Range<usize>,
) -> Result<Type, ExprError> {
    if matches!(function, Function::Equal | Function::NotEqual) && arguments.iter().any(Node::is_null_literal) {
        return Ok(Type::Bool);
    }
    result_type(function, kinds).map_err(|Mismatch { message, help }| {
        let error = ExprError::new(span.clone(), message);
        match help {
            Some(help) => error.help(help),
            None => error,
        }
    })
}

pub(super) fn matches_type(kind: Type, span: &Range<usize>) -> Result<Type, ExprError> {
    if matches!(kind, Type::Text | Type::Null) {
        Ok(Type::Bool)
    } else {
        Err(ExprError::new(span.clone(), format!("`matches` takes text, not {kind}")).help("cast with `string(x)`"))
    }
}

/// The type in which an item and a listed value are compared.
pub(super) fn comparable(item: Type, listed: Type, span: &Range<usize>) -> Result<Type, ExprError> {
    item.comparable(listed).ok_or_else(|| {
        let error = ExprError::new(span.clone(), format!("{item} cannot be compared with {listed}"));
        match cast_help(&[item, listed]) {
            Some(help) => error.help(help),
            None => error,
        }
    })
}

pub(super) fn list_outside_in(node: &Node) -> ExprError {
    ExprError::new(node.span.clone(), "a list stands only right of `in`")
}

pub(super) fn literal_type(literal: &Literal) -> Type {
    match literal {
        Literal::Null => Type::Null,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::Float(_) => Type::Float,
        Literal::Text(_) => Type::Text,
    }
}

fn is_plain(name: &str) -> bool {
    !name.starts_with(|letter: char| letter.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
