//! How much of a machine and of the pools is taken, and whether something more fits.

use std::collections::BTreeMap;

use super::admit::Slot;
use super::limits::{GpuShare, Limits, Take};
use crate::executor::Gpu;

/// What a step lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Short {
    /// Slots of its pool.
    Pool,
    /// CPU cores.
    Cpus,
    /// Memory.
    Memory,
    /// A GPU, or memory of one.
    Gpu,
    /// Its turn: there is room, and another step is before it.
    Turn,
    /// Nothing: another attempt computes the same, and its result is waited for.
    Result,
}

impl Short {
    /// Whether it is but a core, or the turn, that is lacking.
    pub(super) fn is_a_core(self) -> bool {
        matches!(self, Short::Cpus | Short::Turn)
    }

    const ALL: [Short; 6] = [Short::Pool, Short::Cpus, Short::Memory, Short::Gpu, Short::Turn, Short::Result];

    /// The word for it, as in SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Short::Pool => "pool",
            Short::Cpus => "cpus",
            Short::Memory => "memory",
            Short::Gpu => "gpu",
            Short::Turn => "turn",
            Short::Result => "result",
        }
    }

    /// What the word stands for.
    pub fn from_word(word: &str) -> Option<Short> {
        Short::ALL.into_iter().find(|short| short.as_str() == word)
    }
}

/// Where something fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fit {
    pub(super) gpu: Option<u32>,
}

/// What is taken of one GPU.
#[derive(Debug, Clone)]
struct Device {
    gpu: Gpu,
    is_whole: bool,
    shares: u32,
    shared_bytes: u64,
}

impl Device {
    fn left(&self) -> u64 {
        let undeclared = self.gpu.total_bytes.unwrap_or(0).saturating_sub(self.shared_bytes);
        // What has started shows in what is free only once it has allocated it, so the smaller number counts.
        if self.is_whole { 0 } else { self.gpu.free_bytes.map_or(undeclared, |free| free.min(undeclared)) }
    }

    fn fits(&self, share: GpuShare) -> bool {
        match share {
            GpuShare::Whole => !self.is_whole && self.shares == 0,
            GpuShare::Memory(bytes) => bytes <= self.left(),
        }
    }

    fn take(&mut self, share: GpuShare) {
        match share {
            GpuShare::Whole => self.is_whole = true,
            GpuShare::Memory(bytes) => {
                self.shares += 1;
                self.shared_bytes = self.shared_bytes.saturating_add(bytes);
            }
        }
    }
}

/// What is taken. More may be taken than there is, by attempts that began under other limits.
#[derive(Debug, Clone)]
pub(super) struct Room<'limits> {
    limits: &'limits Limits,
    cpus: u32,
    memory_bytes: u64,
    devices: Vec<Device>,
    pools: BTreeMap<String, u32>,
}

impl<'limits> Room<'limits> {
    pub(super) fn of(limits: &'limits Limits, taken: &[Slot]) -> Room<'limits> {
        let device = |gpu: &Gpu| Device { gpu: *gpu, is_whole: false, shares: 0, shared_bytes: 0 };
        let devices = limits.gpus.iter().map(device).collect();
        let mut room = Room { limits, cpus: 0, memory_bytes: 0, devices, pools: BTreeMap::new() };
        for slot in taken {
            if slot.host == limits.host {
                room.take(&slot.take, Fit { gpu: slot.gpu });
            } else {
                room.take_pool(&slot.take);
            }
        }
        room
    }

    pub(super) fn fit(&self, take: &Take) -> Result<Fit, Short> {
        self.fit_within(take, u32::MAX, None)
    }

    /// Whether there is room for a step of a process whose own limits may be lower.
    pub(super) fn fit_within(&self, take: &Take, cpu_limit: u32, memory_limit: Option<u64>) -> Result<Fit, Short> {
        if !self.pool_fits(take) {
            return Err(Short::Pool);
        }
        let cpu_limit = self.limits.cpus.max(1).min(cpu_limit);
        // What is larger than all there is runs alone.
        if self.cpus > 0 && self.cpus.saturating_add(take.cpus) > cpu_limit {
            return Err(Short::Cpus);
        }
        let memory_limit = self.limits.memory_bytes.into_iter().chain(memory_limit).min();
        let memory_fits = |limit| self.memory_bytes.saturating_add(take.memory_bytes) <= limit;
        if take.memory_bytes > 0 && self.memory_bytes > 0 && !memory_limit.is_none_or(memory_fits) {
            return Err(Short::Memory);
        }
        let Some(share) = take.gpu else { return Ok(Fit { gpu: None }) };
        // The fullest that has room leaves the emptiest for whoever needs a whole one.
        let fitting = self.devices.iter().filter(|device| device.fits(share)).min_by_key(|device| device.left());
        fitting.map(|device| Fit { gpu: Some(device.gpu.index) }).ok_or(Short::Gpu)
    }

    pub(super) fn pool_fits(&self, take: &Take) -> bool {
        let Some((pool, slots)) = &take.pool else { return true };
        let (limit, taken) = (self.limits.pool(pool), self.pools.get(pool).copied().unwrap_or(0));
        limit > 0 && taken.saturating_add((*slots).min(limit)) <= limit
    }

    pub(super) fn take(&mut self, take: &Take, fit: Fit) {
        self.cpus = self.cpus.saturating_add(take.cpus);
        self.memory_bytes = self.memory_bytes.saturating_add(take.memory_bytes);
        let device = self.devices.iter_mut().find(|device| Some(device.gpu.index) == fit.gpu);
        if let (Some(share), Some(device)) = (take.gpu, device) {
            device.take(share);
        }
        self.take_pool(take);
    }

    fn take_pool(&mut self, take: &Take) {
        if let Some((pool, slots)) = &take.pool {
            let taken = self.pools.entry(pool.clone()).or_default();
            *taken = taken.saturating_add((*slots).min(self.limits.pool(pool).max(1)));
        }
    }

    /// Keeps what a step needs that does not fit. One that lacks slots of its pool keeps those alone: else a machine
    /// would stand idle for a pool that is full for hours.
    pub(super) fn keep_for(&mut self, take: &Take, short: Short) {
        if short == Short::Pool {
            return self.take_pool(take);
        }
        let gpu = take.gpu.and_then(|_| self.devices.iter().max_by_key(|device| device.left()));
        let fit = Fit { gpu: gpu.map(|device| device.gpu.index) };
        self.take(take, fit);
    }

    /// What is short, in words.
    pub(super) fn shortage(&self, take: &Take, short: Short) -> String {
        match (short, &take.pool) {
            (Short::Pool, Some((pool, slots))) => {
                let (limit, taken) = (self.limits.pool(pool), self.pools.get(pool).copied().unwrap_or(0));
                match (limit, *slots) {
                    (0, _) => format!("pool `{pool}` has no slots"),
                    (_, 1) => format!("pool `{pool}` is full, {taken} of {limit} taken"),
                    (_, slots) => format!("pool `{pool}` has {taken} of {limit} slots taken and it needs {slots}"),
                }
            }
            (Short::Cpus, _) => {
                let (taken, limit) = (self.cpus, self.limits.cpus.max(1));
                format!("{taken} of {limit} cpus are taken and it needs {}", take.cpus)
            }
            (Short::Memory, _) => {
                let (taken, limit) = (self.memory_bytes, self.limits.memory_bytes.unwrap_or(0));
                format!("{} of {} memory are taken and it needs {}", gib(taken), gib(limit), gib(take.memory_bytes))
            }
            (Short::Gpu, _) => match take.gpu {
                Some(GpuShare::Memory(bytes)) => {
                    let most = self.devices.iter().map(Device::left).max().unwrap_or(0);
                    format!("no gpu has more than {} of memory left and it needs {}", gib(most), gib(bytes))
                }
                _ => format!("no gpu of {} is free", self.devices.len()),
            },
            (Short::Pool | Short::Turn | Short::Result, _) => String::new(),
        }
    }
}

/// Bytes for people.
fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}
