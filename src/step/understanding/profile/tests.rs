use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, UInt64Array};
use serde_json::{Value, json};

use super::suggest;
use crate::step::testing::{Ran, Workbench, batch, bools, floats, ints, texts};

#[test]
fn every_column_is_described() {
    let bench = Workbench::new();
    let table = bench.table(&batch(&[
        ("id", texts((0..40).map(|row| Some(["a", "b", "c", "d"][row % 4])))),
        ("<script>", ints((0..40).map(Some))),
        ("x", floats((0..40).map(|row| (row % 2 == 0).then_some(f64::from(row))))),
        ("empty", floats((0..40).map(|_| None::<f64>))),
    ]));
    let ran = bench.run("profile.table", json!({"top": 2}), &[("table", &table)]).unwrap();
    let report = ran.report("report");
    assert_eq!(report["missing_share"], json!(60.0 / 160.0));
    let columns = report["columns"].as_array().unwrap();
    assert_eq!(columns[0]["top"], json!([{"value": "a", "count": 10}, {"value": "b", "count": 10}]));
    assert_eq!(columns[0]["length"]["max"], json!(1.0));
    assert_eq!(columns[1]["findings"], json!(["every value is different: an identifier?"]));
    assert_eq!(columns[1]["values"]["quantiles"]["0.5"], json!(19.5));
    assert_eq!(columns[2]["findings"], json!(["50.0 % of the values are missing"]));
    assert_eq!(columns[3]["findings"], json!(["has no value at all"]));
    let metrics = ["rows", "columns", "missing_share"].map(|name| ran.metric(name).unwrap());
    assert_eq!(format!("{metrics:?}"), "[40.0, 4.0, 0.375]");
    let page = std::fs::read_to_string(ran.path("html")).unwrap();
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"), "names are escaped");
    let again = bench.run("profile.table", json!({"top": 2}), &[("table", &table)]).unwrap();
    assert_eq!(again.artifact("html"), ran.artifact("html"));
    assert_eq!(again.artifact("report"), ran.artifact("report"));
}

#[test]
fn numbers_with_many_digits_are_counted_one_by_one() {
    let bench = Workbench::new();
    let big = 10_i128.pow(19);
    let unsigned = UInt64Array::from(vec![Some(u64::MAX), Some(u64::MAX - 1), Some(u64::MAX), None]);
    let decimals =
        Decimal128Array::from(vec![big + 1, big + 2, big + 1, big + 1]).with_precision_and_scale(20, 0).unwrap();
    let prices = Decimal128Array::from(vec![150, 150, 150, 200]).with_precision_and_scale(18, 2).unwrap();
    let cents = Decimal128Array::from(vec![150, 150, 150, 200]).with_precision_and_scale(18, 0).unwrap();
    let table = bench.table(&batch(&[
        ("unsigned", Arc::new(unsigned) as ArrayRef),
        ("decimal", Arc::new(decimals)),
        ("price", Arc::new(prices)),
        ("cents", Arc::new(cents)),
        ("left", bools([true, false, true, true])),
    ]));
    for target in ["left", "decimal"] {
        let report =
            bench.run("profile.table", json!({"target": target}), &[("table", &table)]).unwrap().report("report");
        let columns = &report["columns"];
        assert_eq!([&columns[0]["missing"], &columns[0]["distinct"], &columns[1]["distinct"]], [1, 2, 2], "{columns}");
        assert_eq!(columns[2]["top"][0], json!({"value": "1.5", "count": 3}));
        assert_eq!(columns[0]["top"][0], json!({"value": u64::MAX.to_string(), "count": 2}));
        assert_eq!(columns[1]["top"][0], json!({"value": (big + 1).to_string(), "count": 3}));
        assert!(columns[0]["values"]["max"].as_f64().unwrap() > 1.8e19, "{columns}");
        assert_eq!((&report["duplicate_rows"], &report["equal_columns"]), (&json!(1), &json!([])), "{report}");
    }
}

/// Rows with a leak, a column twice, and a repeated row.
fn customers(bench: &Workbench, target: Value) -> Ran {
    let rows = 300usize;
    let spread = |row: usize, by: usize| (row * 7919 % by) as f64;
    let table = bench.table(&batch(&[
        ("age", floats((0..rows).map(|row| (row % 10 != 3).then_some(20.0 + spread(row, 61))))),
        ("spent", floats((0..rows).map(|row| 3.0 * (20.0 + spread(row, 61)) + spread(row, 5)))),
        ("plan", texts((0..rows).map(|row| Some(["basic", "pro", "gold"][row % 3])))),
        ("colour", texts((0..rows).map(|row| Some(["red", "green", "blue"][row % 3])))),
        ("plan again", texts((0..rows).map(|row| Some(["basic", "pro", "gold"][row % 3])))),
        ("cancelled at", ints((0..rows).map(|row| (row % 4 == 0).then_some(1)))),
        ("left", bools((0..rows).map(|row| row % 4 == 0))),
        ("rate", floats((0..rows).map(|row| if row == 7 { f64::INFINITY } else { spread(row, 17) / 10.0 }))),
    ]));
    bench.run("profile.table", target, &[("table", &table)]).unwrap()
}

#[test]
fn columns_are_held_against_one_another_and_the_target() {
    let bench = Workbench::new();
    let ran = customers(&bench, json!({"target": "left"}));
    let report = ran.report("report");
    let at =
        |name: &str| report["pearson"]["columns"].as_array().unwrap().iter().position(|column| column == name).unwrap();
    let pearson = report["pearson"]["values"][at("age")][at("spent")].as_f64().unwrap();
    assert!(pearson > 0.99, "{pearson}");
    assert_eq!(report["cramers_v"]["columns"], json!(["plan", "colour", "plan again", "left"]));
    assert_eq!(report["cramers_v"]["values"][0][1], json!(1.0));
    assert_eq!(report["equal_columns"], json!([["plan", "plan again"]]));
    assert_eq!(
        report["target"],
        json!({"column": "left", "classes": [{"value": "false", "count": 225}, {"value": "true", "count": 75}]})
    );
    let column = |name: &str| report["columns"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap();
    assert_eq!(column("cancelled at")["target"]["auc"], json!(1.0));
    let bins = column("plan")["target"]["bins"].as_array().unwrap();
    let rows: Vec<&Value> = bins.iter().map(|bin| &bin["rows"]).collect();
    assert_eq!(rows, [100, 100, 100]);
    let shares: f64 = bins.iter().map(|bin| bin["shares"]["true"].as_f64().unwrap()).sum();
    assert!((shares - 0.75).abs() < 1e-9);
    assert_eq!(column("age")["target"]["bins"].as_array().unwrap().last().unwrap()["bin"], "(missing)");
    assert!(
        ran.log.iter().any(|line| line == "cancelled at: may leak the target: alone it reaches an AUC of 1.000"),
        "{:?}",
        ran.log
    );
    assert_eq!((ran.metric("leaks"), column("rate")["infinite"].as_u64()), (Some(1.0), Some(1)));
    let page = std::fs::read_to_string(ran.path("html")).unwrap();
    for part in
        ["What to look at", "Target left", "Missing values", "Correlation of numbers", "Association of categories"]
    {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn a_target_may_be_a_number_and_must_be_there() {
    let bench = Workbench::new();
    let report = customers(&bench, json!({"target": "age"})).report("report");
    assert!(report["target"]["mean"].as_f64().is_some());
    let bins = report["columns"][1]["target"]["bins"].as_array().unwrap();
    let means: Vec<f64> = bins.iter().map(|bin| bin["mean"].as_f64().unwrap()).collect();
    assert!(means.is_sorted() && means.len() == 10, "{means:?}");
    let table = bench.table(&batch(&[("name", texts((0..40).map(|_| None::<&str>)))]));
    let refused = |target: &str| {
        let with = json!({"target": target});
        bench.run("profile.table", with, &[("table", &table)]).map(|_| ()).unwrap_err().code().to_owned()
    };
    assert_eq!((refused("nome"), refused("name")), ("column_missing".to_owned(), "no_target".to_owned()));
}

#[test]
fn suggested_checks_load_and_pass_on_the_same_data() {
    let bench = Workbench::new();
    let rows = 400usize;
    let table = bench.table(&batch(&[
        ("id", texts((0..rows).map(|row| format!("c{row:05}")).collect::<Vec<_>>().iter().map(|id| Some(id.as_str())))),
        ("plan", texts((0..rows).map(|row| (row % 7 != 0).then_some(["basic", "pro: x", "ü # \"gold\""][row % 3])))),
        ("n", ints((0..400i64).map(|row| (row % 50 != 1).then_some(row * 31 % 97)))),
        ("x", floats((0..rows).map(|row| (row as f64).sin() * 1e-7))),
        ("inf", floats((0..rows).map(|row| if row == 5 { f64::NEG_INFINITY } else { 0.1 * row as f64 }))),
        ("same", floats((0..rows).map(|_| 0.1))),
        ("ok", bools((0..rows).map(|row| row % 5 == 0))),
        ("empty", floats((0..rows).map(|_| None::<f64>))),
    ]));
    let ran = bench.run("profile.table", json!({"target": "ok"}), &[("table", &table)]).unwrap();
    let suggested = suggest(&ran.report("report")).unwrap();
    let checks: Vec<String> = suggested
        .iter()
        .map(|one| format!("{} {}", one.expectation.get("column").unwrap_or(&Value::Null), one.expectation["check"]))
        .collect();
    for wanted in [
        "\"id\" \"unique\"",
        "\"plan\" \"in_set\"",
        "\"plan\" \"not_null\"",
        "\"n\" \"non_negative\"",
        "\"x\" \"between\"",
        "null \"no_leakage\"",
    ] {
        assert!(checks.iter().any(|check| check == wanted), "{wanted} is not among {checks:?}");
    }
    let expectations: Vec<_> = suggested.into_iter().map(|one| one.expectation).collect();
    let block = super::super::validate::validate_block("customers", &expectations, &[]);
    let read: Value = serde_saphyr::from_str(&block).unwrap();
    let ran = bench.run("validate.table", read["checked"]["with"].clone(), &[("table", &table)]).unwrap();
    let metrics = ["failed", "warnings", "success_percent"].map(|name| ran.metric(name).unwrap());
    assert_eq!(format!("{metrics:?}"), "[0.0, 0.0, 100.0]", "{}\n{block}", ran.log.join("\n"));
    assert!(suggest(&json!({"a": 1})).is_err());
}

#[test]
fn columns_that_give_the_target_away_are_left_out_of_what_is_suggested() {
    let bench = Workbench::new();
    let suggested = suggest(&customers(&bench, json!({"target": "left"})).report("report")).unwrap();
    let leakage = suggested.iter().find(|one| one.expectation["check"] == "no_leakage").unwrap();
    let columns = leakage.expectation["columns"].as_array().unwrap();
    assert!(!columns.contains(&json!("cancelled at")) && columns.contains(&json!("age")), "{columns:?}");
    let rows = 300usize;
    let table = bench.table(&batch(&[
        ("code", texts((0..rows).map(|row| Some(["b", "a", "d", "c"][row % 4])))),
        ("age", floats((0..rows).map(|row| (row * 7919 % 61) as f64))),
        ("left", bools((0..rows).map(|row| row % 2 == 0))),
    ]));
    let ran = bench.run("profile.table", json!({"target": "left"}), &[("table", &table)]).unwrap();
    assert_eq!(ran.report("report")["columns"][0]["target"]["decides"], true);
    let suggested = suggest(&ran.report("report")).unwrap();
    let leakage = suggested.iter().find(|one| one.expectation["check"] == "no_leakage").unwrap();
    assert_eq!(leakage.expectation["columns"], json!(["age"]), "{}", leakage.reason);
    assert_eq!(leakage.reason, "none of these told the target alone, unlike `code`");
}

#[test]
fn a_table_without_rows_or_columns_is_described_too() {
    let bench = Workbench::new();
    let empty = batch(&[("n", ints((0..3).map(Some)))]).slice(0, 0);
    let table = bench.table(&empty);
    let ran = bench.run("profile.table", json!({}), &[("table", &table)]).unwrap();
    assert_eq!(ran.report("report")["columns"][0]["rows"], 0);
    assert_eq!(ran.metric("missing_share"), Some(0.0));
}

#[test]
fn a_cancelled_profile_stops() {
    let bench = Workbench::new();
    let table = bench.table(&batch(&[("n", ints((0..50_000).map(Some)))]));
    bench.cancel();
    let error = bench.run("profile.table", json!({}), &[("table", &table)]).map(|_| ()).unwrap_err();
    assert_eq!(error.code(), "cancelled");
}
