//! Texts with expressions in them: `${{ params.seed }}`.

use super::rejected::Mistake;
use super::source::{Span, Spanned};

const OPEN: &str = "${{";
const CLOSE: &str = "}}";

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Taken as it is.
    Text(String),
    /// The text between `${{` and `}}`, and where it stands in the source.
    Expression(Spanned<String>),
}

/// Whether a text holds an expression.
pub fn has_expression(text: &str) -> bool {
    text.contains(OPEN)
}

/// The pieces of a text that stands at `span` of `source`.
///
/// # Errors
/// An expression has no end.
pub fn split(text: &str, span: &Span, source: &str) -> Result<Vec<Part>, Mistake> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut search_from = span.start;
    while let Some(start) = rest.find(OPEN) {
        if start > 0 {
            parts.push(Part::Text(rest[..start].to_owned()));
        }
        let after = &rest[start + OPEN.len()..];
        let Some(length) = expression_length(after) else {
            return Err(Mistake::new("expression", span.clone(), "this `${{` has no `}}`"));
        };
        let inner = &after[..length];
        let expression = inner.trim();
        let lead = inner.len() - inner.trim_start().len();
        // Escapes and folded lines make a text differ from its source; then the whole value is shown.
        let written = source.get(search_from..span.end).and_then(|raw| raw.find(&format!("{OPEN}{inner}{CLOSE}")));
        let place = match written {
            Some(offset) => {
                let start = search_from + offset + OPEN.len() + lead;
                search_from = start + expression.len();
                start..start + expression.len()
            }
            None => span.clone(),
        };
        if expression.is_empty() {
            return Err(Mistake::new("expression", place, "the expression is empty"));
        }
        parts.push(Part::Expression(Spanned::new(expression.to_owned(), place)));
        rest = &after[length + CLOSE.len()..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

/// The one expression that makes up the whole text, if it is so; spaces around it do not count.
pub fn whole(parts: &[Part]) -> Option<&Spanned<String>> {
    let mut expressions = parts.iter().filter(|part| !matches!(part, Part::Text(text) if text.trim().is_empty()));
    match (expressions.next(), expressions.next()) {
        (Some(Part::Expression(expression)), None) => Some(expression),
        _ => None,
    }
}

/// The length of an expression up to its `}}`, which quotes and braces of its own may hold off.
fn expression_length(text: &str) -> Option<usize> {
    let (mut quote, mut braces, mut escaped) = (None, 0_usize, false);
    for (index, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            _ if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(open), byte) if byte == open => quote = None,
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'{') => braces += 1,
            (None, b'}') if braces > 0 => braces -= 1,
            (None, b'}') if text[index..].starts_with(CLOSE) => return Some(index),
            (Some(_) | None, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> String {
        let parts = match split(text, &(0..text.len()), text) {
            Ok(parts) => parts,
            Err(mistake) => return mistake.message,
        };
        let shown: Vec<String> = parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => format!("{text:?}"),
                Part::Expression(expression) => {
                    assert_eq!(text[expression.span.clone()], expression.value);
                    format!("<{}>", expression.value)
                }
            })
            .collect();
        shown.concat()
    }

    #[test]
    fn expressions_are_found_between_their_marks() {
        assert_eq!(check("a ${{ x }} b ${{x}}"), "\"a \"<x>\" b \"<x>");
        assert_eq!(check("${{ {'a': {}} }}"), "<{'a': {}}>");
        assert_eq!(check("${{ '}}' + \"\\\"}}\" }}"), "<'}}' + \"\\\"}}\">");
        assert_eq!(check("$HOME {{x}}"), "\"$HOME {{x}}\"");
        assert_eq!(check("${{ x"), "this `${{` has no `}}`");
        assert_eq!(check("${{ }}"), "the expression is empty");
    }

    #[test]
    fn a_text_that_is_one_expression_is_told_from_one_that_holds_one() {
        let parts = |text: &str| split(text, &(0..text.len()), text).unwrap();
        assert!(whole(&parts(" ${{ x }} ")).is_some());
        assert!(whole(&parts("${{ x }}${{ y }}")).is_none());
        assert!(whole(&parts("x")).is_none());
    }
}
