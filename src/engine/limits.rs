//! What a machine and the pools have, and what one attempt takes of it.

use std::collections::BTreeMap;

use crate::executor::{self, Gpu};
use crate::plan::PlannedStep;

/// What there is for attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The name of this machine. CPUs, memory and GPUs count for a machine, pools for the whole database.
    pub host: String,
    /// CPU cores.
    pub cpus: u32,
    /// Memory in bytes; none if it does not matter.
    pub memory_bytes: Option<u64>,
    /// GPUs.
    pub gpus: Vec<Gpu>,
    /// Slots by pool; a pool that is not named here has one.
    pub pools: BTreeMap<String, u32>,
}

impl Limits {
    /// What this machine has. GPUs are counted by their device files; what is free of them is asked when a step needs it.
    pub fn of_machine() -> Limits {
        let cpus = std::thread::available_parallelism().map_or(1, |cpus| u32::try_from(cpus.get()).unwrap_or(u32::MAX));
        let is_there = |number: &u32| std::path::Path::new(&format!("/dev/nvidia{number}")).exists();
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Limits {
            host: if host.trim().is_empty() { "unknown".to_owned() } else { host.trim().to_owned() },
            cpus,
            memory_bytes: Some(executor::memory_bytes()),
            gpus: (0..64)
                .take_while(is_there)
                .map(|index| Gpu { index, total_bytes: None, free_bytes: None })
                .collect(),
            pools: BTreeMap::new(),
        }
    }

    /// The slots of a pool.
    pub fn pool(&self, pool: &str) -> u32 {
        self.pools.get(pool).copied().unwrap_or(1)
    }
}

/// What one attempt takes. One that asks for more than the machine has takes all of it, and so runs alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Take {
    /// CPU cores.
    pub cpus: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// What of a GPU, if any.
    pub gpu: Option<GpuShare>,
    /// The pool and how many of its slots.
    pub pool: Option<(String, u32)>,
}

/// What of a GPU an attempt takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GpuShare {
    /// All of it.
    Whole,
    /// This much of its memory, in bytes.
    Memory(u64),
}

impl Take {
    /// What a step takes of a machine with these limits.
    pub fn of(step: &PlannedStep, limits: &Limits) -> Take {
        Take::with_memory(step, step.resources.memory_bytes, limits)
    }

    /// The same for an attempt that gets other memory than planned, after one that ran out of it.
    pub fn with_memory(step: &PlannedStep, memory_bytes: Option<u64>, limits: &Limits) -> Take {
        let resources = &step.resources;
        let memory_bytes = memory_bytes.unwrap_or(0);
        let largest_gpu = limits.gpus.iter().map(|gpu| gpu.total_bytes.unwrap_or(0)).max();
        let gpu = resources.gpu_required.and(largest_gpu).map(|largest| match resources.gpu_memory_bytes {
            Some(bytes) if bytes < largest => GpuShare::Memory(bytes),
            _ => GpuShare::Whole,
        });
        Take {
            cpus: resources.cpus.clamp(1, limits.cpus.max(1)),
            memory_bytes: limits.memory_bytes.map_or(0, |limit| memory_bytes.min(limit)),
            gpu,
            pool: step.pool.clone().map(|pool| (pool, step.pool_slots.max(1))),
        }
    }

    /// The name of the pool.
    pub fn pool_name(&self) -> Option<&str> {
        self.pool.as_ref().map(|(name, _)| name.as_str())
    }

    /// Whether both need something that one may lack because of the other.
    pub(super) fn competes_with(&self, other: &Take) -> bool {
        self.pool_name().is_some() && self.pool_name() == other.pool_name() || self.gpu.is_some() && other.gpu.is_some()
    }
}
