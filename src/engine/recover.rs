//! Mends a run: attempts that an earlier process left behind, and artifacts that are gone.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::attempts::{Finished, Watch};
use super::run_loop::Drive;
use super::state::StepState;
use super::{DriveError, Happening};
use crate::artifact::ArtifactError;
use crate::executor::{Ended, Found};
use crate::id::StepName;

/// How long after it was recorded an attempt may begin on a busy machine. More than that, and somebody has set the clock.
const MOST_LATE: TimeDelta = TimeDelta::minutes(1);

impl Drive<'_> {
    /// Lets the steps run again whose artifacts a failed attempt found missing or damaged.
    pub(super) async fn heal_inputs(&mut self, index: usize) -> Result<(), DriveError> {
        for binding in self.journal.run.bindings(index).unwrap_or_default() {
            let store = self.engine.artifacts.clone();
            let artifact = binding.artifact.clone();
            let looked = tokio::task::spawn_blocking(move || store.verified_path(&artifact)).await;
            let found = looked.expect("verifying an artifact does not panic");
            if let Err(error @ (ArtifactError::Missing { .. } | ArtifactError::Corrupt { .. })) = found {
                self.reopen(&binding.source.step, &error.to_string()).await?;
            }
        }
        Ok(())
    }

    /// Lets steps run again whose artifacts are gone and still needed, as after a resume.
    pub(super) async fn heal_results(&mut self) -> Result<(), DriveError> {
        let run = &self.journal.run;
        let mut gone = BTreeMap::new();
        for (index, (planned, record)) in run.steps().enumerate() {
            if record.state().is_done() {
                continue;
            }
            for upstream in &run.graph.upstream[index] {
                let outcome = run.steps[*upstream].outcome();
                let needed = planned
                    .inputs
                    .values()
                    .flatten()
                    .filter(|it| run.plan().steps.get_index_of(&it.step) == Some(*upstream));
                for binding in needed {
                    let artifact = outcome.and_then(|outcome| outcome.outputs.get(&binding.output));
                    if let Some(Err(error)) = artifact.map(|artifact| self.engine.artifacts.path(artifact)) {
                        gone.insert(binding.step.clone(), error.to_string());
                    }
                }
            }
        }
        for (step, why) in gone {
            self.reopen(&step, &why).await?;
        }
        Ok(())
    }

    async fn reopen(&mut self, step: &StepName, why: &str) -> Result<(), DriveError> {
        let Some(made) = self.journal.run.step(step).and_then(|record| record.state().made()) else { return Ok(()) };
        if let Some(key) = made.key {
            self.resolver.forget(key).await?;
        }
        Ok(self.journal.record(Happening::StepReopened { step: step.clone(), why: why.to_owned() })?)
    }

    /// Looks for the attempts that an earlier process started. If the clock was set since, the run goes on by the time of
    /// its attempts, or from its last event on: nothing has taken longer because of that. To be called before anything is
    /// recorded.
    pub(super) async fn find_attempts(&mut self) -> Result<Vec<(usize, Found)>, DriveError> {
        let running: Vec<usize> = self.journal.run.board.running.iter().copied().collect();
        let mut attempts = Vec::new();
        let mut ahead = None;
        for step in running {
            let run = &self.journal.run;
            let StepState::Running(running) = &run.steps[step].state else { continue };
            let (id, attempt, since) = (run.id(), running.attempt, running.since);
            let found = self.engine.executor.find(id, attempt).await?;
            if let Found::Running { age: Some(age) } = &found {
                let expected = TimeDelta::from_std(*age).ok().and_then(|age| since.checked_add_signed(age));
                ahead = ahead.or_else(|| Some(self.journal.now() - expected?));
            }
            attempts.push((step, found));
        }
        let before = self.journal.now();
        if let Some(ahead) = ahead.filter(|ahead| ahead.abs() > MOST_LATE) {
            self.journal.clock.set_back(ahead);
        }
        let since_last = self.journal.run.clock.map(|last| self.journal.now() - last);
        if let Some(behind) = since_last.filter(|since_last| *since_last < TimeDelta::zero()) {
            self.journal.clock.set_back(behind);
        }
        // The clocks of two machines are never quite the same.
        let set = (before - self.journal.now()).num_seconds();
        if set != 0 {
            let run = self.journal.run.id();
            tracing::warn!(run.id = %run, "the clock was set by {set} s since; the run's times go on from before that");
        }
        Ok(attempts)
    }

    /// Goes on with the attempts that were found.
    pub(super) async fn adopt(&mut self, attempts: Vec<(usize, Found)>) -> Result<(), DriveError> {
        for (step, found) in attempts {
            let run = &self.journal.run;
            let StepState::Running(running) = &run.steps[step].state else { continue };
            let (id, attempt) = (run.id(), running.attempt);
            let ended = match found {
                Found::Running { age } => {
                    let taken = (self.journal.now() - running.since).to_std().unwrap_or_default();
                    let taken = age.unwrap_or(taken);
                    let left =
                        run.deadline(step).map(|deadline| (deadline - self.journal.now()).to_std().unwrap_or_default());
                    let timeout = run.planned(step).timeout.map(|timeout| timeout.saturating_sub(taken));
                    let timeout = timeout.into_iter().chain(left).min();
                    let name = run.planned(step).name.clone();
                    self.attempts.watch(Watch { step, name, run: id, attempt, timeout });
                    continue;
                }
                Found::Ended(ended) => ended,
                Found::NeverStarted => Ended::Vanished { why: "it never started".to_owned() },
            };
            self.take_in(Finished { step, attempt, ended, stopped: None }).await?;
        }
        Ok(())
    }
}
