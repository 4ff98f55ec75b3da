//! A disk that is full for a moment. `tools/torture-disk` fills real ones.

use std::fs::File;

use phaseline::api::ApiError;
use phaseline::control::ControlError;
use phaseline::engine::EngineError;
use phaseline::store::StoreError;

use super::conclude;
use super::fleet::Fleet;
use super::oracle::rows;

#[tokio::test]
async fn an_attempt_that_finds_no_room_says_so_and_the_next_one_makes_it_on_sqlite() {
    for point in ["artifact.before_rename", "spawn.before"] {
        let mut fleet = Fleet::new(None).await;
        let _daemon = fleet.daemon(Some(&format!("{point}:1:full")), &[]);
        fleet.submit("full").await;
        fleet.until_done(|| false).await;
        assert!(fleet.has_fired(), "{point}");
        let failed = rows(&fleet.store, "select fault from lineage_attempts where code = 'disk_full'").await;
        assert_eq!(failed.len(), 1, "{point}: {failed:?}\n{}", fleet.log());
        assert_eq!(failed[0]["fault"], "environment");
        conclude("a_full_disk", "sqlite", 1, &fleet.violations().await);
    }
}

#[tokio::test]
async fn a_daemon_whose_log_finds_no_room_works_on() {
    let mut fleet = Fleet::new(None).await;
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut daemon = fleet.daemon_logging_to(full, None, &[]);
    fleet.submit("unlogged").await;
    fleet.until_done(|| daemon.is_gone()).await;
    assert!(!daemon.is_gone());
    assert_eq!(fleet.violations().await, Vec::<String>::new());
}

#[test]
fn an_operation_that_the_database_could_not_do_is_answered_like_a_read() {
    let doing = "record a run";
    let cause = || sqlx::Error::PoolTimedOut;
    let full = StoreError::DiskFull { doing, url: "x".to_owned(), source: cause() };
    let away = StoreError::Unreachable { doing, url: "x".to_owned(), source: cause() };
    for (cause, code) in [(full, "disk_full"), (away, "database_away")] {
        let error = EngineError::Database { doing, source: Box::new(cause) };
        let told = ApiError::from(ControlError::from(error));
        assert_eq!((told.status().as_u16(), told.code()), (503, code));
    }
}
