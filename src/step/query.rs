//! SQL queries among the params of a step: what counts as one, and the program that carries the engine.

use super::StepError;

/// The program that answers queries, found beside this one.
pub(in crate::step) const QUERY_PROGRAM: &str = "phaseline-sql";

/// A query as written, without blanks around it and without the semicolon that ends it.
pub(in crate::step) fn trimmed(text: &str) -> &str {
    text.trim_start().trim_end_matches(|letter: char| letter == ';' || letter.is_whitespace())
}

/// Why a text is no query, as far as its first word tells.
pub(in crate::step) fn problem(text: &str) -> Option<String> {
    match first_word(trimmed(text)).to_ascii_lowercase().as_str() {
        "" => Some("the query is empty".to_owned()),
        "select" | "with" | "values" | "(" => None,
        word => Some(format!(
            "a query begins with `SELECT` or `WITH` and not with `{word}`: steps read their inputs and change nothing"
        )),
    }
}

/// What is said where the program is not there; `asking` are those who need it.
pub(in crate::step) fn program_missing(asking: &str) -> StepError {
    StepError::input("program_missing", format!("{asking} need the program `{QUERY_PROGRAM}` beside this one"))
        .help("build it with `cargo build --release --features sql`; releases and the Docker image carry it")
}

/// The first word of a query, behind comments.
fn first_word(query: &str) -> &str {
    let mut rest = query.trim_start();
    loop {
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, after)| after).trim_start();
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, after)| after).trim_start();
        } else if rest.starts_with('(') {
            return "(";
        } else {
            let end = rest.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(rest.len());
            return &rest[..end];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_like_a_query_is_one() {
        for query in
            ["SELECT 1", " -- why\n/* how */ with a as (select 1) select * from a ; ", "(SELECT 1)", "values (1)"]
        {
            assert_eq!(problem(query), None, "{query}");
        }
        assert!(problem("-- a\n/* b */ DROP TABLE t").unwrap().contains("not with `drop`"));
        for empty in ["", " ; ", "-- SELECT 1", "/* SELECT 1"] {
            assert_eq!(problem(empty).unwrap(), "the query is empty");
        }
        assert_eq!(trimmed("\n SELECT 1 ; \n;"), "SELECT 1");
    }
}
