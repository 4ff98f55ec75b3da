//! The kinds on small tables: what is left, what is dropped and why.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;
use serde_json::{Value, json};

use crate::step::StepError;
use crate::step::testing::{Ran, Workbench, batch, column, floats, ints, show, texts};

fn people(incomes: &[Option<f64>]) -> RecordBatch {
    let rows = i64::try_from(incomes.len()).unwrap();
    batch(&[
        ("id", texts(incomes.iter().map(|_| "é"))),
        ("age", ints((0..rows).map(|row| 30 + row % 7))),
        ("income", floats(incomes.iter().copied())),
    ])
}

/// Forty usual incomes and one that is not, with a hole.
fn usual() -> Vec<Option<f64>> {
    let mut incomes: Vec<Option<f64>> = (0..40).map(|row| Some(f64::from(row % 10) + 20.0)).collect();
    incomes[7] = Some(500.0);
    incomes[9] = None;
    incomes
}

fn run(kind: &str, with: Value, fit: &[Option<f64>], test: Option<&[Option<f64>]>) -> Result<Ran, StepError> {
    let bench = Workbench::new();
    let fit = bench.table(&people(fit));
    let test = test.map(|test| bench.table(&people(test)));
    let mut inputs = vec![("fit", &fit)];
    inputs.extend(test.as_ref().map(|test| ("test", test)));
    bench.run(kind, with, &inputs)
}

#[test]
fn rows_beyond_the_bounds_are_dropped_with_their_reason() {
    let ran =
        run("outliers.iqr", json!({}), &usual(), Some(&[Some(-90.0), Some(25.0), None, Some(f64::INFINITY)])).unwrap();
    assert_eq!((ran.table("fit").num_rows(), ran.table("test").num_rows()), (39, 2));
    insta::assert_snapshot!(show(&ran.table("dropped")), @r"
    set:Utf8 reason:Utf8 score:Float64 row_number:Int64 id:Utf8 age:Int64 income:Float64
    fit `income` is 500, above 34.5 ~ 7 é 30 500.0
    test `income` is -90, below 14.5 ~ 0 é 30 -90.0
    test `income` is inf, above 34.5 ~ 3 é 33 inf
    ");
    assert_eq!(ran.report("detector")["bounds"][1], json!({"column": "income", "low": 14.5, "high": 34.5}));
    assert_eq!(ran.metric("fit_dropped"), Some(1.0));
    assert!(
        ran.log.contains(&"warning: 2 rows of `test` are left out, so it no longer stands for all rows".to_owned())
    );
}

#[test]
fn deviations_and_tails_draw_other_lines() {
    let left = |with| run("outliers.zscore", with, &usual(), None).unwrap().table("fit").num_rows();
    assert_eq!(left(json!({})), 39);
    assert_eq!(left(json!({"tail": "left"})), 40);
    assert_eq!(left(json!({"columns": ["age"]})), 40);
}

#[test]
fn forests_and_factors_find_the_same_odd_row_in_every_set() {
    let mut fit = usual();
    fit[9] = Some(21.0);
    for (kind, with) in [
        ("outliers.isolation_forest", json!({"contamination": 0.02, "columns": ["income"]})),
        ("outliers.local_outlier_factor", json!({"n_neighbors": 5, "columns": ["income", "age"]})),
    ] {
        let ran = run(kind, with, &fit, Some(&[Some(22.0), Some(700.0)])).unwrap();
        let dropped = ran.table("dropped");
        let rows = column(&dropped, "row_number").as_primitive::<Int64Type>().values().to_vec();
        assert!(rows.contains(&7), "{kind}: {}", show(&dropped));
        assert_eq!(rows.last(), Some(&1), "{kind}: {}", show(&dropped));
        assert_eq!(column(&dropped, "score").logical_null_count(), 0);
        let again = run("outliers.isolation_forest", json!({"columns": ["income"]}), &fit, None).unwrap();
        assert!(again.report("detector")["isolation_forest"]["trees"].as_array().unwrap().len() == 100);
    }
}

#[test]
fn trees_and_neighbours_are_part_of_the_need() {
    let mut bench = Workbench::new();
    bench.memory_bytes = Some(1024);
    let fit = bench.table(&people(&[Some(1.0); 40]));
    let need = |kind: &str, with: Value| {
        let error = bench.run(kind, with, &[("fit", &fit)]).err().unwrap();
        error.to_string().split_once("needs ").unwrap().1.to_owned()
    };
    insta::assert_snapshot!(need("outliers.isolation_forest", json!({"n_estimators": 10})), @"188.9 KiB of memory, and `resources.memory` is 1.0 KiB");
    insta::assert_snapshot!(need("outliers.isolation_forest", json!({"n_estimators": 10, "max_samples": 20})), @"95.2 KiB of memory, and `resources.memory` is 1.0 KiB");
    insta::assert_snapshot!(need("outliers.isolation_forest", json!({"n_estimators": u64::MAX})), @"16777216.0 TiB of memory, and `resources.memory` is 1.0 KiB");
    insta::assert_snapshot!(need("outliers.local_outlier_factor", json!({"n_neighbors": u64::MAX})), @"27.8 KiB of memory, and `resources.memory` is 1.0 KiB");
}

#[test]
fn what_cannot_be_judged_is_refused_with_a_remedy() {
    let refused = |kind: &str, with: Value, fit: &[Option<f64>]| {
        let error = run(kind, with, fit, None).err().unwrap();
        format!("{error} ({})", error.remedy().unwrap_or_default())
    };
    insta::assert_snapshot!(refused("outliers.iqr", json!({"fold": 0}), &usual()), @"fold: give a number above zero ()");
    insta::assert_snapshot!(refused("outliers.iqr", json!({"columns": ["id"]}), &usual()), @"column `id` is of type Utf8 and no number (leave it out of `columns`)");
    insta::assert_snapshot!(refused("outliers.isolation_forest", json!({"contamination": 0.7}), &usual()), @"contamination: give `auto`, or a share above 0 and up to 0.5 ()");
    insta::assert_snapshot!(refused("outliers.local_outlier_factor", json!({}), &usual()), @r#"columns with values that are missing, infinite or too large to measure: `income` (1) (fill them in `feature.pipeline` before, for example with `{impute: median, columns: "@numeric"}`)"#);
    insta::assert_snapshot!(refused("outliers.local_outlier_factor", json!({}), &[Some(1.0)]), @"the fit table has one row, and it has no neighbour (give it more rows, or take `outliers.iqr`)");
    insta::assert_snapshot!(refused("outliers.zscore", json!({}), &[]), @"the fit table has no rows to learn from (look at the split and the filters before this step)");
    insta::assert_snapshot!(refused("outliers.zscore", json!({}), &[Some(1e200), Some(-1e200), Some(3e200)]), @"the values of column `income` are too large to measure (leave it out of `columns`, or rescale it)");
    insta::assert_snapshot!(refused("outliers.iqr", json!({}), &[Some(f64::MAX), Some(f64::MIN)]), @"the values of column `income` are too large to measure (leave it out of `columns`, or rescale it)");
    let constant = run("outliers.zscore", json!({}), &[Some(2.0); 9], None).unwrap();
    assert_eq!(constant.table("fit").num_rows(), 9);
}
