//! Lineage tells what came from what and no more: test data is above the evaluation and not above the model.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use phaseline::artifact::ArtifactRef;
use phaseline::engine::{Happening, InputBinding, RunLog};
use phaseline::id::{AttemptId, OutputName, RunId};
use phaseline::plan::{self, Overrides, Plan, PlannedStep};
use phaseline::step::{Registration, StepOutcome, StepRegistry};
use phaseline::store::queries::Direction;
use phaseline::store::{Store, StoreUrl};

use crate::harness::databases::{on_both_databases, open, promises};
use crate::harness::history::{
    Log, artifact, bound, claimed, dawn, key, new_run, outcome, parts, started, step_name, succeeded,
};

#[test]
fn lineage_follows_what_an_output_carries() {
    on_both_databases(promises![
        test_data_is_above_the_report_and_not_above_the_model,
        a_reused_step_has_the_edges_of_the_step_that_ran,
    ]);
}

fn churn() -> Plan {
    plan::load(Path::new("pipelines/churn.yaml"), &StepRegistry::builtin(), &Overrides::none()).unwrap()
}

/// The artifact that an output of the churn pipeline holds. Some steps pass on what they took.
fn made(plan: &Plan, output: &str) -> ArtifactRef {
    let (step, port) = output.split_once('.').unwrap();
    let kind = plan.steps[&step_name(step)].outputs[&port.parse::<OutputName>().unwrap()];
    let content = match output {
        "checked.table" => "customers.table",
        "best.model" => "net.model",
        own => own,
    };
    artifact(kind, content)
}

fn inputs(plan: &Plan, step: &PlannedStep) -> Vec<InputBinding> {
    let bindings = step.inputs.iter().flat_map(|(input, bindings)| bindings.iter().map(move |from| (input, from)));
    bindings.map(|(input, from)| bound(input.as_str(), &from.to_string(), &made(plan, &from.to_string()))).collect()
}

fn result(plan: &Plan, step: &PlannedStep) -> StepOutcome {
    let made = |output: &str| made(plan, &format!("{}.{output}", step.name));
    let outputs: Vec<_> = step.outputs.keys().map(|output| (output.as_str(), made(output.as_str()))).collect();
    let outputs: Vec<_> = outputs.iter().map(|(output, artifact)| (*output, artifact)).collect();
    let mut result = outcome(&outputs);
    if step.kind == "deploy.endpoint" {
        result.registrations = vec![Registration {
            endpoint: "churn".parse().unwrap(),
            alias: "champion".to_owned(),
            bundle: made("bundle"),
            model: inputs(plan, step).into_iter().find(|bound| bound.input.as_str() == "model").unwrap().artifact,
        }];
    }
    result
}

/// Writes a run of `plan`, with the start and the end of each step in appends of their own.
async fn ran(store: &Store, plan: &Plan) -> RunId {
    let run = new_run(RunId::generate(), plan.clone(), dawn());
    let lease = store.create(run, "alpha:1", Duration::from_hours(1)).await.unwrap();
    let mut log = Log::starting(dawn());
    let mut append = async |happening| {
        let next = log.next();
        store.append(&lease, next, &log.events([happening])).await.unwrap();
    };
    append(claimed("alpha:1")).await;
    for step in plan.steps.values() {
        let attempt = AttemptId::generate();
        append(started(step.name.as_str(), attempt, None, inputs(plan, step))).await;
        append(succeeded(step.name.as_str(), attempt, result(plan, step))).await;
    }
    lease.run
}

/// The artifacts that a query gives by their digests, as the outputs that made them first.
async fn named(store: &Store, query: &str) -> BTreeSet<String> {
    let query = format!("select a.step, a.output from lineage_artifacts a where a.digest in ({query})");
    let rows = store.sql(&query).await.unwrap().rows;
    rows.iter().map(|row| format!("{}.{}", row[0].as_str().unwrap(), row[1].as_str().unwrap())).collect()
}

async fn test_data_is_above_the_report_and_not_above_the_model(url: StoreUrl) {
    let store = open(&url).await;
    let plan = churn();
    ran(&store, &plan).await;
    let digest = |output: &str| made(&plan, output).digest;
    let above = async |output: &str| {
        let query = format!("select ancestor from lineage_ancestry where digest = '{}'", digest(output));
        named(&store, &query).await
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
    assert_eq!(above("features.fit").await, set(&["customers.table", "split.train"]));
    assert_eq!(above("features.transform").await, set(&["customers.table", "split.train"]));
    assert_eq!(above("features.test").await, set(&["customers.table", "split.train", "split.test"]));
    let learned_from = ["customers.table", "features.fit", "features.valid", "split.train", "split.valid"];
    assert_eq!(above("net.model").await, set(&learned_from));
    assert_eq!(above("best.model").await, set(&learned_from), "and not the candidate that lost");
    assert!(above("best.report").await.contains("baseline.model"));
    let above_report = above("report.report").await;
    assert!(["split.test", "features.test", "net.model"].iter().all(|name| above_report.contains(*name)));
    let above_bundle = above("publish.bundle").await;
    assert!(["split.test", "report.report", "net.model"].iter().all(|name| above_bundle.contains(*name)));

    let below = format!("select descendant from lineage_descendants where digest = '{}'", digest("split.test"));
    let below = named(&store, &below).await;
    assert!(below.contains("report.report") && below.contains("publish.bundle"));
    assert!(!below.contains("net.model") && !below.contains("features.fit") && !below.contains("features.transform"));

    let registered = "select w.ancestor from lineage_models m join lineage_ancestry w on w.digest = m.digest";
    assert_eq!(named(&store, registered).await, set(&learned_from));
    let of_model = store.lineage(&digest("net.model").to_string(), Direction::Up).await.unwrap();
    assert!(of_model.nodes.contains_key(&digest("split.train").to_string()));
    assert!(!of_model.nodes.contains_key(&digest("split.test").to_string()));
    let of_bundle = store.lineage("churn", Direction::Up).await.unwrap();
    let into_model: BTreeSet<&String> = of_bundle.edges[&digest("net.model").to_string()].iter().collect();
    let fit_and_valid = [digest("features.fit").to_string(), digest("features.valid").to_string()];
    assert_eq!(into_model, fit_and_valid.iter().collect());
}

const EDGES: &str = "select e.step, e.input, e.source_step, e.source_output, e.output from lineage_edges e";

async fn edges(store: &Store, run: RunId, step: &str) -> BTreeSet<String> {
    let query = format!("{EDGES} where e.run_id = '{run}' and e.step = '{step}'");
    let rows = store.sql(&query).await.unwrap().rows;
    let text = |row: &Vec<serde_json::Value>| {
        let words: Vec<&str> = row.iter().map(|word| word.as_str().unwrap()).collect();
        format!("{}.{} at {} -> {}", words[2], words[3], words[1], words[4])
    };
    rows.iter().map(text).collect()
}

async fn a_reused_step_has_the_edges_of_the_step_that_ran(url: StoreUrl) {
    let store = open(&url).await;
    let plan = churn();
    let first = ran(&store, &plan).await;
    let run = new_run(RunId::generate(), plan.clone(), dawn());
    let lease = store.create(run, "alpha:1", Duration::from_hours(1)).await.unwrap();
    let reusable = plan.steps.values().filter(|step| !step.is_external);
    let reused = reusable.clone().map(|step| Happening::StepReused {
        step: step.name.clone(),
        key: key(step.name.as_str()),
        parts: parts(&step.kind, step.params.clone()),
        inputs: inputs(&plan, step),
        made_by: AttemptId::from_u128(1),
        outcome: result(&plan, step),
    });
    store.append(&lease, 1, &Log::starting(dawn()).events(reused)).await.unwrap();
    for step in reusable {
        let step = step.name.as_str();
        assert_eq!(edges(&store, lease.run, step).await, edges(&store, first, step).await, "{step}");
    }
    let of_features = [
        "split.test at test -> test",
        "split.train at fit -> fit",
        "split.train at fit -> selection",
        "split.train at fit -> test",
        "split.train at fit -> transform",
        "split.train at fit -> valid",
        "split.valid at valid -> valid",
    ];
    assert_eq!(Vec::from_iter(edges(&store, lease.run, "features").await), of_features);
    let of_best = [
        "baseline.model at candidates -> report",
        "net.model at candidates -> model",
        "net.model at candidates -> report",
    ];
    assert_eq!(Vec::from_iter(edges(&store, lease.run, "best").await), of_best);
}
