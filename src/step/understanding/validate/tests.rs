//! What `validate.table` promises beyond agreeing with Great Expectations.

use arrow::array::{Array, AsArray, Date32Array, TimestampMicrosecondArray};
use arrow::record_batch::RecordBatch;
use serde_json::{Value, json};

use super::{Params, ValidateTable};
use crate::step::testing::{Ran, Workbench, batch, floats, ints, texts};
use crate::step::{Dependency, StepKind, StepRegistry};

fn people() -> RecordBatch {
    batch(&[
        ("id", texts(["a", "b", "c", "b", "e"].map(Some))),
        ("age", ints([Some(30), Some(-1), None, Some(200), Some(41)])),
        ("plan name", texts([Some("pro"), Some("basic"), Some("gold"), None, Some("pro")])),
        ("score", floats([Some(0.5), Some(f64::NAN), Some(0.1), Some(0.9), None])),
    ])
}

fn run(expect: &Value) -> Ran {
    let bench = Workbench::new();
    let table = bench.table(&people());
    bench.run("validate.table", json!({"expect": expect}), &[("table", &table)]).unwrap()
}

fn result(expect: &Value) -> Value {
    run(&json!([expect])).report("report")["results"][0].clone()
}

fn refused(with: &Value) -> String {
    match StepRegistry::builtin().kind("validate.table").unwrap().build(with.clone()) {
        Ok(_) => "accepted".to_owned(),
        Err(errors) => errors
            .0
            .iter()
            .map(|error| {
                let help = error.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
                format!("{}: {}{help}", error.path.join("."), error.message)
            })
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

#[test]
fn failing_checks_are_counted_by_severity_and_the_step_succeeds() {
    let ran = run(&json!([
        {"column": "id", "check": "unique"},
        {"column": "age", "check": "between", "min": 0, "max": 120, "severity": "warning"},
        {"column": "plan name", "check": "in_set", "values": ["pro", "basic"], "severity": "info"},
        {"check": "row_count", "min": 1},
    ]));
    let metrics = ["checks", "failed", "warnings", "success_percent", "rows"].map(|name| ran.metric(name).unwrap());
    assert_eq!(format!("{metrics:?}"), "[4.0, 1.0, 1.0, 25.0, 5.0]");
    insta::assert_snapshot!(ran.log.join("\n"), @r#"
    warning: unique_id failed: 2 of 5 rows, such as "b"
    warning: between_age failed: 2 of 5 rows, such as -1
    in_set_plan name failed: 1 of 5 rows, such as "gold"
    "#);
}

#[test]
fn the_table_goes_on_unchanged_and_the_failing_rows_are_kept() {
    let bench = Workbench::new();
    let table = bench.table(&people());
    let expect = json!([
        {"column": "age", "check": "between", "min": 0, "max": 120, "id": "age_range"},
        {"column": "id", "check": "unique"},
    ]);
    let ran = bench.run("validate.table", json!({"expect": expect}), &[("table", &table)]).unwrap();
    assert_eq!(ran.artifact("table"), &table.artifact);
    let failures = ran.table("failures");
    let rows: Vec<(String, i64, Option<i64>)> = (0..failures.num_rows())
        .map(|row| {
            let age = failures.column_by_name("age").unwrap().as_primitive::<arrow::datatypes::Int64Type>();
            (
                failures.column(0).as_string::<i32>().value(row).to_owned(),
                failures.column(1).as_primitive::<arrow::datatypes::Int64Type>().value(row),
                age.is_valid(row).then(|| age.value(row)),
            )
        })
        .collect();
    let expected = [
        ("age_range", 1, Some(-1)),
        ("age_range", 3, Some(200)),
        ("unique_id", 1, Some(-1)),
        ("unique_id", 3, Some(200)),
    ];
    assert_eq!(rows, expected.map(|(id, row, age)| (id.to_owned(), row, age)));
    assert_eq!(failures.schema().field(0).name(), "check_id");
    let clean =
        bench.run("validate.table", json!({"expect": [{"check": "row_count", "min": 1}]}), &[("table", &table)]);
    assert!(!clean.unwrap().has("failures"));
}

#[test]
fn no_more_failing_rows_are_kept_than_asked_for() {
    let bench = Workbench::new();
    let table = bench.table(&batch(&[("n", ints((0..50_000).map(|n| Some(n % 10))))]));
    let expect = json!([{"column": "n", "check": "in_set", "values": [1]}, {"column": "n", "check": "unique"}]);
    let with = json!({"expect": expect, "max_failures": 100});
    let ran = bench.run("validate.table", with, &[("table", &table)]).unwrap();
    assert_eq!(ran.table("failures").num_rows(), 100);
    assert_eq!(ran.report("report")["results"][1]["result"]["unexpected_count"], 50_000);
    let with = json!({"expect": [{"column": "n", "check": "unique"}], "max_failures": 0});
    assert!(!bench.run("validate.table", with, &[("table", &table)]).unwrap().has("failures"));
}

#[test]
fn a_check_without_a_value_passes_vacuously_and_says_so() {
    let ran = run(&json!([{"column": "age", "check": "between", "min": 0, "where": "id == 'c'"}]));
    assert_eq!(ran.report("report")["results"][0]["vacuous"], json!(true));
    assert_eq!(ran.log, ["warning: between_age passed without a single value to look at"]);
}

#[test]
fn rows_are_filtered_and_keep_their_numbers() {
    let found =
        result(&json!({"column": "age", "check": "between", "min": 0, "where": "`plan name` == 'basic' || id == 'e'"}));
    assert_eq!(found["result"]["element_count"], 2);
    assert_eq!(found["result"]["partial_unexpected_index_list"], json!([1]));
    let counted = result(&json!({"check": "row_count", "equals": 2, "where": "age > 29 && age < 50"}));
    assert_eq!(counted["success"], json!(true));
}

#[test]
fn an_expression_is_a_check_of_rows() {
    let found = result(&json!({"check": "expr", "expr": "score > 0.2 || coalesce(age, 0) > 100"}));
    assert_eq!(found["result"]["unexpected_count"], 1);
    assert_eq!(found["result"]["missing_count"], 2, "unknown is not false");
    assert_eq!(found["result"]["partial_unexpected_list"], json!([[0.1, null]]));
}

#[test]
fn order_is_checked_across_batches() {
    let bench = Workbench::new();
    let rising = bench.table(&batch(&[
        ("n", ints((0..40_000).map(|n| Some(if n == 20_000 { 5 } else { n })))),
        ("x", floats((0..40_000).map(|n| Some(f64::from(n / 2))))),
    ]));
    let expect = json!([
        {"column": "n", "check": "increasing"},
        {"column": "x", "check": "increasing"},
        {"column": "x", "check": "increasing", "strict": true},
        {"column": "x", "check": "decreasing", "mostly": 0.4},
    ]);
    let ran = bench.run("validate.table", json!({"expect": expect}), &[("table", &rising)]).unwrap();
    let report = ran.report("report");
    let counts: Vec<&Value> = (0..4).map(|index| &report["results"][index]["result"]["unexpected_count"]).collect();
    assert_eq!(counts, [1, 0, 20_000, 19_999]);
}

#[test]
fn keys_are_looked_up_in_the_reference() {
    let bench = Workbench::new();
    let table = bench.table(&people());
    let plans = bench.table(&batch(&[("plan", texts(["pro", "basic"].map(Some))), ("n", ints([Some(1), Some(2)]))]));
    let check = |expectation: Value, inputs: &[(&str, &crate::step::InputArtifact)]| {
        bench.run("validate.table", json!({"expect": [expectation]}), inputs).unwrap().report("report")["results"][0]
            .clone()
    };
    let expectation = json!({"column": "plan name", "check": "foreign_key", "reference_column": "plan"});
    let found = check(expectation.clone(), &[("table", &table), ("reference", &plans)]);
    assert_eq!((&found["success"], &found["result"]["partial_unexpected_list"]), (&json!(false), &json!(["gold"])));
    let found = check(expectation, &[("table", &table)]);
    assert_eq!(found["exception_info"]["exception_message"], "`foreign_key` needs a table at the input `reference`");
    let mistyped = json!({"column": "plan name", "check": "foreign_key", "reference_column": "n"});
    let found = check(mistyped, &[("table", &table), ("reference", &plans)]);
    assert_eq!(
        found["exception_info"]["exception_message"],
        "column `plan name` is Utf8 and `n` of the reference is Int64"
    );
}

#[test]
fn freshness_counts_from_a_time_that_is_given() {
    let bench = Workbench::new();
    let noon = 1_772_280_000_000_000; // 2026-02-28T12:00:00Z
    let seen = TimestampMicrosecondArray::from(vec![Some(noon - 3_600_000_000), None, Some(noon)]);
    let day = Date32Array::from(vec![20_500, 20_511, 20_512]);
    let table = bench.table(
        &RecordBatch::try_from_iter_with_nullable([
            ("seen", std::sync::Arc::new(seen) as _, true),
            ("day", std::sync::Arc::new(day) as _, true),
            ("text", texts(["2026-02-01", "x", "2026-02-28T11:00:00Z"].map(Some)), true),
        ])
        .unwrap(),
    );
    let expect = json!([
        {"column": "seen", "check": "freshness", "max_age": "1h"},
        {"column": "seen", "check": "freshness", "max_age": "59m"},
        {"column": "day", "check": "freshness", "max_age": "2d"},
        {"column": "text", "check": "freshness", "max_age": "1.9h"},
        {"column": "day", "check": "max", "min": "2026-02-28"},
        {"column": "seen", "check": "between", "max": "2026-02-28 11:59:59"},
    ]);
    let with = json!({"expect": expect, "now": "2026-02-28T13:00:00Z"});
    let report = bench.run("validate.table", with, &[("table", &table)]).unwrap().report("report");
    let results = report["results"].as_array().unwrap();
    let successes: Vec<&Value> = results.iter().map(|result| &result["success"]).collect();
    assert_eq!(successes, [true, false, true, false, true, false], "{results:#?}");
    assert_eq!(results[1]["result"]["age_seconds"], 3600.0);
    let step = |now: Value| {
        let params: Params = serde_json::from_value(json!({"expect": [expect[0]], "now": now})).unwrap();
        ValidateTable::new(params).unwrap()
    };
    assert!(matches!(StepKind::dependencies(&step(Value::Null)).as_slice(), [Dependency::Unknown(_)]));
    assert!(StepKind::dependencies(&step(json!("2026-02-28"))).is_empty());
}

#[test]
fn a_check_that_does_not_fit_the_table_fails_and_says_why() {
    let ran = run(&json!([
        {"column": "agee", "check": "not_null"},
        {"column": "id", "check": "between", "min": 0},
        {"column": "age", "check": "in_set", "values": ["x"]},
        {"column": "age", "check": "regex", "pattern": "1"},
        {"column": "id", "check": "mean", "min": 0},
        {"check": "expr", "expr": "age + 1"},
        {"check": "expr", "expr": "agee > 1"},
        {"column": "age", "check": "not_null", "where": "id > 3"},
        {"columns": ["id", "age"], "check": "greater_than"},
    ]));
    insta::assert_snapshot!(ran.log.join("\n"), @"
    warning: not_null_agee could not be checked: there is no column `agee`; did you mean `age`?
    warning: between_id could not be checked: column `id` is Utf8, and the bound 0 is not
    warning: in_set_age could not be checked: column `age` is Int64, and \"x\" in `values` is not
    warning: regex_age could not be checked: column `age` is Int64 and not text
    warning: mean_id could not be checked: `mean` does not fit column `id`, which is Utf8
    warning: expr could not be checked: `expr` gives Int64 and not true or false
    warning: expr_2 could not be checked: there is no column `agee`; did you mean `age`?
    warning: not_null_age could not be checked: text cannot be compared with int; cast with `float(x)`, `int(x)` or `string(x)`
    warning: greater_than_id_age could not be checked: column `id` is Utf8 and column `age` is Int64
    ");
    assert_eq!(ran.metric("failed"), Some(9.0));
}

#[test]
fn mistakes_in_the_manifest_are_all_reported_before_anything_runs() {
    let with = json!({
        "expect": [
            {"column": "a", "check": "between"},
            {"column": "a", "check": "in_set", "values": [], "min": 3, "mostly": 2},
            {"check": "not_null"},
            {"column": "a", "check": "regex", "pattern": "("},
            {"check": "expr", "expr": "a and b"},
            {"column": "a", "check": "greater_than"},
            {"column": "a", "check": "freshness", "max_age": "soon"},
            {"column": "a", "check": "quantiles", "quantiles": {"2": [0, 1]}},
            {"column": "a", "check": "mean", "min": 3, "max": 1},
        ],
        "now": "tomorrow",
    });
    insta::assert_snapshot!(refused(&with), @"
    now: `now` is not a time (write `2026-02-28T10:30:00Z`)
    expect.0.check: `between` needs one of `min`, `max` (write `{column: tenure, check: between, min: 0, max: 120}`)
    expect.1.min: `in_set` takes no `min` (write `{column: plan, check: in_set, values: [basic, pro]}`)
    expect.1.mostly: `mostly` is a share between 0 and 1 (write `{column: plan, check: in_set, values: [basic, pro]}`)
    expect.1.values: `values` is empty (write `{column: plan, check: in_set, values: [basic, pro]}`)
    expect.2.check: `not_null` needs either `column` or `columns`
    expect.3.pattern: `pattern` is not a regular expression: unclosed group
    expect.4.expr: `and` is not expected here (write `&&`, `||` and `!` for and, or and not)
    expect.5.check: `greater_than` needs two columns: `columns: [a, b]` (write `{columns: [end, start], check: greater_than, or_equal: true}`)
    expect.6.max_age: `max_age` is a duration such as `30m`, `36h` or `7d`
    expect.7.quantiles: the quantile `2` is not between 0 and 1 (write `{column: age, check: quantiles, quantiles: {0.5: [30, 50]}}`)
    expect.8.min: `min` 3 is greater than `max` 1
    ");
    let unknown = json!({"expect": [{"column": "a", "check": "uniqe"}]});
    assert_eq!(refused(&unknown), "expect.0.check: there is no check `uniqe`; did you mean `unique`?");
}

#[test]
fn a_query_says_all_itself_and_what_it_cannot_have_names_the_remedy() {
    let with = json!({"expect": [
        {"check": "sql"},
        {"check": "sql", "query": " -- SELECT 1"},
        {"check": "sql", "query": "DELETE FROM table"},
        {"check": "sql", "query": "SELECT * FROM {batch}"},
        {"check": "sql", "query": "SELECT 1", "column": "a", "where": "a > 1", "mostly": 0.9},
        {"check": "sql", "query": "SELECT 1", "on_fail": "quarantine"},
        {"check": "row_count", "min": 1, "query": "SELECT 1"},
        {"check": "anomaly", "measure": "sql", "strategy": "batch_normal"},
    ]});
    insta::assert_snapshot!(refused(&with), @"
    expect.0.query: `sql` needs `query` (write `{check: sql, query: SELECT * FROM table WHERE spent < 0}`)
    expect.1.query: the query is empty (write `{check: sql, query: SELECT * FROM table WHERE spent < 0}`)
    expect.2.query: a query begins with `SELECT` or `WITH` and not with `delete`: steps read their inputs and change nothing (write `{check: sql, query: SELECT * FROM table WHERE spent < 0}`)
    expect.3.query: `{batch}` is a word of Great Expectations; here the table is `table` (write `{check: sql, query: SELECT * FROM table WHERE spent < 0}`)
    expect.4.column: `sql` looks at the rows that its query gives and takes no `column` (name the columns in the query)
    expect.4.where: `sql` looks at the rows that its query gives and takes no `where` (put the condition into the query)
    expect.4.mostly: `sql` takes no `mostly` (count in the query, and give a row only where too many are wrong)
    expect.5.on_fail: `sql` looks at no single rows, so there is nothing to put aside (say it of each row with `check: expr`, or let a `data.sql` step put the rows aside)
    expect.6.query: `row_count` takes no `query`
    expect.7.measure: `sql` measures no single number of the table
    ");
    assert_eq!(
        refused(&json!({"expect": [{"check": "sql", "query": "WITH a AS (SELECT 1) SELECT * FROM a;"}]})),
        "accepted"
    );
}

#[test]
fn a_failed_check_fails_the_step_when_asked_to() {
    let bench = Workbench::new();
    let table = bench.table(&people());
    let with = json!({"expect": [{"column": "id", "check": "unique"}], "on_fail": "fail"});
    let error = bench.run("validate.table", with, &[("table", &table)]).map(|_| ()).unwrap_err();
    assert_eq!(
        (error.code(), error.to_string()),
        ("checks_failed", "1 of 1 checks failed: unique_id failed: 2 of 5 rows, such as \"b\"".to_owned())
    );
}

#[test]
fn an_empty_table_is_checked_too() {
    let bench = Workbench::new();
    let table = bench.table(&people().slice(0, 0));
    let expect = json!([
        {"column": "id", "check": "unique"},
        {"column": "age", "check": "mean", "min": 0},
        {"column": "age", "check": "distinct_count", "max": 0},
        {"check": "row_count", "min": 1},
    ]);
    let report = bench.run("validate.table", json!({"expect": expect}), &[("table", &table)]).unwrap().report("report");
    let successes: Vec<&Value> =
        report["results"].as_array().unwrap().iter().map(|result| &result["success"]).collect();
    assert_eq!(successes, [true, false, true, false]);
}
