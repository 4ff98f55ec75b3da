//! Promises about values that computations would take for one another, and about the room that telling them apart takes.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, StringArray, TimestampSecondArray, UInt64Array,
};
use serde_json::{Value, json};

use super::RowScreen;
use crate::step::InputArtifact;
use crate::step::testing::{Workbench, batch};

fn decimals(values: &[i128], scale: i8) -> ArrayRef {
    let factor = 10_i128.pow(u32::from(scale.unsigned_abs()));
    let values: Vec<i128> = values.iter().map(|value| value * factor).collect();
    Arc::new(Decimal128Array::from(values).with_precision_and_scale(25, scale).unwrap())
}

const BASE: i128 = 10_i128.pow(19);

fn results(expect: Value, table: &[(&str, ArrayRef)], reference: Option<&[(&str, ArrayRef)]>) -> Vec<Value> {
    let bench = Workbench::new();
    let table = bench.table(&batch(table));
    let reference = reference.map(|columns| bench.table(&batch(columns)));
    let mut inputs: Vec<(&str, &InputArtifact)> = vec![("table", &table)];
    inputs.extend(reference.as_ref().map(|reference| ("reference", reference)));
    let ran = bench.run("validate.table", json!({"expect": expect}), &inputs).unwrap();
    ran.report("report")["results"].as_array().unwrap().clone()
}

#[test]
fn every_check_by_key_tells_numbers_apart_to_the_last_digit() {
    let unsigned = |values: [u64; 4]| -> ArrayRef { Arc::new(UInt64Array::from(values.to_vec())) };
    for ids in
        [decimals(&[BASE + 1, BASE + 2, BASE + 3, BASE + 3], 0), unsigned([u64::MAX, u64::MAX - 1, 1 << 63, 1 << 63])]
    {
        let expect = json!([
            {"column": "id", "check": "distinct_count", "min": 3, "max": 3},
            {"column": "id", "check": "distinct_ratio", "min": 0.75, "max": 0.75},
            {"column": "id", "check": "uniqueness", "min": 0.5, "max": 0.5},
            {"column": "id", "check": "unique", "mostly": 0.5},
            {"columns": ["id", "other"], "check": "unique_in_row", "mostly": 0.75},
            {"check": "no_duplicate_rows", "columns": ["id"], "max_ratio": 0.25},
        ]);
        let other = arrow::compute::take(&ids, &arrow::array::UInt32Array::from(vec![1, 0, 0, 3]), None).unwrap();
        for found in results(expect, &[("id", Arc::clone(&ids)), ("other", other)], None) {
            assert_eq!(found["success"], json!(true), "{found}");
        }
    }
}

#[test]
fn values_of_a_set_are_told_apart_to_the_last_digit() {
    let id = |place: i128| (BASE + place).to_string();
    let ids = decimals(&[BASE + 1, BASE + 2, BASE + 2, 7], 2);
    let pairs = [[json!(id(1)), json!(7)], [json!(id(2)), json!("7.00")], [json!(7), json!(id(3))]];
    let partition = json!({"values": [id(1), id(2), "7"], "weights": [0.25, 0.5, 0.25]});
    let expect = json!([
        {"column": "id", "check": "in_set", "values": [id(1), format!("{}.00", id(2)), 7.0], "mostly": 1},
        {"column": "id", "check": "in_set", "values": [id(1), 7]},
        {"column": "id", "check": "not_in_set", "values": [id(3), id(4)]},
        {"column": "id", "check": "distinct_in_set", "values": [id(1), id(3)]},
        {"column": "id", "check": "distinct_contains", "values": [id(1), id(3), 7]},
        {"column": "id", "check": "mode_in_set", "values": [id(2)]},
        {"column": "id", "check": "mode_in_set", "values": [id(1), id(3)]},
        {"column": "id", "check": "entropy", "min": 1.0397, "max": 1.0398},
        {"column": "id", "check": "class_balance", "min_ratio": 0.5},
        {"columns": ["id", "other"], "check": "pair_in_set", "pairs": pairs, "mostly": 0.75},
        {"column": "id", "check": "chi_square", "partition": partition, "p_value": 0.9},
        {"columns": ["id", "other"], "check": "columns_equal"},
        {"columns": ["id", "group"], "check": "correlation", "method": "cramers_v", "min": 0.99},
        {"column": "time", "check": "increasing", "group_by": "id", "strict": true},
    ]);
    let other = decimals(&[7, 7, 7, BASE + 4], 0);
    let group: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "b", "c"]));
    let time: ArrayRef = Arc::new(Int64Array::from(vec![3, 1, 2, 1]));
    let found = results(expect, &[("id", ids), ("other", other), ("group", group), ("time", time)], None);
    let passed: Vec<&Value> = found.iter().map(|found| &found["success"]).collect();
    assert_eq!(
        json!(passed),
        json!([true, false, true, false, false, true, false, true, true, true, true, false, true, true]),
        "{found:#?}"
    );
    assert_eq!(found[1]["result"]["partial_unexpected_list"], json!([id(2), id(2)]));
    assert_eq!(found[3]["result"]["partial_unexpected_list"], json!([7, id(2)]));
    assert_eq!(found[4]["result"]["partial_missing_list"], json!([id(3)]));
    assert_eq!(found[6]["result"]["observed_value"], json!([id(2)]));
    assert_eq!(found[8]["result"]["details"]["classes"][0], json!({"value": id(2), "count": 2}));
}

#[test]
fn values_that_cannot_be_compared_say_how_to_write_them() {
    let refused = |value: Value| {
        let expect = json!([{"column": "id", "check": "in_set", "values": [value]}]);
        let found = &results(expect, &[("id", decimals(&[1], 2))], None)[0];
        found["exception_info"]["exception_message"].as_str().unwrap_or_default().to_owned()
    };
    let quotes = "has more digits than a number keeps, and column `id` is compared to the last one: write it in quotes";
    for value in [json!(1e19), json!(1e20), json!(0.123_456_789_012_345_6)] {
        assert!(refused(value.clone()).contains(quotes), "{value}: {}", refused(value.clone()));
    }
    for value in [json!("seven"), json!("1e3"), json!(true), json!("."), json!("")] {
        let message = refused(value.clone());
        assert!(message.contains(&format!("column `id` is a number, and {value} in `values` is not")), "{message}");
    }
    for value in [json!(-0.5), json!("-007.10"), json!(u64::MAX), json!("0"), json!(1e14), json!(1e-18)] {
        assert_eq!(refused(value.clone()), "", "{value}");
    }
}

#[test]
fn numbers_beyond_63_bits_are_neither_missing_nor_passed_over() {
    let ids = |values: Vec<Option<u64>>| -> ArrayRef { Arc::new(UInt64Array::from(values)) };
    let expect = || {
        json!([
            {"column": "id", "check": "not_null", "mostly": 0.75},
            {"column": "id", "check": "null_rate", "min": 0.25, "max": 0.25},
            {"column": "id", "check": "mean", "min": 0, "max": 2e19},
            {"column": "id", "check": "in_set", "values": [u64::MAX, 7], "mostly": 1},
            {"column": "id", "check": "between", "min": 0, "max": 10},
        ])
    };
    let found = results(expect(), &[("id", ids(vec![Some(u64::MAX), None, Some(7), Some(7)]))], None);
    let passed: Vec<&Value> = found.iter().map(|found| &found["success"]).collect();
    assert_eq!(json!(passed), json!([true, true, true, true, false]), "{found:#?}");
    let message = found[4]["exception_info"]["exception_message"].as_str().unwrap();
    assert!(message.contains("column `id` holds 18446744073709551615, which is beyond what this check"), "{message}");
    let found = results(expect(), &[("id", ids(vec![Some(1), None, Some(7), Some(7)]))], None);
    assert_eq!(found[4]["success"], json!(true), "{}", found[4]);
}

#[test]
fn what_looks_at_all_columns_does_not_stumble_over_large_ids() {
    let ids: ArrayRef = Arc::new(UInt64Array::from((0..40).map(|row| u64::MAX - row % 7).collect::<Vec<_>>()));
    let moments: ArrayRef = Arc::new(TimestampSecondArray::from(vec![i64::MAX; 40]));
    let left: ArrayRef = Arc::new(BooleanArray::from((0..40).map(|row| row % 3 == 0).collect::<Vec<_>>()));
    let columns = [("id", ids), ("moment", moments), ("left", left)];
    let expect = json!([
        {"check": "no_leakage", "target": "left", "columns": ["id"]},
        {"check": "drift", "columns": ["id", "left"]},
        {"column": "moment", "check": "not_null"},
        {"column": "moment", "check": "between", "min": "2020-01-01"},
    ]);
    let found = results(expect, &columns, Some(&columns));
    let passed: Vec<&Value> = found.iter().map(|found| &found["success"]).collect();
    assert_eq!(json!(passed), json!([true, true, true, false]), "{found:#?}");
    let message = found[3]["exception_info"]["exception_message"].as_str().unwrap();
    assert!(message.contains("column `moment` holds 9223372036854775807 of type Timestamp(s)"), "{message}");
}

#[test]
fn decimals_in_quotes_are_meant_also_where_they_have_become_doubles() {
    let prices: ArrayRef = Arc::new(Float64Array::from(vec![1.5, 2.0, 9.99]));
    let whole: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let columns = [("price", prices), ("whole", whole)];
    let expect = json!([
        {"column": "price", "check": "in_set", "values": ["1.50", "2"]},
        {"column": "whole", "check": "in_set", "values": ["1", 2]},
        {"column": "whole", "check": "mode_in_set", "values": [1.5, "2.0"], "ties_ok": true},
        {"column": "price", "check": "distinct_contains", "values": ["7.00", 7, "1.50"]},
    ]);
    let found = results(expect, &columns, None);
    assert_eq!(found[0]["result"]["partial_unexpected_list"], json!([9.99]), "{}", found[0]);
    assert_eq!(found[1]["result"]["partial_unexpected_list"], json!([3]), "{}", found[1]);
    assert_eq!(found[3]["result"]["missing_count"], json!(1), "{}", found[3]);
    assert_eq!((&found[2]["success"], &found[2]["result"]["observed_value"]), (&json!(true), &json!([1, 2, 3])));
}

#[test]
fn a_rule_that_cannot_be_checked_any_more_is_told_once() {
    let rule = serde_json::from_value(json!({"check": "between", "column": "id", "max": 10})).unwrap();
    let rows = |values: Vec<u64>| batch(&[("id", Arc::new(UInt64Array::from(values)) as ArrayRef)]);
    let screen = RowScreen::new(&rows(vec![1]).schema(), &[rule]);
    assert_eq!(screen.broken(&rows(vec![1, 11])).len(), 1);
    let told = screen.broken(&rows(vec![1, u64::MAX]));
    assert_eq!((told.len(), told[0].column.as_str()), (1, "id"));
    assert!(told[0].rule.contains("cannot be checked: column `id` holds 18446744073709551615"), "{told:?}");
    assert_eq!(screen.broken(&rows(vec![11])), []);
}

#[test]
fn an_id_that_the_reference_lacks_is_found_to_the_last_digit() {
    let expect = || json!([{"column": "id", "check": "foreign_key"}]);
    let ids = decimals(&[BASE + 1, BASE + 2], 0);
    for scale in [0, 2] {
        let reference = [("id", decimals(&[BASE + 2, BASE + 3], scale))];
        let found = &results(expect(), &[("id", Arc::clone(&ids))], Some(&reference))[0]["result"];
        assert_eq!(found["partial_unexpected_list"], json!(["10000000000000000001"]), "{found}");
    }
    let unsigned: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX, 7]));
    let signed: ArrayRef = Arc::new(Int64Array::from(vec![-1, 7]));
    let found = &results(expect(), &[("id", Arc::clone(&unsigned))], Some(&[("id", signed)]))[0]["result"];
    assert_eq!(found["partial_unexpected_list"], json!([u64::MAX.to_string()]), "{found}");
    let found = &results(expect(), &[("id", Arc::clone(&unsigned))], Some(&[("id", unsigned)]))[0];
    assert_eq!(found["success"], json!(true), "{found}");
}

#[test]
fn a_missing_value_that_counts_as_one_equals_itself_and_nothing_else() {
    let expect = || json!([{"column": "n", "check": "unique", "ignore_row_if": "neither"}]);
    // What lies under a null is 7 here, and nothing to look at.
    let nulls = arrow::buffer::NullBuffer::from(vec![false, true]);
    let numbers: ArrayRef = Arc::new(Int64Array::new(vec![7, 7].into(), Some(nulls)));
    assert_eq!(results(expect(), &[("n", numbers)], None)[0]["success"], json!(true));
    let words: ArrayRef = Arc::new(StringArray::from(vec![None, Some("")]));
    assert_eq!(results(expect(), &[("n", words)], None)[0]["success"], json!(true));
    let nulls = arrow::buffer::NullBuffer::from(vec![false, false, true]);
    let numbers: ArrayRef = Arc::new(Int64Array::new(vec![7, 8, 9].into(), Some(nulls)));
    assert_eq!(results(expect(), &[("n", numbers)], None)[0]["result"]["unexpected_count"], json!(2));
}

#[test]
fn a_partition_needs_a_bound() {
    let expect = json!([{"column": "n", "check": "kl_divergence", "partition": {"bins": [null, null], "weights": [1]}, "threshold": 0.1}]);
    let bench = Workbench::new();
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![7, 8]));
    let table = bench.table(&batch(&[("n", numbers)]));
    let refused = bench.run("validate.table", json!({"expect": expect}), &[("table", &table)]).map(|_| ()).unwrap_err();
    assert!(refused.to_string().contains("`bins` has no bound, so that all values are in one bin"), "{refused}");
}

#[test]
fn checks_that_keep_every_different_value_say_when_those_are_too_many() {
    let mut bench = Workbench::new();
    bench.memory_bytes = Some(1 << 20);
    let rows = 60_000_i64;
    let column =
        |modulus: i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values((0..rows).map(|row| row % modulus))) };
    let table = bench.table(&batch(&[("few", column(10)), ("many", column(rows))]));
    let expect = |name: &str| {
        let checks = ["distinct_count", "distinct_ratio", "uniqueness"].into_iter();
        let mut expect: Vec<Value> = checks.map(|check| json!({"column": name, "check": check, "min": 0})).collect();
        expect.push(json!({"column": name, "check": "foreign_key"}));
        let inputs = [("table", &table), ("reference", &table)];
        let ran = bench.run("validate.table", json!({"expect": expect}), &inputs).unwrap();
        ran.report("report")["results"].as_array().unwrap().clone()
    };
    assert!(expect("few").iter().all(|found| found["success"] == json!(true)));
    for found in expect("many") {
        let message = found["exception_info"]["exception_message"].as_str().unwrap_or_default().to_owned();
        assert!(
            message.contains("different values that it has seen so far, and `resources.memory` allows 1 MiB"),
            "{found}"
        );
    }
}
