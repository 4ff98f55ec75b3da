//! What pipelines promise about tables with extreme values, missing types and names that meet.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Date32Array, Float64Array, Int64Array, NullArray, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::tests::{customers, example, feature, spec};
use super::{FitOptions, FittedPipeline, TransformError, catalogue, fit};

/// A table of these columns and a target of two classes.
fn table(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    let rows = columns[0].1.len();
    let target: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|row| ["No", "Yes"][row % 2])));
    let columns = columns.iter().cloned().chain([("y", target)]);
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

fn floats<Number: Into<Option<f64>>>(values: impl IntoIterator<Item = Number>) -> ArrayRef {
    Arc::new(values.into_iter().map(Into::into).collect::<Float64Array>())
}

fn texts<const N: usize>(values: [Option<&str>; N]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn fitted(transforms: Value, table: &RecordBatch) -> Result<FittedPipeline, TransformError> {
    fit(&spec(transforms), table, &FitOptions { seed: 7, ..FitOptions::default() })
}

fn refused(transforms: Value, table: &RecordBatch) -> String {
    fitted(transforms, table).unwrap_err().to_string()
}

/// The features of the table by a pipeline and by what was saved and read of it.
fn transformed(pipeline: &FittedPipeline, table: &RecordBatch) -> RecordBatch {
    let folder = tempfile::tempdir().unwrap();
    pipeline.save(folder.path()).unwrap();
    let served = FittedPipeline::load(folder.path(), None).unwrap();
    let here = pipeline.transform(table).unwrap();
    assert_eq!(served.transform(table).unwrap(), here);
    here
}

fn names(batch: &RecordBatch) -> Vec<String> {
    batch.schema().fields().iter().map(|field| field.name().clone()).collect()
}

#[test]
fn two_transforms_that_make_columns_of_one_name_are_refused() {
    let numbers = |shift: i32| floats((0..8).map(|row| f64::from((row * 5 + shift) % 7)));
    let four = table(&[("a", numbers(0)), ("b", numbers(1)), ("c", numbers(3)), ("d", numbers(4))]);
    for key in ["pca", "truncated_svd"] {
        let twice = json!([{key: 1, "columns": ["a", "b"]}, {key: 1, "columns": ["c", "d"]}]);
        let name = if key == "pca" { "pca0" } else { "svd0" };
        assert_eq!(refused(twice, &four), format!("`{key}` would make a second column `{name}`"));
    }
    let towns = texts([Some("x"), Some("y"), Some("x"), None, Some("y"), Some("y")]);
    let classes = texts([Some("A"), Some("B"), Some("C"), Some("A"), Some("B"), Some("C")]);
    let columns = [("town_A", floats([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])), ("town", towns), ("y", classes)];
    let three = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap();
    for key in ["target", "catboost"] {
        let transforms = json!([{key: {}, "columns": "town"}]);
        assert_eq!(refused(transforms, &three), format!("`{key}` would make a second column `town_A`"));
    }
    let others = json!([{"pca": {"n_components": 1}, "columns": ["a", "b"]}, {"pca": {"n_components": 1, "prefix": "other"}, "columns": ["c", "d"]}]);
    assert_eq!(names(&transformed(&fitted(others, &four).unwrap(), &four)), ["pca0", "other0"]);
}

#[test]
fn what_lies_under_a_missing_value_is_not_looked_at() {
    let amounts = table(&[("amount", floats([Some(2.0), None, Some(3.0), Some(9.0), Some(40.0)]))]);
    let transforms = json!([{"log": {}}, {"sqrt": {}}, {"quantile": {"output": "normal", "n_quantiles": 3}}]);
    let found = transformed(&fitted(transforms, &amounts).unwrap(), &amounts);
    assert_eq!(feature(&found, 0).iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true, true, true]);
}

#[test]
fn infinite_values_are_no_categories() {
    let ratios = table(&[
        ("ratio", floats([Some(0.5), Some(f64::INFINITY), None, Some(0.5)])),
        ("n", floats([1.0, 2.0, 3.0, 4.0])),
    ]);
    for transform in [
        json!({"ordinal": {}}),
        json!({"one_hot": {}}),
        json!({"count": {}}),
        json!({"binary": {}}),
        json!({"target": {}}),
        json!({"catboost": {}}),
        json!({"impute": "most_frequent"}),
        json!({"impute_random_sample": ["n"]}),
    ] {
        let mut transform = transform.as_object().unwrap().clone();
        let key = transform.keys().next().unwrap().clone();
        transform.insert("columns".to_owned(), json!("ratio"));
        let expected = format!("column `ratio` has infinite values in the fit table, which `{key}` cannot learn from");
        assert_eq!(refused(json!([transform]), &ratios), expected);
    }
    let target = RecordBatch::try_from_iter([("a", floats([1.0, 2.0])), ("y", floats([0.0, f64::INFINITY]))]).unwrap();
    insta::assert_snapshot!(refused(json!([]), &target), @"the target `y` has infinite values in the fit table");
}

#[test]
fn values_too_large_to_learn_from_are_refused() {
    let huge = |size: f64| table(&[("a", floats([size, -size, 1.0, 0.0])), ("b", floats([1.0, size, -size, 3.0]))]);
    insta::assert_snapshot!(refused(json!([{"standardize": {}, "columns": "a"}]), &huge(1e160)), @"the values of column `a` are too large for `standardize`: what it learns from them is not finite");
    insta::assert_snapshot!(refused(json!([{"bin": {"strategy": "uniform"}, "columns": "a"}]), &huge(1.7e308)), @"the values of column `a` are too large for `bin`: what it learns from them is not finite");
    insta::assert_snapshot!(refused(json!([{"min_max": {}, "columns": "a"}]), &huge(1.7e308)), @"the values of column `a` are too large for `min_max`: what it learns from them is not finite");
    // What needs no square of them takes them.
    let bounded = fitted(json!([{"min_max": {}}]), &huge(1e160)).unwrap();
    assert_eq!(feature(&transformed(&bounded, &huge(1e160)), 0), [Some(1.0), Some(0.0), Some(0.5), Some(0.5)]);
}

#[test]
fn a_column_without_a_type_is_a_column_without_a_value() {
    let numbers = table(&[("a", floats([1.0, 2.0, 4.0])), ("b", floats([1.0, 2.0, 4.0]))]);
    let pipeline = fitted(json!([{"impute": "median", "columns": "a"}]), &numbers).unwrap();
    let untyped = table(&[("a", Arc::new(NullArray::new(2))), ("b", Arc::new(NullArray::new(2)))]);
    let found = pipeline.transform(&untyped).unwrap();
    assert_eq!(feature(&found, 0), [Some(2.0), Some(2.0)]);
    assert_eq!(feature(&found, 1), [None, None]);
    let fit = table(&[("a", Arc::new(NullArray::new(3))), ("b", floats([1.0, 2.0, 4.0]))]);
    let pipeline = fitted(json!([{"one_hot": {}, "columns": "a"}]), &fit).unwrap();
    assert!(pipeline.raw_columns()[0].nullable);
}

#[test]
fn days_beyond_the_calendar_have_no_parts() {
    let days: ArrayRef = Arc::new(Date32Array::from(vec![0, i32::MAX, i32::MIN, 19_782]));
    let days = table(&[("day", days)]);
    let pipeline = fitted(json!([{"date_parts": ["year"]}]), &days).unwrap();
    assert_eq!(feature(&transformed(&pipeline, &days), 0), [Some(1970.0), None, None, Some(2024.0)]);
}

#[test]
fn a_column_without_a_value_is_filled_or_refused() {
    let empty = table(&[("n", Arc::new(Int64Array::from(vec![None, None, None]))), ("b", floats([1.0, 2.0, 4.0]))]);
    let fill = |value: Value| {
        let params = json!({"strategy": "most_frequent", "keep_empty_features": true, "fill_value": value});
        fitted(json!([{"impute": params, "columns": "n"}]), &empty)
    };
    assert_eq!(feature(&transformed(&fill(json!(3)).unwrap(), &empty), 0), [Some(3.0); 3]);
    insta::assert_snapshot!(fill(json!(0.5)).unwrap_err(), @"`fill_value: 0.5` does not fit column `n`, which holds an integer and has no value in the fit table");
}

#[test]
fn a_missing_value_that_is_filled_before_the_last_transform_is_acceptable() {
    let whole = table(&[("amount", floats([1.0, 2.0, 3.0, 5.0])), ("n", floats([1.0, 2.0, 3.0, 5.0]))]);
    let takes_null = |transforms: Value| {
        let pipeline = fitted(transforms, &whole).unwrap();
        pipeline.raw_columns()[0].nullable
    };
    let indicator = json!({"missing_indicator": {"missing_only": false}, "columns": "amount"});
    let median = json!({"impute": "median", "columns": "amount"});
    assert!(takes_null(json!([indicator, median])));
    assert!(takes_null(json!([{"standardize": {}, "columns": "amount"}, median])));
    assert!(takes_null(json!([{"impute": {"strategy": "mean", "add_indicator": true}, "columns": "amount"}])));
    assert!(!takes_null(json!([indicator])));
    assert!(!takes_null(json!([{"derive": "twice", "as": "amount * 2.0"}, median])));
    assert!(takes_null(
        json!([{"derive": "twice", "as": "amount * 2.0"}, median, {"impute": "mean", "columns": "twice"}])
    ));
    assert!(!takes_null(json!([{"one_hot": {}, "columns": "amount"}])));
}

#[test]
fn one_hot_columns_have_names_of_their_own() {
    let towns = [Some("null"), None, Some("infrequent"), Some("infrequent"), Some("a"), Some("b")];
    let towns = table(&[("town", texts(towns)), ("n", floats([1.0; 6]))]);
    let columns = |params: Value| {
        let pipeline = fitted(json!([{"one_hot": params, "columns": "town"}]), &towns).unwrap();
        names(&transformed(&pipeline, &towns))
    };
    assert_eq!(columns(json!({})), ["town_a", "town_b", "town_infrequent", "town_null", "town__null", "n"]);
    assert_eq!(columns(json!({"min_frequency": 2})), ["town_infrequent", "town__infrequent", "n"]);
    // The only column may be the one that is left out.
    assert_eq!(columns(json!({"max_categories": 1, "drop": "first"})), ["n"]);
}

#[test]
fn rows_without_a_target_are_not_counted() {
    let target: StringArray = (0..10).map(|row| (row % 5 != 0).then(|| ["No", "Yes"][row % 2])).collect();
    let columns: [(&str, ArrayRef); 2] = [("a", floats((0..10).map(f64::from))), ("y", Arc::new(target))];
    let table = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap();
    let spec = super::PipelineSpec { drop_null_target: true, ..spec(json!([])) };
    assert_eq!(fit(&spec, &table, &FitOptions::default()).unwrap().rows, 8);
}

/// So many rows, each with a text of its own.
fn texts_of_their_own(rows: usize) -> RecordBatch {
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("text {row}"))));
    table(&[("text", texts)])
}

#[test]
fn wide_features_are_made_of_a_few_rows_at_a_time() {
    let table = texts_of_their_own(3000);
    let wide = json!([{"hashing_vectorizer": 4096, "columns": "text"}, {"max_abs": {}, "columns": ["text_7"]}]);
    let pipeline = fitted(wide, &table).unwrap();
    let most = pipeline.rows_at_once().unwrap();
    assert!((2000..2100).contains(&most), "{most}");
    let together = pipeline.transform(&table).unwrap();
    let parts: Vec<RecordBatch> =
        super::pieces(&table, Some(most)).map(|part| pipeline.transform(&part).unwrap()).collect();
    assert_eq!(arrow::compute::concat_batches(&together.schema(), &parts).unwrap(), together);
    assert_eq!(fitted(json!([{"hash": 8, "columns": "text"}]), &table).unwrap().rows_at_once(), None);
}

#[test]
fn what_keeps_every_different_value_is_refused_where_memory_is_short() {
    let table = texts_of_their_own(500);
    let within = |transform: &Value, memory_bytes: u64| {
        let options = FitOptions { seed: 7, memory_bytes: Some(memory_bytes), ..FitOptions::default() };
        fit(&spec(json!([transform])), &table, &options).map(|_| ())
    };
    for (key, params) in [
        ("target", json!({})),
        ("woe", json!({"cv": 3})),
        ("catboost", json!({})),
        ("tfidf", json!({"max_features": 2})),
    ] {
        let transform = json!({key: params, "columns": "text"});
        within(&transform, 1 << 20).unwrap();
        let error = within(&transform, 20_000).unwrap_err();
        assert!(error.to_string().starts_with(&format!("`{key}` keeps ")), "{error}");
        assert!(error.remedy().unwrap().starts_with("raise `resources.memory` of the step"));
    }
    insta::assert_snapshot!(within(&json!({"target": {}, "columns": "text"}), 20_000).unwrap_err(), @"`target` keeps 168.0 KiB of the 500 different values of column `text` that it has seen so far, and the step may use 19.5 KiB");
}

/// [`customers`] with other amounts, as often as it takes.
fn with_amounts(amounts: &[Option<f64>]) -> RecordBatch {
    let table = customers(super::tests::classes());
    let amounts = floats((0..table.num_rows()).map(|row| amounts[row % amounts.len()]));
    let schema = table.schema();
    let columns = schema.fields().iter().zip(table.columns()).map(|(field, array)| {
        let array = if field.name() == "amount" { Arc::clone(&amounts) } else { Arc::clone(array) };
        (field.name().clone(), array, true)
    });
    RecordBatch::try_from_iter_with_nullable(columns.collect::<Vec<_>>()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_any_numbers_teach_reads_back_as_it_was_or_is_refused(
        amounts in prop::collection::vec(
            prop_oneof![
                4 => prop::num::f64::NORMAL.prop_map(Some),
                4 => (-100.0..100.0).prop_map(Some),
                1 => prop::sample::select(vec![None, Some(f64::INFINITY), Some(0.0), Some(1e160), Some(-1.7e308)]),
            ],
            1..20,
        ),
        place in 0..catalogue().len(),
    ) {
        let listed = &catalogue()[place];
        let table = with_amounts(&amounts);
        let transforms = json!([example(listed), {"date_parts": ["year"]}, {"one_hot": {}, "columns": "@categorical"}]);
        if let Ok(pipeline) = fitted(transforms, &table)
            && let Ok(here) = pipeline.transform(&table)
        {
            let folder = tempfile::tempdir().unwrap();
            pipeline.save(folder.path()).unwrap();
            let served = FittedPipeline::load(folder.path(), None);
            prop_assert!(served.is_ok(), "{}: {:?}", listed.key, served.err());
            prop_assert_eq!(served.unwrap().transform(&table).unwrap(), here, "{}", listed.key);
        }
    }
}

#[test]
fn dictionaries_of_nothing_but_nulls_have_their_nulls_counted() {
    let untyped: ArrayRef = Arc::new(NullArray::new(2));
    let found = super::canonical("a", &untyped, super::ColumnType::Text).unwrap();
    assert_eq!((found.data_type(), found.null_count()), (&DataType::Utf8, 2));
}
