//! What the language promises to its users.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Int32Array, RecordBatch, StringArray,
    StringViewArray, TimestampSecondArray, UInt64Array,
};
use arrow::datatypes::Int8Type;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::{Value, json};

use super::{Expr, FUNCTIONS};

fn scope() -> Value {
    json!({
        "params": {"epochs": 40, "rate": 0.5, "name": "churn", "layers": [64, 32], "flag": true, "none": null},
        "steps": {
            "report": {"metrics": {"recall": 0.75, "valid.roc_auc": 0.83, "n": 3}},
            "train[seed=1]": {"metrics": {"x": 2.5}},
        },
        "criteria": {"ml": {"met": true}},
    })
}

#[track_caller]
fn check(text: &str, expected: impl Into<Value>) {
    let value = Expr::parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}")).eval_scalar(&scope());
    assert_eq!(value.unwrap_or_else(|error| panic!("{text}: {error:?}")), expected.into(), "{text}");
}

fn refuse(text: &str) -> String {
    let error = match Expr::parse(text) {
        Err(error) => error,
        Ok(expr) => {
            let error = expr.eval_scalar(&scope()).expect_err(text);
            super::ExprError { message: error.message, span: error.span, help: error.help }
        }
    };
    let help = error.help.map(|help| format!(" ({help})")).unwrap_or_default();
    format!("`{}`: {}{help}", &text[error.span], error.message)
}

#[test]
fn references_are_read_with_points_and_indexes() {
    let paths = |text: &str| Expr::parse(text).unwrap().paths();
    assert_eq!(paths("steps.report.metrics.recall >= 0.7"), [["steps", "report", "metrics", "recall"]]);
    assert_eq!(paths(r#"steps["train[seed=1]"].metrics.x"#), [["steps", "train[seed=1]", "metrics", "x"]]);
    assert_eq!(paths("steps.`train[seed=1]`.metrics.x"), [["steps", "train[seed=1]", "metrics", "x"]]);
    assert_eq!(paths("`Total Charges` / col(\"a b\") + x - x"), [["Total Charges"], ["a b"], ["x"]]);
    assert_eq!(
        paths("has(steps.a.b) && lower(name) in [kind, 'x']"),
        [vec!["steps", "a", "b"], vec!["name"], vec!["kind"]]
    );
    assert!(paths("1 + 2").is_empty());
}

#[test]
fn a_whole_reference_keeps_its_type() {
    check("params.epochs", json!(40));
    check("params.rate", json!(0.5));
    check("params.layers", json!([64, 32]));
    check("params.layers[1]", json!(32));
    check("steps.report.metrics", scope()["steps"]["report"]["metrics"].clone());
    check("params.flag ? params.layers : []", json!([64, 32]));
    check("[params.epochs, 'a', null]", json!([40, "a", null]));
}

#[test]
fn a_metric_with_a_point_in_its_name_is_found() {
    check("steps.report.metrics.valid.roc_auc", json!(0.83));
    check("steps.report.metrics['valid.roc_auc'] > 0.8", json!(true));
}

#[test]
fn numbers_mix() {
    check("params.epochs / (params.rate + 1)", json!(40.0 / 1.5));
    check("1 + 2.5", json!(3.5));
    check("7 / 2", json!(3));
    check("-7 / 2", json!(-3));
    check("-7 % 3", json!(-1));
    check("7 / 2.0", json!(3.5));
    check("2 < 2.5 && 3 == 3.0", json!(true));
    check("-params.epochs", json!(-40));
}

#[test]
fn what_has_no_finite_result_is_null() {
    for text in ["1 / 0", "1.0 / 0", "1 % 0", "sqrt(-1)", "ln(0)", "exp(1000)", "9223372036854775807 + 1", "int('x')"] {
        check(text, Value::Null);
    }
}

#[test]
fn null_spreads_but_not_through_three_valued_logic() {
    check("params.none + 1", Value::Null);
    check("steps.nothing.metrics.recall >= 0.7", Value::Null);
    check("params.none && false", json!(false));
    check("params.none && true", Value::Null);
    check("params.none || true", json!(true));
    check("!params.none", Value::Null);
    check("params.none ? 1 : 2", Value::Null);
    check("params.none == null", json!(true));
    check("params.epochs != null", json!(true));
    check("isnull(params.none)", json!(true));
    check("has(params.none)", json!(false));
    check("has(steps.report)", json!(true));
    check("coalesce(params.none, params.missing, 3)", json!(3));
    check("params.none in [1, 2]", Value::Null);
    check("max(1, params.none)", Value::Null);
}

#[test]
fn lists_are_searched() {
    check("params.epochs in [1, 40.0]", json!(true));
    check("params.name in ['churn', 'x']", json!(true));
    check("params.name in ['x', null]", json!(false));
    check("64 in params.layers", json!(true));
    check("'recall' in steps.report.metrics", json!(true));
    check("params.epochs in [params.rate, 40]", json!(true));
    check("params.epochs in []", json!(false));
    check("size(params.layers)", json!(2));
}

#[test]
fn texts_have_their_functions() {
    check("params.name.contains('hur') && params.name.startsWith('ch') && endsWith(params.name, 'rn')", json!(true));
    check("params.name.matches('^c[a-z]+$')", json!(true));
    check("size('Zürich')", json!(6));
    check("upper(trim(' é ')) + lower('A')", json!("Éa"));
    check("replace('a-b-c', '-', '')", json!("abc"));
    check("substring('Zürich', 1, 3)", json!("ür"));
    check("substring('abc', 2)", json!("c"));
    check("split('a;b;c', ';', -1)", json!("c"));
    check("split('a;b;c', ';', 5)", Value::Null);
    check("'`' + \"(\"", json!("`("));
}

#[test]
fn numbers_have_their_functions() {
    check("round(2.5)", json!(3.0));
    check("round(-2.345, 2)", json!(-2.35));
    check("round(1250, -2)", json!(1300));
    check("abs(-3)", json!(3));
    check("ceil(1.2) + floor(1.8)", json!(3.0));
    check("pow(2, 10)", json!(1024.0));
    check("sqrt(16)", json!(4.0));
    check("log10(1000)", json!(3.0));
    check("min(3, 1.5, 2)", json!(1.5));
    check("max(3, 1)", json!(3));
    check("sign(-0.5)", json!(-1.0));
    check("if(params.flag, 1, 2.5)", json!(1.0));
}

#[test]
fn dates_are_read_and_taken_apart() {
    check("date('2026-02-28')", json!("2026-02-28"));
    check("date('28.02.2026', '%d.%m.%Y')", json!("2026-02-28"));
    check("timestamp('2026-02-28T10:30:00+02:00')", json!("2026-02-28T08:30:00"));
    check("timestamp('28/02/2026 23:15', '%d/%m/%Y %H:%M')", json!("2026-02-28T23:15:00"));
    check("year('2026-02-28') * 100 + month('2026-02-28')", json!(202_602));
    check("weekday(date('2026-03-01'))", json!(6));
    check("quarter('2026-12-01') + day_of_year('2026-02-01')", json!(36));
    check("hour('2026-02-28 23:15:00') * 60 + minute('2026-02-28 23:15:00')", json!(1395));
    check("days_between('2026-02-01', date('2026-03-01'))", json!(28.0));
    check("date('2026-02-28') < '2026-03-01'", json!(true));
    check("date('nonsense')", Value::Null);
}

#[test]
fn casts_are_written_out() {
    check("int(-3.9)", json!(-3));
    check("int(' 12 ') + int(true)", json!(13));
    check("float('1e3')", json!(1000.0));
    check("string(3.0) + string(2) + string(true)", json!("32true"));
    check("bool('Yes') && bool(1) && !bool(0.0)", json!(true));
    check("bool('maybe')", Value::Null);
    check("string(date('2026-02-28'))", json!("2026-02-28"));
}

#[test]
fn mistakes_are_explained_at_their_place() {
    let mistakes = [
        "params.epochs = 3",
        "params.epochs and true",
        "1 +",
        "foo(1)",
        "lowr(params.name)",
        "round(1, 2, 3)",
        "params.name > 3",
        "params.flag + 1",
        "date('2026-01-01') - date('2026-01-02')",
        "'a'.matches('(')",
        "[1, 2].exists(x, x > 1)",
        "params.layers + 1",
        "3 in 'abc'",
        "`a b",
        "Größe > 1",
        "class # 3",
        "steps[params.name]",
        "{'a': 1}",
        "",
    ];
    let report: Vec<String> = mistakes.into_iter().map(refuse).collect();
    insta::assert_snapshot!(report.join("\n"), @r##"
    `=`: `=` assigns nothing here (compare with `==`)
    `and`: `and` is not expected here (write `&&`, `||` and `!` for and, or and not)
    ``: the expression ends too early
    `foo(`: there is no function `foo`
    `lowr(`: there is no function `lowr` (did you mean `lower`?)
    `round(`: `round` does not take 3 arguments (write `round(x[, digits])`)
    `params.name > 3`: text cannot be compared with int (cast with `float(x)`, `int(x)` or `string(x)`)
    `params.flag + 1`: `+` takes int or float, not bool (cast with `int(x)` or `bool(x)`)
    `date('2026-01-01') - date('2026-01-02'`: `-` takes int or float, not date (use `days_between(from, to)`)
    `'('`: the pattern is not a regular expression: unclosed group
    `(`: expressions do not loop over lists (`all`, `exists`, `filter` and `map` are not supported; use `in`)
    `params.layers`: `params.layers` is a list, where one value is wanted (name one of its fields, or use `x in list` or `size(list)`)
    `'abc'`: right of `in` stands a list (write `x in [1, 2]`; for text use `text.contains(part)`)
    ``a b`: a quoted name has no closing backquote
    `ö`: `ö` is not expected here (put names that are not plain words in backquotes)
    `#`: `#` is not expected here
    `params.name`: an index is a text or a number written out
    `{`: maps and messages have no meaning here
    ``: the expression is empty
    "##);
}

fn table() -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([
        ("tenure", Arc::new(Int32Array::from(vec![Some(0), Some(9), None])) as ArrayRef, true),
        ("Total Charges", Arc::new(Float32Array::from(vec![Some(5.0), Some(f32::NAN), Some(1.5)])), true),
        ("plan", Arc::new(DictionaryArray::<Int8Type>::from_iter(["a", "b", "a"])), true),
        ("note", Arc::new(StringViewArray::from(vec![Some("x"), None, Some("yy")])), true),
        ("joined", Arc::new(Date32Array::from(vec![0, 31, 20_000])), true),
        ("seen", Arc::new(TimestampSecondArray::from(vec![0, 3600, 86_400]).with_timezone("+02:00")), true),
        ("paid", Arc::new(Decimal128Array::from(vec![150, 250, 0]).with_precision_and_scale(9, 2).unwrap()), true),
        ("raw.plan", Arc::new(StringArray::from(vec!["p", "q", "r"])), true),
    ])
    .unwrap()
}

#[track_caller]
fn column(text: &str, expected: &str) {
    let expr = Expr::parse(text).unwrap();
    let values = expr.eval_column(&table()).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    assert_eq!(&expr.column_type(table().schema_ref()).unwrap(), values.data_type(), "{text}");
    let options = FormatOptions::default().with_null("-");
    let formatter = ArrayFormatter::try_new(&values, &options).unwrap();
    let shown: Vec<String> = (0..values.len()).map(|row| formatter.value(row).to_string()).collect();
    assert_eq!(shown.join(" "), expected, "{text}");
}

#[test]
fn columns_of_every_readable_type_are_computed_with() {
    column("`Total Charges` / (tenure + 1)", "5.0 - -");
    column("col('Total Charges') > 2", "true - false");
    column("tenure", "0 9 -");
    column("plan == 'a' ? 1 : 0", "1 0 1");
    column("upper(plan) + note", "Ax - Ayy");
    column("coalesce(note, plan)", "x b yy");
    column("year(joined) * 100 + month(joined)", "197001 197002 202410");
    column("joined >= '1970-02-01'", "false true true");
    column("hour(seen)", "0 1 0");
    column("date(seen)", "1970-01-01 1970-01-01 1970-01-02");
    column("paid * 2", "3.0 5.0 0.0");
    column("raw.plan in ['p', 'r']", "true false true");
    column("tenure in [9, tenure]", "true true -");
    column("1 + 1", "2 2 2");
    column("null", "- - -");
    column("max(tenure, 3.5)", "3.5 9.0 -");
    column("if(isnull(tenure), 'new', string(tenure))", "0 9 new");
}

#[test]
fn a_table_without_rows_gives_columns_without_rows() {
    for text in ["tenure + 1", "1", "plan in ['a', note]", "plan.contains('a')", "coalesce(null, 'x')"] {
        assert_eq!(Expr::parse(text).unwrap().eval_column(&table().slice(0, 0)).unwrap().len(), 0, "{text}");
    }
}

#[test]
fn a_value_that_has_no_place_among_the_types_is_an_error_and_not_missing() {
    let numbers = |values: [Option<u64>; 2]| {
        let column: ArrayRef = Arc::new(UInt64Array::from(values.to_vec()));
        RecordBatch::try_from_iter_with_nullable([("id", column, true)]).unwrap()
    };
    let expr = Expr::parse("1 + id").unwrap();
    assert_eq!(expr.eval_column(&numbers([Some(7), None])).unwrap().null_count(), 1);
    let error = expr.eval_column(&numbers([None, Some(u64::MAX)])).unwrap_err();
    assert_eq!(error.message, "column `id` holds 18446744073709551615, which is beyond what expressions compute with");
    assert_eq!((error.span, error.help.is_some()), (4..6, true));
    let moments: ArrayRef = Arc::new(TimestampSecondArray::from(vec![0, i64::MAX / 1000]));
    let batch = RecordBatch::try_from_iter([("id", moments)]).unwrap();
    assert!(Expr::parse("year(id)").unwrap().eval_column(&batch).unwrap_err().message.contains("beyond"));
}

#[test]
fn names_and_types_are_checked_against_the_schema() {
    let refused = |text: &str| {
        let error = Expr::parse(text).unwrap().column_type(table().schema_ref()).unwrap_err();
        assert!(Expr::parse(text).unwrap().eval_column(&table()).is_err(), "{text}");
        format!("`{}`: {} ({})", &text[error.span], error.message, error.help.unwrap_or_default())
    };
    let report =
        ["1 + tenur", "TotalCharges > 1", "lower(nowhere)", "plan + tenure", "tenure in plan", "tenure in ['a']"]
            .map(refused);
    insta::assert_snapshot!(report.join("\n"), @r#"
    `tenur`: there is no column `tenur` (did you mean `tenure`?)
    `TotalCharges`: there is no column `TotalCharges` (did you mean `col("Total Charges")`?)
    `nowhere`: there is no column `nowhere` (the table has: tenure, Total Charges, plan, note, joined, seen, paid, raw.plan)
    `plan + tenure`: `+` takes int or float, not text (cast with `float(x)`, `int(x)` or `string(x)`)
    `plan`: a column is no list (write `x in [1, 2]`)
    `'a'`: int cannot be compared with text (cast with `float(x)`, `int(x)` or `string(x)`)
    "#);
}

#[test]
fn every_function_is_in_the_documentation() {
    let page = include_str!("../../docs/expressions.md");
    for entry in FUNCTIONS {
        let row = format!("| `{}` | {} |", entry.signature.replace('|', "\\|"), entry.summary.replace('|', "\\|"));
        assert!(page.contains(&row), "docs/expressions.md lacks this line:\n{row}");
    }
}

#[test]
fn the_deepest_expression_that_is_accepted_fits_a_thread() {
    check(&format!("1{}", " + 1".repeat(200)), json!(201));
    check(&format!("{}1{}", "(".repeat(24), ")".repeat(24)), json!(1));
    let nested = format!("{}1{}", "abs(-".repeat(24), ")".repeat(24));
    check(&nested, json!(1));
    let choices = format!("{}0", "params.flag ? 1 : ".repeat(60));
    check(&choices, json!(1));
    assert!(Expr::parse(&format!("{}true", "!".repeat(199))).is_ok());
    assert!(Expr::parse(&format!("{}1", "- ".repeat(199))).is_ok());
    assert!(Expr::parse(&format!("a{}", ".b".repeat(199))).is_ok());
    assert!(Expr::parse(&format!("a{}", "[0]".repeat(199))).is_ok());
}
