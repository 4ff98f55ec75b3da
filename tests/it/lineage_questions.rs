//! The questions of `docs/lineage-sql.md`, asked on both databases over a small history.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use phaseline::artifact::{ArtifactKind, ArtifactRef};
use phaseline::engine::{Happening, Outcome, RunLog, Verdict};
use phaseline::id::{AttemptId, RunId};
use phaseline::phase::Phase;
use phaseline::plan::Plan;
use phaseline::step::{ColumnEdge, Fault, Metric, Registration, StepOutcome};
use phaseline::store::{Store, StoreUrl};
use phaseline::worker::Failure;
use serde_json::{Value, json};

use crate::harness::databases::open;
use crate::harness::history::{
    Log, artifact, bound, claimed, dawn, gate, key, new_run, outcome, parts, plan, planned, started, step_name,
    succeeded, table,
};
use crate::harness::postgres::Cluster;

/// The title and text of each query on the page.
fn questions() -> Vec<(String, String)> {
    let page = include_str!("../../docs/lineage-sql.md");
    let mut questions = Vec::new();
    let mut title = "";
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(heading) = line.strip_prefix("### ") {
            title = heading;
        } else if line == "```sql" {
            let query: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            questions.push((title.to_owned(), query.join("\n")));
        }
    }
    questions
}

async fn answers(url: &StoreUrl) -> Vec<(String, Vec<String>, Vec<String>)> {
    let store = open(url).await;
    write_history(&store).await;
    let mut answers = Vec::new();
    for (title, query) in questions() {
        let answer = store.sql(&query).await.unwrap_or_else(|error| panic!("{title} on {url}: {error}"));
        let mut rows: Vec<String> = answer.rows.into_iter().map(|row| Value::Array(row).to_string()).collect();
        // Rows that are equal by the query's own order come in any.
        rows.sort();
        answers.push((title, answer.columns, rows));
    }
    answers
}

#[tokio::test]
async fn every_question_has_the_same_answer_on_both_databases() {
    let folder = tempfile::tempdir().unwrap();
    let on_sqlite = answers(&StoreUrl::in_state_folder(folder.path())).await;
    let cluster = Cluster::start().await;
    let on_postgres = answers(&cluster.database("questions").await).await;
    assert_eq!(on_sqlite.len(), 20);
    for (sqlite, postgres) in on_sqlite.iter().zip(&on_postgres) {
        assert_eq!(sqlite, postgres);
        let is_empty = sqlite.0.contains("test data ever reached");
        assert_eq!(sqlite.2.is_empty(), is_empty, "{}", sqlite.0);
    }
    let answer = |number: usize| on_sqlite[number - 1].2.join("\n");
    insta::assert_snapshot!(answer(6), @r#"
    ["customers","path","may.csv","june.csv"]
    [null,"data","may.csv","june.csv"]
    "#);
    insta::assert_snapshot!(answer(11), @r#"
    ["2026-03-02T08:00:14.000000Z","champion",1,"roc_auc",0.841,0.716,0.966]
    ["2026-03-03T08:00:14.000000Z","champion",2,"roc_auc",0.852,0.727,0.977]
    "#);
    insta::assert_snapshot!(answer(15), @r#"
    ["churn","customers","TotalCharges","identity > derive"]
    ["churn","customers","tenure","identity > derive"]
    ["churn","split","TotalCharges","derive"]
    ["churn","split","tenure","derive"]
    "#);
    insta::assert_snapshot!(answer(16), @r#"
    ["churn",1,""]
    ["churn",2,"champion"]
    "#);
    insta::assert_snapshot!(answer(20), @r#"
    ["churn","contract","bad_export",3,0]
    ["churn","criteria","bad_export",3,1]
    "#);
}

/// Every view and column that the page lists is there.
#[tokio::test]
async fn the_page_lists_the_columns_of_every_view() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&StoreUrl::in_state_folder(folder.path())).await;
    let page = include_str!("../../docs/lineage-sql.md");
    let listed: Vec<&str> = page.lines().filter(|line| line.starts_with("| `lineage_")).collect();
    let count = store.sql("select count(*) from sqlite_master where type = 'view'").await.unwrap().rows;
    assert_eq!(count[0][0], json!(listed.len()));
    for line in listed {
        let mut names = line.split('`').skip(1).step_by(2);
        let view = names.next().unwrap();
        let (_, description) = line.split_once(": ").unwrap();
        let columns: Vec<&str> = description.split('`').skip(1).step_by(2).collect();
        assert_eq!(store.sql(&format!("select * from {view}")).await.unwrap().columns, columns, "{view}");
    }
}

fn churn(data: &str, epochs: u32) -> Plan {
    let mut steps = vec![
        planned("customers", Phase::Understanding, "ingest.csv", json!({"path": data})),
        planned("split", Phase::DataEngineering, "split.random", json!({"test": 0.2})),
        planned("features", Phase::DataEngineering, "feature.pipeline", json!({"target": {"column": "Churn"}})),
        planned("net", Phase::ModelEngineering, "train.mlp", json!({"epochs": epochs})),
        planned("report", Phase::Evaluation, "evaluate.classifier", json!({})),
        planned("publish", Phase::Deployment, "deploy.endpoint", json!({"endpoint": "churn", "alias": "champion"})),
    ];
    for (output, from) in [("fit", vec!["fit"]), ("test", vec!["fit", "test"])] {
        let from = from.into_iter().map(|input| input.parse().unwrap()).collect();
        steps[2].carries.insert(output.parse().unwrap(), from);
    }
    let gates = vec![
        gate("contract", Phase::Understanding, "steps.customers.metrics.rows > 100"),
        gate("criteria", Phase::Evaluation, "steps.report.metrics.roc_auc >= 0.83"),
    ];
    plan("churn", &[("data", json!(data)), ("epochs", json!(epochs))], steps, gates)
}

/// Attempt ids that are the same in every test run.
struct Ids(u128);

impl Ids {
    fn attempt(&mut self) -> AttemptId {
        self.0 += 1;
        AttemptId::from_u128(self.0)
    }
}

/// Three runs of the churn pipeline on successive days, the second on new data and the third stopped by a gate, and
/// one that could not read its file.
async fn write_history(store: &Store) {
    let mut ids = Ids(0x1000);
    full_run(store, &mut ids, 0, ("march.csv", 40), 0.841).await;
    full_run(store, &mut ids, 1, ("april.csv", 50), 0.852).await;
    full_run(store, &mut ids, 2, ("may.csv", 50), 0.807).await;
    failed_run(store, &mut ids, 3).await;
}

async fn begin(store: &Store, day: u8, plan: Plan) -> (phaseline::engine::Lease, Log, DateTime<Utc>) {
    let at = dawn() + TimeDelta::days(i64::from(day));
    let run = new_run(RunId::from_u128(0xabc0 + u128::from(day)), plan, at);
    (store.create(run, "alpha:1", Duration::from_hours(1)).await.unwrap(), Log::starting(at), at)
}

fn column(output: &str, column: &str, from: &ArtifactRef, from_column: &str, transform: &str) -> ColumnEdge {
    ColumnEdge {
        output: output.parse().unwrap(),
        column: column.to_owned(),
        from: from.digest,
        from_column: from_column.to_owned(),
        transform: transform.to_owned(),
    }
}

fn sliced(name: &str, slice: Option<&str>, value: f64) -> Metric {
    Metric {
        slice: slice.map(str::to_owned),
        low: Some(value - 0.125),
        high: Some(value + 0.125),
        ..Metric::new(name, value)
    }
}

fn judged(gate: &str, path: &str, value: f64, is_passed: bool) -> Happening {
    Happening::GateEvaluated {
        gate: gate.parse().unwrap(),
        verdict: if is_passed { Verdict::Passed } else { Verdict::Failed },
        evidence: [(path.to_owned(), json!(value))].into(),
    }
}

async fn full_run(store: &Store, ids: &mut Ids, day: u8, (data, epochs): (&str, u32), roc_auc: f64) {
    let (lease, mut log, _) = begin(store, day, churn(data, epochs)).await;
    let named = |what: &str| format!("{what} of {data}");
    let (raw, train, test) = (table(&named("raw")), table(&named("train")), table(&named("test")));
    let (fit, held_out) = (table(&named("fit")), table(&named("features of test")));
    let model = artifact(ArtifactKind::Model, &named("net"));
    let card = artifact(ArtifactKind::Report, &named("card"));
    let mut happenings = vec![claimed("alpha:1")];
    let mut step = |name: &str, inputs, result: StepOutcome| {
        let attempt = ids.attempt();
        let key = (name != "publish").then(|| key(&format!("{name} of {data} {epochs}")));
        happenings.push(started(name, attempt, key, inputs));
        happenings.push(succeeded(name, attempt, result));
        attempt
    };
    let loaded = step("customers", vec![], outcome(&[("table", &raw)]));
    let mut halves = outcome(&[("train", &train), ("test", &test)]);
    halves.columns = ["TotalCharges", "tenure"]
        .iter()
        .flat_map(|name| ["train", "test"].map(|output| column(output, name, &raw, name, "identity")))
        .collect();
    let split = step("split", vec![bound("table", "customers.table", &raw)], halves.clone());
    let mut fitted = outcome(&[("fit", &fit), ("test", &held_out)]);
    fitted.columns = vec![
        column("fit", "charge_per_month", &train, "TotalCharges", "derive"),
        column("fit", "charge_per_month", &train, "tenure", "derive"),
        column("fit", "tenure", &train, "tenure", "standardize"),
    ];
    step("features", vec![bound("fit", "split.train", &train), bound("test", "split.test", &test)], fitted);
    step("net", vec![bound("train", "features.fit", &fit)], outcome(&[("model", &model)]));
    let mut report = outcome(&[("report", &card)]);
    report.metrics = vec![
        sliced("roc_auc", None, roc_auc),
        sliced("recall", Some("SeniorCitizen=0"), 0.75),
        sliced("recall", Some("SeniorCitizen=1"), 0.5),
    ];
    step("report", vec![bound("model", "net.model", &model), bound("test", "features.test", &held_out)], report);
    happenings.insert(3, judged("contract", "steps.customers.metrics.rows", 7043.0, true));
    let is_good = roc_auc >= 0.83;
    happenings.push(judged("criteria", "steps.report.metrics.roc_auc", roc_auc, is_good));
    if is_good {
        let bundle = artifact(ArtifactKind::Model, &named("bundle"));
        let mut published = outcome(&[("bundle", &bundle)]);
        published.registrations = vec![Registration {
            endpoint: "churn".parse().unwrap(),
            alias: "champion".to_owned(),
            bundle,
            model: model.clone(),
        }];
        let attempt = ids.attempt();
        happenings.push(started("publish", attempt, None, vec![bound("model", "net.model", &model)]));
        happenings.push(succeeded("publish", attempt, published));
    }
    let outcome_of_run = if is_good { Outcome::Succeeded } else { Outcome::Rejected };
    happenings.push(Happening::RunFinished { outcome: outcome_of_run });
    store.append(&lease, 1, &log.events(happenings)).await.unwrap();
    if day == 1 {
        reusing_run(store, &raw, loaded, (split, halves)).await;
    }
}

/// A run of another pipeline that takes over what the second run has made of the customers.
async fn reusing_run(store: &Store, raw: &ArtifactRef, loaded: AttemptId, (split, halves): (AttemptId, StepOutcome)) {
    let steps = vec![
        planned("customers", Phase::Understanding, "ingest.csv", json!({"path": "april.csv"})),
        planned("split", Phase::DataEngineering, "split.random", json!({"test": 0.2})),
    ];
    let at = dawn() + TimeDelta::hours(30);
    let run = new_run(RunId::from_u128(0xabd0), plan("offers", &[], steps, vec![]), at);
    let lease = store.create(run, "alpha:1", Duration::from_hours(1)).await.unwrap();
    let reused = |step: &str, inputs, made_by, outcome| Happening::StepReused {
        step: step_name(step),
        key: key(&format!("{step} of april.csv 50")),
        parts: parts("command", json!({})),
        inputs,
        made_by,
        outcome,
    };
    let happenings = [
        claimed("alpha:1"),
        reused("customers", vec![], loaded, outcome(&[("table", raw)])),
        reused("split", vec![bound("table", "customers.table", raw)], split, halves),
        Happening::RunFinished { outcome: Outcome::Succeeded },
    ];
    store.append(&lease, 1, &Log::starting(at).events(happenings)).await.unwrap();
}

async fn failed_run(store: &Store, ids: &mut Ids, day: u8) {
    let (lease, mut log, at) = begin(store, day, churn("june.csv", 50)).await;
    let [lost, failed] = [ids.attempt(), ids.attempt()];
    let failure = Failure {
        fault: Fault::Input,
        code: "ragged".to_owned(),
        message: "line 812 of `june.csv` has 20 fields instead of 21".to_owned(),
        help: Some("is a comma missing?".to_owned()),
    };
    let customers = || step_name("customers");
    let happenings = [
        claimed("alpha:1"),
        started("customers", lost, Some(key("june")), vec![]),
        Happening::AttemptLost { step: customers(), attempt: lost, why: "killed by signal 9".to_owned() },
        Happening::RetryScheduled { step: customers(), number: 2, until: at },
        started("customers", failed, Some(key("june")), vec![]),
        Happening::AttemptFailed { step: customers(), attempt: failed, failure, seconds: 0.5 },
        Happening::StepFailed { step: customers() },
        Happening::RunFinished { outcome: Outcome::Failed },
    ];
    store.append(&lease, 1, &log.events(happenings)).await.unwrap();
}
