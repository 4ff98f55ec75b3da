//! The tree of an expression after lowering: what checking and evaluation walk over.

use std::ops::Range;

use regex::Regex;

use super::functions::Function;

/// One part of an expression with its place in the text.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
}

/// What a part of an expression is.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// A constant.
    Literal(Literal),
    /// A reference, from the outside in: `steps.report.metrics` or a column.
    Path(Vec<String>),
    /// A list, which stands right of `in` or is a scalar result.
    List(Vec<Node>),
    /// An operator or a function.
    Call(Function, Vec<Node>),
    /// `item in list`.
    In(Box<Node>, Box<Node>),
    /// `text.matches(pattern)`; the pattern was compiled when the expression was parsed.
    Matches(Box<Node>, Regex),
}

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

impl Node {
    /// The parts of this part, from left to right.
    pub(super) fn children(&self) -> Vec<&Node> {
        match &self.kind {
            Kind::Literal(_) | Kind::Path(_) => Vec::new(),
            Kind::List(items) | Kind::Call(_, items) => items.iter().collect(),
            Kind::In(item, list) => vec![item, list],
            Kind::Matches(text, _) => vec![text],
        }
    }

    pub(super) fn is_null_literal(&self) -> bool {
        matches!(self.kind, Kind::Literal(Literal::Null))
    }
}
