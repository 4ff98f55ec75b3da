//! Which steps may start now, given what the machine has. Nothing is counted up and down: what is taken follows from
//! the attempts that run, so no slot can leak.

use std::collections::{BTreeMap, BTreeSet};

use super::Run;
use crate::plan::PlannedStep;

/// What the machine has for the attempts of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// CPU cores.
    pub cpus: u32,
    /// Memory in bytes; none if it does not matter.
    pub memory_bytes: Option<u64>,
    /// GPUs.
    pub gpus: u32,
    /// Slots by pool; a pool that is not named here has one.
    pub pools: BTreeMap<String, u32>,
}

impl Limits {
    /// What this machine has. GPUs are counted by their device files.
    pub fn of_machine() -> Limits {
        let cpus = std::thread::available_parallelism().map_or(1, |cpus| u32::try_from(cpus.get()).unwrap_or(u32::MAX));
        let system = rustix::system::sysinfo();
        let gpus = (0..64).take_while(|number| std::path::Path::new(&format!("/dev/nvidia{number}")).exists()).count();
        Limits {
            cpus,
            memory_bytes: Some(system.totalram * u64::from(system.mem_unit)),
            gpus: u32::try_from(gpus).unwrap_or(0),
            pools: BTreeMap::new(),
        }
    }
}

/// What one step takes. A step that asks for more than the machine has takes all of it, and so runs alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share<'step> {
    pub(crate) cpus: u32,
    pub(crate) memory_bytes: u64,
    pub(crate) gpus: u32,
    pub(crate) pool: Option<&'step str>,
}

impl Share<'_> {
    pub(crate) fn of<'step>(step: &'step PlannedStep, limits: &Limits) -> Share<'step> {
        let memory_bytes = step.resources.memory_bytes.unwrap_or(0);
        Share {
            cpus: step.resources.cpus.clamp(1, limits.cpus.max(1)),
            memory_bytes: limits.memory_bytes.map_or(0, |limit| memory_bytes.min(limit)),
            gpus: u32::from(step.resources.gpu_required.is_some()).min(limits.gpus),
            pool: step.pool.as_deref(),
        }
    }
}

/// What is left of the limits.
struct Room<'run> {
    limits: &'run Limits,
    cpus: u32,
    memory_bytes: u64,
    gpus: u32,
    taken: BTreeMap<&'run str, u32>,
}

impl<'run> Room<'run> {
    fn of(limits: &'run Limits) -> Room<'run> {
        Room {
            limits,
            cpus: limits.cpus.max(1),
            memory_bytes: limits.memory_bytes.unwrap_or(0),
            gpus: limits.gpus,
            taken: BTreeMap::new(),
        }
    }

    fn fits(&self, share: &Share) -> bool {
        let pool_has_room = share.pool.is_none_or(|pool| {
            let slots = self.limits.pools.get(pool).copied().unwrap_or(1).max(1);
            self.taken.get(pool).copied().unwrap_or(0) < slots
        });
        pool_has_room && share.cpus <= self.cpus && share.memory_bytes <= self.memory_bytes && share.gpus <= self.gpus
    }

    /// Attempts that were adopted under other limits may take more than there is.
    fn take(&mut self, share: Share<'run>) {
        self.cpus = self.cpus.saturating_sub(share.cpus);
        self.memory_bytes = self.memory_bytes.saturating_sub(share.memory_bytes);
        self.gpus = self.gpus.saturating_sub(share.gpus);
        if let Some(pool) = share.pool {
            *self.taken.entry(pool).or_default() += 1;
        }
    }
}

/// Those of the `queued` steps for which there is room now, in plan order.
pub fn admit<'run>(run: &'run Run, queued: &BTreeSet<usize>, limits: &'run Limits) -> Vec<usize> {
    let mut room = Room::of(limits);
    for index in &run.board.running {
        room.take(Share::of(run.planned(*index), limits));
    }
    let mut admitted = Vec::new();
    for index in queued {
        if room.cpus == 0 {
            break;
        }
        let share = Share::of(run.planned(*index), limits);
        if room.fits(&share) {
            room.take(share);
            admitted.push(*index);
        }
    }
    admitted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::RunOptions;
    use crate::engine::testing::{plan, step};
    use crate::id::RunId;
    use crate::phase::Phase;

    fn admitted(limits: &Limits, changes: &[fn(&mut PlannedStep)]) -> Vec<usize> {
        let steps = changes.iter().enumerate().map(|(number, change)| {
            let mut step = step(&format!("s{number}"), Phase::Understanding, &[]);
            change(&mut step);
            step
        });
        let run = Run::fresh(plan(steps.collect(), vec![]).into(), RunId::from_u128(1), &RunOptions::default());
        admit(&run, &(0..changes.len()).collect(), limits)
    }

    fn limits() -> Limits {
        let pools = BTreeMap::from([("wide".to_owned(), 2)]);
        Limits { cpus: 4, memory_bytes: Some(100), gpus: 1, pools }
    }

    #[test]
    fn steps_are_admitted_in_plan_order_while_there_is_room() {
        let two: fn(&mut PlannedStep) = |step| step.resources.cpus = 2;
        assert_eq!(admitted(&limits(), &[two, two, two]), [0, 1]);
        let big: fn(&mut PlannedStep) = |step| step.resources.memory_bytes = Some(60);
        assert_eq!(admitted(&limits(), &[big, big, |_| {}]), [0, 2]);
        let gpu: fn(&mut PlannedStep) = |step| step.resources.gpu_required = Some(false);
        assert_eq!(admitted(&limits(), &[gpu, gpu, |_| {}]), [0, 2]);
    }

    #[test]
    fn a_pool_has_one_slot_unless_more_are_set() {
        let narrow: fn(&mut PlannedStep) = |step| step.pool = Some("narrow".to_owned());
        let wide: fn(&mut PlannedStep) = |step| step.pool = Some("wide".to_owned());
        assert_eq!(admitted(&limits(), &[narrow, narrow, wide, wide, wide]), [0, 2, 3]);
    }

    #[test]
    fn a_step_that_asks_for_more_than_there_is_runs_alone() {
        let huge: fn(&mut PlannedStep) = |step| {
            step.resources.cpus = 64;
            step.resources.memory_bytes = Some(1 << 40);
        };
        assert_eq!(admitted(&limits(), &[huge, |_| {}]), [0]);
    }
}
