//! Whoever follows the events of all runs sees each of them once, on SQLite and on Postgres.

use std::collections::BTreeMap;
use std::time::Duration;

use phaseline::engine::{Happening, Lease, RunLog};
use phaseline::id::RunId;
use phaseline::store::{OutboxCursor, PublishedEvent, Store, StoreUrl};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use crate::harness::databases::{on_both_databases, open, promises, write};
use crate::harness::history::{Log, claimed, dawn, new_run, small_plan};

const HOUR: Duration = Duration::from_hours(1);

#[test]
fn nobody_who_follows_misses_an_event() {
    on_both_databases(promises![
        every_event_is_published_with_its_append,
        writers_at_once_are_all_seen_in_order,
        what_was_cleared_can_be_told,
        a_row_that_a_subscriber_has_not_read_is_kept,
        a_transaction_that_commits_late_is_not_overtaken,
    ]);
}

async fn begun(store: &Store) -> (Lease, Log) {
    let run = new_run(RunId::generate(), small_plan(&["load"]), dawn());
    (store.create(run, "alpha:1", HOUR).await.unwrap(), Log::starting(dawn()))
}

async fn append(store: &Store, lease: &Lease, log: &mut Log, count: usize) {
    let next = log.next();
    let events = log.events((0..count).map(|_| claimed("alpha:1")));
    store.append(lease, next, &events).await.unwrap();
}

async fn all_after(store: &Store, mut cursor: OutboxCursor) -> Vec<PublishedEvent> {
    let mut all = Vec::new();
    loop {
        let page = store.published(cursor, 3).await.unwrap();
        let Some(last) = page.last() else { return all };
        assert!(page.len() <= 3);
        cursor = last.cursor;
        all.extend(page);
    }
}

async fn every_event_is_published_with_its_append(url: StoreUrl) {
    let store = open(&url).await;
    let (lease, mut log) = begun(&store).await;
    assert_eq!(store.outbox_end().await.unwrap(), OutboxCursor::default());
    append(&store, &lease, &mut log, 4).await;
    let middle = store.outbox_end().await.unwrap();
    let next = log.next();
    let cancel = log.events([Happening::CancelRequested { by: "ada".to_owned() }]);
    store.append(&lease, next, &cancel).await.unwrap();
    // A refused append publishes nothing.
    assert!(store.append(&lease, 1, &cancel).await.is_err());
    let all = all_after(&store, OutboxCursor::default()).await;
    assert_eq!(all.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let new = all_after(&store, middle).await;
    assert_eq!(new, &all[4..]);
    assert_eq!((new[0].run, new[0].pipeline.as_str()), (lease.run, "churn"));
    assert_eq!(new[0].what["event"], "cancel_requested");
    assert!(new[0].at.starts_with("2026-03-02T08:00:04"), "{}", new[0].at);
}

async fn writers_at_once_are_all_seen_in_order(url: StoreUrl) {
    const WRITERS: usize = 5;
    const APPENDS: usize = 12;
    let store = open(&url).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let (lease, mut log) = begun(&store).await;
                for turn in 0..APPENDS {
                    append(&store, &lease, &mut log, 1 + (number + turn) % 3).await;
                }
                (lease.run, log.next() - 1)
            })
        })
        .collect();
    let follower = tokio::spawn(async move {
        let mut seen: BTreeMap<RunId, Vec<u64>> = BTreeMap::new();
        let (mut cursor, mut count) = (OutboxCursor::default(), 0usize);
        let total =
            (0..WRITERS).flat_map(|number| (0..APPENDS).map(move |turn| 1 + (number + turn) % 3)).sum::<usize>();
        while count < total {
            for event in store.published(cursor, 7).await.unwrap() {
                assert!(event.cursor > cursor);
                cursor = event.cursor;
                count += 1;
                seen.entry(event.run).or_default().push(event.seq);
            }
            tokio::task::yield_now().await;
        }
        seen
    });
    let seen = tokio::time::timeout(Duration::from_secs(60), follower).await.expect("all are seen").unwrap();
    for writer in writers {
        let (run, last) = writer.await.unwrap();
        assert_eq!(seen[&run], (1..=last).collect::<Vec<_>>());
    }
}

async fn what_was_cleared_can_be_told(url: StoreUrl) {
    let store = open(&url).await;
    let (lease, mut log) = begun(&store).await;
    append(&store, &lease, &mut log, 5).await;
    assert_eq!(store.clear_outbox(HOUR, 100).await.unwrap(), 0, "they are young");
    let all = all_after(&store, OutboxCursor::default()).await;
    until_older().await;
    assert_eq!(store.clear_outbox(Duration::ZERO, 2).await.unwrap(), 2);
    assert_eq!(store.outbox_cleared().await.unwrap(), all[1].cursor);
    assert_eq!(all_after(&store, OutboxCursor::default()).await, &all[2..]);
    assert_eq!(store.clear_outbox(Duration::ZERO, 100).await.unwrap(), 3);
    // An empty outbox still ends where it ended.
    assert_eq!(store.outbox_end().await.unwrap(), all[4].cursor);
    append(&store, &lease, &mut log, 1).await;
    assert_eq!(all_after(&store, all[4].cursor).await.len(), 1);
}

async fn a_row_that_a_subscriber_has_not_read_is_kept(url: StoreUrl) {
    let store = open(&url).await;
    let (lease, mut log) = begun(&store).await;
    append(&store, &lease, &mut log, 3).await;
    let second = all_after(&store, OutboxCursor::default()).await[1].cursor.to_string();
    let (tx, position) = second.split_once('-').unwrap();
    write(&url, &format!("insert into subscriptions (subscriber, tx, position) values ('notify', {tx}, {position})"))
        .await;
    until_older().await;
    assert_eq!(store.clear_outbox(Duration::ZERO, 100).await.unwrap(), 2);
    assert_eq!(all_after(&store, OutboxCursor::default()).await.len(), 1);
}

/// Lets the clock of this machine, which both databases use, show another millisecond than at the last append.
async fn until_older() {
    tokio::time::sleep(Duration::from_millis(3)).await;
}

/// SQLite lets nobody write meanwhile, so there is nothing to overtake.
async fn a_transaction_that_commits_late_is_not_overtaken(url: StoreUrl) {
    let StoreUrl::Postgres(text) = &url else { return };
    let store = open(&url).await;
    let (lease, mut log) = begun(&store).await;
    let (slow, _) = begun(&store).await;
    append(&store, &lease, &mut log, 2).await;
    let mut connection = PgConnection::connect(text).await.unwrap();
    let mut late = connection.begin().await.unwrap();
    let statement = format!(
        "insert into events (run_id, seq, at, event) values ('{run}', 1, '2026-03-02T08:00:00Z', '{{}}');
        insert into outbox (run_id, seq, at_ms) values ('{run}', 1, 0)",
        run = slow.run
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut *late).await.unwrap();
    append(&store, &lease, &mut log, 3).await;
    let before = all_after(&store, OutboxCursor::default()).await;
    assert_eq!(before.len(), 2, "what was committed after an open transaction began has to wait for it");
    let cursor = before[1].cursor;
    assert_eq!(store.outbox_end().await.unwrap(), cursor);
    late.commit().await.unwrap();
    let after = all_after(&store, cursor).await;
    assert_eq!(after.len(), 4);
    assert_eq!((after[0].run, after[0].seq), (slow.run, 1));
    // One that is rolled back leaves a gap and holds nobody up.
    let mut gone = connection.begin().await.unwrap();
    let statement = format!("insert into outbox (run_id, seq, at_ms) values ('{}', 2, 0)", slow.run);
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut *gone).await.unwrap();
    append(&store, &lease, &mut log, 1).await;
    assert!(all_after(&store, after[3].cursor).await.is_empty());
    gone.rollback().await.unwrap();
    assert_eq!(all_after(&store, after[3].cursor).await.len(), 1);
}
