//! What a run would do, for `phaseline plan`: a run is played through with what the cache knows, and nothing is started.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};

use super::files::FileDigests;
use super::resolve::{Fate, Question, Resolver};
use super::{Action, CacheIndex, DriveError, Happening, Run, RunEvent, RunOptions, StepRecord, decide};
use crate::artifact::ArtifactStore;
use crate::id::{RunId, StepName};
use crate::phase::Phase;
use crate::plan::{OnFail, Plan, PlannedStep};

/// What would become of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// The step.
    pub step: StepName,
    /// Its phase.
    pub phase: Phase,
    /// What it would do.
    pub will: Will,
    /// Why, for people.
    pub why: String,
}

/// What a step would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Will {
    /// Its result is known.
    BeReused,
    /// An attempt would be started; after a step that runs and makes the same bytes as before, it may still be reused.
    Run,
    /// It would be skipped.
    BeSkipped,
}

impl Will {
    /// The word for it, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Will::BeReused => "reuse",
            Will::Run => "run",
            Will::BeSkipped => "skip",
        }
    }
}

/// What each step would do now, in plan order. Gates are taken as passed.
///
/// # Errors
/// When an option names an unknown step, or the database fails.
pub async fn forecast(
    plan: &Plan,
    options: &RunOptions,
    cache: Arc<dyn CacheIndex>,
    artifacts: ArtifactStore,
    files: Arc<Mutex<FileDigests>>,
    now: DateTime<Utc>,
) -> Result<Vec<Forecast>, DriveError> {
    options.check(plan)?;
    let mut rehearsal = Rehearsal::new(plan, options, now);
    let mut resolver = Resolver::new(Arc::clone(rehearsal.run.plan()), cache, artifacts, files).await?;
    loop {
        let questions = rehearsal.settle()?;
        if questions.is_empty() {
            return Ok(rehearsal.forecasts());
        }
        for resolved in resolver.resolve(questions).await? {
            match (resolved.fate, resolved.key) {
                (Fate::Reuse(cached), Some(key)) => rehearsal.record(Happening::StepReused {
                    step: rehearsal.run.planned(resolved.step).name.clone(),
                    key,
                    parts: resolved.parts,
                    inputs: resolved.inputs,
                    made_by: cached.made_by,
                    outcome: cached.outcome,
                })?,
                (Fate::Run { why }, _) => drop(rehearsal.runs.insert(resolved.step, why)),
                (Fate::Reuse(_), None) => {}
            }
        }
    }
}

/// A run in which steps without a result never end.
struct Rehearsal {
    run: Run,
    now: DateTime<Utc>,
    runs: BTreeMap<usize, String>,
}

impl Rehearsal {
    fn new(plan: &Plan, options: &RunOptions, now: DateTime<Utc>) -> Rehearsal {
        let mut plan = plan.clone();
        // What is behind a gate is of interest too, and a gate over a step that runs has no verdict yet.
        for gate in plan.gates.values_mut() {
            gate.on_fail = OnFail::Warn;
        }
        Rehearsal { run: Run::fresh(Arc::new(plan), RunId::from_u128(0), options), now, runs: BTreeMap::new() }
    }

    fn record(&mut self, what: Happening) -> Result<(), DriveError> {
        Ok(self.run.apply(&RunEvent { seq: self.run.next_seq(), at: self.now, what })?)
    }

    /// Records what follows, and gives the steps that are to be looked up next.
    fn settle(&mut self) -> Result<Vec<Question>, DriveError> {
        loop {
            let mut questions = Vec::new();
            let mut has_recorded = false;
            for action in decide(&self.run, self.now) {
                match action {
                    Action::Record(what) => {
                        self.record(*what)?;
                        has_recorded = true;
                    }
                    Action::Consider(step) if !self.runs.contains_key(&step) => {
                        let Some(inputs) = self.run.bindings(step) else { continue };
                        questions.push(Question { step, inputs, anew: self.run.selection.anew[step] });
                    }
                    Action::Consider(_) | Action::Cancel(_) | Action::WakeAt(_) => {}
                }
            }
            if !has_recorded {
                return Ok(questions);
            }
        }
    }

    fn forecasts(&self) -> Vec<Forecast> {
        let of_step = |(index, (planned, record)): (usize, (&PlannedStep, &StepRecord))| {
            let (will, why) = if record.outcome().is_some() {
                (Will::BeReused, "nothing has changed".to_owned())
            } else if let Some(reason) = record.skipped_because() {
                (Will::BeSkipped, reason.to_string())
            } else if planned.approval.is_some() {
                (Will::Run, "somebody has to approve".to_owned())
            } else if let Some(why) = self.runs.get(&index) {
                (Will::Run, why.clone())
            } else {
                (Will::Run, self.waits_for(index))
            };
            Forecast { step: planned.name.clone(), phase: planned.phase, will, why }
        };
        self.run.steps().enumerate().map(of_step).collect()
    }

    /// Why nothing is known of a step yet: something before it runs.
    fn waits_for(&self, index: usize) -> String {
        let planned = self.run.planned(index);
        let runs = |step: &StepName| self.run.step(step).is_some_and(|record| !record.state().is_done());
        let by_input = planned
            .inputs
            .iter()
            .find_map(|(input, bindings)| Some((input, bindings.iter().find(|binding| runs(&binding.step))?)));
        match by_input {
            Some((input, binding)) => format!("input `{input}` may change: step `{}` runs", binding.step),
            None => "a step before it runs".to_owned(),
        }
    }
}

/// Refuses `--only` when a step that is needed besides the named ones would have to run.
pub(super) fn check_only(run: &Run, forecasts: &[Forecast]) -> Result<(), DriveError> {
    for (index, forecast) in forecasts.iter().enumerate() {
        let is_approval = run.planned(index).approval.is_some();
        let is_needed = run.selection.steps[index] && !run.selection.is_target[index] && !is_approval;
        if is_needed && forecast.will == Will::Run {
            return Err(DriveError::NotCached { step: forecast.step.clone(), why: forecast.why.clone() });
        }
    }
    Ok(())
}
