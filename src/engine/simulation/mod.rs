//! Seeded simulation: several daemons drive several runs over one log whose leases run out in virtual time, with an
//! executor that loses, duplicates, delays, reorders and lies, with daemons that crash, freeze and come back,
//! and with people who ask things of runs.
//!
//! Decisions are those of the program: [`super::decide`], [`super::Run::apply`], [`super::admit`] and what the end of an
//! attempt or a request means. `PHASELINE_SIM_SEEDS` sets the number of seeds, `PHASELINE_SIM_SEED` runs a single one.

mod check;
mod daemon;
mod executor;
mod people;
mod plans;
mod tries;
mod world;

use std::collections::BTreeMap;

use world::World;

/// How many seeds the test run covers, in equal parts by tests that run beside each other.
const SEEDS: u64 = 2000;
const PARTS: u64 = 4;

/// Everything that is injected: each must have happened somewhere in every part.
const FAULTS: [&str; 28] = [
    "lost",
    "never started",
    "duplicated",
    "delayed",
    "reported about another attempt",
    "found nothing",
    "said never started though it did",
    "failed",
    "damaged",
    "damage was noticed",
    "heard too late",
    "timed out",
    "crashed before an append",
    "crashed after an append",
    "crashed after a grant",
    "froze beyond its lease",
    "cancelled",
    "paused",
    "parked",
    "approved",
    "refused",
    "expired",
    "waived",
    "waived after the end",
    "resumed",
    "phase began again",
    "waited too long",
    "all attempts took too long",
];

fn check(part: u64) {
    if let Some(seed) = number("PHASELINE_SIM_SEED") {
        if part == 0 {
            World::of(seed).live();
        }
        return;
    }
    let mut fired: BTreeMap<&str, u64> = BTreeMap::new();
    let each = number("PHASELINE_SIM_SEEDS").unwrap_or(SEEDS).div_ceil(PARTS);
    for seed in part * each..(part + 1) * each {
        let told = std::panic::catch_unwind(|| World::of(seed).live());
        let Ok(of_seed) = told else {
            panic!("seed {seed} fails: PHASELINE_SIM_SEED={seed} cargo nextest run --lib simulation::part_0");
        };
        for (fault, count) in of_seed {
            *fired.entry(fault).or_default() += count;
        }
    }
    if each >= 100 {
        let missing: Vec<&&str> = FAULTS.iter().filter(|fault| !fired.contains_key(**fault)).collect();
        assert!(missing.is_empty(), "these were never injected: {missing:?}; {fired:?}");
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn part_0_no_run_is_lost_no_step_counts_twice_and_no_slot_leaks() {
    check(0);
}

#[test]
fn part_1_no_run_is_lost_no_step_counts_twice_and_no_slot_leaks() {
    check(1);
}

#[test]
fn part_2_no_run_is_lost_no_step_counts_twice_and_no_slot_leaks() {
    check(2);
}

#[test]
fn part_3_no_run_is_lost_no_step_counts_twice_and_no_slot_leaks() {
    check(3);
}
