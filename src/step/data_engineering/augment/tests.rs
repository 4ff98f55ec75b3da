//! Promises of the kinds that make further training rows.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Decimal128Array};
use arrow::datatypes::{DataType, Decimal128Type, Field, Float64Type, Int64Type, Schema};
use arrow::record_batch::RecordBatch;
use serde_json::{Value, json};

use crate::step::InputArtifact;
use crate::step::testing::{Workbench, batch, column, floats, ints, texts};
use crate::table::roles::Role;

fn rows() -> RecordBatch {
    let kind = |row: i64| if row % 3 == 0 { "yes" } else { "no" };
    batch(&[
        ("x", floats((0..60).map(|row| (row % 7 != 0).then(|| f64::from(row) * 2.5)))),
        ("whole", ints((0..60).map(|row| row * row % 23))),
        ("flag", floats((0..60).map(|row| f64::from(row % 2)))),
        ("price", floats((0..60).map(|row| f64::from(row * 3 % 19) + 0.5))),
        ("said", texts((0..60).map(|row| ["a good long day", "", "one", "Good, very good"][row % 4]))),
        ("kind", texts((0..60).map(kind))),
    ])
}

fn run(kind: &str, with: Value) -> Result<RecordBatch, String> {
    let bench = Workbench::new();
    let ran = bench.run(kind, with, &[("train", &bench.table(&rows()))]);
    ran.map(|ran| ran.table("train")).map_err(|error| {
        let remedy = error.remedy().unwrap_or_default().to_owned();
        format!("{error}; {remedy}")
    })
}

fn numbers(table: &RecordBatch, name: &str) -> Vec<Option<f64>> {
    column(table, name).as_primitive::<Float64Type>().iter().collect()
}

#[test]
fn noise_moves_numbers_a_little_and_nothing_else() {
    let table = run("augment.noise", json!({"columns": ["x", "whole"], "scale": 0.1})).unwrap();
    assert_eq!(table.num_rows(), 120);
    assert_eq!(table.slice(0, 60), rows());
    let x = numbers(&table, "x");
    let mut moves = Vec::new();
    for row in 0..60 {
        assert_eq!(x[row].is_some(), x[row + 60].is_some());
        if let (Some(old), Some(new)) = (x[row], x[row + 60]) {
            moves.push(new - old);
        }
    }
    let spread = (moves.iter().map(|by| by * by).sum::<f64>() / moves.len() as f64).sqrt();
    assert!((2.5..6.5).contains(&spread), "a tenth of the column's deviation of 43.5 is not {spread}");
    for name in ["flag", "price", "said", "kind"] {
        assert_eq!(column(&table, name).slice(60, 60).as_ref(), column(&rows(), name).as_ref(), "{name}");
    }
    let whole = column(&table, "whole").as_primitive::<Int64Type>();
    assert_ne!(whole.slice(60, 60), whole.slice(0, 60));
}

#[test]
fn prices_keep_their_cents() {
    let bench = Workbench::new();
    let cents = Decimal128Array::from_iter_values((0..40).map(|row| row * 7 % 13 * 25 + 5));
    let cents = cents.with_precision_and_scale(6, 2).unwrap();
    let kinds = texts((0..40).map(|row| ["a", "b"][usize::from(row % 4 == 0)]));
    let table = bench.table(&batch(&[("cost", Arc::new(cents)), ("kind", kinds)]));
    let new = |kind: &str, with: Value, rows: usize| {
        let made = bench.run(kind, with, &[("train", &table)]).unwrap().table("train");
        let new = made.slice(40, made.num_rows() - 40);
        assert!(new.num_rows() >= rows);
        let cents = column(&new, "cost").as_primitive::<Decimal128Type>();
        cents.iter().flatten().filter(|cents| cents % 100 != 0).count()
    };
    assert!(new("augment.noise", json!({"columns": ["cost"]}), 40) > 30);
    assert!(new("augment.mixup", json!({"columns": ["cost"], "target": "kind"}), 40) > 30);
    let with = json!({"target": "kind", "columns": ["cost"], "shrinkage": 0.1});
    assert!(new("balance.random_over", with, 20) > 15);
}

#[test]
fn mixed_rows_lie_between_two_and_their_labels_share_the_weight() {
    let table = run("augment.mixup", json!({"target": "kind", "columns": ["price", "whole"], "alpha": 1.0})).unwrap();
    assert_eq!(column(&table, "weight").as_primitive::<Float64Type>().values()[..60], [1.0; 60]);
    let (price, weight) = (numbers(&table, "price"), numbers(&table, "weight"));
    let known: Vec<f64> = price[..60].iter().flatten().copied().collect();
    let (mut pairs, mut singles, mut row) = (0, 0, 60);
    let kind = column(&table, "kind").as_string::<i32>();
    while row < table.num_rows() {
        let value = price[row].unwrap();
        assert!(known.iter().any(|end| *end <= value) && known.iter().any(|end| *end >= value));
        if weight[row].unwrap() < 1.0 {
            assert!((weight[row].unwrap() + weight[row + 1].unwrap() - 1.0).abs() < 1e-12);
            assert_ne!(kind.value(row), kind.value(row + 1));
            assert_eq!(price[row], price[row + 1]);
            (pairs, row) = (pairs + 1, row + 2);
        } else {
            (singles, row) = (singles + 1, row + 1);
        }
    }
    assert_eq!(pairs + singles, 60);
    assert!(pairs > 10 && singles > 10, "{pairs} {singles}");
}

#[test]
fn a_number_to_predict_is_mixed_as_the_rest_is() {
    let bench = Workbench::new();
    let line =
        batch(&[("x", floats((0..40).map(f64::from))), ("y", floats((0..40).map(|row| 3.0 * f64::from(row) + 1.0)))]);
    let with = json!({"target": "y", "columns": ["x"], "alpha": 0.5, "share": 2});
    let table = bench.run("augment.mixup", with, &[("train", &bench.table(&line))]).unwrap().table("train");
    assert_eq!((table.num_rows(), table.num_columns()), (120, 2));
    for (x, y) in numbers(&table, "x").into_iter().zip(numbers(&table, "y")) {
        assert!((3.0 * x.unwrap() + 1.0 - y.unwrap()).abs() < 1e-9, "what lies on a line stays on it");
    }
}

#[test]
fn texts_change_in_a_few_words_and_those_that_cannot_give_no_row() {
    let table = run("augment.text", json!({"columns": ["said"], "method": "delete"})).unwrap();
    // Of four texts two have more than one word.
    assert_eq!(table.num_rows(), 90);
    let said = column(&table, "said").as_string::<i32>();
    assert!((60..90).all(|row| [2, 3].contains(&said.value(row).split(' ').count())));
    let synonyms = json!({"good": ["fine"]});
    let table = run("augment.text", json!({"columns": ["said"], "method": "synonym", "synonyms": synonyms})).unwrap();
    let said = column(&table, "said").as_string::<i32>();
    let made: std::collections::BTreeSet<&str> = (60..table.num_rows()).map(|row| said.value(row)).collect();
    assert_eq!(Vec::from_iter(made), ["Fine, very good", "Good, very fine", "a fine long day"]);
    let table = run("augment.text", json!({"columns": ["said"], "method": "swap", "share": 0.5})).unwrap();
    assert!((61..90).contains(&table.num_rows()), "{}", table.num_rows());
}

#[test]
fn the_same_seed_makes_the_same_rows_and_another_one_others() {
    for (kind, with) in [
        ("augment.noise", json!({"columns": ["x"]})),
        ("augment.mixup", json!({"columns": ["x"], "target": "kind"})),
        ("augment.text", json!({"columns": ["said"], "method": "delete"})),
    ] {
        let seeded = |seed: u64| {
            let mut with = with.clone();
            with["seed"] = json!(seed);
            run(kind, with).unwrap()
        };
        assert_eq!(seeded(1), seeded(1));
        assert_ne!(seeded(1), seeded(2));
        assert_eq!(seeded(7), run(kind, with.clone()).unwrap(), "the run's seed is 7");
    }
}

#[test]
fn features_are_found_by_their_marks_and_flags_get_no_noise() {
    let bench = Workbench::new();
    let with = json!({"target": {"column": "kind", "positive": "yes"}, "drop": ["said"], "transforms": [{"impute": "median"}]});
    let fitted = bench.run("feature.pipeline", with, &[("fit", &bench.table(&rows()))]).unwrap();
    let run = |kind: &str| bench.run(kind, json!({}), &[("train", &fitted.input("fit"))]).unwrap();
    let noisy = run("augment.noise");
    let table = noisy.table("train");
    assert_eq!(numbers(&table, "flag")[..60], numbers(&table, "flag")[60..]);
    assert_ne!(numbers(&table, "price")[..60], numbers(&table, "price")[60..]);
    let edges: Vec<&str> = noisy
        .outcome
        .columns
        .iter()
        .filter(|edge| edge.transform == "noise")
        .map(|edge| edge.column.as_str())
        .collect();
    assert_eq!(edges, ["x", "whole", "price"]);
    // What is mixed can be trained on: the weights are marked.
    let mixed = run("augment.mixup").input("train");
    bench.run("train.logistic", json!({}), &[("train", &mixed)]).unwrap();
}

#[test]
fn tables_and_params_that_make_no_sense_are_refused_with_a_remedy() {
    let refused = |kind: &str, with: Value| run(kind, with).unwrap_err();
    insta::assert_snapshot!(refused("augment.noise", json!({})), @"no column is marked as a feature that is a number; name some under `columns`, or pass the table through `feature.pipeline`");
    insta::assert_snapshot!(refused("augment.noise", json!({"columns": ["kind"]})), @"column `kind` is of type Utf8 and no number; leave it out of `columns`; it stays as it is");
    insta::assert_snapshot!(refused("augment.noise", json!({"columns": ["x"], "share": 0})), @"share: 0 new rows for each row; give more than 0 and at most 100;");
    insta::assert_snapshot!(refused("augment.noise", json!({"scale": 0})), @"scale: `scale: 0` must be greater than 0;");
    insta::assert_snapshot!(refused("augment.mixup", json!({"columns": ["x"]})), @"no column is marked as the target; name it: `with: {target: ...}`");
    insta::assert_snapshot!(refused("augment.mixup", json!({"columns": ["x"], "target": "kind", "weight": "flag"})), @"the table already has a column `flag`; give the weights another name with `weight`");
    insta::assert_snapshot!(refused("augment.mixup", json!({"alpha": 0})), @"alpha: `alpha: 0` must be greater than 0 and at most 1000;");
    insta::assert_snapshot!(refused("augment.text", json!({"columns": ["x"], "method": "swap"})), @"column `x` is of type Float64 and no text; leave it out of `columns`; it stays as it is");
    insta::assert_snapshot!(refused("augment.text", json!({"columns": ["said"], "method": "synonym"})), @"synonyms: `synonyms` are for `method: synonym`, which needs them;");
    insta::assert_snapshot!(refused("augment.text", json!({"columns": ["said"], "method": "synonym", "synonyms": {"Good": ["fine"]}})), @"synonyms.Good: write `Good` in small letters; a word with a capital gets a synonym with one;");
    let heavy = Role::Weight.mark(Field::new("heavy", DataType::Float64, false));
    let fields = Schema::new(vec![heavy, Field::new("kind", DataType::Utf8, false)]);
    let columns = vec![floats([1.0, 2.0]), texts(["a", "b"])];
    let weighed = RecordBatch::try_new(Arc::new(fields), columns).unwrap();
    for (kind, with) in [
        ("augment.noise", json!({"columns": ["heavy"]})),
        ("augment.mixup", json!({"columns": ["heavy"], "target": "kind"})),
    ] {
        let bench = Workbench::new();
        let error = bench.run(kind, with, &[("train", &bench.table(&weighed))]).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "column `heavy` holds the weights of rows and says nothing of them");
    }
    let bench = Workbench::new();
    let none: InputArtifact = bench.table(&rows().slice(0, 0));
    let error = bench.run("augment.noise", json!({"columns": ["x"]}), &[("train", &none)]).map(|_| ()).unwrap_err();
    insta::assert_snapshot!(error, @"the table has no rows to make others of");
}
