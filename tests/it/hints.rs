//! What processes that share a Postgres tell each other, so that nobody has to wait for his next look.

use std::time::Duration;

use phaseline::engine::{Answer, Happening, Lease, Limits, Outcome, RunLog, Slots, Take, Want};
use phaseline::id::{AttemptId, RunId};
use phaseline::store::{DeclaredTrigger, Hint, Hints, KeptManifest, ManifestChanges, NewTick, Quiet, Store, TickWants};
use serde_json::{Value, json};

use crate::harness::databases::open;
use crate::harness::history::{Log, dawn, new_run, outcome, small_plan, started, step_name, succeeded};
use crate::harness::postgres::Cluster;

const HOUR: Duration = Duration::from_hours(1);
/// The longest that a hint may take.
const PATIENCE: Duration = Duration::from_secs(30);

fn limits() -> Limits {
    Limits { cpus: 1, host: "here".to_owned(), ..Limits::of_machine() }
}

async fn driven(store: &Store, owner: &str) -> Lease {
    let run = new_run(RunId::generate(), small_plan(&["load"]), dawn());
    let id = run.id;
    store.submit(run).await.unwrap();
    store.claim(id, owner, HOUR).await.unwrap()
}

async fn wants(store: &Store, lease: &Lease) -> (AttemptId, Answer) {
    let attempt = AttemptId::generate();
    let take = Take { cpus: 1, ..Take::default() };
    let want = Want { attempt, step: step_name("load"), key: None, take };
    (attempt, store.claim_slots(lease, &[want], &limits()).await.unwrap().remove(0))
}

/// Hints up to the next run that is submitted, which comes after all that was told before.
async fn heard(store: &Store, hints: &mut Hints) -> Vec<Hint> {
    store.submit(new_run(RunId::generate(), small_plan(&["load"]), dawn())).await.unwrap();
    let mut heard = Vec::new();
    loop {
        match tokio::time::timeout(PATIENCE, hints.next()).await.expect("no hint comes").unwrap() {
            Hint::Run => return heard,
            hint => heard.push(hint),
        }
    }
}

#[tokio::test]
async fn room_is_told_to_others_that_wait_for_it_and_to_nobody_else() {
    let cluster = Cluster::start().await;
    let url = cluster.database("hints").await;
    let (store, other) = (open(&url).await, open(&url).await);
    let (first, second) = (driven(&store, "one").await, driven(&other, "two").await);
    let mut hints = other.hints().await.unwrap().unwrap();
    let mut log = Log::starting(dawn());

    let (attempt, answer) = wants(&store, &first).await;
    assert!(matches!(answer, Answer::Granted { .. }), "{answer:?}");
    let begin = log.events([started("load", attempt, None, vec![])]);
    store.append(&first, 1, &begin).await.unwrap();
    assert!(matches!(wants(&other, &second).await.1, Answer::Wait(_)));
    assert_eq!(heard(&store, &mut hints).await, [], "nothing is free yet");
    let end = log.events([succeeded("load", attempt, outcome(&[]))]);
    store.append(&first, 2, &end).await.unwrap();
    assert_eq!(heard(&store, &mut hints).await, [Hint::Slot]);

    let (attempt, answer) = wants(&other, &second).await;
    assert!(matches!(answer, Answer::Granted { .. }), "{answer:?}");
    other.give_back(&second, &[attempt]).await.unwrap();
    store.append(&first, 3, &log.events([Happening::RunFinished { outcome: Outcome::Succeeded }])).await.unwrap();
    assert_eq!(heard(&store, &mut hints).await, [], "nobody waits");
    store.set_pool("narrow", 2, "ada", dawn()).await.unwrap();
    assert_eq!(heard(&store, &mut hints).await, [Hint::Slot]);
}

#[tokio::test]
async fn a_tick_that_makes_a_run_is_told() {
    let cluster = Cluster::start().await;
    let store = open(&cluster.database("hints").await).await;
    let kept = KeptManifest {
        pipeline: "churn".parse().unwrap(),
        path: "/churn.yaml".to_owned(),
        digest: phaseline::artifact::Digest::of("churn"),
        text: String::new(),
        description: None,
        owner: None,
    };
    let changes = ManifestChanges { kept: vec![kept], ..ManifestChanges::default() };
    store.record_manifests(&changes, "test").await.unwrap();
    let often = DeclaredTrigger { name: "often".to_owned(), kind: "every", definition: json!({"every": "1h"}) };
    store.keep_triggers("churn", &[often]).await.unwrap();
    let mut hints = store.hints().await.unwrap().unwrap();
    let tick = |key: &str, wants: TickWants| NewTick {
        pipeline: "churn".to_owned(),
        trigger: "often".to_owned(),
        key: key.to_owned(),
        detail: Value::Null,
        wants,
    };
    store.record_tick(&tick("1", TickWants::Skip("nobody was there".to_owned()))).await.unwrap();
    assert_eq!(heard(&store, &mut hints).await, []);
    let run = Box::new(new_run(RunId::generate(), small_plan(&["load"]), dawn()));
    let overlap = phaseline::manifest::Overlap::Allow;
    store.record_tick(&tick("2", TickWants::Run { run, overlap, quiet: Quiet::default() })).await.unwrap();
    assert_eq!(heard(&store, &mut hints).await, [Hint::Tick]);
}
