//! Facts about the columns of a table, as they are printed.

use serde_json::{Value, json};

use super::database::value;
use crate::table::{ColumnFacts, ValueRange};

pub(super) const HEADER: [&str; 6] = ["column", "type", "nulls", "min", "max", "mean"];

pub(super) fn cells(facts: &ColumnFacts) -> Vec<String> {
    let (min, max, mean) = match &facts.range {
        ValueRange::Numbers { min, max, sum, count } => (value(*min), value(*max), value(sum / *count as f64)),
        ValueRange::Texts { min, max } => (shortened(min), shortened(max), String::new()),
        ValueRange::Empty => (String::new(), String::new(), String::new()),
    };
    vec![facts.name.clone(), facts.kind.clone(), facts.nulls.to_string(), min, max, mean]
}

pub(super) fn json(facts: &ColumnFacts) -> Value {
    let (min, max, mean) = match &facts.range {
        ValueRange::Numbers { min, max, sum, count } => (json!(min), json!(max), json!(sum / *count as f64)),
        ValueRange::Texts { min, max } => (json!(min), json!(max), Value::Null),
        ValueRange::Empty => (Value::Null, Value::Null, Value::Null),
    };
    json!({"name": facts.name, "type": facts.kind, "nulls": facts.nulls, "min": min, "max": max, "mean": mean})
}

fn shortened(text: &str) -> String {
    let text = text.replace('\n', "\\n");
    if text.chars().count() > 24 { text.chars().take(23).chain(['…']).collect() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_summed_up_in_a_row_each() {
        let column =
            |name: &str, nulls, range| ColumnFacts { name: name.to_owned(), kind: "Int64".to_owned(), nulls, range };
        let columns = [
            column("tenure", 1, ValueRange::Numbers { min: 2.0, max: 7.0, sum: 11.0, count: 3 }),
            column("name", 0, ValueRange::Texts { min: "a\nb".to_owned(), max: "c".repeat(30) }),
            column("gone", 4, ValueRange::Empty),
        ];
        let cells: Vec<Vec<String>> = columns.iter().map(cells).collect();
        insta::assert_snapshot!(super::super::output::table(&HEADER, &cells), @r"
        column  type   nulls  min   max                         mean
        tenure  Int64      1  2     7                         3.6667
        name    Int64      0  a\nb  ccccccccccccccccccccccc…
        gone    Int64      4
        ");
    }
}
