//! Daemons that stop for a while, as a machine that swaps or a virtual one that is moved, and wake without knowing it.

use std::time::Duration;

use rustix::process::Signal;

use super::fleet::Fleet;
use super::{Chance, conclude, trials};
use crate::harness::postgres::Cluster;

/// Short, so that it runs out often.
const LEASE: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_daemon_that_wakes_after_its_lease_was_taken_changes_nothing_on_postgres() {
    let cluster = Cluster::start().await;
    let mut fleet = Fleet::new(Some(cluster.database("freezes").await)).await;
    let mut chance = Chance::new("freezes");
    let lease = format!("{}s", LEASE.as_secs());
    let arguments = ["--lease", lease.as_str()];
    let mut daemons = [fleet.daemon(None, &arguments), fleet.daemon(None, &arguments)];
    for trial in 0..trials(6) {
        fleet.submit(&format!("freeze{trial}")).await;
        tokio::time::sleep(Duration::from_millis(chance.below(400))).await;
        let frozen = &daemons[usize::try_from(chance.below(2)).unwrap()];
        frozen.signal(Signal::STOP);
        // From half a lease to three.
        tokio::time::sleep(LEASE / 2 + Duration::from_millis(chance.below(6000))).await;
        frozen.signal(Signal::CONT);
    }
    fleet.until_done(|| false).await;
    for daemon in &mut daemons {
        assert!(!daemon.is_gone(), "a daemon ended by itself");
    }
    conclude("freezes", "postgres", trials(6), &fleet.violations().await);
}
