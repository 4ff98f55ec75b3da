//! Promises about who is admitted.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::engine::limits::GpuShare;
use crate::executor::Gpu;

const MINUTE: i64 = 60_000;

fn limits() -> Limits {
    Limits {
        host: "here".to_owned(),
        cpus: 4,
        memory_bytes: Some(100),
        gpus: vec![Gpu { index: 0, total_bytes: Some(16), free_bytes: Some(16) }],
        pools: BTreeMap::from([("wide".to_owned(), 2)]),
    }
}

fn cpus(cpus: u32) -> Take {
    Take { cpus, ..Take::default() }
}

fn pool(pool: &str) -> Take {
    Take { cpus: 1, pool: Some((pool.to_owned(), 1)), ..Take::default() }
}

fn gpu(share: GpuShare) -> Take {
    Take { cpus: 1, gpu: Some(share), ..Take::default() }
}

fn asks(number: u128, take: Take) -> Waiting {
    Waiting {
        run: RunId::from_u128(number),
        step: format!("s{number}").parse().unwrap(),
        host: "here".to_owned(),
        take,
        priority: 0,
        since_ms: 0,
        asked: None,
    }
}

/// A step of another run that was refused.
fn waits(number: u128, take: Take, priority: i64, short: Short) -> Waiting {
    let asked = Asked { short, cpu_limit: 4, memory_limit: Some(100) };
    Waiting { priority, asked: Some(asked), ..asks(number, take) }
}

fn slot(number: u128, take: Take) -> Slot {
    let Waiting { run, step, host, take, .. } = asks(number, take);
    let gpu = take.gpu.map(|_| 0);
    Slot { attempt: AttemptId::from_u128(number), run, step, host, take, gpu }
}

/// The places of those that are granted room.
fn granted(now_ms: i64, taken: &[Slot], waiting: &[Waiting], takes: Vec<Take>) -> Vec<usize> {
    let asking: Vec<Waiting> = takes.into_iter().map(|take| asks(500, take)).collect();
    let answers = admit(now_ms, &limits(), taken, waiting, &asking);
    (0..answers.len()).filter(|place| matches!(answers[*place], Answer::Granted { .. })).collect()
}

fn why(taken: &[Slot], waiting: &[Waiting], take: Take) -> String {
    match admit(0, &limits(), taken, waiting, &[asks(500, take)]).remove(0) {
        Answer::Granted { .. } => "granted".to_owned(),
        Answer::Wait(wait) => wait.because,
    }
}

#[test]
fn steps_are_admitted_in_plan_order_while_there_is_room() {
    assert_eq!(granted(0, &[], &[], vec![cpus(2), cpus(2), cpus(2)]), [0, 1]);
    let memory = || Take { memory_bytes: 60, ..cpus(1) };
    assert_eq!(granted(0, &[], &[], vec![memory(), memory(), cpus(1)]), [0, 2]);
    assert_eq!(granted(0, &[], &[], vec![gpu(GpuShare::Whole), gpu(GpuShare::Whole), cpus(1)]), [0, 2]);
}

#[test]
fn a_pool_has_one_slot_unless_more_are_set() {
    assert_eq!(
        granted(0, &[], &[], vec![pool("narrow"), pool("narrow"), pool("wide"), pool("wide"), pool("wide")]),
        [0, 2, 3]
    );
    let both = Take { pool: Some(("wide".to_owned(), 2)), ..cpus(1) };
    assert_eq!(granted(0, &[], &[], vec![pool("wide"), both.clone()]), [0]);
    assert_eq!(granted(0, &[], &[], vec![both, pool("wide")]), [0]);
}

#[test]
fn gpu_memory_is_shared_as_declared_and_as_it_is_free() {
    let share = |bytes| gpu(GpuShare::Memory(bytes));
    assert_eq!(granted(0, &[], &[], vec![share(10), share(8), share(6), gpu(GpuShare::Whole)]), [0, 2]);
    let busy = Limits { gpus: vec![Gpu { index: 0, total_bytes: Some(16), free_bytes: Some(5) }], ..limits() };
    let answers = admit(0, &busy, &[], &[], &[asks(1, share(6)), asks(2, share(5))]);
    assert!(matches!(&answers[0], Answer::Wait(wait) if wait.short == Short::Gpu), "a program of others uses 11");
    assert_eq!(answers[1], Answer::Granted { gpu: Some(0) });
}

#[test]
fn a_step_that_asks_for_more_than_there_is_runs_alone() {
    assert_eq!(granted(0, &[], &[], vec![cpus(64), cpus(1)]), [0]);
    assert_eq!(granted(0, &[slot(1, cpus(1))], &[], vec![cpus(64)]), [0usize; 0]);
}

#[test]
fn a_reason_names_what_is_short_and_who_has_it() {
    let run = RunId::from_u128(1);
    assert_eq!(
        why(&[slot(1, pool("gpu"))], &[], pool("gpu")),
        format!("pool `gpu` is full, 1 of 1 taken: s1 of {run}")
    );
    assert_eq!(why(&[slot(1, cpus(3))], &[], cpus(2)), format!("3 of 4 cpus are taken and it needs 2: s1 of {run}"));
    let first = waits(7, cpus(3), 5, Short::Cpus);
    let ahead = format!("s7 of {} is before it, with priority 5", first.run);
    assert_eq!(why(&[], &[first], cpus(2)), ahead);
}

#[test]
fn whoever_is_ahead_and_fits_keeps_its_place_and_a_large_one_is_passed_for_a_minute() {
    let urgent = || waits(1, cpus(2), 1, Short::Cpus);
    assert_eq!(granted(0, &[slot(9, cpus(2))], &[urgent()], vec![cpus(1)]), [0usize; 0]);
    assert_eq!(granted(0, &[slot(9, cpus(1))], &[urgent()], vec![cpus(1)]), [0]);
    let large = || vec![waits(1, cpus(4), 0, Short::Cpus)];
    assert_eq!(granted(MINUTE - 1, &[slot(9, cpus(2))], &large(), vec![cpus(1)]), [0]);
    assert_eq!(granted(MINUTE, &[slot(9, cpus(2))], &large(), vec![cpus(1)]), [0usize; 0]);
}

#[test]
fn small_steps_pass_a_large_one_of_their_own_run_for_a_minute_and_no_longer() {
    let both = || vec![cpus(4), cpus(1)];
    assert_eq!(granted(MINUTE - 1, &[slot(9, cpus(2))], &[], both()), [1]);
    assert_eq!(granted(MINUTE, &[slot(9, cpus(2))], &[], both()), [0usize; 0]);
}

#[test]
fn a_process_with_lower_limits_holds_nobody_up() {
    let mut narrow = waits(1, cpus(1), 5, Short::Cpus);
    narrow.asked = Some(Asked { short: Short::Cpus, cpu_limit: 1, memory_limit: None });
    assert_eq!(granted(0, &[slot(9, cpus(1))], &[narrow], vec![cpus(3)]), [0]);
}

#[test]
fn what_waits_for_a_result_or_for_another_machine_holds_nobody_up() {
    assert_eq!(granted(0, &[], &[waits(1, cpus(4), 5, Short::Result)], vec![cpus(4)]), [0]);
    let elsewhere = Waiting { host: "there".to_owned(), ..waits(1, pool("gpu"), 5, Short::Memory) };
    assert_eq!(granted(0, &[], std::slice::from_ref(&elsewhere), vec![pool("gpu")]), [0]);
    let lacked_the_pool = Waiting { asked: waits(1, cpus(1), 0, Short::Pool).asked, ..elsewhere };
    assert_eq!(granted(0, &[], &[lacked_the_pool], vec![pool("gpu")]), [0usize; 0]);
}

fn any_take() -> impl Strategy<Value = Take> {
    let share = prop_oneof![Just(GpuShare::Whole), (1u64..16).prop_map(GpuShare::Memory)];
    let pool = (prop_oneof![Just("narrow"), Just("wide")], 1u32..3);
    (1u32..5, 0u64..60, proptest::option::weighted(0.2, share), proptest::option::weighted(0.4, pool)).prop_map(
        |(cpus, memory_bytes, gpu, pool)| Take {
            cpus,
            memory_bytes,
            gpu,
            pool: pool.map(|(name, slots)| (name.to_owned(), slots)),
        },
    )
}

fn is_within(limits: &Limits, slots: &[Slot]) -> bool {
    let cpus: u32 = slots.iter().map(|slot| slot.take.cpus).sum();
    let memory: u64 = slots.iter().map(|slot| slot.take.memory_bytes).sum();
    let in_pool = |name: &str| {
        let of = |slot: &Slot| slot.take.pool.as_ref().filter(|(pool, _)| pool == name).map_or(0, |(_, slots)| *slots);
        slots.iter().map(|slot| of(slot).min(limits.pool(name))).sum::<u32>()
    };
    let shares: Vec<GpuShare> = slots.iter().filter_map(|slot| slot.take.gpu).collect();
    let shared: u64 = shares.iter().map(|share| if let GpuShare::Memory(bytes) = share { *bytes } else { 0 }).sum();
    cpus <= limits.cpus
        && memory <= limits.memory_bytes.unwrap()
        && in_pool("narrow") <= 1
        && in_pool("wide") <= 2
        && shared <= 16
        && (shares.len() <= 1 || !shares.contains(&GpuShare::Whole))
}

/// Lets each of `runs`, a list of what its steps take, ask in turn and lets random slots end, until nothing waits.
/// Gives the order in which steps were served, and how often the oldest one of each priority had to wait at a stretch.
fn served(runs: &[(i64, Vec<Take>)], ends: &[usize]) -> Vec<(usize, usize)> {
    let limits = limits();
    let mut left: Vec<Waiting> = Vec::new();
    for (run, (priority, takes)) in runs.iter().enumerate() {
        for (step, take) in takes.iter().enumerate() {
            let step = format!("s{step}").parse().unwrap();
            left.push(Waiting { step, priority: *priority, ..asks(run as u128, take.clone()) });
        }
    }
    let (mut slots, mut order, mut now_ms) = (Vec::<Slot>::new(), Vec::new(), 0);
    let mut ends = ends.iter().cycle();
    for _ in 0..2000 {
        if left.is_empty() {
            return order;
        }
        for run in 0..runs.len() {
            let id = RunId::from_u128(run as u128);
            let (asking, waiting): (Vec<Waiting>, Vec<Waiting>) = left.drain(..).partition(|it| it.run == id);
            let waiting_with: Vec<Waiting> = waiting
                .iter()
                .cloned()
                .map(|it| Waiting {
                    asked: it.asked.or(Some(Asked { short: Short::Turn, cpu_limit: 4, memory_limit: None })),
                    ..it
                })
                .collect();
            let answers = admit(now_ms, &limits, &slots, &waiting_with, &asking);
            left = waiting;
            for (it, answer) in asking.into_iter().zip(answers) {
                match answer {
                    Answer::Granted { gpu } => {
                        let step: usize = it.step.as_str()[1..].parse().unwrap();
                        order.push((run, step));
                        let slot = Slot { gpu, ..slot(order.len() as u128, it.take.clone()) };
                        slots.push(slot);
                    }
                    Answer::Wait(wait) => {
                        assert!(!wait.because.is_empty(), "{wait:?}");
                        let asked = Asked { short: wait.short, cpu_limit: 4, memory_limit: None };
                        left.push(Waiting { asked: Some(asked), ..it });
                    }
                }
            }
            assert!(is_within(&limits, &slots), "{slots:?}");
        }
        assert!(!slots.is_empty(), "everything waits and nothing runs: {left:?}");
        slots.swap_remove(ends.next().unwrap() % slots.len());
        now_ms += 10_000;
    }
    panic!("these starve: {left:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn nothing_goes_above_a_limit_and_everything_is_served(
        runs in proptest::collection::vec((0i64..3, proptest::collection::vec(any_take(), 0..8)), 1..5),
        ends in proptest::collection::vec(0usize..100, 1..20),
    ) {
        let order = served(&runs, &ends);
        prop_assert_eq!(order.len(), runs.iter().map(|(_, takes)| takes.len()).sum::<usize>());
    }

    #[test]
    fn equal_steps_are_served_by_priority_and_then_in_their_order(
        runs in proptest::collection::vec((0i64..3, 1usize..8), 1..5),
        ends in proptest::collection::vec(0usize..100, 1..20),
    ) {
        let runs: Vec<(i64, Vec<Take>)> =
            runs.into_iter().map(|(priority, steps)| (priority, vec![pool("narrow"); steps])).collect();
        let order = served(&runs, &ends);
        let ranks: Vec<(Reverse<i64>, usize)> = order.iter().map(|(run, _)| (Reverse(runs[*run].0), *run)).collect();
        prop_assert!(ranks.is_sorted(), "{:?}", order);
    }

    #[test]
    fn room_that_nobody_before_needs_is_given_away(
        taken in proptest::collection::vec(any_take(), 0..4), takes in proptest::collection::vec(any_take(), 1..8),
    ) {
        let limits = limits();
        let mut slots: Vec<Slot> = Vec::new();
        for take in taken {
            let more = slot(slots.len() as u128, take);
            if is_within(&limits, &[slots.clone(), vec![more.clone()]].concat()) {
                slots.push(more);
            }
        }
        let asking: Vec<Waiting> = takes.into_iter().map(|take| asks(500, take)).collect();
        let answers = admit(0, &limits, &slots, &[], &asking);
        for (it, answer) in asking.iter().zip(&answers) {
            if let Answer::Granted { .. } = answer {
                slots.push(slot(100 + slots.len() as u128, it.take.clone()));
            }
        }
        for (it, answer) in asking.iter().zip(answers) {
            if let Answer::Wait(wait) = answer {
                let more = [slots.clone(), vec![slot(400, it.take.clone())]].concat();
                prop_assert!(!is_within(&limits, &more), "{:?} waits for {:?} although it fits", it, wait);
            }
        }
    }
}
