//! The promise that training and serving cannot differ: a row transforms alone as it does among others, and as JSON as
//! it does from Parquet.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type};
use chrono::{Days, NaiveDate};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::RequestColumns;
use super::request::read;
use crate::ml::transform::{FitOptions, FittedPipeline, PipelineSpec, catalogue, fit};

const TEXTS: [&str; 8] = ["basic", "plus", "", " ", "Ünlimited 🚀", "never seen", "null", "a,b"];

/// One raw row; nulls anywhere.
#[derive(Debug, Clone)]
struct Row {
    amount: Option<f64>,
    months: Option<i64>,
    plan: Option<&'static str>,
    town: Option<&'static str>,
    is_new: Option<bool>,
    since: Option<i32>,
}

impl Row {
    fn is_json(&self) -> bool {
        self.amount.is_none_or(f64::is_finite)
    }

    fn json(&self) -> Value {
        let day = |days: i32| {
            let first = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
            first.checked_add_days(Days::new(u64::try_from(days).unwrap())).unwrap().to_string()
        };
        let mut row = Map::new();
        row.insert("amount".to_owned(), json!(self.amount));
        row.insert("months".to_owned(), json!(self.months));
        row.insert("plan".to_owned(), json!(self.plan));
        row.insert("town".to_owned(), json!(self.town));
        row.insert("is_new".to_owned(), json!(self.is_new));
        row.insert("since".to_owned(), json!(self.since.map(day)));
        Value::Object(row)
    }
}

fn table(rows: &[Row]) -> RecordBatch {
    let columns: [(&str, ArrayRef); 6] = [
        ("amount", Arc::new(rows.iter().map(|row| row.amount).collect::<Float64Array>())),
        ("months", Arc::new(rows.iter().map(|row| row.months).collect::<Int64Array>())),
        ("plan", Arc::new(rows.iter().map(|row| row.plan).collect::<StringArray>())),
        ("town", Arc::new(rows.iter().map(|row| row.town).collect::<StringArray>())),
        ("is_new", Arc::new(rows.iter().map(|row| row.is_new).collect::<BooleanArray>())),
        ("since", Arc::new(rows.iter().map(|row| row.since).collect::<Date32Array>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

/// The pipelines as they were fitted, and as they were saved and loaded.
static PIPELINES: LazyLock<Vec<(FittedPipeline, FittedPipeline)>> = LazyLock::new(|| {
    let saved = |fitted: FittedPipeline| {
        let folder = tempfile::tempdir().unwrap();
        fitted.save(folder.path()).unwrap();
        let served = FittedPipeline::load(folder.path(), None).unwrap();
        (fitted, served)
    };
    chains().into_iter().map(|transforms| saved(pipeline(transforms))).collect()
});

/// Every transform at work, by chains of them.
#[expect(clippy::too_many_lines, reason = "one line for each transform")]
fn chains() -> Vec<Value> {
    vec![
        json!([
            {"date_parts": ["year", "month", "week", "day_of_week", "weekend", "month_end"]},
            {"derive": "per_month", "as": "amount / (months + 1)"},
            {"derive": "plan_town", "as": "coalesce(plan, 'none') + '/' + coalesce(town, 'none')"},
            {"derive": "amount_again", "as": "amount * 1.0"},
            {"impute": {"strategy": "median", "add_indicator": true}, "columns": ["amount", "months"]},
            {"impute": "most_frequent", "columns": "is_new"},
            {"impute": {"strategy": "constant", "fill_value": "?"}, "columns": "town"},
            {"winsorize": "quantiles", "columns": "amount"},
            {"log1p": {}, "columns": "amount"},
            {"min_max": {"clip": true}, "columns": "months"},
            {"bin": {"n_bins": 4}, "columns": "amount_again"},
            {"bin": {"n_bins": 3, "strategy": "uniform", "encode": "ordinal"}, "columns": "since_week"},
            {"hash": 6, "columns": "plan_town"},
            {"target": {}, "columns": "town"},
            {"ordinal": {}, "columns": "is_new"},
            {"one_hot": {"max_categories": 4}},
            {"standardize": {}, "columns": "@numeric"}
        ]),
        json!([
            {"select": ["amount", "months"]},
            {"derive": "a", "as": "amount * 1.0"},
            {"derive": "b", "as": "amount * 2.0"},
            {"derive": "c", "as": "amount * 3.0"},
            {"derive": "d", "as": "months * 1.0"},
            {"derive": "e", "as": "abs(months) + 1.0"},
            {"derive": "f", "as": "abs(months) + 2.0"},
            {"normalizer": "l2", "columns": ["c", "d"]},
            {"max_abs": {"clip": true}, "columns": "a"},
            {"robust": {}, "columns": "b"},
            {"power": {}, "columns": "amount"},
            {"quantile": {"output": "normal", "n_quantiles": 9}, "columns": "months"},
            {"mean_norm": {}, "columns": "d"},
            {"log": {}, "columns": "e"},
            {"sqrt": {}, "columns": "f"},
            {"derive": "g", "as": "f + 1.0"},
            {"reciprocal": {}, "columns": "g"},
            {"arcsinh": {}, "columns": "g"},
            {"drop": "e"}
        ]),
        json!([
            {"select": ["plan", "town", "is_new", "amount", "months"]},
            {"derive": "a", "as": "town"},
            {"derive": "b", "as": "plan"},
            {"derive": "c", "as": "town"},
            {"derive": "d", "as": "plan"},
            {"derive": "e", "as": "town"},
            {"derive": "f", "as": "plan"},
            {"rare_label": {"tol": 0.15, "n_categories": 2}, "columns": "a"},
            {"count": {}, "columns": "a"},
            {"count": {"handle_unknown": "missing"}, "columns": "b"},
            {"m_estimate": 2, "columns": "c"},
            {"woe": {}, "columns": "d"},
            {"leave_one_out": {}, "columns": "e"},
            {"catboost": {}, "columns": "f"},
            {"target": {"formula": "sigmoid"}, "columns": "is_new"},
            {"binary": {}, "columns": "town"},
            {"ordinal": {"min_frequency": 0.2}, "columns": "plan"},
            {"bin": {"strategy": "kmeans", "n_bins": 3}, "columns": "amount"},
            {"derive": "again", "as": "months * 1.0"},
            {"derive": "once_more", "as": "months * 1.0"},
            {"tree_bins": {}, "columns": "again"},
            {"geometric_width": 5, "columns": "once_more"},
            {"bin": {"strategy": "edges", "edges": [2, 9]}, "columns": "months"}
        ]),
        json!([
            {"date_parts": ["month", "day_of_month"]},
            {"derive": "a", "as": "amount * 1.0"},
            {"derive": "b", "as": "months * 1.0"},
            {"derive": "c", "as": "amount * 1.0"},
            {"missing_indicator": {}},
            {"impute": {"strategy": "end_tail", "add_indicator": false}, "columns": "c"},
            {"impute": "missing_label", "columns": "town"},
            {"impute_random_sample": ["town", "a"], "columns": ["plan", "is_new"]},
            {"winsorize": "mad", "columns": "amount"},
            {"impute_knn": {"n_neighbors": 3, "weights": "distance"}, "columns": ["amount", "months"]},
            {"impute_iterative": {}, "columns": ["a", "b", "since_*"], "except": "@encoded"},
            {"one_hot": {}}
        ]),
        json!([
            {"select": ["plan", "town", "amount", "months"]},
            {"derive": "words", "as": "coalesce(plan, '') + ' ' + coalesce(town, '')"},
            {"derive": "words_2", "as": "words + ' plus'"},
            {"derive": "words_3", "as": "words + '!'"},
            {"count_vectorizer": {"analyzer": "char", "ngram_range": [1, 2], "max_features": 9}, "columns": "words"},
            {"tfidf": {"max_features": 5}, "columns": "words_2"},
            {"hashing_vectorizer": 6, "columns": "words_3"},
            {"text_stats": {}, "columns": "plan"},
            {"sentence_embedding": "tests/fixtures/oracle/sentences/bert", "columns": "town"},
            {"impute": {"strategy": "median"}, "columns": ["amount", "months"]},
            {"polynomial": 3, "columns": ["amount", "months"]},
            {"relative": {"reference": ["months"], "func": ["div", "mod", "pow"]}, "columns": "amount"},
            {"cyclical": {}, "columns": "months"},
            {"derive": "curved", "as": "months * 1.0"},
            {"spline": {"extrapolation": "linear", "knots": "quantile"}, "columns": "curved"},
            {"derive": "part", "as": "amount - months"},
            {"derive": "other_part", "as": "amount * 0.5"},
            {"pca": {"n_components": 2, "whiten": true}, "columns": ["part", "other_part"]},
            {"truncated_svd": 1, "columns": ["amount^2", "amount months"]},
            {"variance_threshold": 0.0, "columns": ["svd0", "pca0", "pca1"]},
            {"k_best": {"k": 2}, "columns": ["svd0", "pca0", "pca1"]},
            {"drop_correlated": 0.99, "columns": "words_*"},
            {"drop_high_psi": {"threshold": 2.0, "bins": 4, "split_col": "months"}, "columns": ["curved_*"]},
            {"information_value": {"threshold": 0.001, "fill_value": 0.001}, "columns": ["curved_*"]},
            {"from_model": "median", "columns": ["curved_*", "months_*"]},
            {"rfe": {"n_features": 3}, "columns": ["curved_*", "months_*"]},
            {"random_projection": {"n_components": 3}, "columns": ["amount_div_months", "amount_mod_months"]}
        ]),
    ]
}

/// A chain that is fitted on sixty rows with a hole in every column.
fn pipeline(transforms: Value) -> FittedPipeline {
    let rows: Vec<Row> = (0..60_i32)
        .map(|row| {
            let present = |modulus: i32| row % modulus != 0;
            let text = |step: i32| TEXTS[usize::try_from(row / step % 5).unwrap()];
            Row {
                amount: present(7).then(|| f64::from(row * row % 37) / 3.0),
                months: present(11).then(|| i64::from(row % 24)),
                plan: present(13).then(|| text(1)),
                town: present(9).then(|| text(3)),
                is_new: present(8).then_some(row % 3 == 0),
                since: present(10).then_some(19_000 + row * 17),
            }
        })
        .collect();
    let table = table(&rows);
    let target: ArrayRef = Arc::new(StringArray::from_iter_values(
        rows.iter().enumerate().map(|(row, _)| if row % 4 == 0 || row % 7 == 0 { "Yes" } else { "No" }),
    ));
    let columns = table.schema_ref().fields().iter().map(|field| field.name().clone()).zip(table.columns().to_vec());
    let table = RecordBatch::try_from_iter(columns.chain([("y".to_owned(), target)])).unwrap();
    let spec = PipelineSpec {
        target: serde_json::from_value(json!({"column": "y"})).unwrap(),
        drop: None,
        weight: None,
        drop_null_target: false,
        transforms: serde_json::from_value(transforms).unwrap(),
    };
    fit(&spec, &table, &FitOptions { seed: 7, ..FitOptions::default() }).unwrap()
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let amount = prop_oneof![
        6 => (-100.0..1000.0).prop_map(Some),
        1 => Just(None),
        1 => Just(Some(f64::INFINITY)),
        1 => Just(Some(f64::NEG_INFINITY)),
        1 => Just(Some(f64::NAN)),
        1 => prop::num::f64::NORMAL.prop_map(Some),
    ];
    let text = || prop::option::weighted(0.85, prop::sample::select(TEXTS.to_vec()));
    let row = (
        amount,
        prop::option::weighted(0.8, -1_000_000_i64..1_000_000),
        text(),
        text(),
        prop::option::weighted(0.8, any::<bool>()),
        prop::option::weighted(0.8, 0..40_000_i32),
    );
    let row =
        row.prop_map(|(amount, months, plan, town, is_new, since)| Row { amount, months, plan, town, is_new, since });
    prop::collection::vec(row, 1..12)
}

/// The cells of a row, exactly: floats by their bits, nulls apart.
fn cells(batch: &RecordBatch, row: usize) -> Vec<Option<u64>> {
    let cell = |array: &ArrayRef| -> Option<u64> {
        if array.is_null(row) {
            return None;
        }
        match array.as_primitive_opt::<Float64Type>() {
            Some(floats) => Some(floats.value(row).to_bits()),
            None => Some(array.as_primitive::<Int64Type>().value(row).cast_unsigned()),
        }
    };
    batch.columns().iter().map(cell).collect()
}

proptest! {
    #[test]
    fn a_row_transforms_alone_and_as_json_as_it_does_in_a_table(rows in rows()) {
        for (fitted, served) in PIPELINES.iter() {
            let table = table(&rows);
            let together = fitted.transform(&table).unwrap();
            let columns = RequestColumns::new(served.input_schema(), served.ignored_columns().into_iter().collect());
            for (index, row) in rows.iter().enumerate() {
                let expected = cells(&together, index);
                let alone = served.transform(&table.slice(index, 1)).unwrap();
                prop_assert_eq!(&cells(&alone, 0), &expected, "alone: {:?}", row);
                if row.is_json() {
                    let body = serde_json::to_vec(&json!([row.json()])).unwrap();
                    let request = read(&body, &columns).unwrap();
                    let answered = served.transform(&request).unwrap();
                    prop_assert_eq!(&cells(&answered, 0), &expected, "as JSON: {:?}", row);
                }
            }
        }
    }
}

#[test]
fn every_transform_is_in_a_chain() {
    let chains = chains();
    let items: Vec<&Value> = chains.iter().filter_map(Value::as_array).flatten().collect();
    let missing = catalogue().into_iter().map(|listed| listed.key);
    let missing: Vec<&str> = missing.filter(|key| !items.iter().any(|item| item.get(key).is_some())).collect();
    assert!(missing.is_empty(), "not held to equal numbers in a table and in a request: {missing:?}");
}

#[test]
fn dates_in_a_request_are_those_of_the_table() {
    let row = Row { amount: None, months: None, plan: None, town: None, is_new: None, since: Some(19_782) };
    let columns = RequestColumns::new(PIPELINES[0].1.input_schema(), BTreeSet::new());
    let request = read(&serde_json::to_vec(&json!([row.json()])).unwrap(), &columns).unwrap();
    let since = request.column_by_name("since").unwrap().as_primitive::<Date32Type>();
    assert_eq!(since.value(0), 19_782);
}
