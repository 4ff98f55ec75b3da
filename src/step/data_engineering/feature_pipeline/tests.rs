//! The promises of the kind, on small tables.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Float64Type;
use serde_json::{Value, json};

use crate::ml::transform::FittedPipeline;
use crate::step::testing::{Ran, Workbench, batch, column, floats, ints, texts};
use crate::step::{Dependency, StepError, StepRegistry};
use crate::table::roles::{Role, Task};

fn customers() -> RecordBatch {
    batch(&[
        ("id", texts(["a", "b", "c", "d"])),
        ("contract", texts(["month", "year", "month", "two"])),
        ("tenure", ints([1, 3, 5, 7])),
        ("total", floats([Some(10.0), None, Some(30.0), Some(80.0)])),
        ("churn", texts(["Yes", "No", "Yes", "No"])),
    ])
}

fn params() -> Value {
    json!({
        "target": {"column": "churn", "positive": "Yes"},
        "drop": ["id"],
        "transforms": [
            {"impute": "median", "columns": ["total"]},
            {"derive": "per_month", "as": "total / (tenure + 1)"},
            {"one_hot": {"max_categories": 20}, "columns": "@categorical"},
            {"standardize": {}, "columns": "@numeric"}
        ]
    })
}

fn run(params: Value, fit: &RecordBatch, test: Option<&RecordBatch>) -> Result<Ran, StepError> {
    let bench = Workbench::new();
    let fit = bench.table(fit);
    let test = test.map(|test| bench.table(test));
    let mut inputs = vec![("fit", &fit)];
    inputs.extend(test.iter().map(|test| ("test", test)));
    bench.run("feature.pipeline", params, &inputs)
}

fn refusal(params: Value, fit: &RecordBatch, test: Option<&RecordBatch>) -> (String, String) {
    let error = run(params, fit, test).err().expect("the step refuses this");
    (error.to_string(), error.remedy().unwrap_or_default().to_owned())
}

fn numbers(batch: &RecordBatch, name: &str) -> Vec<Option<f64>> {
    column(batch, name).as_primitive::<Float64Type>().iter().collect()
}

#[test]
fn features_target_and_raw_columns_come_out_with_their_roles() {
    let ran = run(params(), &customers(), Some(&customers())).unwrap();
    let fit = ran.table("fit");
    let names: Vec<&str> = fit.schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(
        names,
        [
            "contract_month",
            "contract_two",
            "contract_year",
            "tenure",
            "total",
            "per_month",
            "churn",
            "raw.contract",
            "raw.tenure",
            "raw.total",
        ]
    );
    assert_eq!(Task::of(fit.schema_ref()), Some(Task::Binary { classes: ["No".to_owned(), "Yes".to_owned()] }));
    assert_eq!(Role::of(fit.schema_ref().field(0)), Some(Role::Feature));
    assert_eq!(Role::of(fit.schema_ref().field(6)), Some(Role::Target));
    assert_eq!(Role::of(fit.schema_ref().field(7)), Some(Role::Raw));
    assert_eq!(numbers(&fit, "contract_month"), [Some(1.0), Some(0.0), Some(1.0), Some(0.0)]);
    // Median 30, mean 37.5, variance of 10, 30, 30, 80.
    let expected = (10.0 - 37.5) / 668.75_f64.sqrt();
    assert!((numbers(&fit, "total")[0].unwrap() - expected).abs() < 1e-12);
    assert_eq!(ran.table("test"), fit);
    assert!(!ran.has("valid"));
    assert_eq!(ran.metric("features"), Some(6.0));
    assert_eq!(ran.metric("positive_share"), Some(0.5));
}

#[test]
fn the_saved_pipeline_needs_only_the_columns_that_features_come_from() {
    let ran = run(params(), &customers(), None).unwrap();
    let pipeline = FittedPipeline::load(&ran.path("transform"), None).unwrap();
    let names: Vec<&String> = pipeline.needed_columns().map(|column| &column.name).collect();
    assert_eq!(names, ["contract", "tenure", "total"]);
    assert_eq!(pipeline.ignored_columns(), ["churn", "id"]);
    let nullable: Vec<bool> = pipeline.needed_columns().map(|column| column.nullable).collect();
    assert_eq!(nullable, [false, false, true]);
}

#[test]
fn every_feature_says_which_columns_it_comes_from() {
    let ran = run(params(), &customers(), None).unwrap();
    let edges: Vec<(String, String, String)> = ran
        .outcome
        .columns
        .iter()
        .filter(|edge| edge.column == "per_month" || edge.column == "contract_two")
        .map(|edge| (edge.column.clone(), edge.from_column.clone(), edge.transform.clone()))
        .collect();
    let edge = |column: &str, from: &str, transform: &str| (column.to_owned(), from.to_owned(), transform.to_owned());
    assert_eq!(
        edges,
        [
            edge("contract_two", "contract", "one_hot"),
            edge("per_month", "tenure", "impute+derive+standardize"),
            edge("per_month", "total", "impute+derive+standardize"),
        ]
    );
}

#[test]
fn an_unseen_category_is_all_zeros_unless_it_is_to_be_refused() {
    let mut test = customers().columns().to_vec();
    test[1] = texts(["decade", "year", "month", "two"]);
    let test = RecordBatch::try_new(customers().schema(), test).unwrap();
    let ran = run(params(), &customers(), Some(&test)).unwrap();
    assert_eq!(numbers(&ran.table("test"), "contract_month")[0], Some(0.0));
    let mut strict = params();
    strict["transforms"][2]["one_hot"] = json!({"handle_unknown": "error"});
    let (message, remedy) = refusal(strict, &customers(), Some(&test));
    insta::assert_snapshot!(message, @"column `contract` has the value `decade` in row 0, which the fit table does not have (in `test`)");
    insta::assert_snapshot!(remedy, @"set `handle_unknown: infrequent` or `ignore` in `one_hot`");
}

#[test]
fn text_that_is_left_over_is_named_with_its_remedy() {
    let mut params = params();
    params["drop"] = json!([]);
    params["transforms"][2]["columns"] = json!(["contract"]);
    let (message, remedy) = refusal(params, &customers(), None);
    insta::assert_snapshot!(message, @"after the last transform these columns are not numbers: `id` (text)");
    insta::assert_snapshot!(remedy, @"encode text with `one_hot`, `ordinal`, `target` or `hash`, dates with `date_parts`, or put them under `drop`");
}

#[test]
fn a_column_that_vanishes_is_named() {
    let (message, _) = refusal(params(), &customers(), Some(&customers().project(&[0, 2, 3, 4]).unwrap()));
    insta::assert_snapshot!(message, @"the table `test` has no column `contract`, which the fit table has");
    let mut misspelled = params();
    misspelled["transforms"][0]["columns"] = json!(["totl"]);
    let (message, remedy) = refusal(misspelled, &customers(), None);
    insta::assert_snapshot!(message, @"there is no column `totl`");
    insta::assert_snapshot!(remedy, @"did you mean `total`?");
}

#[test]
fn an_all_null_column_is_refused_with_its_remedy() {
    let mut columns = customers().columns().to_vec();
    columns[3] = floats([None, None, None, None]);
    let fit = RecordBatch::try_new(customers().schema(), columns).unwrap();
    let (message, remedy) = refusal(params(), &fit, None);
    insta::assert_snapshot!(message, @"column `total` has no value in the fit table, so `impute` has nothing to learn");
    insta::assert_snapshot!(remedy, @"put `total` under `drop`, or `impute` it with `strategy: constant` before");
}

#[test]
fn rows_without_a_target_are_refused_or_left_out() {
    let mut columns = customers().columns().to_vec();
    columns[4] = texts([Some("Yes"), Some("No"), None, Some("No")]);
    let fit = RecordBatch::try_new(customers().schema(), columns).unwrap();
    let (message, remedy) = refusal(params(), &fit, None);
    insta::assert_snapshot!(message, @"the target `churn` is null in 1 row");
    insta::assert_snapshot!(remedy, @"set `drop_null_target: true` to leave these rows out");
    let mut lenient = params();
    lenient["drop_null_target"] = json!(true);
    assert_eq!(run(lenient, &fit, None).unwrap().table("fit").num_rows(), 3);
}

#[test]
fn mistakes_in_params_are_all_reported() {
    let (message, _) = refusal(
        json!({"target": {"column": "churn"}, "drop": "@numbers", "transforms": [{"derive": "x", "as": "1 +"}, {"one_hot": {"max_categories": 0}}]}),
        &customers(),
        None,
    );
    assert!(
        message.contains("transforms.0") && message.contains("transforms.1") && message.contains("drop"),
        "{message}"
    );
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    let digests = || {
        let ran = run(params(), &customers(), None).unwrap();
        (ran.artifact("fit").digest, ran.artifact("transform").digest)
    };
    assert_eq!(digests(), digests());
}

#[test]
fn columns_that_transforms_leave_out_are_listed_with_their_reasons() {
    let mut chosen = params();
    chosen["transforms"].as_array_mut().unwrap().push(json!({"k_best": {"k": 1}, "columns": ["tenure", "total"]}));
    let ran = run(chosen, &customers(), None).unwrap();
    let selection = crate::step::testing::show(&ran.table("selection"));
    let lines: Vec<&str> = selection.lines().collect();
    assert_eq!(lines[0], "column:Utf8 transform:Utf8 kept:Boolean score:Float64 reason:Utf8");
    assert_eq!(lines.len(), 3, "{selection}");
    assert!(lines.iter().any(|line| line.ends_with("it is not among the 1 best")), "{selection}");
    assert_eq!(ran.metric("columns_dropped"), Some(1.0));
    assert!(!run(params(), &customers(), None).unwrap().has("selection"));
}

/// A table with a text column and the params that put `model` to work on it.
fn reviews(model: &str) -> (RecordBatch, Value) {
    let table = batch(&[
        ("review", texts([Some("the cat sat"), None, Some(""), Some("the cat sat")])),
        ("other", texts(["a", "b", "c", "a"])),
        ("churn", texts(["Yes", "No", "Yes", "No"])),
    ]);
    let params = json!({
        "target": {"column": "churn", "positive": "Yes"},
        "transforms": [
            {"sentence_embedding": {"model": model, "max_seq_length": 12}, "columns": ["review", "other"]},
            {"standardize": {}, "columns": "other_*"}
        ]
    });
    (table, params)
}

fn sentence_model(name: &str) -> String {
    format!("{}/tests/fixtures/oracle/sentences/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_sentence_model_travels_with_the_fitted_pipeline() {
    let (table, params) = reviews(&sentence_model("bert"));
    let ran = run(params, &table, None).unwrap();
    let fit = ran.table("fit");
    let review =
        |row: usize| (0..8).map(|place| numbers(&fit, &format!("review_{place}"))[row].unwrap()).collect::<Vec<_>>();
    assert_eq!(review(0), review(3));
    assert_ne!(review(0), review(2));
    assert_eq!(review(1), [0.0; 8]);
    assert!((review(2).iter().map(|value| value * value).sum::<f64>() - 1.0).abs() < 1e-6);
    let pipeline = FittedPipeline::load(&ran.path("transform"), None).unwrap();
    let again = pipeline.transform(&table).unwrap();
    for field in again.schema_ref().fields() {
        assert_eq!(again.column_by_name(field.name()), fit.column_by_name(field.name()), "{}", field.name());
    }
    let models: Vec<_> = std::fs::read_dir(ran.path("transform").join("models")).unwrap().collect();
    assert_eq!(models.len(), 1, "both columns share it");
}

#[test]
fn a_sentence_model_is_part_of_the_cache_key() {
    let (_, params) = reviews("models/mini");
    let step = StepRegistry::builtin().kind("feature.pipeline").unwrap().build(params).unwrap();
    assert_eq!(step.dependencies(), [Dependency::Files("models/mini".to_owned())]);
}

#[test]
fn a_sentence_model_that_is_not_there_is_named_with_the_remedy() {
    let (table, params) = reviews("/nowhere/model");
    let (message, remedy) = refusal(params, &table, None);
    assert_eq!(message, "cannot read `/nowhere/model/config.json`: No such file or directory (os error 2)");
    assert!(remedy.starts_with("`model` names a folder with `config.json`"), "{remedy}");
}

#[test]
fn a_number_that_is_none_is_missing_in_the_copies_of_raw_columns() {
    let table = |x: [f64; 4], y: [f64; 4]| {
        batch(&[
            ("x", floats(x)),
            ("y", floats(y)),
            ("n", ints([1, 2, 3, 4])),
            ("churn", texts(["Yes", "No", "Yes", "No"])),
        ])
    };
    let whole = [1.0, 2.0, 3.0, 4.0];
    let holed = [1.0, f64::NAN, 3.0, 4.0];
    let params = json!({
        "target": {"column": "churn", "positive": "Yes"},
        "transforms": [{"impute": "mean", "columns": ["x", "y"]}, {"drop": "n"}]
    });
    let ran = run(params, &table(holed, whole), Some(&table(whole, holed))).unwrap();
    let (with_hole, without) = ([Some(1.0), None, Some(3.0), Some(4.0)], whole.map(Some));
    assert_eq!(numbers(&ran.table("fit"), "raw.x"), with_hole);
    assert_eq!(numbers(&ran.table("fit"), "raw.y"), without);
    assert_eq!(numbers(&ran.table("test"), "raw.x"), without);
    assert_eq!(numbers(&ran.table("test"), "raw.y"), with_hole);
}
