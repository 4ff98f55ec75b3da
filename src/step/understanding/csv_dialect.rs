//! The characters of a CSV dialect from the params of `ingest.csv`, with everything that is wrong with them.

use super::csv::{Dialect, Nulls};
use super::ingest_csv::Params;
use super::source::wrong_columns;
use crate::step::{ParamError, ParamErrors};

/// The dialect that params describe.
///
/// # Errors
/// All mistakes in the params.
pub(super) fn dialect(params: &Params) -> Result<Dialect, ParamErrors> {
    let mut errors = Vec::new();
    let mut byte = |name: &str, text: &str| {
        let text = if text == "tab" { "\t" } else { text };
        match text.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => *byte,
            _ => {
                errors.push(ParamError {
                    path: vec![name.to_owned()],
                    message: format!("`{text}` is not one ASCII character"),
                    help: None,
                });
                0
            }
        }
    };
    let dialect = Dialect {
        delimiter: byte("delimiter", &params.delimiter),
        quote: params.quote.as_deref().map(|text| byte("quote", text)),
        comment: params.comment.as_deref().map(|text| byte("comment", text)),
        trim: params.trim,
        decimal: byte("decimal", &params.decimal),
        skip_lines: params.skip_rows,
        nulls: Nulls::new(&params.null_values),
    };
    let mut refuse = |name: &str, message: &str| {
        errors.push(ParamError { path: vec![name.to_owned()], message: message.to_owned(), help: None });
    };
    if errors_free(&dialect) {
        if dialect.quote == Some(dialect.delimiter) {
            refuse("quote", "the quote and the delimiter are the same character");
        }
        if dialect.comment.is_some_and(|comment| comment == dialect.delimiter || Some(comment) == dialect.quote) {
            refuse("comment", "the comment character already is the delimiter or the quote");
        }
    }
    if !matches!(params.decimal.as_str(), "." | ",") {
        refuse("decimal", "a decimal point is `.` or `,`");
    }
    if params.path.is_empty() {
        refuse("path", "the path is empty");
    }
    if params.infer_rows == 0 {
        refuse("infer_rows", "at least one row is needed to guess types");
    }
    if let Some(wrong) = wrong_columns(&params.columns) {
        refuse("columns", &wrong);
    }
    if errors.is_empty() { Ok(dialect) } else { Err(ParamErrors(errors)) }
}

/// Whether no character was refused, so that comparing them makes sense.
fn errors_free(dialect: &Dialect) -> bool {
    dialect.delimiter != 0 && dialect.quote != Some(0) && dialect.comment != Some(0)
}
