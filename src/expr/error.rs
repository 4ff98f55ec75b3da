//! What can be wrong with an expression.

use std::ops::Range;

/// A mistake in an expression, found when it is parsed or checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes of the expression's text.
    pub span: Range<usize>,
    /// The remedy, if there is one.
    pub help: Option<String>,
}

impl ExprError {
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> ExprError {
        ExprError { message: message.into(), span, help: None }
    }

    #[must_use]
    pub(super) fn help(self, help: impl Into<String>) -> ExprError {
        ExprError { help: Some(help.into()), ..self }
    }
}

/// A failure to evaluate an expression over values that do not fit it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes of the expression's text.
    pub span: Range<usize>,
    /// The remedy, if there is one.
    pub help: Option<String>,
}

impl From<ExprError> for EvalError {
    fn from(error: ExprError) -> EvalError {
        EvalError { message: error.message, span: error.span, help: error.help }
    }
}
