//! The kinds on small tables: what comes out, what is refused, and what is said of it.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};
use arrow::record_batch::RecordBatch;
use serde_json::{Value, json};

use crate::step::StepError;
use crate::step::testing::{Ran, Workbench, batch, bools, column, floats, ints, show, texts};
use crate::table::roles::{Role, Task};

fn people() -> RecordBatch {
    let rows = 24_i64;
    batch(&[
        ("id", texts((0..24).map(|row| ["a", "b", "c"][row % 3]))),
        ("age", ints((0..rows).map(|row| 20 + row * row % 37))),
        ("income", floats((0..rows).map(|row| (row * 7 % 24) as f64 / 4.0))),
        ("member", bools((0..rows).map(|row| row % 2 == 0))),
        ("left", texts((0..24).map(|row| ["no", "yes"][usize::from(row % 4 == 1)]))),
    ])
}

fn run_on(kind: &str, with: Value, table: &RecordBatch) -> Result<Ran, StepError> {
    let bench = Workbench::new();
    bench.run(kind, with, &[("train", &bench.table(table))])
}

fn run(kind: &str, with: Value) -> Result<Ran, StepError> {
    run_on(kind, with, &people())
}

fn count(ran: &Ran, class: &str) -> usize {
    column(&ran.table("train"), "left").as_string::<i32>().iter().filter(|value| *value == Some(class)).count()
}

fn refusal(kind: &str, with: Value) -> String {
    let error = run(kind, with).err().unwrap();
    format!("{error} ({})", error.remedy().unwrap_or_default())
}

#[test]
fn copies_stand_after_the_rows_and_say_where_they_come_from() {
    let ran = run("balance.random_over", json!({"target": "left"})).unwrap();
    assert_eq!((count(&ran, "no"), count(&ran, "yes")), (18, 18));
    let train = ran.table("train");
    assert_eq!(train.slice(0, 24), people());
    let added = ran.table("added");
    let numbers = |name: &str| column(&added, name).as_primitive::<Int64Type>().values().to_vec();
    for (row, from) in numbers("row_number").into_iter().zip(numbers("from_row")) {
        let at = |row: i64| usize::try_from(row).unwrap();
        assert_eq!(train.slice(at(row), 1), people().slice(at(from), 1));
    }
    assert_eq!(
        ran.report("report")["classes"][1],
        json!({"class": "yes", "before": 6, "added": 12, "dropped": 0, "after": 18})
    );
    assert_eq!(ran.metric("rows_after"), Some(36.0));
}

#[test]
fn dropped_rows_are_kept_with_their_reasons() {
    let ran = run("balance.random_under", json!({"target": "left", "sampling_strategy": 0.5})).unwrap();
    assert_eq!((count(&ran, "no"), count(&ran, "yes")), (12, 6));
    let dropped = ran.table("dropped");
    assert_eq!((dropped.num_rows(), dropped.num_columns()), (6, 8));
    assert_eq!(column(&dropped, "reason").as_string::<i32>().value(0), "not drawn");
    let row = column(&dropped, "row_number").as_primitive::<Int64Type>().value(0);
    let place = usize::try_from(row).unwrap();
    assert_eq!(dropped.slice(0, 1).project(&[3, 4, 5, 6, 7]).unwrap().columns(), people().slice(place, 1).columns());
    let tomek = run("balance.tomek_links", json!({"target": "left", "columns": ["age", "income"]})).unwrap();
    for row in 0..tomek.table("dropped").num_rows() {
        assert!(!column(&tomek.table("dropped"), "because_of_row").is_null(row));
    }
}

#[test]
fn smote_nc_takes_texts_and_booleans_as_categories() {
    let ran = run("balance.smotenc", json!({"target": "left", "k_neighbors": 3})).unwrap();
    let new = ran.table("train").slice(24, 12);
    assert_eq!(count(&ran, "yes"), 18);
    for name in ["id", "age", "income", "member", "left"] {
        assert_eq!(column(&new, name).null_count(), 0, "{name}");
    }
    let ages = column(&new, "age").as_primitive::<Int64Type>();
    assert!(ages.values().iter().all(|age| (20..57).contains(age)));
    assert_eq!(ran.report("report")["categorical_features"], json!(["id", "member"]));
    let edge = ran.outcome.columns.iter().find(|edge| edge.column == "age").unwrap();
    assert_eq!(edge.transform, "balance.smotenc");
}

#[test]
fn new_rows_have_nothing_in_columns_that_no_line_leads_through() {
    let ran = run("balance.smote", json!({"target": "left", "columns": ["income", "age"], "k_neighbors": 2})).unwrap();
    let new = ran.table("train").slice(24, 12);
    assert_eq!(column(&new, "id").null_count(), 12);
    assert_eq!(column(&new, "income").null_count(), 0);
}

fn features() -> RecordBatch {
    let fields = vec![
        Role::Feature.mark(Field::new("x", DataType::Float64, true)),
        Role::Target.mark(Field::new("left", DataType::Int64, false)),
        Role::Weight.mark(Field::new("w", DataType::Float64, false)),
        Role::Raw.mark(Field::new("raw.city", DataType::Utf8, true)),
    ];
    let task = Task::Binary { classes: ["no".to_owned(), "yes".to_owned()] };
    let columns = vec![
        floats((0..12).map(f64::from)),
        ints((0..12).map(|row| i64::from(row % 4 == 1))),
        floats((0..12).map(|row| f64::from(row + 1))),
        texts((0..12).map(|_| "Bern")),
    ];
    RecordBatch::try_new(Arc::new(task.mark(Schema::new(fields))), columns).unwrap()
}

#[test]
fn a_feature_table_says_itself_what_its_columns_are() {
    let ran = run_on("balance.smote", json!({"k_neighbors": 2, "sampling_strategy": {"yes": 5}}), &features()).unwrap();
    let train = ran.table("train");
    assert_eq!(train.num_rows(), 14);
    assert_eq!(Task::of(train.schema_ref()), Task::of(features().schema_ref()));
    assert_eq!(column(&train, "raw.city").null_count(), 2);
    let weights = column(&train, "w").as_primitive::<Float64Type>();
    let from = column(&ran.table("added"), "from_row").as_primitive::<Int64Type>().values().to_vec();
    assert_eq!(weights.value(12).to_bits(), (from[0] as f64 + 1.0).to_bits());
}

#[test]
fn classes_get_weights() {
    let ran = run("balance.class_weight", json!({"target": "left"})).unwrap();
    let weights = column(&ran.table("train"), "weight").as_primitive::<Float64Type>().values().to_vec();
    assert_eq!(weights[..2], [24.0 / 36.0, 24.0 / 12.0]);
    let marked = run_on("balance.class_weight", json!({"class_weight": {"yes": 3}}), &features()).unwrap();
    let weights = column(&marked.table("train"), "w").as_primitive::<Float64Type>().values().to_vec();
    assert_eq!(weights[..3], [1.0, 6.0, 3.0]);
    insta::assert_snapshot!(refusal("balance.class_weight", json!({"target": "left", "column": "age"})), @"the table already has a column `age` (give the weights another name with `column`)");
    insta::assert_snapshot!(refusal("balance.class_weight", json!({"target": "left", "class_weight": {"maybe": 2}})), @"`class_weight` names `maybe`, which is no class of the target (the classes are: no, yes)");
}

#[test]
fn tables_that_cannot_be_balanced_are_refused_with_a_remedy() {
    insta::assert_snapshot!(refusal("balance.smote", json!({})), @"no column is marked as the target (name it: `with: {target: ...}`)");
    insta::assert_snapshot!(refusal("balance.smote", json!({"target": "lft"})), @"the table has no column `lft` (did you mean `left`?)");
    insta::assert_snapshot!(refusal("balance.smote", json!({"target": "left"})), @"column `id` is of type Utf8 and no number (take `balance.smotenc`, which knows categories, encode it in `feature.pipeline` before, or name the numbers under `columns`; new rows then have nothing in the others)");
    insta::assert_snapshot!(refusal("balance.random_over", json!({"target": "income"})), @"the target `income` is a number and has no classes (balance classes only; for a number, give rows weights with `feature.pipeline`'s `weight`)");
    insta::assert_snapshot!(refusal("balance.enn", json!({"target": "left", "columns": ["left"]})), @"`left` is the target and says not where a row is (leave it out of `columns`)");
    insta::assert_snapshot!(refusal("balance.near_miss", json!({"target": "left", "version": 4})), @"version: there is no version 4, only 1, 2 and 3 ()");
    insta::assert_snapshot!(refusal("balance.smote", json!({"target": "left", "k_neighbors": 0})), @"k_neighbors: a row needs at least one neighbour ()");
    let mut columns = people().columns().to_vec();
    columns[2] = floats((0..24).map(|row| (row != 5).then_some(if row == 7 { f64::INFINITY } else { 1.0 })));
    let holes = RecordBatch::try_new(people().schema(), columns).unwrap();
    let error = run_on("balance.enn", json!({"target": "left"}), &holes).err().unwrap();
    insta::assert_snapshot!(error, @"columns with values that are missing, infinite or too large to measure: `income` (2)");
    let empty = run_on("balance.enn", json!({"target": "left"}), &people().slice(0, 0)).err().unwrap();
    insta::assert_snapshot!(empty, @"the table has no rows to balance");
}

#[test]
fn what_does_not_fit_into_memory_is_refused() {
    let mut bench = Workbench::new();
    bench.memory_bytes = Some(1024);
    let table = bench.table(&people());
    let with = json!({"target": "left", "columns": ["age", "income"], "k_neighbors": 2});
    let error = bench.run("balance.smote", with, &[("train", &table)]).err().unwrap();
    assert_eq!(error.code(), "memory_too_small");
    insta::assert_snapshot!(error, @"`balance.smote` over 24 rows of 2 columns needs 5.7 KiB of memory, and `resources.memory` is 1.0 KiB");
}

#[test]
fn the_need_grows_with_neighbours_and_with_what_is_cleaned_afterwards() {
    let mut bench = Workbench::new();
    bench.memory_bytes = Some(1024);
    let table = bench.table(&people());
    let need = |kind: &str, with: Value| {
        let mut with = with;
        with["target"] = json!("left");
        with["columns"] = json!(["age", "income"]);
        let error = bench.run(kind, with, &[("train", &table)]).err().unwrap();
        error.to_string().split_once("columns needs ").unwrap().1.to_owned()
    };
    insta::assert_snapshot!(need("balance.enn", json!({"n_neighbors": 3})), @"5.3 KiB of memory, and `resources.memory` is 1.0 KiB");
    insta::assert_snapshot!(need("balance.enn", json!({"n_neighbors": 20})), @"10.1 KiB of memory, and `resources.memory` is 1.0 KiB");
    insta::assert_snapshot!(need("balance.enn", json!({"n_neighbors": u64::MAX})), @"11.2 KiB of memory, and `resources.memory` is 1.0 KiB");
    insta::assert_snapshot!(need("balance.smote_tomek", json!({"k_neighbors": 2})), @"12.8 KiB of memory, and `resources.memory` is 1.0 KiB");
}

#[test]
fn numbers_of_neighbours_beyond_all_rows_are_refused_or_mean_all() {
    let all = json!({"target": "left", "version": 2, "n_neighbors": u64::MAX, "columns": ["age"]});
    assert_eq!(count(&run("balance.near_miss", all).unwrap(), "no"), 6);
    let many = json!({"target": "left", "k_neighbors": u64::MAX, "columns": ["age"]});
    insta::assert_snapshot!(refusal("balance.smote", many), @"class `yes` has 6 rows, and `k_neighbors: 18446744073709551615` needs at least 18446744073709551615 (take `k_neighbors: 5`, or copy rows with `balance.random_over`)");
}

#[test]
fn adding_and_dropping_leave_both_tables() {
    let with = json!({"target": "left", "columns": ["age", "income"], "k_neighbors": 3});
    let ran = run("balance.smote_enn", with).unwrap();
    let rows = |output: &str| ran.table(output).num_rows();
    assert_eq!(rows("train"), 24 + rows("added") - rows("dropped"));
    assert!(show(&ran.table("dropped")).starts_with("reason:Utf8 row_number:Int64 because_of_row:Int64 id:Utf8"));
}
