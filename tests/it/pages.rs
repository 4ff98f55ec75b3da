//! Lists in pages: nothing is shown twice, nothing is left out, whatever is added meanwhile; on SQLite and on Postgres.

use std::time::Duration;

use chrono::TimeDelta;
use phaseline::artifact::ArtifactKind;
use phaseline::engine::{Happening, RunLog, Verdict};
use phaseline::id::{AttemptId, RunId};
use phaseline::phase::Phase;
use phaseline::step::Metric;
use phaseline::store::queries::{MetricFilter, Page, PageRequest, RunFilter, RunSummary};
use phaseline::store::{Store, StoreError, StoreUrl};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::json;

use crate::harness::databases::{on_both_databases, open, promises, write};
use crate::harness::history::{
    Log, artifact, bound, claimed, dawn, gate, key, new_run, outcome, plan, planned, small_plan, started, step_name,
    succeeded, table,
};

const HOUR: Duration = Duration::from_hours(1);

#[test]
fn pages_of_a_list_are_the_list() {
    on_both_databases(promises![
        runs_that_were_there_are_each_shown_once,
        a_run_is_told_with_all_that_happened,
        what_an_operator_sets_is_listed,
        a_cursor_of_another_list_is_refused,
        a_shared_run_that_waits_is_not_interrupted,
    ]);
}

fn first(limit: u32) -> PageRequest {
    PageRequest { after: None, limit }
}

/// All items of a list, page by page.
async fn whole<T, F: Future<Output = Result<Page<T>, StoreError>>>(
    limit: u32,
    mut page: impl FnMut(PageRequest) -> F,
) -> Vec<T> {
    let (mut items, mut request) = (Vec::new(), first(limit));
    loop {
        let found = page(request).await.unwrap();
        assert!(found.items.len() <= limit as usize);
        items.extend(found.items);
        match found.next {
            Some(after) => request = PageRequest { after: Some(after), limit },
            None => return items,
        }
    }
}

async fn runs_that_were_there_are_each_shown_once(url: StoreUrl) {
    let store = open(&url).await;
    for seed in 0..8 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut below = move |bound: u32| random.next_u32() % bound;
        let pipeline = format!("p{seed}");
        let add = async |store: &Store, second: u32| {
            let mut plan = small_plan(&["load"]);
            plan.pipeline = pipeline.parse().unwrap();
            // Many runs of one second, so that the time alone does not order them.
            let run = new_run(RunId::generate(), plan, dawn() + TimeDelta::seconds(i64::from(second)));
            let id = run.id;
            store.create(run, "alpha:1", HOUR).await.unwrap();
            id
        };
        let mut there = Vec::new();
        for _ in 0..below(25) {
            there.push(add(&store, below(4)).await);
        }
        let filter = RunFilter { pipeline: Some(format!("p{seed}")), ..RunFilter::default() };
        let (mut shown, mut request): (Vec<RunSummary>, _) = (Vec::new(), first(1 + below(6)));
        loop {
            let page = store.runs_page(&filter, &request).await.unwrap();
            shown.extend(page.items);
            for _ in 0..below(3) {
                add(&store, below(4)).await;
            }
            let Some(after) = page.next else { break };
            request = PageRequest { after: Some(after), limit: 1 + below(6) };
        }
        let times: Vec<_> = shown.iter().map(|run| (run.created_at.clone(), run.run.to_string())).collect();
        assert!(times.windows(2).all(|pair| pair[0] > pair[1]), "newest first and none twice: {times:?}");
        let missing: Vec<_> = there.iter().filter(|id| !shown.iter().any(|run| run.run == **id)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}

async fn a_run_is_told_with_all_that_happened(url: StoreUrl) {
    let store = open(&url).await;
    let steps = ["load", "checked", "train"].map(|name| planned(name, Phase::DataEngineering, "command", json!({})));
    let gates = vec![gate("contract", Phase::DataEngineering, "checked.failed < 1")];
    let run = new_run(RunId::generate(), plan("churn", &[("epochs", json!(40))], steps.into(), gates), dawn());
    let lease = store.create(run, "alpha:1", HOUR).await.unwrap();
    let (raw, clean, bytes) = (table("raw"), table("clean"), artifact(ArtifactKind::File, "notes"));
    let [loading, checking] = [AttemptId::generate(), AttemptId::generate()];
    let mut result = outcome(&[("table", &clean), ("notes", &bytes)]);
    result.metrics = (0..5).map(|number| Metric::new(format!("m{number}"), f64::from(number))).collect();
    let events = vec![
        claimed("alpha:1"),
        started("load", loading, Some(key("load")), vec![]),
        succeeded("load", loading, outcome(&[("table", &raw)])),
        started("checked", checking, None, vec![bound("table", "load.table", &raw)]),
        succeeded("checked", checking, result),
        Happening::GateEvaluated {
            gate: "contract".parse().unwrap(),
            verdict: Verdict::Failed,
            evidence: [("checked.failed".to_owned(), json!(3))].into(),
        },
    ];
    store.append(&lease, 1, &Log::starting(dawn()).events(events)).await.unwrap();
    let id = lease.run;

    let steps = whole(2, |request| {
        let store = &store;
        async move { store.steps_page(id, None, false, &request).await }
    })
    .await;
    assert_eq!(steps.iter().map(|step| step.step.as_str()).collect::<Vec<_>>(), ["load", "checked", "train"]);
    let waiting = store.steps_page(id, Some("waiting"), false, &first(9)).await.unwrap().items;
    assert_eq!(waiting.iter().map(|step| step.step.as_str()).collect::<Vec<_>>(), ["train"]);
    let checked = store.step_detail(id, "checked").await.unwrap().unwrap();
    assert_eq!((checked.outputs.len(), checked.metrics.len(), checked.state.as_str()), (2, 5, "succeeded"));
    let detail = store.run_detail(id).await.unwrap();
    assert_eq!(detail.steps[1], checked, "the whole run tells the same of it");
    assert_eq!(store.step_detail(id, "other").await.unwrap(), None);
    assert_eq!(store.run_gates(id).await.unwrap(), detail.gates);
    assert_eq!(detail.gates[0].verdict.as_deref(), Some("failed"));
    let progress = store.progress(id).await.unwrap();
    assert_eq!((progress.steps, progress.succeeded, progress.waiting, progress.running), (3, 2, 1, 0));
    let held = store.run_lease(id).await.unwrap();
    assert_eq!((held.owner.as_deref(), held.is_held), (Some("alpha:1"), true));
    assert_eq!(store.run_params(id).await.unwrap(), [("epochs".to_owned(), "40".to_owned())]);

    let attempts = whole(1, |request| {
        let store = &store;
        async move { store.attempts_page(id, None, &request).await }
    })
    .await;
    assert_eq!(attempts.iter().map(|one| one.step.as_str()).collect::<Vec<_>>(), ["load", "checked"]);
    let one = store.attempts_page(id, Some("checked"), &first(9)).await.unwrap().items;
    assert_eq!(one[0].attempt_id, checking.to_string());
    assert_eq!(store.attempt(id, &checking.to_string()).await.unwrap().as_ref(), one.first());

    let run = id.to_string();
    let artifacts = whole(1, |request| {
        let (store, run) = (&store, &run);
        async move { store.artifacts_page(Some(run), None, &request).await }
    })
    .await;
    let mut digests: Vec<String> = artifacts.into_iter().map(|one| one.digest).collect();
    digests.sort();
    let mut expected = [&raw, &clean, &bytes].map(|one| one.digest.to_string());
    expected.sort();
    assert_eq!(digests, expected);
    let tables = store.artifacts_page(None, Some("table"), &first(9)).await.unwrap().items;
    assert_eq!(tables.len(), 2);

    let filter = MetricFilter { pipeline: Some("churn".to_owned()), ..MetricFilter::default() };
    let metrics = whole(2, |request| {
        let (store, filter) = (&store, &filter);
        async move { store.metrics_page(filter, &request).await }
    })
    .await;
    let mut names: Vec<String> = metrics.into_iter().map(|one| one.metric).collect();
    names.sort();
    assert_eq!(names, ["m0", "m1", "m2", "m3", "m4"]);
    let one = MetricFilter { metric: Some("m3".to_owned()), ..filter };
    assert_eq!(store.metrics_page(&one, &first(9)).await.unwrap().items[0].value, Some(3.0));

    let events = store.events_after(id, 4, 10).await.unwrap();
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [5, 6]);
    assert_eq!(events[1].what["event"], "gate_evaluated");
    assert!(store.step_detail(id, &step_name("train").to_string()).await.unwrap().unwrap().outputs.is_empty());
}

async fn what_an_operator_sets_is_listed(url: StoreUrl) {
    let store = open(&url).await;
    let run = new_run(RunId::generate(), small_plan(&["load"]), dawn());
    let id = run.id;
    store.submit(run).await.unwrap();
    for (pool, slots) in [("gpu", 2), ("db", 5), ("gpu", 3)] {
        store.set_pool(pool, slots, "ada", dawn()).await.unwrap();
    }
    let statements = [
        // A slot counts while its run is driven or shared.
        format!("update runs set shared = true where run_id = '{id}'"),
        format!(
            "insert into slots (attempt_id, run_id, step, host, pool, pool_slots, cpus, memory_bytes, gpus, gpu_memory_bytes,
                since_ms)
            values ('att_1', '{id}', 'load', 'alpha', 'gpu', 2, 1, 0, 0, 0, 7)"
        ),
        format!(
            "insert into approvals (run_id, kind, subject, state, requested_at)
            values ('{id}', 'gate', 'contract', 'awaited', '2026-03-02T08:00:00Z'),
                ('{id}', 'step', 'load', 'approved', '2026-03-02T08:00:00Z')"
        ),
        "insert into daemons (daemon, host, version, started_at, beat_ms) values ('d1', 'alpha', '1', 'then', 0)".to_owned(),
        "insert into audit (at, who, action, outcome) values ('1', 'ada', 'a', 'ok'), ('2', 'bob', 'b', 'ok'), ('3', 'ada', 'c', 'ok')"
            .to_owned(),
        format!(
            "insert into backfills (backfill_id, pipeline, param, definition, requested_by, created_at, state)
            values ('bf_1', 'churn', 'day', '{{}}', 'ada', '2026', 'running');
            insert into backfill_items (backfill_id, position, value, run_id, state)
            values ('bf_1', 0, '2026-01-01', '{id}', 'submitted'), ('bf_1', 1, '2026-01-02', null, 'waiting')"
        ),
    ];
    for statement in statements {
        write(&url, &statement).await;
    }
    let pools = whole(1, |request| {
        let store = &store;
        async move { store.pools_page(true, &request).await }
    })
    .await;
    let numbers: Vec<_> =
        pools.iter().map(|pool| &pool.summary).map(|pool| (pool.pool.as_str(), pool.slots, pool.used)).collect();
    assert_eq!(numbers, [("db", 5, 0), ("gpu", 3, 2)]);
    assert_eq!(pools[1].holders.as_ref().unwrap()[0].step, "load");
    assert_eq!(pools[1], store.pool_detail("gpu").await.unwrap());
    let unused = store.pool_detail("other").await.unwrap();
    assert_eq!((unused.summary.slots, unused.holders), (1, Some(vec![])));
    let open = store.approvals_page(None, Some("awaited"), &first(9)).await.unwrap().items;
    assert_eq!(open.iter().map(|one| one.subject.as_str()).collect::<Vec<_>>(), ["contract"]);
    assert_eq!(
        whole(1, |request| {
            let store = &store;
            async move { store.approvals_page(None, None, &request).await }
        })
        .await
        .len(),
        2
    );
    let daemons = store.daemons_page(&first(9)).await.unwrap().items;
    assert_eq!((daemons[0].is_alive, daemons[0].draining), (false, false));
    let audit = whole(2, |request| {
        let store = &store;
        async move { store.audit_page(None, &request).await }
    })
    .await;
    assert_eq!(audit.iter().map(|entry| entry.action.as_str()).collect::<Vec<_>>(), ["c", "b", "a"]);
    let backfill = store.backfill_summary("bf_1").await.unwrap().unwrap();
    assert_eq!((backfill.items, backfill.with_run), (2, 1));
    assert_eq!(store.backfills_page(&first(9)).await.unwrap().items, [backfill]);
    let items = whole(1, |request| {
        let store = &store;
        async move { store.backfill_items_page("bf_1", &request).await }
    })
    .await;
    assert_eq!(items[0].run_state.as_deref(), Some("waiting"));
    assert_eq!(items[1].run_state, None);
    assert!(store.pipelines_page(&first(9)).await.unwrap().items.is_empty());
    assert!(store.triggers_page(None, &first(9)).await.unwrap().items.is_empty());
    assert!(store.models_page(&first(9)).await.unwrap().items.is_empty());
    assert!(store.versions_page("churn", &first(9)).await.unwrap().items.is_empty());
    assert!(store.tokens_page(&first(9)).await.unwrap().items.is_empty());
}

async fn a_cursor_of_another_list_is_refused(url: StoreUrl) {
    let store = open(&url).await;
    for after in [vec![], vec!["a".to_owned()], vec!["a".to_owned(), "b".to_owned()]] {
        let request = PageRequest { after: Some(after), limit: 5 };
        let refused = store.audit_page(None, &request).await.unwrap_err();
        assert!(matches!(refused, StoreError::Refused { .. }), "{refused}");
    }
}

async fn a_shared_run_that_waits_is_not_interrupted(url: StoreUrl) {
    let store = open(&url).await;
    let run = new_run(RunId::generate(), small_plan(&["load"]), dawn());
    let id = run.id;
    store.submit(run).await.unwrap();
    assert_eq!(store.run_summary(id).await.unwrap().state, "waiting");
    let own = new_run(RunId::generate(), small_plan(&["load"]), dawn());
    let lease = store.create(own, "alpha:1", HOUR).await.unwrap();
    store.release(&lease).await.unwrap();
    assert_eq!(store.run_summary(lease.run).await.unwrap().state, "interrupted");
    let filter = RunFilter { state: Some("interrupted".to_owned()), ..RunFilter::default() };
    let found = store.runs_page(&filter, &first(9)).await.unwrap().items;
    assert_eq!(found.iter().map(|run| run.run).collect::<Vec<_>>(), [lease.run]);
}
