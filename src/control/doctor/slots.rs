//! Slots that are taken for nothing, and pools that let nobody in.

use super::report::{Check, Finding};
use super::words;
use crate::store::queries::{PageRequest, PoolDetail};
use crate::store::{Store, StoreError, StraySlot};

pub(super) async fn check(store: &Store) -> Result<Check, StoreError> {
    let everything = PageRequest { after: None, limit: u32::MAX };
    Ok(judge(&store.stray_slots().await?, &store.pools_page(false, &everything).await?.items))
}

fn judge(strays: &[StraySlot], pools: &[PoolDetail]) -> Check {
    let mut findings: Vec<Finding> = strays.iter().map(stray).collect();
    let waits = |pool: &PoolDetail| pool.summary.waiting.unsigned_abs();
    for pool in pools.iter().filter(|pool| pool.summary.slots == 0 && waits(pool) > 0) {
        let message = format!("it has no slots, and {} waits for one", words::count(waits(pool), "step"));
        let name = &pool.summary.pool;
        let help = format!("`phaseline pools set {name} N` gives it some");
        findings.push(Finding::warning(format!("pool `{name}`"), message, help));
    }
    let waiting = pools.iter().map(waits).sum();
    let message = match pools.len() as u64 {
        0 => "no pool is in use".to_owned(),
        count => format!("{} in use, {} waiting", words::count(count, "pool"), words::count(waiting, "step")),
    };
    Check::new("slots", message, findings)
}

fn stray(slot: &StraySlot) -> Finding {
    let pool = slot.pool.as_ref().map(|pool| format!(" in pool `{pool}`")).unwrap_or_default();
    let message = format!("its slot{pool} is taken for nothing: {}", slot.because);
    let help = if slot.because.ends_with("drives its run") {
        format!("whoever drives the run next frees it: `phaseline resume {}`", slot.run)
    } else {
        format!("free it with `delete from slots where attempt_id = '{}'`, and please report this", slot.attempt)
    };
    Finding::warning(format!("{} of {} ({})", slot.attempt, slot.run, slot.step), message, help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_of_nobody_is_told_with_how_it_becomes_free() {
        let slot = |because| StraySlot {
            attempt: "att_1".to_owned(),
            run: "run_1".to_owned(),
            step: "train".to_owned(),
            pool: Some("gpu".to_owned()),
            because,
        };
        let check =
            judge(&[slot("its run has ended"), slot("its attempt never began, and nobody drives its run")], &[]);
        assert_eq!(check.findings[0].message, "its slot in pool `gpu` is taken for nothing: its run has ended");
        assert!(check.findings[0].help.contains("delete from slots where attempt_id = 'att_1'"));
        assert!(check.findings[1].help.contains("phaseline resume run_1"));
    }
}
