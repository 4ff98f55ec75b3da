//! Promises about values that computations would take for one another, and about the room that telling them apart takes.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Int64Array, StringArray, UInt64Array};
use serde_json::{Value, json};

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
