//! Runs that are taken over after somebody has set the clock.

use std::time::Duration;

use chrono::TimeDelta;

use super::testing::{Act, Bench, ended, never, new_run, plan, step};
use super::*;
use crate::phase::Phase;

/// A run of one step whose attempt goes on, in the log of a driver that has died; the clock was set by `by` since.
async fn left(bench: &Bench, by: TimeDelta) -> crate::id::RunId {
    let mut slow = step("load", Phase::Understanding, &[]);
    slow.timeout = Some(Duration::from_hours(1));
    slow.total_timeout = Some(Duration::from_hours(2));
    let new = new_run(plan(vec![slow], vec![]), 1, &RunOptions::default());
    let id = new.id;
    let mut events = bench.engine.subscribe();
    let dies = async {
        while !matches!(&events.recv().await.unwrap().what, Happening::AttemptStarted { .. }) {}
        // The attempt is started once its beginning is on record.
        while bench.executor.started().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ended = bench.engine.start(new, never().cancel) => panic!("{ended:?}"),
        () = dies => {}
    }
    bench.log.expire(id);
    bench.log.set_back(id, by);
    id
}

/// The run as another driver brings it to its end. The attempt goes on unless it `ends`.
async fn taken_over(by: TimeDelta, age: Option<Duration>, ends: bool) -> Run {
    let bench = Bench::new(|_| Act::Hang);
    let id = left(&bench, by).await;
    *bench.executor.age.lock().unwrap() = age;
    let other = bench.restarted("two");
    let mut events = other.subscribe();
    let ends = async {
        while ends && !matches!(&events.recv().await.unwrap().what, Happening::RunClaimed { .. }) {}
        if ends {
            // Time enough to time out.
            tokio::time::sleep(Duration::from_millis(20)).await;
            bench.executor.end_hanging("table");
        }
    };
    let drive = tokio::time::timeout(Duration::from_mins(1), other.drive(id, "two", never()));
    let (driven, ()) = tokio::join!(drive, ends);
    let events = bench.log.events(id).await.unwrap();
    assert!(events.is_sorted_by_key(|event| event.at), "an event is told to be earlier than the one before");
    ended(driven.expect("it comes to no end").unwrap())
}

#[tokio::test]
async fn an_attempt_does_not_time_out_because_somebody_has_set_the_clock() {
    let half_a_minute = Some(Duration::from_secs(30));
    for by in [TimeDelta::days(2), TimeDelta::days(-2), TimeDelta::days(4000), TimeDelta::zero()] {
        let run = taken_over(by, half_a_minute, true).await;
        assert_eq!(run.outcome(), Some(Outcome::Succeeded), "{by}");
    }
    // A clock that was set back shows that by itself.
    assert_eq!(taken_over(TimeDelta::days(-2), None, true).await.outcome(), Some(Outcome::Succeeded));
}

#[tokio::test]
async fn an_attempt_that_has_taken_too_long_times_out_whatever_the_clock_says() {
    for by in [TimeDelta::hours(3), TimeDelta::days(-2)] {
        let run = taken_over(by, Some(Duration::from_hours(3)), false).await;
        assert_eq!(run.outcome(), Some(Outcome::Failed), "{by}");
    }
    // Where nobody can tell how long it has run, the times on record have to do.
    assert_eq!(taken_over(TimeDelta::days(2), None, false).await.outcome(), Some(Outcome::Failed));
}
