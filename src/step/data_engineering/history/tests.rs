//! Promises of `data.lags` and `data.as_of`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Int32Array, NullArray,
    UInt64Array,
};
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use arrow::record_batch::RecordBatch;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::step::testing::{Workbench, batch, column, floats, ints, show, texts};

#[derive(Deserialize)]
struct Fixture {
    table: BTreeMap<String, Vec<Value>>,
    events: BTreeMap<String, Vec<Value>>,
    lags: Vec<Case>,
    as_of: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    with: Value,
    expected: BTreeMap<String, Vec<Value>>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../../../tests/fixtures/oracle/history.json")).unwrap()
}

fn table(columns: &BTreeMap<String, Vec<Value>>) -> RecordBatch {
    let array = |values: &Vec<Value>| -> ArrayRef {
        if values.iter().any(Value::is_string) {
            texts(values.iter().map(Value::as_str))
        } else {
            floats(values.iter().map(Value::as_f64))
        }
    };
    let columns: Vec<(&str, ArrayRef)> = columns.iter().map(|(name, values)| (name.as_str(), array(values))).collect();
    batch(&columns)
}

fn compare(case: &Case, found: &RecordBatch) {
    for (name, expected) in &case.expected {
        let array = column(found, name);
        assert_eq!(array.len(), expected.len());
        for (row, expected) in expected.iter().enumerate() {
            let place = || format!("{}: `{name}` in row {row}", case.with);
            match expected {
                Value::Null => assert!(array.is_null(row), "{}", place()),
                Value::String(text) => assert_eq!(array.as_string::<i32>().value(row), text, "{}", place()),
                number => {
                    let expected = number.as_f64().unwrap();
                    assert!(array.is_valid(row), "{}", place());
                    let numbers = crate::table::cast(array, &DataType::Float64);
                    let found = numbers.as_primitive::<arrow::datatypes::Float64Type>().value(row);
                    // What a window forgets leaves its rounding in pandas' deviations.
                    let limit = if name.ends_with("std") { 1e-7 } else { 1e-9 };
                    let limit = limit * expected.abs().max(1.0);
                    assert!((found - expected).abs() <= limit, "{}: {found}, not {expected}", place());
                }
            }
        }
    }
}

/// The same rows, those with an odd number last: another order, and other batches.
fn shuffled(table: &RecordBatch) -> (RecordBatch, Vec<usize>) {
    let order: Vec<usize> = (0..table.num_rows())
        .filter(|row| row % 2 == 0)
        .chain((0..table.num_rows()).filter(|row| row % 2 == 1))
        .collect();
    let places: arrow::array::UInt32Array = order.iter().map(|row| u32::try_from(*row).unwrap()).collect();
    (arrow::compute::take_record_batch(table, &places).unwrap(), order)
}

#[test]
fn lags_windows_and_expanding_statistics_are_those_of_pandas_and_feature_engine() {
    let fixture = fixture();
    let rows = table(&fixture.table);
    let bench = Workbench::new();
    let by_time = arrow::compute::sort_to_indices(column(&rows, "at"), None, None).unwrap();
    let in_order = arrow::compute::take_record_batch(&rows, &by_time).unwrap();
    for case in &fixture.lags {
        let ran = bench.run("data.lags", case.with.clone(), &[("table", &bench.table(&rows))]).unwrap();
        compare(case, &ran.table("table"));
        assert!(ran.log.last().unwrap().contains("sorted in memory"));
        // One pass over rows in the order of time gives every row the same.
        let streamed = bench.run("data.lags", case.with.clone(), &[("table", &bench.table(&in_order))]).unwrap();
        assert!(streamed.log.last().unwrap().contains("one pass"), "{:?}", streamed.log);
        let expected = arrow::compute::take_record_batch(&ran.table("table"), &by_time).unwrap();
        assert_eq!(streamed.table("table"), expected, "{}", case.with);
        // And the order of the rows does not matter.
        let (other, order) = shuffled(&rows);
        let ran_again = bench.run("data.lags", case.with.clone(), &[("table", &bench.table(&other))]).unwrap();
        let expected: arrow::array::UInt32Array = order.iter().map(|row| u32::try_from(*row).unwrap()).collect();
        let expected = arrow::compute::take_record_batch(&ran.table("table"), &expected).unwrap();
        assert_eq!(ran_again.table("table"), expected, "{}", case.with);
    }
    assert!(fixture.lags.len() >= 10);
}

#[test]
fn what_was_known_of_events_is_what_pandas_finds() {
    let fixture = fixture();
    let (rows, events) = (table(&fixture.table), table(&fixture.events));
    let bench = Workbench::new();
    for case in &fixture.as_of {
        let inputs = [("table", &bench.table(&rows)), ("events", &bench.table(&events))];
        let ran = bench.run("data.as_of", case.with.clone(), &inputs).unwrap();
        compare(case, &ran.table("table"));
    }
    assert_eq!(fixture.as_of.len(), 3);
}

#[test]
fn no_row_sees_itself_or_what_comes_after_it() {
    let bench = Workbench::new();
    let run = |last: f64| {
        let rows = batch(&[("n", ints([1, 2, 3, 4])), ("x", floats([10.0, 20.0, last, f64::INFINITY]))]);
        let with = json!({"time": "n", "columns": ["x"], "lag": [1], "window": [{"size": 2, "min_periods": 1}], "expanding": {"functions": ["max"]}});
        show(&bench.run("data.lags", with, &[("table", &bench.table(&rows))]).unwrap().table("table"))
    };
    insta::assert_snapshot!(run(30.0), @r#"
n:Int64 x:Float64 x_lag_1:Float64 x_window_2_mean:Float64 x_expanding_max:Float64
1 10.0 ~ ~ ~
2 20.0 10.0 10.0 10.0
3 30.0 20.0 15.0 20.0
4 inf 30.0 25.0 30.0
"#);
    let (one, other) = (run(30.0), run(-5.0));
    let before = |text: &str| text.lines().take(3).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(before(&one), before(&other));
    assert_ne!(one, other);
}

#[test]
fn tables_that_cannot_be_looked_back_in_are_refused_with_a_remedy() {
    let bench = Workbench::new();
    let rows = batch(&[
        ("at", texts(["2024-01-02", "2024-01-01", "2024-01-02"])),
        ("n", ints([1, 2, 3])),
        ("who", texts(["a", "b", "a"])),
        ("x", floats([1.0, 2.0, 3.0])),
    ]);
    let refused = |with: Value| {
        let error = bench.run("data.lags", with, &[("table", &bench.table(&rows))]).map(|_| ()).unwrap_err();
        format!("{error}; {}", error.remedy().unwrap_or_default())
    };
    insta::assert_snapshot!(refused(json!({"time": "at", "columns": ["x"], "lag": [1]})), @"rows 1 and 3 have the same `at`, so which one is before is not known; name the columns under `group_by` that tell them apart, aggregate them before, or say `ties: in_order`");
    insta::assert_snapshot!(refused(json!({"time": "at", "group_by": ["who"], "columns": ["x"], "lag": [1]})), @"rows 1 and 3 of the same group have the same `at`, so which one is before is not known; name the columns under `group_by` that tell them apart, aggregate them before, or say `ties: in_order`");
    insta::assert_snapshot!(refused(json!({"time": "n", "columns": ["who"], "lag": [1]})), @"`data.lags` needs numbers, and column `who` is Utf8; leave it out, or turn it into a number in a `data.sql` step before");
    insta::assert_snapshot!(refused(json!({"time": "n", "columns": ["x"], "lag": ["7d"]})), @"column `n` holds numbers, and lengths such as `7d` need times; give numbers of rows, or a column of dates");
    insta::assert_snapshot!(refused(json!({"time": "n", "columns": ["x"], "lag": ["soon"]})), @"lag.0: `soon` is no length of time such as `7d`, `12h` or `30m`;");
    insta::assert_snapshot!(refused(json!({"time": "n", "columns": ["x"], "lag": [0]})), @"lag.0: 0 rows back is the row itself; give 1 or more;");
    insta::assert_snapshot!(refused(json!({"time": "n", "columns": ["x"]})), @"lag: give at least one of `lag`, `window` and `expanding`;");
    insta::assert_snapshot!(refused(json!({"time": "n", "columns": ["x"], "lag": [1, 1]})), @"there would be a second column `x_lag_1`; rename the other one in a `data.sql` step before, or ask for it once");
    insta::assert_snapshot!(refused(json!({"time": "n", "columns": ["y"], "lag": [1]})), @"the table has no column `y`; did you mean `n`?");
    insta::assert_snapshot!(refused(json!({"time": "n", "columns": ["x"], "window": [{"size": 2, "periods": 0}]})), @"window.0.periods: with 0 the row would see itself; give 1 or more;");
    insta::assert_snapshot!(refused(json!({"time": "n", "columns": ["x"], "window": [{"size": 2, "min_periods": 3}]})), @"window.0.min_periods: 3 is more than the window has rows;");
    let with = json!({"time": "at", "group_by": ["who"], "columns": ["x"], "lag": [1], "ties": "in_order"});
    let ran = bench.run("data.lags", with, &[("table", &bench.table(&rows))]).unwrap();
    assert_eq!(column(&ran.table("table"), "x_lag_1").as_ref(), floats([None, None, Some(1.0)]).as_ref());
}

#[test]
fn tables_without_rows_and_memory_that_is_short_have_an_answer() {
    let mut bench = Workbench::new();
    let rows = batch(&[("n", ints([2, 1])), ("x", floats([1.0, 2.0]))]);
    let with = json!({"time": "n", "columns": ["x"], "lag": [1], "expanding": {}});
    let none = bench.table(&rows.slice(0, 0));
    let ran = bench.run("data.lags", with.clone(), &[("table", &none)]).unwrap().table("table");
    insta::assert_snapshot!(show(&ran), @"n:Int64 x:Float64 x_lag_1:Float64 x_expanding_mean:Float64");
    let input = bench.table(&rows);
    let empty = json!({"key": "n", "time": "n", "aggregates": [{"functions": ["count"]}, {"column": "x", "functions": ["sum", "last"]}]});
    let ran = bench.run("data.as_of", empty, &[("table", &input), ("events", &none)]).unwrap();
    insta::assert_snapshot!(show(&ran.table("table")), @r#"
n:Int64 x:Float64 events_count:Int64 x_sum:Float64 x_last:Float64
2 1.0 0 0.0 ~
1 2.0 0 0.0 ~
"#);
    bench.memory_bytes = Some(100);
    let error = bench.run("data.lags", with, &[("table", &input)]).map(|_| ()).unwrap_err();
    insta::assert_snapshot!(format!("{error}; {}", error.remedy().unwrap()), @"sorting the rows, which are not in the order of time, needs 656 B of memory, and `resources.memory` is 100 B; give the step more, such as `resources: {memory: 257MiB}`, or sort them by time in a `data.sql` step before");
    let with = json!({"key": "n", "time": "n", "aggregates": [{"functions": ["count"]}, {"column": "x", "functions": ["sum"]}]});
    let error = bench.run("data.as_of", with, &[("table", &input), ("events", &input)]).map(|_| ()).unwrap_err();
    insta::assert_snapshot!(format!("{error}; {}", error.remedy().unwrap()), @"all events needs 192 B of memory, and `resources.memory` is 100 B; give the step more, such as `resources: {memory: 257MiB}`, or leave out events that are too old to count in a `data.sql` step before");
}

#[test]
fn what_windows_of_time_remember_is_claimed_before_it_is_kept() {
    let mut bench = Workbench::new();
    let times: Vec<String> = (0..100).map(|row| format!("2024-01-01 {:02}:{:02}:00", row / 60, row % 60)).collect();
    let rows = batch(&[("at", texts(times.iter().map(String::as_str))), ("x", floats((0..100).map(f64::from)))]);
    let input = bench.table(&rows);
    let run = |bench: &Workbench, size: &str| {
        let with = json!({"time": "at", "columns": ["x"], "window": [{"size": size, "functions": ["sum"]}]});
        bench.run("data.lags", with, &[("table", &input)]).map(|_| ())
    };
    bench.memory_bytes = Some(4000);
    run(&bench, "20m").unwrap();
    let error = run(&bench, "1h").unwrap_err();
    insta::assert_snapshot!(format!("{error}; {}", error.remedy().unwrap()), @"the last rows of every group needs 5.5 KiB of memory, and `resources.memory` is 3.9 KiB; give the step more, such as `resources: {memory: 257MiB}`, or look back less far");
}

#[test]
fn tables_that_do_not_fit_together_are_refused_with_a_remedy() {
    let bench = Workbench::new();
    let rows = batch(&[
        ("at", texts(["2024-01-02", "2024-01-01"])),
        ("n", ints([1, 2])),
        ("who", texts(["a", "b"])),
        ("is", Arc::new(BooleanArray::from(vec![true, false]))),
    ]);
    let refused = |with: Value| {
        let input = bench.table(&rows);
        let error = bench.run("data.as_of", with, &[("table", &input), ("events", &input)]).map(|_| ()).unwrap_err();
        format!("{error}; {}", error.remedy().unwrap_or_default())
    };
    let count = json!([{"functions": ["count"]}]);
    insta::assert_snapshot!(refused(json!({"key": "who", "events_key": "n", "time": "at", "aggregates": count})), @"key `who` is Utf8 in the table, and `n` is Int64 in the events; give both the same `types` where they are ingested");
    insta::assert_snapshot!(refused(json!({"key": "who", "time": "at", "events_time": "n", "aggregates": count})), @"`at` and `n` are not on one scale: one holds times, the other numbers; turn one into the other in a `data.sql` step before");
    insta::assert_snapshot!(refused(json!({"key": "who", "time": "n", "within": "7d", "aggregates": count})), @"column `n` holds numbers, and `within` needs times; leave `within` out, or take a column of dates");
    insta::assert_snapshot!(refused(json!({"key": "who", "time": "at", "aggregates": [{"column": "who", "functions": ["mean"]}]})), @"`mean` needs numbers, and column `who` is Utf8; leave it out, or turn it into a number in a `data.sql` step before");
    insta::assert_snapshot!(refused(json!({"key": "who", "time": "at", "aggregates": [{"functions": ["last"]}]})), @"aggregates.0.functions: without `column` events can only be counted;");
    insta::assert_snapshot!(refused(json!({"key": ["who", "n"], "events_key": "who", "time": "at", "aggregates": count})), @"key: `key` and `events_key` must name the same number of columns, at least one;");
    insta::assert_snapshot!(refused(json!({"key": "who", "time": "at", "aggregates": [{"column": "n", "functions": ["sum", "sum"]}]})), @"there would be a second column `n_sum`; give the new ones a `prefix`");
    insta::assert_snapshot!(refused(json!({"key": "nobody", "time": "at", "aggregates": count})), @"the table has no column `nobody`; it has: at, n, who, is");
}

#[test]
fn columns_of_nulls_and_of_dictionaries_count_as_what_they_hold() {
    let bench = Workbench::new();
    let rows = batch(&[("n", ints([3])), ("who", texts(["a"])), ("nobody", Arc::new(NullArray::new(1)))]);
    let coded = DictionaryArray::<Int32Type>::new(Int32Array::from(vec![0, 1, 0]), ints([20, 10]));
    let events = batch(&[
        ("n", ints([0, 1, 2])),
        ("who", texts(["a", "a", "a"])),
        ("nobody", Arc::new(NullArray::new(3))),
        ("coded", Arc::new(coded)),
    ]);
    let run = |key: &str, column: &str| {
        let functions = ["count", "sum", "mean", "max", "nunique"];
        let with = json!({"key": key, "time": "n", "aggregates": [{"functions": ["count"]}, {"column": column, "functions": functions}]});
        let ran = bench.run("data.as_of", with, &[("table", &bench.table(&rows)), ("events", &bench.table(&events))]);
        show(&ran.unwrap().table("table").project(&[3, 4, 5, 6, 7, 8]).unwrap())
    };
    insta::assert_snapshot!(run("who", "nobody"), @r#"
events_count:Int64 nobody_count:Int64 nobody_sum:Float64 nobody_mean:Float64 nobody_max:Float64 nobody_nunique:Int64
3 0 0.0 ~ ~ 0
"#);
    insta::assert_snapshot!(run("who", "coded"), @r#"
events_count:Int64 coded_count:Int64 coded_sum:Float64 coded_mean:Float64 coded_max:Float64 coded_nunique:Int64
3 3 50.0 16.666666666666668 20.0 2
"#);
    // What has no value is like nothing, even where no row has one.
    insta::assert_snapshot!(run("nobody", "coded"), @r#"
events_count:Int64 coded_count:Int64 coded_sum:Float64 coded_mean:Float64 coded_max:Float64 coded_nunique:Int64
0 0 0.0 ~ ~ 0
"#);
}

#[test]
fn new_columns_say_where_they_come_from() {
    let bench = Workbench::new();
    let rows = batch(&[("n", ints([1, 2])), ("who", texts(["a", "b"])), ("x", floats([1.0, 2.0]))]);
    let input = bench.table(&rows);
    let edges = |kind: &str, with: Value, inputs: &[(&str, &crate::step::InputArtifact)]| -> Vec<String> {
        let ran = bench.run(kind, with, inputs).unwrap();
        let made = ran.outcome.columns.iter().filter(|edge| edge.transform != "identity");
        made.map(|edge| format!("{} < {} ({})", edge.column, edge.from_column, edge.transform)).collect()
    };
    let with = json!({"time": "n", "group_by": ["who"], "columns": ["x"], "lag": [1]});
    let found = edges("data.lags", with, &[("table", &input)]);
    assert_eq!(found, ["x_lag_1 < x (lag)", "x_lag_1 < n (condition)", "x_lag_1 < who (condition)"]);
    let with = json!({"key": "who", "time": "n", "aggregates": [{"column": "x", "functions": ["sum"]}]});
    let found = edges("data.as_of", with, &[("table", &input), ("events", &input)]);
    assert_eq!(found[..2], ["x_sum < x (aggregate)", "x_sum < who (condition)"]);
}

/// Customers whose numbers have twenty digits, or are beyond those of signed integers.
fn long_keys() -> [(ArrayRef, ArrayRef); 3] {
    let base = 10_i128.pow(19);
    let decimals = |values: [i128; 2], scale: i8| -> ArrayRef {
        let factor = 10_i128.pow(u32::from(scale.unsigned_abs()));
        let values = values.map(|value| value * factor).to_vec();
        Arc::new(Decimal128Array::from(values).with_precision_and_scale(22, scale).unwrap())
    };
    let unsigned = |values: [u64; 2]| -> ArrayRef { Arc::new(UInt64Array::from(values.to_vec())) };
    [
        (decimals([base + 1, base + 2], 0), decimals([base + 2, base + 3], 0)),
        (decimals([base + 1, base + 2], 0), decimals([base + 2, base + 3], 2)),
        (unsigned([u64::MAX - 1, u64::MAX]), unsigned([u64::MAX, 1 << 63])),
    ]
}

#[test]
fn keys_are_compared_to_the_last_digit() {
    let bench = Workbench::new();
    for (here, there) in long_keys() {
        let rows = batch(&[("who", Arc::clone(&here)), ("n", ints([5, 5])), ("x", floats([1.0, 2.0]))]);
        let events = batch(&[("who", there), ("n", ints([1, 2]))]);
        let with = json!({"key": "who", "time": "n", "aggregates": [{"functions": ["count"]}, {"column": "who", "functions": ["nunique"]}]});
        let inputs = [("table", &bench.table(&rows)), ("events", &bench.table(&events))];
        let found = bench.run("data.as_of", with, &inputs).unwrap().table("table");
        assert_eq!(column(&found, "events_count").as_ref(), ints([0, 1]).as_ref(), "{}", here.data_type());
        assert_eq!(column(&found, "who_nunique").as_ref(), ints([0, 1]).as_ref());
        let with = json!({"time": "n", "group_by": ["who"], "columns": ["x"], "lag": [1]});
        let found = bench.run("data.lags", with, &[("table", &bench.table(&rows))]).unwrap().table("table");
        assert_eq!(column(&found, "x_lag_1").null_count(), 2, "{}", here.data_type());
    }
    let rows = batch(&[("who", floats([f64::INFINITY, f64::NAN])), ("n", ints([1, 2])), ("x", floats([1.0, 2.0]))]);
    let with = json!({"time": "n", "group_by": ["who"], "columns": ["x"], "lag": [1]});
    let found = bench.run("data.lags", with, &[("table", &bench.table(&rows))]).unwrap().table("table");
    assert_eq!(column(&found, "x_lag_1").null_count(), 2, "infinity is a value, and NaN is none");
}

#[test]
fn an_event_of_which_only_the_day_is_known_counts_when_the_day_is_over() {
    let bench = Workbench::new();
    let asked = ["2026-03-01 08:00:00", "2026-03-02 00:00:00", "2026-03-08 08:00:00", "2026-03-09 00:00:00"];
    let rows = batch(&[("who", texts(["a"; 4])), ("at", texts(asked))]);
    let days: [ArrayRef; 2] = [Arc::new(Date32Array::from(vec![20_513])), texts(["2026-03-01"])];
    for day in days {
        let events = batch(&[("who", texts(["a"])), ("at", day)]);
        let count = |rows: &RecordBatch, within: Value| {
            let with = json!({"key": "who", "time": "at", "within": within, "aggregates": [{"functions": ["count"]}]});
            let inputs = [("table", &bench.table(rows)), ("events", &bench.table(&events))];
            let found = bench.run("data.as_of", with, &inputs).unwrap().table("table");
            found.columns().last().unwrap().as_primitive::<Int64Type>().values().to_vec()
        };
        assert_eq!(count(&rows, Value::Null), [0, 1, 1, 1]);
        assert_eq!(count(&rows, json!("7d")), [0, 1, 1, 0]);
        // Day against day it is as before: an event of the very day is not known yet.
        let days =
            batch(&[("who", texts(["a"; 4])), ("at", texts(["2026-03-01", "2026-03-02", "2026-03-08", "2026-03-09"]))]);
        assert_eq!(count(&days, json!("7d")), [0, 1, 1, 0]);
    }
}

#[test]
fn only_what_is_needed_of_long_texts_is_claimed() {
    let mut bench = Workbench::new();
    let long = "x".repeat(1000);
    let events = batch(&[
        ("who", texts(["a"; 100])),
        ("n", ints(0..100)),
        (
            "note",
            texts(
                (0..100)
                    .map(|row| (row < 90).then(|| format!("{row} {long}")))
                    .collect::<Vec<_>>()
                    .iter()
                    .map(Option::as_deref),
            ),
        ),
    ]);
    let rows = batch(&[("who", texts(["a", "b"])), ("n", ints([99, 99]))]);
    let run = |bench: &Workbench, functions: Value| {
        let with = json!({"key": "who", "time": "n", "aggregates": [{"column": "note", "functions": functions}]});
        let inputs = [("table", &bench.table(&rows)), ("events", &bench.table(&events))];
        bench.run("data.as_of", with, &inputs).map(|ran| ran.table("table"))
    };
    bench.memory_bytes = Some(40_000);
    let counted = run(&bench, json!(["count", "nunique"])).unwrap();
    assert_eq!(column(&counted, "note_count").as_ref(), ints([90, 0]).as_ref());
    assert_eq!(column(&counted, "note_nunique").as_ref(), ints([90, 0]).as_ref());
    let error = run(&bench, json!(["last"])).unwrap_err();
    insta::assert_snapshot!(error, @"all events needs 91.8 KiB of memory, and `resources.memory` is 39.1 KiB");
    bench.memory_bytes = None;
    let last = run(&bench, json!(["last"])).unwrap();
    assert!(column(&last, "note_last").as_string::<i32>().value(0).starts_with("89 x"));
    assert!(column(&last, "note_last").is_null(1));
}
