//! Slots hold across runs, processes and databases: never more than there are, and none that stays taken by nobody.

use std::time::Duration;

use chrono::Utc;
use phaseline::engine::{Answer, Happening, Lease, Limits, Origin, Outcome, RunLog, Short, Slots, Take, Want};
use phaseline::id::{AttemptId, RunId};
use phaseline::step::Fault;
use phaseline::store::queries::{PageRequest, PoolSummary};
use phaseline::store::{Store, StoreUrl};
use phaseline::worker::Failure;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::harness::databases::{end_lease, on_both_databases, open, promises};
use crate::harness::history::{Log, claimed, dawn, new_run, outcome, small_plan, started, step_name, succeeded};
use crate::harness::project::Project;

const HOUR: Duration = Duration::from_hours(1);

#[test]
fn slots_are_rows_that_nobody_can_leak_or_take_twice() {
    on_both_databases(promises![
        many_at_once_never_take_more_than_there_is_and_are_all_served,
        a_slot_goes_with_the_end_of_its_attempt_and_of_its_run,
        a_killed_foreground_run_holds_nothing_and_a_shared_one_until_it_is_taken_over,
        whoever_asks_first_or_is_more_urgent_is_served_first,
        a_weight_takes_as_many_slots,
    ]);
}

fn limits(cpus: u32) -> Limits {
    Limits { cpus, host: "here".to_owned(), ..Limits::of_machine() }
}

fn of_pool(slots: u32) -> Take {
    Take { cpus: 1, pool: Some(("narrow".to_owned(), slots)), ..Take::default() }
}

fn want(take: Take) -> Want {
    Want { attempt: AttemptId::generate(), step: step_name("load"), key: None, take }
}

async fn ask(store: &Store, lease: &Lease, want: &Want) -> Answer {
    store.claim_slots(lease, std::slice::from_ref(want), &limits(8)).await.unwrap().remove(0)
}

async fn is_granted(store: &Store, lease: &Lease, want: &Want) -> bool {
    matches!(ask(store, lease, want).await, Answer::Granted { .. })
}

/// A run that any daemon may drive, with its lease.
async fn shared(store: &Store, owner: &str, priority: i32) -> Lease {
    let mut run = new_run(RunId::generate(), small_plan(&["load"]), dawn());
    run.origin = Origin { priority, ..Origin::default() };
    let id = run.id;
    store.submit(run).await.unwrap();
    store.claim(id, owner, HOUR).await.unwrap()
}

async fn created(store: &Store, lease_for: Duration) -> Lease {
    let run = new_run(RunId::generate(), small_plan(&["load"]), dawn());
    store.create(run, "alpha:1", lease_for).await.unwrap()
}

async fn used(store: &Store) -> u32 {
    pools(store).await.iter().map(|pool| u32::try_from(pool.used).unwrap()).sum()
}

async fn pools(store: &Store) -> Vec<PoolSummary> {
    let everything = PageRequest { after: None, limit: u32::MAX };
    let page = store.pools_page(false, &everything).await.unwrap();
    page.items.into_iter().map(|pool| pool.summary).collect()
}

fn ending(attempt: AttemptId, dice: u32) -> Happening {
    let step = step_name("load");
    let failure = Failure { fault: Fault::Environment, code: "io".to_owned(), message: String::new(), help: None };
    match dice {
        0 => Happening::AttemptFailed { step, attempt, failure, seconds: 0.1 },
        1 => Happening::AttemptLost { step, attempt, why: "killed".to_owned() },
        2 => Happening::RunFinished { outcome: Outcome::Cancelled },
        _ => succeeded("load", attempt, outcome(&[])),
    }
}

/// One driver that asks, starts, ends, dies and comes back; checks at every grant that the pool is not overfull.
async fn driver(store: Store, number: u64) -> u32 {
    const SLOTS: u32 = 2;
    let mut rng = ChaCha8Rng::seed_from_u64(number);
    let owner = format!("driver:{number}");
    let mut served = 0;
    let mut lease = shared(&store, &owner, 0).await;
    let mut log = Log::starting(dawn());
    while served < 6 {
        let want = want(of_pool(1));
        while !is_granted(&store, &lease, &want).await {
            assert!(used(&store).await <= SLOTS);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert!(used(&store).await <= SLOTS);
        served += 1;
        if rng.random_bool(0.2) {
            // It dies between the grant and the start; whoever takes the run over does not know of the grant.
            lease = store.claim(lease.run, &owner, HOUR).await.unwrap();
            continue;
        }
        if rng.random_bool(0.2) {
            store.give_back(&lease, &[want.attempt]).await.unwrap();
            continue;
        }
        let next = log.next();
        let begin = log.events([started("load", want.attempt, None, vec![])]);
        store.append(&lease, next, &begin).await.unwrap();
        if rng.random_bool(0.2) {
            // It dies while the attempt runs, and the attempt is adopted with its slot.
            lease = store.claim(lease.run, &owner, HOUR).await.unwrap();
            assert!(used(&store).await >= 1);
        }
        let end = ending(want.attempt, rng.random_range(0..6));
        let is_over = matches!(end, Happening::RunFinished { .. });
        let next = log.next();
        store.append(&lease, next, &log.events([end])).await.unwrap();
        if is_over {
            lease = shared(&store, &owner, 0).await;
            log = Log::starting(dawn());
        }
    }
    store.release(&lease).await.unwrap();
    served
}

async fn many_at_once_never_take_more_than_there_is_and_are_all_served(url: StoreUrl) {
    let stores = [open(&url).await, open(&url).await];
    stores[0].set_pool("narrow", 2, "test", Utc::now()).await.unwrap();
    let drivers: Vec<_> =
        (0..8u64).map(|number| tokio::spawn(driver(stores[usize::from(number % 2 == 0)].clone(), number))).collect();
    for driver in drivers {
        // A slot that leaked would let the others wait for ever.
        let served = tokio::time::timeout(Duration::from_secs(120), driver).await.expect("nobody starves");
        assert_eq!(served.unwrap(), 6);
    }
    assert_eq!(used(&stores[0]).await, 0);
    assert!(pools(&stores[1]).await.iter().all(|pool| pool.waiting == 0));
}

async fn a_slot_goes_with_the_end_of_its_attempt_and_of_its_run(url: StoreUrl) {
    let store = open(&url).await;
    for dice in 0..4 {
        let (lease, other) = (created(&store, HOUR).await, created(&store, HOUR).await);
        let mut log = Log::starting(dawn());
        let (first, second) = (want(of_pool(1)), want(of_pool(1)));
        assert!(is_granted(&store, &lease, &first).await);
        assert!(is_granted(&store, &lease, &first).await, "the answer may have been lost");
        let Answer::Wait(wait) = ask(&store, &other, &second).await else { panic!("the pool has one slot") };
        assert_eq!(wait.because, format!("pool `narrow` is full, 1 of 1 taken: load of {}", lease.run));
        let begin = log.events([claimed("alpha:1"), started("load", first.attempt, None, vec![])]);
        store.append(&lease, 1, &begin).await.unwrap();
        assert!(!is_granted(&store, &other, &second).await);
        store.append(&lease, 3, &log.events([ending(first.attempt, dice)])).await.unwrap();
        assert!(is_granted(&store, &other, &second).await, "{dice}");
        store.release(&other).await.unwrap();
    }
}

async fn a_killed_foreground_run_holds_nothing_and_a_shared_one_until_it_is_taken_over(url: StoreUrl) {
    let store = open(&url).await;
    let (killed, other) = (created(&store, HOUR).await, created(&store, HOUR).await);
    assert!(is_granted(&store, &killed, &want(of_pool(1))).await);
    end_lease(&url, killed.run).await;
    assert_eq!(counted(&store).await, ["0"; 5], "nobody drives the run");
    let second = want(of_pool(1));
    assert!(is_granted(&store, &other, &second).await, "nobody drives the first run");
    assert_eq!(counted(&store).await, ["1"; 5]);
    store.give_back(&other, &[second.attempt]).await.unwrap();

    let crashed = shared(&store, "daemon:1", 0).await;
    let crashed = store.claim(crashed.run, "daemon:1", HOUR).await.unwrap();
    assert!(is_granted(&store, &crashed, &want(of_pool(1))).await);
    end_lease(&url, crashed.run).await;
    assert!(!is_granted(&store, &other, &second).await, "its attempt may have been started");
    store.claim(crashed.run, "daemon:2", HOUR).await.unwrap();
    assert!(is_granted(&store, &other, &second).await, "it was never started");
}

async fn whoever_asks_first_or_is_more_urgent_is_served_first(url: StoreUrl) {
    let store = open(&url).await;
    let holder = created(&store, HOUR).await;
    let held = want(of_pool(1));
    assert!(is_granted(&store, &holder, &held).await);
    let (late, urgent) = (shared(&store, "daemon:1", 0).await, shared(&store, "daemon:1", 5).await);
    let (of_late, of_urgent) = (want(of_pool(1)), want(of_pool(1)));
    assert!(!is_granted(&store, &late, &of_late).await);
    assert!(!is_granted(&store, &urgent, &of_urgent).await);
    let pool = store.pool_detail("narrow").await.unwrap();
    let order: Vec<String> = pool.waiters.unwrap().into_iter().map(|waiter| waiter.run_id).collect();
    assert_eq!(order, [urgent.run.to_string(), late.run.to_string()]);
    store.give_back(&holder, &[held.attempt]).await.unwrap();
    let Answer::Wait(wait) = ask(&store, &late, &of_late).await else { panic!("it is not its turn") };
    assert_eq!(wait.short, Short::Turn);
    assert_eq!(wait.because, format!("load of {} is before it, with priority 5", urgent.run));
    // Steps that ask no more hold nobody up.
    store.claim_slots(&urgent, &[], &limits(8)).await.unwrap();
    assert!(is_granted(&store, &late, &of_late).await);
}

/// The slots of the pool that are taken, by each of those who count them.
async fn counted(store: &Store) -> [String; 5] {
    let detail = store.pool_detail("narrow").await.unwrap();
    let of_page = store.pools_page(false, &PageRequest { limit: 10, after: None }).await.unwrap().items;
    let counts = store.counts().await.unwrap().slots_used;
    let of_metrics = counts.iter().find(|(pool, _)| pool == "narrow").map_or(0.0, |(_, used)| *used);
    [
        used(store).await.to_string(),
        detail.summary.used.to_string(),
        of_page.first().map_or(0, |pool| pool.summary.used).to_string(),
        of_metrics.to_string(),
        detail.holders.unwrap().iter().map(|holder| holder.slots).sum::<i64>().to_string(),
    ]
}

async fn a_weight_takes_as_many_slots(url: StoreUrl) {
    let store = open(&url).await;
    store.set_pool("narrow", 3, "test", Utc::now()).await.unwrap();
    let lease = created(&store, HOUR).await;
    let wants = [want(of_pool(2)), want(of_pool(2)), want(of_pool(1))];
    let answers = store.claim_slots(&lease, &wants, &limits(8)).await.unwrap();
    let granted: Vec<bool> = answers.iter().map(|answer| matches!(answer, Answer::Granted { .. })).collect();
    assert_eq!(granted, [true, false, true]);
    assert_eq!(used(&store).await, 3);
}

const POOLED: &str = r"
version: 1
pipeline: pooled
data_engineering:
  steps:
    load: {run: 'echo made > $PHASELINE_OUTPUT_TEXT', outputs: {text: file}, pool: narrow}
";

#[test]
fn a_cached_step_never_waits_for_a_full_pool() {
    let project = Project::with_manifest(POOLED);
    project.run(&["run", "pipeline.yaml"]).expect(0);
    project.run(&["pools", "set", "narrow", "0"]).expect(0);
    let again = project.run(&["run", "pipeline.yaml", "--json"]).expect(0);
    assert_eq!(again.state("load"), "reused");
    let refused = project.run(&["pools", "set", "Narrow!", "1"]).expect(2);
    assert!(refused.stderr().contains("is not the name of a pool"), "{}", refused.stderr());
}

#[test]
fn two_foreground_runs_share_a_pool_and_the_list_tells_who_waits() {
    let manifest = r"
version: 1
pipeline: pooled
params:
  name: {type: string, default: one}
data_engineering:
  steps:
    load: {run: 'echo ${{ params.name }} >> started; while ! test -e go; do sleep 0.02; done', pool: narrow}
";
    let project = Project::with_manifest(manifest);
    let mut one = project.start(&["run", "pipeline.yaml"]);
    project.until("the first start", |folder| folder.join("started").exists().then_some(()));
    let mut two = project.start(&["run", "pipeline.yaml", "--set", "name=two"]);
    let pools = project.until("the second to wait", |_| {
        let pools = project.run(&["pools", "--json"]).expect(0).json();
        pools[0]["waiting"].as_array().is_some_and(|waiting| waiting.len() == 1).then_some(pools)
    });
    assert_eq!(pools[0]["used"], 1);
    let (holder, because) = (pools[0]["by"][0]["run_id"].as_str().unwrap(), &pools[0]["waiting"][0]["because"]);
    assert_eq!(*because, format!("pool `narrow` is full, 1 of 1 taken: load of {holder}"));
    let text = project.run(&["pools"]).expect(0).stdout();
    assert!(text.contains("narrow") && text.contains(holder), "{text}");
    assert_eq!(std::fs::read_to_string(project.path().join("started")).unwrap(), "one\n");
    project.write("go", "");
    assert!(one.wait().unwrap().success() && two.wait().unwrap().success());
    assert_eq!(std::fs::read_to_string(project.path().join("started")).unwrap(), "one\ntwo\n");
}

#[test]
fn gpu_steps_run_beside_each_other_as_far_as_gpu_memory_is_free() {
    use std::os::unix::fs::PermissionsExt;

    let manifest = r"
version: 1
pipeline: gpus
data_engineering:
  steps:
    left: {run: 'echo $CUDA_VISIBLE_DEVICES > left', resources: {gpu: required, gpu_memory: 8GiB}}
    right: {run: 'echo $CUDA_VISIBLE_DEVICES > right', resources: {gpu: required, gpu_memory: 8GiB}}
";
    let project = Project::with_manifest(manifest);
    project.run(&["run", "pipeline.yaml"]).expect(1);
    // One GPU has its memory taken by a program that nobody here started.
    let script = "#!/bin/sh\necho '0, 16384, 100'\necho '3, 16384, 16000'\n";
    let path = project.write("bin/nvidia-smi", script);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let search = format!("{}:{}", project.path().join("bin").display(), std::env::var("PATH").unwrap());
    let project = project.env("PATH", &search);
    project.run(&["run", "pipeline.yaml"]).expect(0);
    for side in ["left", "right"] {
        assert_eq!(std::fs::read_to_string(project.path().join(side)).unwrap(), "3\n");
    }
}
