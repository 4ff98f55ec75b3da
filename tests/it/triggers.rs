//! What is promised about triggers: each tick makes one run, on both databases, whoever races and whenever one dies.

use std::time::Duration;

use chrono::Utc;
use phaseline::id::RunId;
use phaseline::manifest::Overlap;
use phaseline::store::queries::PageRequest;
use phaseline::store::queries::RunFilter;
use phaseline::store::{DeclaredTrigger, NewTick, Quiet, Store, StoreUrl, TickState, TickWants, Ticked};
use serde_json::{Value, json};

use crate::harness::databases::{on_both_databases, open, promises};
use crate::harness::history::{dawn, new_run, small_plan};

#[test]
fn a_tick_makes_one_run() {
    on_both_databases(promises![
        fifty_fires_of_one_key_make_one_run,
        two_daemons_that_race_make_one_run_for_each_tick,
        a_run_that_goes_on_is_dealt_with_as_the_trigger_says,
        a_trigger_that_stays_quiet_records_nothing,
    ]);
}

#[test]
fn a_trigger_begins_when_its_definition_does() {
    on_both_databases(promises![a_changed_definition_begins_anew_and_another_keeps_its_past]);
}

fn declared(name: &str, definition: Value) -> DeclaredTrigger {
    DeclaredTrigger { name: name.to_owned(), kind: "cron", definition }
}

async fn keep(store: &Store, name: &str) {
    store.keep_triggers("churn", &[declared(name, json!({"cron": "0 * * * *"}))]).await.unwrap();
}

/// A tick that wants a run.
fn tick(key: &str, overlap: Overlap) -> NewTick {
    let mut run = new_run(RunId::generate(), small_plan(&["load"]), dawn());
    run.origin.trigger = Some("hourly".to_owned());
    NewTick {
        pipeline: "churn".to_owned(),
        trigger: "hourly".to_owned(),
        key: key.to_owned(),
        detail: json!({"time": key}),
        wants: TickWants::Run { run: Box::new(run), overlap, quiet: Quiet::default() },
    }
}

async fn count(store: &Store) -> usize {
    let request = PageRequest { after: None, limit: 1000 };
    store.runs_page(&RunFilter::default(), &request).await.unwrap().items.len()
}

async fn fifty_fires_of_one_key_make_one_run(url: StoreUrl) {
    let stores = [open(&url).await, open(&url).await];
    keep(&stores[0], "hourly").await;
    let fires = (0..50).map(|number| {
        let store = stores[number % 2].clone();
        tokio::spawn(async move { store.record_tick(&tick("delivery:7", Overlap::Allow)).await.unwrap() })
    });
    let (mut new, mut runs) = (0, std::collections::BTreeSet::new());
    for fire in fires.collect::<Vec<_>>() {
        match fire.await.unwrap() {
            Ticked::New(tick) => {
                new += 1;
                runs.insert(tick.run);
            }
            Ticked::Known(tick) => drop(runs.insert(tick.run)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((new, runs.len(), count(&stores[0]).await), (1, 1, 1), "everybody is told the same run");
}

async fn two_daemons_that_race_make_one_run_for_each_tick(url: StoreUrl) {
    let stores = [open(&url).await, open(&url).await];
    keep(&stores[0], "hourly").await;
    let daemons = stores.clone().map(|store| {
        tokio::spawn(async move {
            let mut made = 0;
            for number in 0..200 {
                let key = format!("2026-03-02T{:02}:{:02}:00.000000Z", number / 60, number % 60);
                made += usize::from(matches!(
                    store.record_tick(&tick(&key, Overlap::Allow)).await.unwrap(),
                    Ticked::New(tick) if tick.state == TickState::Fired
                ));
            }
            made
        })
    });
    let mut made = Vec::new();
    for daemon in daemons {
        made.push(daemon.await.unwrap());
    }
    assert_eq!(made.iter().sum::<usize>(), 200, "{made:?}");
    let runs: std::collections::BTreeSet<_> =
        stores[0].ticks_of("churn", "hourly", 1000).await.unwrap().into_iter().map(|tick| tick.run.unwrap()).collect();
    assert_eq!((runs.len(), count(&stores[0]).await), (200, 200));
}

async fn a_run_that_goes_on_is_dealt_with_as_the_trigger_says(url: StoreUrl) {
    let store = open(&url).await;
    keep(&store, "hourly").await;
    let Ticked::New(first) = store.record_tick(&tick("1", Overlap::Skip)).await.unwrap() else { panic!() };
    assert_eq!(first.state, TickState::Fired);
    let record = async |key: &str, overlap| match store.record_tick(&tick(key, overlap)).await.unwrap() {
        Ticked::New(tick) => (tick.state, tick.because.unwrap_or_default()),
        other => panic!("{other:?}"),
    };
    let (state, because) = record("2", Overlap::Skip).await;
    assert_eq!(state, TickState::Skipped);
    assert_eq!(because, format!("{} of this trigger still goes on", first.run.unwrap()));
    assert_eq!(record("3", Overlap::Queue).await.0, TickState::Queued);
    let (state, because) = record("4", Overlap::Queue).await;
    assert_eq!((state, because.as_str()), (TickState::Skipped, "tick 3 waits already"));
    // The queue waits for the run.
    assert_eq!(store.queued_ticks().await.unwrap(), []);
    let waiting = store.tick("churn", "hourly", "3").await.unwrap().unwrap();
    let mut run = new_run(RunId::generate(), small_plan(&["load"]), dawn());
    run.origin.trigger = Some("hourly".to_owned());
    assert!(matches!(store.fire_queued(&waiting, Ok(&run)).await.unwrap(), Ticked::Known(_)));
    let (state, because) = record("5", Overlap::CancelRunning).await;
    assert_eq!(state, TickState::Fired);
    assert!(because.contains("was asked to end"), "{because}");
    let asked = store.requests_of(first.run.unwrap()).await.unwrap();
    assert_eq!(asked.iter().map(|request| request.kind.as_str()).collect::<Vec<_>>(), ["cancel"]);
    assert_eq!(record("6", Overlap::Allow).await.0, TickState::Fired);
    assert_eq!(count(&store).await, 3);
}

async fn a_trigger_that_stays_quiet_records_nothing(url: StoreUrl) {
    let store = open(&url).await;
    keep(&store, "hourly").await;
    let quiet = |key: &str, quiet| {
        let mut new = tick(key, Overlap::Allow);
        if let TickWants::Run { quiet: inner, .. } = &mut new.wants {
            *inner = quiet;
        }
        new
    };
    let two_a_day = Quiet { cooldown: None, max_per_day: Some(2) };
    for key in ["1", "2"] {
        assert!(matches!(store.record_tick(&quiet(key, two_a_day)).await.unwrap(), Ticked::New(_)));
    }
    let Ticked::Quiet(until) = store.record_tick(&quiet("3", two_a_day)).await.unwrap() else { panic!() };
    assert!(until > Utc::now() + Duration::from_hours(23), "{until}");
    let cooled = Quiet { cooldown: Some(Duration::from_hours(1)), max_per_day: None };
    assert!(matches!(store.record_tick(&quiet("3", cooled)).await.unwrap(), Ticked::Quiet(_)));
    assert_eq!(store.tick("churn", "hourly", "3").await.unwrap(), None);
    let brief = Quiet { cooldown: Some(Duration::from_nanos(1)), max_per_day: Some(3) };
    // Times are kept to the millisecond.
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert!(matches!(store.record_tick(&quiet("3", brief)).await.unwrap(), Ticked::New(_)));
}

async fn a_changed_definition_begins_anew_and_another_keeps_its_past(url: StoreUrl) {
    let store = open(&url).await;
    let all = async || store.kept_triggers("churn").await.unwrap().1;
    let cron = declared("a", json!({"cron": "0 3 * * *"}));
    store.keep_triggers("churn", &[cron.clone(), declared("b", json!({"cron": "0 4 * * *"}))]).await.unwrap();
    let before = all().await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    store.keep_triggers("churn", &[cron, declared("b", json!({"cron": "0 5 * * *"}))]).await.unwrap();
    let after = all().await;
    assert_eq!(after[0], before[0], "what did not change keeps its past");
    assert!(after[1].since > before[1].since && after[1].anchor == after[1].since);
    // With `from_now`, what was missed during a pause is none of its times.
    assert!(store.pause_trigger("churn", "a", Some("ada"), false).await.unwrap());
    assert!(all().await[0].is_paused);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(store.pause_trigger("churn", "a", None, true).await.unwrap());
    let resumed = all().await;
    assert!(!resumed[0].is_paused && resumed[0].since > before[0].since && resumed[0].anchor == before[0].anchor);
    store.keep_triggers("churn", &[]).await.unwrap();
    assert!(all().await.is_empty());
    assert!(matches!(store.record_tick(&tick("1", Overlap::Skip)).await.unwrap(), Ticked::Gone));
}
