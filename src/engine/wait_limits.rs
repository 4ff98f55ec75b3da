//! Waits that have an end: for room, and for somebody's word.

use tokio::time::Instant;

use super::run_loop::Drive;
use super::{DriveError, Happening, Short};
use crate::plan::PlannedStep;
use crate::step::Fault;
use crate::worker::Failure;

impl Drive<'_> {
    /// When the first question runs out.
    pub(super) fn question_over(&self) -> Option<Instant> {
        let first = self.journal.run.questions().filter_map(|(_, question)| question.expires_at).min()?;
        Some(self.journal.clock.instant(first))
    }

    /// When the first step has waited for room for as long as it may.
    pub(super) fn wait_over(&self) -> Option<Instant> {
        let run = &self.journal.run;
        self.short_since.iter().filter_map(|(step, since)| since.checked_add(run.planned(*step).queue_timeout?)).min()
    }

    /// Gives up the steps that have waited for room for as long as they may. Tells whether there were any.
    ///
    /// The wait counts from when this process began to drive the run.
    pub(super) fn give_up_waiting(&mut self) -> Result<bool, DriveError> {
        // Whoever waits for a result that another attempt makes does not wait for room.
        let is_short = |short: Option<&Short>| short.is_some_and(|short| *short != Short::Result);
        self.short_since.retain(|step, _| is_short(self.waits.get(step)));
        for step in self.waits.keys().filter(|step| is_short(self.waits.get(step))) {
            self.short_since.entry(*step).or_insert_with(Instant::now);
        }
        let run = &self.journal.run;
        let is_over = |step: usize, since: &Instant| {
            run.planned(step).queue_timeout.is_some_and(|timeout| since.elapsed() >= timeout)
        };
        let over: Vec<usize> =
            self.short_since.iter().filter(|(step, since)| is_over(**step, since)).map(|(step, _)| *step).collect();
        for index in &over {
            let run = &self.journal.run;
            let planned = run.planned(*index);
            let short = self.waits.get(index).copied().unwrap_or(Short::Turn);
            let failure = Failure {
                fault: Fault::Environment,
                code: "queue_timeout".to_owned(),
                message: format!(
                    "there was no room within {:?}: it waited for {}",
                    planned.queue_timeout.unwrap_or_default(),
                    waited_for(planned, short, run.memory_bytes(*index))
                ),
                help: Some("raise `queue` under `timeout`, ask for less, or make the pool larger".to_owned()),
            };
            let step = planned.name.clone();
            self.queued.remove(index);
            self.waits.remove(index);
            self.short_since.remove(index);
            self.journal.record(Happening::StepTimedOut { step, failure })?;
        }
        Ok(!over.is_empty())
    }
}

fn waited_for(step: &PlannedStep, short: Short, memory_bytes: Option<u64>) -> String {
    match short {
        Short::Pool => format!("a slot of pool `{}`", step.pool.as_deref().unwrap_or_default()),
        Short::Cpus => format!("{} CPU cores", step.resources.cpus),
        Short::Memory => format!("{} bytes of memory", memory_bytes.unwrap_or_default()),
        Short::Gpu => "a GPU".to_owned(),
        Short::Turn => "its turn".to_owned(),
        Short::Result => "the result of another attempt".to_owned(),
    }
}
