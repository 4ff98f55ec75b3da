//! What a query finds.

use serde_json::json;

use super::super::check::{Outcome, State};
use super::super::definition::{Definition, Target};
use super::super::expectation::Expectation;
use super::super::setting::Setting;

pub(super) const CHECKS: &[Definition] = &[Definition::new(
    "sql",
    "unexpected_rows_expectation",
    "The query gives no row. It reads the tables at the inputs under their names: `SELECT * FROM table WHERE paid < spent`. The \
     report has the count and the first 20 rows.",
    Target::Query,
    sql,
)
.needs(&["query"])];

fn sql(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let answers = setting.answers.ok_or("queries are asked in a `validate.table` step and nowhere else")?;
    let answer = answers.to(expectation)?;
    let is_empty = answer.rows == 0;
    let outcome =
        Outcome::observed(is_empty, json!(answer.rows)).with("details", json!({"unexpected_rows": answer.first}));
    Ok(State::Known(Outcome { vacuous: is_empty && setting.rows == 0, ..outcome }))
}
