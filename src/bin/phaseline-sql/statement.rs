//! The one statement that a text holds.

use std::collections::VecDeque;

use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};
use phaseline::step::StepError;

use crate::failure::failure;

/// The statement of a text.
///
/// # Errors
/// The text is no SQL, or not one statement.
pub(crate) fn parse(text: &str) -> Result<Statement, StepError> {
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, text).tokenize_with_location();
    let tokens = tokens.map_err(|error| failure(ParserError::from(error).into()))?;
    let parser = DFParserBuilder::new(with_names(tokens)).with_dialect(&dialect).build();
    let statements = parser.and_then(|mut parser| parser.parse_statements()).map_err(failure)?;
    one(statements)
}

fn one(mut statements: VecDeque<Statement>) -> Result<Statement, StepError> {
    match (statements.pop_front(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        (Some(_), false) => Err(StepError::input("sql_query", "the text holds several statements")
            .help("write one query; another one is another step or check")),
        (None, _) => Err(StepError::input("sql_query", "the query is empty")),
    }
}

/// The tokens, in which `table` is a name like that of any other input. To SQL it is a word of its own, which begins a table
/// function where a bracket follows, and says what is made or dropped elsewhere.
fn with_names(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let places: Vec<usize> =
        (0..tokens.len()).filter(|place| !matches!(tokens[*place].token, Token::Whitespace(_))).collect();
    for (order, place) in places.iter().copied().enumerate() {
        let token = |order: Option<usize>| order.and_then(|order| places.get(order)).map(|place| &tokens[*place].token);
        let (before, after) = (token(order.checked_sub(1)), token(Some(order + 1)));
        let Token::Word(word) = &tokens[place].token else { continue };
        if word.keyword == Keyword::TABLE && word.quote_style.is_none() && is_named(before, after) {
            let value = word.value.clone();
            tokens[place].token = Token::Word(Word { value, quote_style: Some('"'), keyword: Keyword::NoKeyword });
        }
    }
    tokens
}

/// Whether a name stands between these.
fn is_named(before: Option<&Token>, after: Option<&Token>) -> bool {
    let is_read = match before {
        Some(Token::Word(word)) => matches!(word.keyword, Keyword::FROM | Keyword::JOIN),
        Some(Token::Comma | Token::LParen) => true,
        _ => false,
    };
    after == Some(&Token::Period) || (is_read && after != Some(&Token::LParen))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_may_be_called_table() {
        for query in [
            "SELECT * FROM table",
            "SELECT table.id FROM table WHERE table.id > 1 ORDER BY table.id",
            "SELECT * FROM other JOIN table ON table.id = other.id, table AS t",
            "WITH a AS (SELECT * FROM (table JOIN other ON true)) SELECT (SELECT max(id) FROM table), table.* FROM table",
            "SELECT id FROM \"table\" WHERE text = 'FROM table' -- of table",
        ] {
            assert!(parse(query).is_ok(), "{query}: {:?}", parse(query).err());
        }
        let function = parse("SELECT * FROM TABLE(generate_series(1, 3))").unwrap();
        assert!(function.to_string().contains("TABLE(generate_series(1, 3))"), "{function}");
        assert!(parse("SELECT * FROM table (generate_series(1, 3))").is_ok(), "a bracket makes it a function");
    }

    #[test]
    fn places_in_messages_are_those_of_the_text() {
        let error = parse("SELECT * FROM table WHERE id = 1 1").err().unwrap();
        assert!(error.to_string().contains("found: 1 at Line: 1, Column: 34"), "{error}");
    }

    #[test]
    fn there_is_one_statement() {
        let told = |text: &str| parse(text).err().unwrap().to_string();
        assert_eq!(told("SELECT 1; SELECT 2"), "the text holds several statements");
        assert_eq!(
            told("SELECT * FROM table; drop table x; CREATE TABLE y (a INT)"),
            "the text holds several statements"
        );
        assert_eq!(told(" -- nothing"), "the query is empty");
        assert!(parse("SELECT 1;").is_ok());
        assert!(told("SELECT 'open").contains("Unterminated"));
    }
}
