//! `phaseline sql QUERY`.

use serde_json::{Map, Value};

use super::database::ask;
use super::{Exit, Settings, output};
use crate::store::queries::QueryResult;

/// What to ask.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One query that reads, such as "select * from lineage_runs"; docs/lineage-sql.md has many.
    query: String,
    /// Print JSON: a list with one object for each row.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    let answer = ask(settings, async |store| store.sql(&args.query).await)?;
    if args.json {
        output::json(&objects(answer))?;
    } else {
        output::write(text(&answer).as_bytes())?;
    }
    Ok(Exit::Succeeded)
}

/// One object for each row; of columns with the same name, the later ones get a number.
fn objects(answer: QueryResult) -> Vec<Map<String, Value>> {
    let mut names: Vec<String> = Vec::new();
    for column in &answer.columns {
        let mut name = column.clone();
        let mut number = 1;
        while names.contains(&name) {
            number += 1;
            name = format!("{column}_{number}");
        }
        names.push(name);
    }
    answer.rows.into_iter().map(|row| names.iter().cloned().zip(row).collect()).collect()
}

fn text(answer: &QueryResult) -> String {
    let header: Vec<&str> = answer.columns.iter().map(String::as_str).collect();
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        // A line break inside a cell would break the table.
        Value::String(text) => text.replace('\n', "\\n").replace('\t', "\\t"),
        other => other.to_string(),
    };
    let rows: Vec<Vec<String>> = answer.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let count = if rows.len() == 1 { "1 row".to_owned() } else { format!("{} rows", rows.len()) };
    format!("{}({count})\n", output::table(&header, &rows))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_keeps_its_columns_in_order() {
        let answer = QueryResult {
            columns: ["step", "rows", "step"].map(str::to_owned).to_vec(),
            rows: vec![vec![json!("split"), json!(4930), json!("a\nb")], vec![json!("train"), Value::Null, json!("")]],
        };
        insta::assert_snapshot!(text(&answer), @r"
        step   rows  step
        split  4930  a\nb
        train
        (2 rows)
        ");
        assert_eq!(
            serde_json::to_string(&objects(answer)[0]).unwrap(),
            r#"{"step":"split","rows":4930,"step_2":"a\nb"}"#
        );
    }
}
