//! Promises of whole pipelines, over the examples of all transforms and at the seams between them.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use serde_json::{Value, json};

use super::{
    FitOptions, FitSource, FittedPipeline, Listed, PipelineSpec, TargetSpec, TransformError, TransformSpec, catalogue,
    fit,
};
use crate::table::{TableReader, TableWriter};

/// A pipeline over all columns but `y`.
pub(super) fn spec(transforms: Value) -> PipelineSpec {
    let target: TargetSpec = serde_json::from_value(json!({"column": "y"})).unwrap();
    let transforms = serde_json::from_value(transforms).unwrap();
    PipelineSpec { target, drop: None, weight: None, drop_null_target: false, transforms }
}

/// The feature at `place` as numbers, codes too.
pub(super) fn feature(batch: &RecordBatch, place: usize) -> Vec<Option<f64>> {
    let array = batch.column(place);
    match array.as_primitive_opt::<Float64Type>() {
        Some(floats) => floats.iter().collect(),
        None => array.as_primitive::<Int64Type>().iter().map(|code| code.map(|code| code as f64)).collect(),
    }
}

/// Sixty customers of three kinds, with a hole in most columns; `y` is the target.
pub(super) fn customers(target: ArrayRef) -> RecordBatch {
    let hole = |row: &i32, modulus: i32| row % modulus != 0;
    let text = |step: i32, modulus: i32| -> ArrayRef {
        let values = ["basic", "plus", "", "Ünlimited 🚀", "a b"];
        let value = |row: i32| values[usize::try_from(row / step % 5).unwrap()];
        Arc::new((0..60).map(|row| hole(&row, modulus).then(|| value(row))).collect::<StringArray>())
    };
    let amount = (0..60).map(|row| hole(&row, 7).then(|| f64::from(row * row % 37) / 3.0 + 0.5));
    let columns: [(&str, ArrayRef); 6] = [
        ("amount", Arc::new(amount.collect::<Float64Array>())),
        ("months", Arc::new((0..60).map(|row| row % 24 + 1).map(i64::from).collect::<Int64Array>())),
        ("plan", text(1, 13)),
        ("town", text(3, 9)),
        ("since", Arc::new((0..60).map(|row| hole(&row, 10).then_some(19_000 + row * 17)).collect::<Date32Array>())),
        ("y", target),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

/// Two classes.
pub(super) fn classes() -> ArrayRef {
    Arc::new(StringArray::from_iter_values((0..60).map(|row| if row % 4 == 0 || row % 7 == 0 { "Yes" } else { "No" })))
}

/// The pipeline of these transforms, fitted on [`customers`].
pub(super) fn fitted(transforms: Value, target: ArrayRef) -> Result<FittedPipeline, TransformError> {
    fit(&spec(transforms), &customers(target), &FitOptions { seed: 7, ..FitOptions::default() })
}

/// The example of a transform, with a model that is there.
pub(super) fn example(listed: &Listed) -> Value {
    let text = listed.example.replace("models/all-MiniLM-L6-v2", "tests/fixtures/oracle/sentences/bert");
    serde_saphyr::from_str(&text).unwrap()
}

#[test]
fn every_example_fits_and_reads_back_as_written() {
    for listed in catalogue() {
        let example = example(&listed);
        assert!(example.get(listed.key).is_some(), "{}", listed.example);
        let transforms = json!([example, {"date_parts": ["year"]}, {"one_hot": {}}]);
        let pipeline = fitted(transforms, classes()).unwrap_or_else(|error| panic!("{}: {error}", listed.example));
        let table = customers(classes());
        let here = pipeline.transform(&table).unwrap();
        let folder = tempfile::tempdir().unwrap();
        pipeline.save(folder.path()).unwrap();
        let back = FittedPipeline::load(folder.path(), None).unwrap();
        assert_eq!(back.transform(&table).unwrap(), here, "{}", listed.example);
        assert!(listed.schema.get("description").is_some(), "`{}` says what it does", listed.key);
    }
}

#[test]
fn columns_that_are_still_to_be_learnt_are_selected_too() {
    let names = |transforms: Value, target: ArrayRef| -> Vec<String> {
        let pipeline = fitted(transforms, target).unwrap();
        pipeline.features().iter().map(|feature| format!("{}: {}", feature.name, feature.transform)).collect()
    };
    let one_hot_is_left_out = json!([{"one_hot": {}}, {"select": ["months"]}]);
    assert_eq!(names(one_hot_is_left_out, classes()), ["months: identity"]);
    let indicator =
        json!([{"select": "amount"}, {"impute": {"strategy": "mean", "add_indicator": true}}, {"drop": "@encoded"}]);
    assert_eq!(names(indicator, classes()), ["amount: impute"]);
    let three: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..60).map(|row| ["a", "b", "c"][row * row % 7 % 3])));
    let multiclass = json!([{"select": "plan"}, {"target": {}}, {"standardize": {}}]);
    assert_eq!(
        names(multiclass, three),
        ["plan_a: target+standardize", "plan_b: target+standardize", "plan_c: target+standardize"]
    );
}

#[test]
fn what_keeps_all_rows_is_refused_where_memory_is_short() {
    let spec = spec(json!([{"drop": ["plan", "town", "since"]}, {"impute": "median"}]));
    let error =
        fit(&spec, &customers(classes()), &FitOptions { seed: 7, memory_bytes: Some(500), ..FitOptions::default() })
            .unwrap_err();
    insta::assert_snapshot!(error, @"`impute` of column `amount` keeps what it needs of all 60 rows in memory, about 960 bytes, and the step may use 500 bytes");
    assert!(error.remedy().unwrap().contains("resources.memory"));
    fit(&spec, &customers(classes()), &FitOptions { seed: 7, memory_bytes: Some(4000), ..FitOptions::default() })
        .unwrap();
}

#[test]
fn params_and_columns_that_make_no_sense_are_refused_with_a_remedy() {
    let refused = |transform: Value| {
        let transforms = json!([transform, {"date_parts": ["year"]}, {"one_hot": {}}]);
        let error = fitted(transforms, classes()).unwrap_err();
        format!("{error}; {}", error.remedy().unwrap_or_default())
    };
    insta::assert_snapshot!(refused(json!({"log": {}, "columns": "zero"})), @"there is no column `zero`; there are: amount, months, plan, town, since");
    let chain = json!([{"derive": "zero", "as": "months - 1"}, {"drop": ["plan", "town", "since"]}, {"log": {}, "columns": "zero"}]);
    insta::assert_snapshot!(fitted(chain, classes()).unwrap().transform(&customers(classes())).unwrap_err(), @"`log` takes numbers greater than 0, but column `zero` has 0 in row 0");
    insta::assert_snapshot!(refused(json!({"rare_label": {}, "columns": "months"})), @"`rare_label` needs text, but column `months` holds an integer; leave the column out, or read it as text where it is ingested");
    insta::assert_snapshot!(refused(json!({"impute": "missing_label", "columns": "amount"})), @"column `amount` holds a number, and `missing_label` is for text; use another strategy for it, such as `median` or `most_frequent`");
    insta::assert_snapshot!(refused(json!({"max_abs": {}, "columns": "plan"})), @"`max_abs` needs numbers, but column `plan` holds text; select with `@numeric`, or encode the column before (`one_hot`, `ordinal`, `date_parts`)");
    insta::assert_snapshot!(refused(json!({"power": "box-cox", "columns": "since"})), @"`power` needs numbers, but column `since` holds a date; select with `@numeric`, or encode the column before (`one_hot`, `ordinal`, `date_parts`)");
    let three: ArrayRef = Arc::new(Float64Array::from_iter_values((0..60).map(f64::from)));
    insta::assert_snapshot!(fitted(json!([{"woe": {}}, {"drop": "since"}]), three).unwrap_err(), @"`woe` needs a target with two classes");
    let flat = json!([{"derive": "flat", "as": "months > 20 ? 1.0 : 0.0"}, {"winsorize": "iqr", "columns": "flat"}, {"select": "flat"}]);
    insta::assert_snapshot!(fitted(flat, classes()).unwrap_err(), @"`winsorize` would cut all values of column `flat` to 0, since most rows have it");
    let empty = |keep: bool| {
        let empty = json!({"derive": "empty", "as": "ln(0.0 - months)"});
        let impute = json!({"impute": {"strategy": "median", "keep_empty_features": keep}, "columns": "empty"});
        fitted(json!([empty, impute, {"select": "empty"}]), classes())
    };
    insta::assert_snapshot!(empty(false).unwrap_err(), @"column `empty` has no value in the fit table, so `impute` has nothing to learn");
    assert_eq!(feature(&empty(true).unwrap().transform(&customers(classes())).unwrap(), 0), [Some(0.0); 60]);
}

#[test]
fn params_that_contradict_each_other_are_refused_before_any_table() {
    let check = |transform: Value| serde_json::from_value::<TransformSpec>(transform).unwrap().check().unwrap_err();
    for (transform, message) in [
        (json!({"robust": {"quantile_range": [75, 25]}}), "`quantile_range: [75, 25]` must rise, from 0 to 100"),
        (json!({"quantile": {"n_quantiles": 100, "subsample": 10}}), "`subsample: 10` must not be less"),
        (json!({"target": {"smoothing": 2}}), "`min_samples_leaf` and `smoothing` are for `formula: sigmoid`"),
        (json!({"target": {"formula": "sigmoid", "smooth": 2}}), "`smooth` is for `formula: shrink`"),
        (json!({"woe": {"regularization": 0}}), "`regularization` must be greater than 0"),
        (json!({"catboost": -1}), "`a: -1` must be 0 or more"),
        (json!({"m_estimate": {"cv": 1}}), "`cv: 1` must be from 2 to 100"),
        (json!({"rare_label": 2}), "`tol: 2` must be from 0 to 1"),
        (json!({"bin": {"strategy": "edges"}}), "`edges` must be from 1 to 999 numbers that rise"),
        (json!({"bin": {"edges": [1]}}), "`edges` are for `strategy: edges`"),
        (json!({"impute": {"strategy": "mean", "fold": 2}}), "`fold: 2` is for `strategy: end_tail`"),
        (json!({"impute_knn": 0}), "`n_neighbors: 0` must be from 1 to 1000"),
        (json!({"impute_iterative": {"tol": -1}}), "`tol: -1` must be 0 or more"),
        (json!({"arcsinh": {"scale": 0}}), "`loc: 0` must be a number and `scale: 0` greater than 0"),
        (json!({"ordinal": {"max_categories": 0}}), "`max_categories` must be at least 1"),
        (json!({"leave_one_out": {"sigma": -1}}), "`sigma: -1` must be 0 or more"),
        (json!({"rfe": 1.5}), "`n_features: 1.5` must be a whole number from 1 on, or a share below 1"),
        (json!({"rfe": {"step": 0}}), "`step: 0` must be a whole number from 1 on, or a share below 1"),
        (json!({"rfe": {"model": {"c": 0}}}), "`model.c: 0` must be greater than 0"),
        (json!({"from_model": "1.5*max"}), "`threshold` must be a number, `mean`, `median`, or a multiple"),
        (json!({"drop_high_psi": -1}), "`threshold: -1` must be 0 or more, or `auto`"),
        (json!({"drop_high_psi": {"split_frac": 1}}), "`split_frac: 1` must be between 0 and 1"),
        (json!({"information_value": {"fill_value": 0}}), "`fill_value: 0` must be between 0 and 1"),
        (json!({"tree_bins": []}), "`max_depth` must be from 1 to 20"),
        (json!({"geometric_width": 1}), "`bins: 1` must be from 2 to 1000"),
    ] {
        let found = check(transform.clone());
        assert!(found.starts_with(message), "{transform}: {found}");
    }
}

/// [`customers`] whose targets are these.
fn with_targets(targets: &[bool]) -> RecordBatch {
    customers(Arc::new(StringArray::from_iter_values(targets.iter().map(|is| if *is { "Yes" } else { "No" }))))
}

#[test]
fn the_target_of_a_row_does_not_reach_its_own_encoding() {
    let targets: Vec<bool> = (0..60).map(|row| row % 3 == 0).collect();
    let options = FitOptions { seed: 7, ..FitOptions::default() };
    let encode = |key: &str, targets: &[bool]| {
        let table = with_targets(targets);
        let pipeline = fit(&spec(json!([{"select": "town"}, {key: {}}])), &table, &options).unwrap();
        feature(&pipeline.transform_learnt(&table, 0).unwrap(), 0)
    };
    for key in ["target", "m_estimate", "woe"] {
        let before = encode(key, &targets);
        for row in [0, 1, 17, 59] {
            let mut other = targets.clone();
            other[row] = !other[row];
            let after = encode(key, &other);
            assert_eq!(after[row], before[row], "{key}: row {row}");
            assert_ne!(after, before, "{key}: other rows do see it");
        }
    }
    // It is the mean of all rows that carries a row's own target into these two, where it is the same for every row.
    for key in ["leave_one_out", "catboost"] {
        let mut other = targets.clone();
        other.swap(1, 3);
        let (before, after) = (encode(key, &targets), encode(key, &other));
        let town = |row: usize| row / 3 % 5;
        assert_eq!(town(3), town(4));
        assert_eq!(after[0], before[0], "{key}");
        assert_ne!(after, before, "{key}");
    }
}

#[test]
fn rows_of_the_fit_table_are_encoded_alike_in_batches_of_any_size() {
    let targets: Vec<bool> = (0..60).map(|row| row % 3 == 0).collect();
    let table = with_targets(&targets);
    for key in ["target", "m_estimate", "woe", "leave_one_out", "catboost"] {
        let transforms = json!([{"select": ["town", "plan"]}, {key: {}}]);
        let pipeline = fit(&spec(transforms), &table, &FitOptions { seed: 7, ..FitOptions::default() }).unwrap();
        let together = pipeline.transform_learnt(&table, 0).unwrap();
        for size in [1, 7, 59] {
            for first in (0..60).step_by(size) {
                let batch = table.slice(first, size.min(60 - first));
                let alone = pipeline.transform_learnt(&batch, first as u64).unwrap();
                assert_eq!(alone, together.slice(first, batch.num_rows()), "{key}: {size} rows from {first}");
            }
        }
    }
}

#[test]
fn columns_that_cannot_be_judged_are_refused_with_a_remedy() {
    let refused = |transforms: Value, target: ArrayRef| {
        let error = fitted(transforms, target).unwrap_err();
        format!("{error}; {}", error.remedy().unwrap_or_default())
    };
    let judge = |transform: Value| refused(json!([transform, {"drop": ["plan", "town", "since"]}]), classes());
    insta::assert_snapshot!(judge(json!({"rfe": 1})), @"column `amount` has missing or infinite values, which `rfe` cannot judge; `impute` `amount` before");
    insta::assert_snapshot!(judge(json!({"information_value": 0.1, "columns": "since"})), @"`information_value` needs categories, but column `since` holds a date; turn it into numbers with `date_parts` before");
    insta::assert_snapshot!(judge(json!({"information_value": {"bins": 30}, "columns": "months"})), @"`information_value` finds values of column `months` where every row is of the same class, which has no odds; give `fill_value`, such as 0.0001; or take fewer `bins`, `strategy: equal_frequency`, or `rare_label` before");
    insta::assert_snapshot!(judge(json!({"drop_high_psi": {"bins": 40}, "columns": "months"})), @"`drop_high_psi` would compare 30 rows with 30 rows, and needs at least 40 on each side; change `split_frac` or `cut_off`, or take fewer `bins`");
    insta::assert_snapshot!(judge(json!({"drop_high_psi": {"split_col": "since"}, "columns": "months"})), @"column `since` splits the rows and is null in some of them; leave these rows out before, or take another `split_col`");
    insta::assert_snapshot!(judge(json!({"drop_high_psi": {"split_col": "months", "cut_off": "May"}, "columns": "months"})), @"`cut_off` has `May`, but `months` holds an integer; dates are written like `2024-01-31`");
    insta::assert_snapshot!(judge(json!({"from_model": 1e9, "columns": "months"})), @"`from_model` would take all 1 columns away; lower its threshold, or select other `columns`");
    let number: ArrayRef = Arc::new(Float64Array::from_iter_values((0..60).map(|row| f64::from(row * 7 % 11) / 2.0)));
    let twice = json!([{"select": "months"}, {"derive": "again", "as": "months * 2"}, {"rfe": {"n_features": 1, "model": {"alpha": 0}}}]);
    insta::assert_snapshot!(refused(twice, Arc::clone(&number)), @"`rfe`: feature columns depend on each other, so that there is no unique solution without a penalty; give `model: {alpha: ...}` above 0, or take `drop_correlated` before");
    let value = json!([{"information_value": 0.1, "columns": "months"}]);
    insta::assert_snapshot!(refused(value, number), @"`information_value` needs a target with two classes; take `k_best` or `from_model`");
    let three: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..60).map(|row| ["a", "b", "c"][row * row % 7 % 3])));
    let tree = json!([{"tree_bins": 2, "columns": "months"}]);
    insta::assert_snapshot!(refused(tree, three), @"`tree_bins` has no single prediction for a target with 3 classes; take `bin_output: bin_number`");
}

#[test]
fn drift_is_looked_for_between_the_dates_before_and_after_one() {
    // Every 17 days from 2022-01-08 on.
    let since: ArrayRef = Arc::new(Date32Array::from_iter_values((0..60).map(|row| 19_000 + row * 17)));
    let amount: ArrayRef = Arc::new(Float64Array::from_iter_values((0..60).map(|row| f64::from(row * row % 37))));
    let table = RecordBatch::try_from_iter([("amount", amount), ("since", since), ("y", classes())]).unwrap();
    let fitted = |cut_off: Value| {
        let judge = json!({"drop_high_psi": {"threshold": 5, "bins": 4, "split_col": "since", "cut_off": cut_off}});
        fit(&spec(json!([judge, {"date_parts": ["year"]}])), &table, &FitOptions { seed: 7, ..FitOptions::default() })
    };
    let score = |cut_off: Value| fitted(cut_off).unwrap().choices()[0].score;
    assert_eq!(fitted(json!("2023-05-16")).unwrap().choices().len(), 1);
    // The thirtieth row is of 2023-05-16: half of the rows, which is what counts if nothing is said.
    assert_eq!(score(json!("2023-05-16")), score(Value::Null));
    assert_ne!(score(json!("2023-05-15")), score(Value::Null));
    let only_that_day = fitted(json!(["2023-05-16"])).unwrap_err();
    insta::assert_snapshot!(only_that_day, @"`drop_high_psi` would compare 1 rows with 59 rows, and needs at least 4 on each side");
}

#[test]
fn a_transform_that_is_off_is_not_done() {
    let chain = |is_on: bool| json!([{"select": ["months"]}, {"log1p": {}, "when": is_on}]);
    let through = |is_on: bool| fitted(chain(is_on), classes()).unwrap().features()[0].transform.clone();
    assert_eq!((through(true), through(false)), ("log1p".to_owned(), "identity".to_owned()));
}

#[test]
fn noise_is_on_rows_of_the_fit_table_only_and_the_same_in_batches_of_any_size() {
    let table = customers(classes());
    let options = FitOptions { seed: 7, ..FitOptions::default() };
    for key in ["leave_one_out", "catboost"] {
        let learnt = |sigma: f64| {
            let pipeline = fit(&spec(json!([{"select": "town"}, {key: {"sigma": sigma}}])), &table, &options).unwrap();
            let batches = (0..60).step_by(7).flat_map(|first| {
                let batch = table.slice(first, 7.min(60 - first));
                feature(&pipeline.transform_learnt(&batch, first as u64).unwrap(), 0)
            });
            let batches: Vec<Option<f64>> = batches.collect();
            let together = feature(&pipeline.transform_learnt(&table, 0).unwrap(), 0);
            assert_eq!(batches, together, "{key}");
            (together, feature(&pipeline.transform(&table).unwrap(), 0))
        };
        let ((plain, fresh), (noisy, fresh_too)) = (learnt(0.0), learnt(0.2));
        assert_eq!(fresh, fresh_too, "{key}");
        let factors: Vec<f64> = plain
            .iter()
            .zip(&noisy)
            .filter_map(|(plain, noisy)| Some(noisy.as_ref()? / plain.filter(|plain| *plain > 0.0)?))
            .collect();
        let mean = factors.iter().sum::<f64>() / factors.len() as f64;
        let variance = factors.iter().map(|factor| (factor - mean).powi(2)).sum::<f64>() / factors.len() as f64;
        assert!((mean - 1.0).abs() < 0.1 && (0.12..0.28).contains(&variance.sqrt()), "{key}: {mean} {variance}");
    }
}

#[test]
fn each_column_has_noise_of_its_own() {
    let town = |name: &'static str| (name, Arc::clone(customers(classes()).column_by_name("town").unwrap()));
    let table = RecordBatch::try_from_iter_with_nullable(
        [town("town"), town("again"), ("y", classes())].map(|(name, array)| (name, array, true)),
    )
    .unwrap();
    for key in ["leave_one_out", "catboost"] {
        let noisy = json!([{key: {"sigma": 0.2}, "columns": ["town", "again"]}]);
        let pipeline = fit(&spec(noisy), &table, &FitOptions { seed: 7, ..FitOptions::default() }).unwrap();
        let learnt = pipeline.transform_learnt(&table, 0).unwrap();
        assert_ne!(feature(&learnt, 0), feature(&learnt, 1), "{key}");
        let fresh = pipeline.transform(&table).unwrap();
        assert_eq!(feature(&fresh, 0), feature(&fresh, 1), "{key}");
    }
}

#[test]
fn drift_of_a_column_with_many_categories_is_found_in_one_pass() {
    // A pass for each of the categories would take minutes.
    let rows = 50_000;
    let code: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("code {row}"))));
    let target: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|row| ["No", "Yes"][row % 2])));
    let table = RecordBatch::try_from_iter([("code", code), ("y", target)]).unwrap();
    let judge = json!([{"drop_high_psi": {"threshold": 100}, "columns": "code"}, {"count": {}}]);
    let pipeline = fit(&spec(judge), &table, &FitOptions { seed: 7, ..FitOptions::default() }).unwrap();
    assert!(pipeline.choices()[0].score.unwrap() > 1.0);
}

#[test]
fn texts_with_their_dictionary_give_what_plain_ones_give() {
    let table = customers(classes());
    let folder = tempfile::tempdir().unwrap();
    let mut writer = TableWriter::create(&folder.path().join("t"), &table.schema()).unwrap();
    writer.write(&table).unwrap();
    writer.close().unwrap();
    let reader = TableReader::open(&folder.path().join("t")).unwrap();
    let columns: Vec<&str> = reader.columns().collect();
    let end = [json!({"date_parts": ["year"]}), json!({"one_hot": {}})];
    let mut chains: Vec<Vec<Value>> = catalogue().iter().map(|listed| vec![example(listed)]).collect();
    let both = json!(["plan", "town"]);
    chains.push(vec![
        json!({"impute": {"strategy": "most_frequent", "add_indicator": true}, "columns": both}),
        json!({"rare_label": {"tol": 0.2, "n_categories": 1}, "columns": "town"}),
        json!({"catboost": {}, "columns": "town"}),
    ]);
    chains.push(vec![json!({"missing_indicator": {}, "columns": both}), json!({"leave_one_out": {}, "columns": both})]);
    chains.push(vec![json!({"impute": "missing_label", "columns": both}), json!({"ordinal": {}, "columns": both})]);
    let mut encoded = 0;
    for chain in chains {
        let transforms = json!(chain.iter().chain(&end).collect::<Vec<_>>());
        let options = FitOptions { seed: 7, ..FitOptions::default() };
        let fitted = [&table as &dyn FitSource, &reader].map(|source| fit(&spec(transforms.clone()), source, &options));
        let [plain, other] = fitted.map(Result::unwrap);
        assert_eq!(plain, other, "{transforms}");
        let mut batches = reader.select_encoded(&columns, &|name| other.takes_encoded(name)).unwrap();
        let batch = batches.next().unwrap().unwrap();
        let texts = ["plan", "town"].map(|name| batch.column_by_name(name).unwrap().data_type().clone());
        encoded += texts.iter().filter(|data_type| **data_type != DataType::Utf8).count();
        assert_eq!(plain.transform(&table).unwrap(), other.transform(&batch).unwrap(), "{transforms}");
        let learnt = (plain.transform_learnt(&table, 0).unwrap(), other.transform_learnt(&batch, 0).unwrap());
        assert_eq!(learnt.0, learnt.1, "{transforms}");
    }
    assert!(encoded > 40, "{encoded}");
}
