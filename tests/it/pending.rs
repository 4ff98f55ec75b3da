//! Which runs a daemon takes when it looks for work: on SQLite and on Postgres.

use std::time::Duration;

use phaseline::engine::{Answer, Limits, Origin, Request, RequestKind, RunLog, Slots, Take, Want};
use phaseline::id::{AttemptId, RunId};
use phaseline::store::{Claims, Store, StoreUrl};

use crate::harness::databases::{end_lease, on_both_databases, open, promises};
use crate::harness::history::{dawn, new_run, small_plan, step_name};

const HOUR: Duration = Duration::from_hours(1);

#[test]
fn a_daemon_takes_as_many_runs_as_it_can_serve_and_those_first_that_cannot_wait() {
    on_both_databases(promises![
        the_most_urgent_runs_are_taken_first_and_only_so_many,
        a_full_daemon_takes_only_more_urgent_runs,
        a_run_with_slots_or_an_open_request_is_taken_by_a_full_daemon,
    ]);
}

async fn submitted(store: &Store, priority: i32) -> RunId {
    let mut run = new_run(RunId::generate(), small_plan(&["load"]), dawn());
    run.origin = Origin { priority, ..Origin::default() };
    let id = run.id;
    store.submit(run).await.unwrap();
    id
}

/// What a daemon gets that has room for `limit` runs, `fresh` of them of any priority and the others above `above`.
async fn taken(store: &Store, limit: usize, fresh: usize, above: i64) -> Vec<(RunId, i64)> {
    // Another daemon each time, since what one has claimed and does not name as driven it is given again.
    let owner = RunId::generate().to_string();
    let claims = Claims { owner: &owner, host: "alpha", lease_for: HOUR, limit, fresh, above, except: &[] };
    store.claim_pending(claims).await.unwrap()
}

async fn the_most_urgent_runs_are_taken_first_and_only_so_many(url: StoreUrl) {
    let store = open(&url).await;
    let (calm, urgent, other) = (submitted(&store, 0).await, submitted(&store, 5).await, submitted(&store, 0).await);
    assert_eq!(taken(&store, 10, 2, 0).await, [(urgent, 5), (calm, 0)]);
    assert_eq!(taken(&store, 10, 2, 0).await, [(other, 0)]);
    assert!(taken(&store, 10, 2, 0).await.is_empty());
}

async fn a_full_daemon_takes_only_more_urgent_runs(url: StoreUrl) {
    let store = open(&url).await;
    submitted(&store, 1).await;
    let (urgent, second) = (submitted(&store, 3).await, submitted(&store, 2).await);
    assert_eq!(taken(&store, 10, 0, 1).await, [(urgent, 3), (second, 2)]);
    assert!(taken(&store, 10, 0, 1).await.is_empty());
}

async fn a_run_with_slots_or_an_open_request_is_taken_by_a_full_daemon(url: StoreUrl) {
    let store = open(&url).await;
    let (asked, holding, waiting) =
        (submitted(&store, 0).await, submitted(&store, 0).await, submitted(&store, 0).await);
    store.ask(Request::new(asked, RequestKind::Cancel, "ada")).await.unwrap();
    let lease = store.claim(holding, "gone:1", HOUR).await.unwrap();
    let take = Take { cpus: 1, ..Take::default() };
    let want = Want { attempt: AttemptId::generate(), step: step_name("load"), key: None, take };
    let answers = store.claim_slots(&lease, &[want], &Limits::of_machine()).await.unwrap();
    assert_eq!(answers, [Answer::Granted { gpu: None }]);
    end_lease(&url, holding).await;
    let mut runs: Vec<RunId> = taken(&store, 10, 0, 9).await.into_iter().map(|(run, _)| run).collect();
    runs.sort_unstable();
    assert_eq!(runs, [asked, holding]);
    assert_eq!(taken(&store, 10, 1, 9).await, [(waiting, 0)]);
}
