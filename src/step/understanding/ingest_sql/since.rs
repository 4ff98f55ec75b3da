//! A query narrowed to the rows from a position on.

use super::kind::Scheme;
use crate::step::understanding::csv::ColumnType;
use crate::step::understanding::cursor::Mark;

/// `query` without rows before `from`, as far as the database can tell them; rows without a cursor stay, so that they are seen.
/// Values are compared as this program compares them, whatever the database's collation.
pub(super) fn since(query: &str, scheme: Scheme, cursor: &str, column_type: ColumnType, from: &Mark) -> String {
    let quote = if scheme == Scheme::MySql { '`' } else { '"' };
    let column = format!("{quote}{}{quote}", cursor.replace(quote, &format!("{quote}{quote}")));
    let text = |text: &str| {
        let text = if scheme == Scheme::MySql { text.replace('\\', "\\\\") } else { text.to_owned() };
        format!("'{}'", text.replace('\'', "''"))
    };
    let written = from.written(column_type).replace('T', " ");
    let condition = match (from, column_type, scheme) {
        // SQLite keeps days and moments as texts in whatever form they came.
        (_, ColumnType::Date | ColumnType::Timestamp | ColumnType::Instant, Scheme::Sqlite) => return query.to_owned(),
        // A column of texts would compare the number as one.
        (Mark::Whole(number), ColumnType::Int64, Scheme::Sqlite) => {
            format!("{column} >= {number} OR typeof({column}) <> 'integer'")
        }
        (Mark::Whole(number), ColumnType::Int64, _) => format!("{column} >= {number}"),
        (_, ColumnType::Instant, Scheme::Postgres) => format!("{column} >= {}", text(&format!("{written}+00"))),
        (Mark::Whole(_), ..) => format!("{column} >= {}", text(&written)),
        (Mark::Text(value), _, Scheme::Postgres) => format!("{column}::text COLLATE \"C\" >= {}", text(value)),
        (Mark::Text(value), _, Scheme::MySql) => {
            format!("CAST(CONVERT({column} USING utf8mb4) AS BINARY) >= CAST({} AS BINARY)", text(value))
        }
        // SQLite puts numbers among texts before all of them, and writes them in another way than they are read here.
        (Mark::Text(value), _, Scheme::Sqlite) => {
            format!("{column} COLLATE BINARY >= {} OR typeof({column}) <> 'text'", text(value))
        }
    };
    // The line break ends a comment at the end of the query.
    format!("SELECT * FROM ({query}\n) AS source WHERE {condition} OR {column} IS NULL")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_compares_as_we_do() {
        let check = |scheme, column_type, from: Mark, expected: &str| {
            let narrowed = since("SELECT 1", scheme, "at", column_type, &from);
            assert_eq!(narrowed.split_once("WHERE ").map(|(_, condition)| condition), Some(expected));
        };
        let moment = || Mark::Whole(1_772_274_600_250_000);
        check(Scheme::Postgres, ColumnType::Int64, Mark::Whole(-5), "\"at\" >= -5 OR \"at\" IS NULL");
        check(
            Scheme::Postgres,
            ColumnType::Instant,
            moment(),
            "\"at\" >= '2026-02-28 10:30:00.250+00' OR \"at\" IS NULL",
        );
        check(Scheme::MySql, ColumnType::Timestamp, moment(), "`at` >= '2026-02-28 10:30:00.250' OR `at` IS NULL");
        check(Scheme::MySql, ColumnType::Date, Mark::Whole(20_512), "`at` >= '2026-02-28' OR `at` IS NULL");
        let odd = || Mark::Text("o'b\\".to_owned());
        check(
            Scheme::Sqlite,
            ColumnType::Text,
            odd(),
            "\"at\" COLLATE BINARY >= 'o''b\\' OR typeof(\"at\") <> 'text' OR \"at\" IS NULL",
        );
        check(
            Scheme::MySql,
            ColumnType::Text,
            odd(),
            "CAST(CONVERT(`at` USING utf8mb4) AS BINARY) >= CAST('o''b\\\\' AS BINARY) OR `at` IS NULL",
        );
        check(
            Scheme::Sqlite,
            ColumnType::Int64,
            Mark::Whole(9),
            "\"at\" >= 9 OR typeof(\"at\") <> 'integer' OR \"at\" IS NULL",
        );
        assert_eq!(since("SELECT 1", Scheme::Sqlite, "at", ColumnType::Date, &moment()), "SELECT 1");
    }
}
