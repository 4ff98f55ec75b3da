//! Which attempts may start now, given what the machine and the pools have and who else waits: a pure function over rows.
//!
//! Nothing is counted up and down: what is taken follows from the slots that are on record, so none can leak. Waiting
//! steps of all runs are served by priority, then by how long they have waited. One that does not fit is passed by those
//! behind it, but not for ever: once it has waited for [`PASSED_FOR`], what it needs is kept free for it.

use std::cmp::Reverse;
use std::fmt::Write;
use std::time::Duration;

use super::limits::{Limits, Take};
use super::room::{Fit, Room, Short};
use crate::id::{AttemptId, RunId, StepName};

/// How long a step that does not fit may be passed by others that do. Long enough that small steps fill the gaps that
/// large ones leave, and short beside the training that a large one usually is.
pub const PASSED_FOR: Duration = Duration::from_secs(60);

/// How many holders a reason names.
const NAMED: usize = 3;

/// A slot that an attempt has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its run.
    pub run: RunId,
    /// Its step.
    pub step: StepName,
    /// The machine it runs on.
    pub host: String,
    /// What it takes.
    pub take: Take,
    /// The GPU that it was given.
    pub gpu: Option<u32>,
}

/// A step that waits for room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its run.
    pub run: RunId,
    /// The step.
    pub step: StepName,
    /// The machine it would run on.
    pub host: String,
    /// What it would take.
    pub take: Take,
    /// The priority of its run.
    pub priority: i64,
    /// Since when it waits, in milliseconds since 1970.
    pub since_ms: i64,
    /// Who asked and what was found; a step of the asking run has none.
    pub asked: Option<Asked>,
}

/// What another process found when it last asked for a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// What was missing.
    pub short: Short,
    /// The limits of that process, which may be set lower than ours.
    pub cpu_limit: u32,
    /// The same for memory.
    pub memory_limit: Option<u64>,
}

/// The answer to a step that asks for room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// There is room, and it is taken.
    Granted {
        /// The GPU to use.
        gpu: Option<u32>,
    },
    /// It must wait.
    Wait(Wait),
}

/// Why a step must wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// What is missing.
    pub short: Short,
    /// The same for people, with those who have it.
    pub because: String,
}

/// What `asking` are answered, in their order. `taken` are all slots that count, `waiting` the steps of other runs.
pub fn admit(now_ms: i64, limits: &Limits, taken: &[Slot], waiting: &[Waiting], asking: &[Waiting]) -> Vec<Answer> {
    let mut room = Room::of(limits, taken);
    let mut kept = room.clone();
    let mut keepers: Vec<&Waiting> = Vec::new();
    let mut granted: Vec<Slot> = Vec::new();
    let mut answers: Vec<Option<Answer>> = vec![None; asking.len()];
    let mut line: Vec<(&Waiting, Option<usize>)> = waiting.iter().map(|other| (other, None)).collect();
    line.extend(asking.iter().enumerate().map(|(place, ours)| (ours, Some(place))));
    line.sort_by_key(|(it, place)| (Reverse(it.priority), it.since_ms, it.run, *place));
    for (it, place) in line {
        let Some(place) = place else {
            if it.keeps_its_place(now_ms, limits, &room, &mut kept) {
                keepers.push(it);
            }
            continue;
        };
        let answer = match (room.fit(&it.take), kept.fit(&it.take)) {
            (Ok(_), Ok(fit)) => {
                room.take(&it.take, fit);
                kept.take(&it.take, fit);
                granted.push(it.slot(fit));
                Answer::Granted { gpu: fit.gpu }
            }
            (Ok(_), Err(_)) => {
                let ahead = keepers.iter().find(|ahead| ahead.take.competes_with(&it.take)).or(keepers.first());
                let because = ahead.map_or_else(String::new, |ahead| before(ahead, it));
                Answer::Wait(Wait { short: Short::Turn, because })
            }
            (Err(short), _) => {
                if now_ms.saturating_sub(it.since_ms) >= i64::try_from(PASSED_FOR.as_millis()).unwrap_or(i64::MAX) {
                    kept.keep_for(&it.take, short);
                    keepers.push(it);
                }
                let because = full(short, limits, &room, it, taken.iter().chain(&granted));
                Answer::Wait(Wait { short, because })
            }
        };
        answers[place] = Some(answer);
    }
    answers.into_iter().flatten().collect()
}

impl Waiting {
    /// Keeps what a step of another run is about to take, or has waited for too long. Tells whether it keeps anything.
    fn keeps_its_place(&self, now_ms: i64, limits: &Limits, room: &Room, kept: &mut Room) -> bool {
        let Some(asked) = self.asked else { return false };
        let is_overdue =
            now_ms.saturating_sub(self.since_ms) >= i64::try_from(PASSED_FOR.as_millis()).unwrap_or(i64::MAX);
        if asked.short == Short::Result {
            return false;
        }
        if self.host != limits.host {
            // What its machine has is not known here: its pool is kept if that was what it lacked.
            let is_due = room.pool_fits(&self.take) || is_overdue;
            let keeps = self.take.pool.is_some() && matches!(asked.short, Short::Pool | Short::Turn) && is_due;
            if keeps {
                kept.keep_for(&self.take, Short::Pool);
            }
            return keeps;
        }
        match room.fit_within(&self.take, asked.cpu_limit, asked.memory_limit) {
            Ok(_) => match kept.fit_within(&self.take, asked.cpu_limit, asked.memory_limit) {
                Ok(fit) => kept.take(&self.take, fit),
                // Somebody before it is served first; then it may be passed by those that need less.
                Err(_) if !is_overdue => return false,
                Err(short) => kept.keep_for(&self.take, short),
            },
            Err(_) if !is_overdue => return false,
            Err(short) => kept.keep_for(&self.take, short),
        }
        true
    }

    fn slot(&self, fit: Fit) -> Slot {
        Slot {
            attempt: AttemptId::from_u128(0),
            run: self.run,
            step: self.step.clone(),
            host: self.host.clone(),
            take: self.take.clone(),
            gpu: fit.gpu,
        }
    }
}

fn before(ahead: &Waiting, it: &Waiting) -> String {
    let who = format!("{} of {}", ahead.step, ahead.run);
    if ahead.priority > it.priority {
        format!("{who} is before it, with priority {}", ahead.priority)
    } else {
        format!("{who} is before it and has waited longer")
    }
}

/// What is short, how much there is, and who has it.
fn full<'slots>(
    short: Short,
    limits: &Limits,
    room: &Room,
    it: &Waiting,
    slots: impl Iterator<Item = &'slots Slot>,
) -> String {
    let is_here = |slot: &Slot| slot.host == limits.host;
    let holds = |slot: &&Slot| match short {
        Short::Pool => slot.take.pool_name() == it.take.pool_name(),
        Short::Cpus => is_here(slot),
        Short::Memory => is_here(slot) && slot.take.memory_bytes > 0,
        Short::Gpu => is_here(slot) && slot.gpu.is_some(),
        Short::Turn | Short::Result => false,
    };
    let holders: Vec<String> = slots.filter(holds).map(|slot| format!("{} of {}", slot.step, slot.run)).collect();
    let mut named = holders.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if holders.len() > NAMED {
        write!(named, " and {} more", holders.len() - NAMED).expect("a string takes everything");
    }
    let by = if named.is_empty() { String::new() } else { format!(": {named}") };
    format!("{}{by}", room.shortage(&it.take, short))
}

#[cfg(test)]
#[path = "admit_tests.rs"]
mod tests;
