//! Daemons that are killed, at each point where something becomes durable and at any other time.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use phaseline::store::StoreUrl;

use rustix::process::Signal;

use super::fleet::Fleet;
use super::workload::touch;
use super::{Chance, conclude, trials};
use crate::harness::postgres::Cluster;

/// The points that the program has, by their names in its text. What stands elsewhere is reached by other tests.
fn points() -> BTreeSet<String> {
    fn collect(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                collect(&path, found);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap_or_default();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            found.extend(code.split("point(\"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned));
        }
    }
    let mut found = BTreeSet::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found
}

/// Points that other tests reach: where the API and the command line write, where triggers fire, where people are told,
/// where what is old goes, where tables are brought up to date, and where a run is put aside because its rows make no sense.
const ELSEWHERE: [&str; 8] = ["api.", "ask.", "backfill.", "gc.", "migrate.", "notify.", "quarantine.", "tick."];

#[test]
fn a_point_that_is_reached_elsewhere_is_named_there() {
    let mut tests = String::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                tests += &fs::read_to_string(entry.path()).unwrap();
            }
        }
    }
    let elsewhere = points().into_iter().filter(|point| ELSEWHERE.iter().any(|part| point.starts_with(part)));
    let missed: Vec<String> = elsewhere.filter(|point| !tests.contains(point.as_str())).collect();
    assert!(missed.is_empty(), "no test reaches these points: {missed:?}");
}

/// Points that a daemon passes once in its life here.
const ONCE: [&str; 2] = ["park.", "daemon."];

fn name(url: Option<&StoreUrl>) -> &'static str {
    if url.is_some() { "postgres" } else { "sqlite" }
}

async fn killed_at_every_point(url: Option<StoreUrl>) {
    let database = name(url.as_ref());
    let mut fleet = Fleet::new(url).await;
    let mut fired = BTreeSet::new();
    let points: Vec<String> =
        points().into_iter().filter(|point| !ELSEWHERE.iter().any(|part| point.starts_with(part))).collect();
    let trials = trials(50).max(points.len());
    for trial in 0..trials {
        let point = &points[trial % points.len()];
        let is_once = ONCE.iter().any(|part| point.starts_with(part));
        let nth = if is_once { 1 } else { trial / points.len() + 1 };
        touch(&fleet.project, &format!("trial {trial}"));
        let mut daemon = fleet.daemon(Some(&format!("{point}:{nth}:kill")), &[]);
        fleet.submit(&format!("kill{trial}")).await;
        if point.starts_with("park.") {
            fleet.submit_asking().await;
            fleet.until_gone(&mut daemon).await;
        } else if point == "daemon.drained" {
            fleet.until_begun().await;
            daemon.signal(Signal::TERM);
            fleet.until_gone(&mut daemon).await;
        }
        fleet.until_done(|| daemon.is_gone()).await;
        let was_asked = point == "daemon.drained";
        assert!(was_asked || fleet.has_fired() || !daemon.is_gone(), "a daemon ended by itself: {}", fleet.log());
        if fleet.has_fired() {
            fired.insert(point.clone());
        }
        daemon.kill();
    }
    let _daemon = fleet.daemon(None, &[]);
    fleet.until_done(|| false).await;
    fleet.approve_all().await;
    conclude("kills_at_points", database, trials, &fleet.violations().await);
    let missed: Vec<&String> = points.iter().filter(|point| !fired.contains(*point)).collect();
    assert!(missed.is_empty(), "these points were never reached: {missed:?}");
}

async fn killed_at_any_time(url: Option<StoreUrl>) {
    let database = name(url.as_ref());
    let mut fleet = Fleet::new(url).await;
    let mut chance = Chance::new("kills at any time");
    for trial in 0..trials(20) {
        let mut daemon = fleet.daemon(None, &[]);
        fleet.submit(&format!("any{trial}")).await;
        tokio::time::sleep(Duration::from_millis(chance.below(900))).await;
        assert!(!daemon.is_gone(), "a daemon ended by itself");
        daemon.kill();
    }
    let _daemon = fleet.daemon(None, &[]);
    fleet.until_done(|| false).await;
    conclude("kills_at_any_time", database, trials(20), &fleet.violations().await);
}

#[tokio::test]
async fn nothing_is_lost_or_counted_twice_when_the_daemon_is_killed_at_each_durable_point_on_sqlite() {
    killed_at_every_point(None).await;
}

#[tokio::test]
async fn nothing_is_lost_or_counted_twice_when_the_daemon_is_killed_at_each_durable_point_on_postgres() {
    let cluster = Cluster::start().await;
    killed_at_every_point(Some(cluster.database("kills").await)).await;
}

#[tokio::test]
async fn nothing_is_lost_or_counted_twice_when_the_daemon_is_killed_at_any_time_on_sqlite() {
    killed_at_any_time(None).await;
}

#[tokio::test]
async fn nothing_is_lost_or_counted_twice_when_the_daemon_is_killed_at_any_time_on_postgres() {
    let cluster = Cluster::start().await;
    killed_at_any_time(Some(cluster.database("kills").await)).await;
}
