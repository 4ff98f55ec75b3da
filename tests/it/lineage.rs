//! What the lineage views and the questions about them promise, on SQLite and on Postgres.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use phaseline::artifact::{ArtifactKind, ArtifactRef};
use phaseline::engine::{Happening, Lease, Outcome, RunLog, SkipReason};
use phaseline::id::{AttemptId, RunId};
use phaseline::step::{Metric, Registration, StepOutcome};
use phaseline::store::queries::Direction;
use phaseline::store::{Store, StoreUrl};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::harness::databases::{on_both_databases, open, promises};
use crate::harness::history::{
    Log, artifact, bound, claimed, dawn, key, new_run, outcome, parts, small_plan, started, step_name, succeeded, table,
};

const HOUR: Duration = Duration::from_hours(1);

#[test]
fn the_views_tell_what_happened() {
    on_both_databases(promises![
        a_reused_step_writes_its_edges_and_shows_its_metrics,
        a_resumed_run_waits_again,
        runs_are_found_by_the_beginning_of_their_id,
        two_runs_are_compared,
    ]);
}

#[test]
fn models_are_counted_and_aliases_move() {
    on_both_databases(promises![
        a_deployment_makes_a_version_and_moves_the_alias,
        an_endpoint_follows_its_champion,
        deployments_at_once_are_counted_one_by_one,
    ]);
}

#[test]
fn ancestry_is_what_a_walk_by_hand_finds() {
    on_both_databases(promises![ancestry_matches_a_breadth_first_search]);
}

#[test]
fn a_users_query_can_only_read() {
    on_both_databases(promises![queries_read_and_nothing_else]);
}

async fn create(store: &Store, steps: &[&str]) -> (Lease, Log) {
    let run = new_run(RunId::generate(), small_plan(steps), dawn());
    (store.create(run, "alpha:1", HOUR).await.unwrap(), Log::starting(dawn()))
}

async fn append(store: &Store, lease: &Lease, log: &mut Log, happenings: Vec<Happening>) {
    let next = log.next();
    store.append(lease, next, &log.events(happenings)).await.unwrap();
}

/// The rows of a query as one JSON text each.
async fn rows(store: &Store, query: &str) -> Vec<String> {
    let answer = store.sql(query).await.unwrap();
    answer.rows.into_iter().map(|row| Value::Array(row).to_string()).collect()
}

async fn a_reused_step_writes_its_edges_and_shows_its_metrics(url: StoreUrl) {
    let store = open(&url).await;
    let (raw, clean) = (table("raw"), table("clean"));
    let made_by = AttemptId::generate();
    let mut result = outcome(&[("table", &clean)]);
    result.metrics =
        vec![Metric::new("failed", 0.0), Metric { slice: Some("a=1".into()), ..Metric::new("failed", 2.0) }];
    let (lease, mut log) = create(&store, &["load", "checked"]).await;
    let inputs = vec![bound("table", "load.table", &raw)];
    append(&store, &lease, &mut log, vec![started("checked", made_by, Some(key("checked")), inputs.clone())]).await;
    append(&store, &lease, &mut log, vec![succeeded("checked", made_by, result.clone())]).await;
    let (again, mut log) = create(&store, &["load", "checked"]).await;
    let reused = Happening::StepReused {
        step: step_name("checked"),
        key: key("checked"),
        parts: parts("command", json!({})),
        inputs,
        made_by,
        outcome: result,
    };
    append(&store, &again, &mut log, vec![reused]).await;
    let run = again.run;
    let edges = format!(
        "select input, source_step, output, state, from_digest = '{}', to_digest = '{}' from lineage_edges
        where run_id = '{run}'",
        raw.digest, clean.digest
    );
    let edges = store.sql(&edges).await.unwrap().rows;
    assert_eq!(edges.len(), 1);
    assert_eq!(edges[0][..4], [json!("table"), json!("load"), json!("table"), json!("reused")]);
    let metrics = format!("select metric, slice, value from lineage_metrics where run_id = '{run}' order by value");
    assert_eq!(rows(&store, &metrics).await, [r#"["failed",null,0.0]"#, r#"["failed","a=1",2.0]"#]);
    let detail = store.run_detail(run).await.unwrap();
    let step = detail.steps.iter().find(|step| step.step == "checked").unwrap();
    assert_eq!((step.state.as_str(), step.reused_from.as_ref()), ("reused", Some(&lease.run.to_string())));
    assert_eq!((step.outputs[0].digest.clone(), step.metrics.len()), (clean.digest.to_string(), 2));
    assert_eq!(detail.steps[0].state, "waiting");
}

async fn a_resumed_run_waits_again(url: StoreUrl) {
    let store = open(&url).await;
    let (lease, mut log) = create(&store, &["load", "train", "report"]).await;
    let [load, train] = [AttemptId::generate(), AttemptId::generate()];
    let events = vec![
        claimed("alpha:1"),
        started("load", load, None, vec![]),
        succeeded("load", load, outcome(&[("table", &table("raw"))])),
        started("train", train, None, vec![bound("train", "load.table", &table("raw"))]),
        Happening::StepCancelled { step: step_name("train") },
        Happening::StepSkipped { step: step_name("report"), because: SkipReason::Upstream(step_name("train")) },
        Happening::RunFinished { outcome: Outcome::Cancelled },
    ];
    append(&store, &lease, &mut log, events).await;
    let steps = "select step, state, because from lineage_steps order by position";
    let ended = [
        r#"["load","succeeded",null]"#,
        r#"["train","cancelled",null]"#,
        r#"["report","skipped","step train did not end well"]"#,
    ];
    assert_eq!(rows(&store, steps).await, ended);
    let run = "select state, seconds from lineage_runs";
    assert_eq!(rows(&store, run).await, [r#"["cancelled",6.0]"#]);
    let attempts = "select step, attempt, state from lineage_attempts order by started_at";
    assert_eq!(rows(&store, attempts).await, [r#"["load",1,"succeeded"]"#, r#"["train",1,"cancelled"]"#]);
    append(&store, &lease, &mut log, vec![Happening::RunResumed { by: "cli".to_owned() }]).await;
    let waiting = [r#"["load","succeeded",null]"#, r#"["train","waiting",null]"#, r#"["report","waiting",null]"#];
    assert_eq!(rows(&store, steps).await, waiting);
    assert_eq!(rows(&store, run).await, [r#"["running",null]"#]);
}

async fn runs_are_found_by_the_beginning_of_their_id(url: StoreUrl) {
    let store = open(&url).await;
    let nothing = store.find_run("latest").await.unwrap_err().to_string();
    assert_eq!(nothing, "there are no runs yet");
    let ids = [0xaaaa_0000, 0xaaaa_1111].map(|half: u128| RunId::from_u128(half << 96));
    for id in ids {
        store.create(new_run(id, small_plan(&["load"]), dawn()), "alpha:1", HOUR).await.unwrap();
    }
    assert_eq!(store.find_run("run_aaaa0").await.unwrap(), ids[0]);
    assert_eq!(store.find_run("aaaa1").await.unwrap(), ids[1]);
    assert_eq!(store.find_run("latest").await.unwrap(), ids[1]);
    assert_eq!(store.find_run("aaaa").await.unwrap_err().to_string(), "2 runs begin with `aaaa`");
    assert_eq!(store.find_run("b'").await.unwrap_err().to_string(), "there is no run `b'`");
    let listed = store.runs(None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|run| run.run).collect::<Vec<_>>(), [ids[1], ids[0]]);
    assert!(store.runs(Some("other"), 10).await.unwrap().is_empty());
}

async fn two_runs_are_compared(url: StoreUrl) {
    let store = open(&url).await;
    let mut runs = Vec::new();
    for (epochs, roc_auc) in [(40, 0.81), (50, 0.84)] {
        let mut plan = small_plan(&["train"]);
        plan.params.insert("epochs".parse().unwrap(), json!(epochs));
        let lease = store.create(new_run(RunId::generate(), plan, dawn()), "alpha:1", HOUR).await.unwrap();
        let attempt = AttemptId::generate();
        let mut result = outcome(&[("model", &artifact(ArtifactKind::Model, &format!("net {epochs}")))]);
        result.metrics = vec![Metric::new("roc_auc", roc_auc), Metric::new("rows", 100.0)];
        let mut log = Log::starting(dawn());
        let events = vec![started("train", attempt, None, vec![]), succeeded("train", attempt, result)];
        append(&store, &lease, &mut log, events).await;
        runs.push(lease.run);
    }
    let diff = store.diff(runs[0], runs[1]).await.unwrap();
    assert_eq!(diff.params.len(), 1);
    assert_eq!((diff.params[0].left.as_deref(), diff.params[0].right.as_deref()), (Some("40"), Some("50")));
    assert_eq!((diff.run.len(), diff.inputs.len(), diff.outputs.len()), (0, 0, 1));
    assert_eq!(diff.metrics.iter().map(|metric| metric.metric.as_str()).collect::<Vec<_>>(), ["roc_auc"]);
    assert!((diff.metrics[0].change.unwrap() - 0.03).abs() < 1e-12);
}

fn deployed(endpoint: &str, alias: &str, model: &str) -> StepOutcome {
    let (bundle, trained) =
        (artifact(ArtifactKind::Model, &format!("bundle of {model}")), artifact(ArtifactKind::Model, model));
    let mut result = outcome(&[("bundle", &bundle)]);
    result.registrations =
        vec![Registration { endpoint: endpoint.parse().unwrap(), alias: alias.to_owned(), bundle, model: trained }];
    result
}

async fn deploy(store: &Store, endpoint: &str, alias: &str, model: &str) -> RunId {
    let (lease, mut log) = create(store, &["publish"]).await;
    let attempt = AttemptId::generate();
    let inputs = vec![bound("model", "train.model", &artifact(ArtifactKind::Model, model))];
    let events = vec![
        started("publish", attempt, None, inputs),
        succeeded("publish", attempt, deployed(endpoint, alias, model)),
    ];
    append(store, &lease, &mut log, events).await;
    lease.run
}

async fn a_deployment_makes_a_version_and_moves_the_alias(url: StoreUrl) {
    let store = open(&url).await;
    deploy(&store, "churn", "champion", "one").await;
    deploy(&store, "prices", "champion", "other").await;
    let second = deploy(&store, "churn", "champion", "two").await;
    let models = "select model, version, aliases from lineage_models order by model, version";
    let counted = [r#"["churn",1,""]"#, r#"["churn",2,"champion"]"#, r#"["prices",1,"champion"]"#];
    assert_eq!(rows(&store, models).await, counted);
    let endpoint = store.endpoints().await.unwrap().into_iter().find(|found| found.name.as_str() == "churn").unwrap();
    assert_eq!((endpoint.version, endpoint.alias.as_str(), endpoint.run), (2, "champion", second.to_string()));
    assert_eq!(endpoint.bundle, artifact(ArtifactKind::Model, "bundle of two"));
    deploy(&store, "churn", "champion", "one").await;
    let back = [r#"["churn",1,"champion"]"#, r#"["churn",2,""]"#, r#"["prices",1,"champion"]"#];
    assert_eq!(rows(&store, models).await, back, "the same bundle is the same version");
    let deployments = "select version from lineage_deployments where model = 'churn' order by deployed_at, version";
    assert_eq!(rows(&store, deployments).await.len(), 3);
    assert_eq!(store.find_model("churn").await.unwrap().unwrap().version, 1);
    assert_eq!(store.find_model("churn@2").await.unwrap().unwrap().version, 2);
    assert_eq!(store.find_model("nothing").await.unwrap(), None);
    let unknown = store.find_model("churn@9").await.unwrap_err().to_string();
    assert_eq!(unknown, "model `churn` has no version `9`");
    let up = store.lineage("churn", Direction::Up).await.unwrap();
    assert_eq!(up.edges[&up.root], [artifact(ArtifactKind::Model, "one").digest.to_string()]);
}

async fn an_endpoint_follows_its_champion(url: StoreUrl) {
    let store = open(&url).await;
    let alias = async || store.endpoints().await.unwrap().remove(0).alias;
    deploy(&store, "churn", "candidate", "one").await;
    assert_eq!(alias().await, "candidate");
    deploy(&store, "churn", "champion", "two").await;
    assert_eq!(alias().await, "champion");
    deploy(&store, "churn", "challenger", "three").await;
    assert_eq!(alias().await, "champion");
    let serving = store.models().await.unwrap().into_iter().filter(|version| version.is_serving);
    assert_eq!(serving.map(|version| version.version).collect::<Vec<_>>(), [2]);
}

async fn deployments_at_once_are_counted_one_by_one(url: StoreUrl) {
    let store = open(&url).await;
    let deployments = (0..8).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { deploy(&store, "churn", "champion", &format!("model {number}")).await })
    });
    for deployment in deployments.collect::<Vec<_>>() {
        deployment.await.unwrap();
    }
    let versions = store.models().await.unwrap().into_iter().map(|version| version.version).collect::<Vec<_>>();
    assert_eq!(versions, [8, 7, 6, 5, 4, 3, 2, 1]);
}

/// For each node everything that can be reached over `edges`, with the length of the shortest way.
fn walk(edges: &BTreeSet<(usize, usize)>, start: usize) -> BTreeMap<usize, u64> {
    let mut found = BTreeMap::from([(start, 0)]);
    let mut level = vec![start];
    for depth in 1.. {
        let next: BTreeSet<usize> = level
            .iter()
            .flat_map(|near| edges.iter().filter(move |edge| edge.1 == *near).map(|edge| edge.0))
            .filter(|far| !found.contains_key(far))
            .collect();
        if next.is_empty() {
            break;
        }
        found.extend(next.iter().map(|far| (*far, depth)));
        level = next.into_iter().collect();
    }
    found.remove(&start);
    found
}

async fn ancestry_matches_a_breadth_first_search(url: StoreUrl) {
    let store = open(&url).await;
    for seed in 0..4 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut below = |bound: usize| usize::try_from(random.next_u64() % bound as u64).unwrap();
        let contents: Vec<ArtifactRef> = (0..24).map(|number| table(&format!("{seed}/{number}"))).collect();
        let mut edges = BTreeSet::new();
        let mut events = vec![claimed("alpha:1")];
        let names: Vec<String> = (0..20).map(|number| format!("step_{number}")).collect();
        for (number, name) in names.iter().enumerate() {
            let attempt = AttemptId::generate();
            let inputs: BTreeSet<usize> = (0..=below(3)).map(|_| below(number + 4)).collect();
            let mut outputs = BTreeSet::from([number + 4]);
            // Now and then content that exists already is made once more, perhaps from what came of it.
            if seed % 2 == 1 && below(4) == 0 {
                outputs.insert(below(number + 4));
            }
            let pairs = inputs.iter().flat_map(|from| outputs.iter().map(move |to| (*from, *to)));
            // What is passed on unchanged comes from itself alone.
            edges.extend(pairs.filter(|(_, to)| !inputs.contains(to)));
            let inputs: Vec<_> = inputs.iter().map(|from| bound("tables", "other.table", &contents[*from])).collect();
            let outputs: Vec<(String, &ArtifactRef)> =
                outputs.iter().map(|to| (format!("table_{to}"), &contents[*to])).collect();
            let outputs: Vec<(&str, &ArtifactRef)> =
                outputs.iter().map(|(name, artifact)| (name.as_str(), *artifact)).collect();
            events.push(started(name, attempt, None, inputs));
            events.push(succeeded(name, attempt, outcome(&outputs)));
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (lease, mut log) = create(&store, &names).await;
        append(&store, &lease, &mut log, events).await;
        let number: BTreeMap<String, usize> =
            contents.iter().enumerate().map(|(number, content)| (content.digest.to_string(), number)).collect();
        for (place, content) in contents.iter().enumerate().skip(4) {
            let digest = content.digest;
            let query = format!("select ancestor, depth from lineage_ancestry where digest = '{digest}'");
            let found = store.sql(&query).await.unwrap().rows;
            let found: BTreeMap<usize, u64> =
                found.iter().map(|row| (number[row[0].as_str().unwrap()], row[1].as_u64().unwrap())).collect();
            assert_eq!(found, walk(&edges, place), "seed {seed}, artifact {place}");
            let graph = store.lineage(&digest.to_string(), Direction::Up).await.unwrap();
            let known: BTreeSet<usize> = graph.nodes.keys().map(|digest| number[digest]).collect();
            assert!(known.iter().all(|known| *known == place || found.contains_key(known)));
        }
        let query = "select count(*) from lineage_ancestry a full join lineage_descendants d
            on d.digest = a.ancestor and d.descendant = a.digest and d.depth = a.depth
            where (a.digest is null or d.digest is null) and coalesce(a.ancestor_kind, d.kind) is not null";
        assert_eq!(rows(&store, query).await, ["[0]"], "descendants are ancestry seen from the other side");
    }
}

async fn queries_read_and_nothing_else(url: StoreUrl) {
    let store = open(&url).await;
    create(&store, &["load"]).await;
    assert_eq!(
        rows(&store, "select pipeline, null as x, 1.5 as y from lineage_runs;").await,
        [r#"["churn",null,1.5]"#]
    );
    assert_eq!(rows(&store, "select gate, blocking from lineage_gates").await, [r#"["contract",true]"#]);
    let empty = store.sql("select run_id, step as run_id from lineage_steps where 1 = 2").await.unwrap();
    assert_eq!((empty.columns, empty.rows.len()), (vec!["run_id".to_owned(), "run_id".to_owned()], 0));
    for write in [
        "delete from runs",
        "select 1; delete from runs",
        "with gone as (select 1) delete from runs",
        "with gone as (delete from runs returning 1) select * from gone",
        "explain analyze delete from runs",
        "attach 'other.db' as other",
        "commit",
    ] {
        assert!(store.sql(write).await.is_err(), "{write}");
        assert_eq!(store.runs(None, 10).await.unwrap().len(), 1, "{write}");
    }
    let unknown = store.sql("select * from lineage_runes").await.unwrap_err();
    assert!(unknown.to_string().starts_with("the database refuses the query: "), "{unknown}");
}
