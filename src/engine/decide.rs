//! What follows from the state of a run: pure, so that tests can ask it anything.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::retry::{self, Next};
use super::state::StepState;
use super::{Happening, Run, SkipReason, Verdict, gate};
use crate::phase::Phase;

/// Something to do next. Steps are given by their place in the plan.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Record what follows from the state, and decide again.
    Record(Box<Happening>),
    /// Look the step up in the cache; if there is no result, queue it for [`super::admit`].
    Consider(usize),
    /// End the attempt of a step.
    Cancel(usize),
    /// Decide again at this time at the latest.
    WakeAt(DateTime<Utc>),
}

/// What is to be done now. Either everything that has to be recorded first, or everything that can be begun.
pub fn decide(run: &Run, now: DateTime<Utc>) -> Vec<Action> {
    if run.outcome.is_some() {
        return Vec::new();
    }
    let mut records: Vec<Happening> = run.board.faltered.iter().map(|index| after_setback(run, *index, now)).collect();
    if run.cancel_requested {
        records.extend(run.board.backing_off.iter().map(|index| cancelled(run, *index)));
    } else {
        records.extend(
            skips(run)
                .into_iter()
                .map(|(index, because)| Happening::StepSkipped { step: run.planned(index).name.clone(), because }),
        );
        records.extend((0..run.gates.len()).filter(|gate| run.is_due(*gate)).map(|gate| gate::evaluate(run, gate)));
        records.extend(seal(run));
    }
    if records.is_empty() {
        records.extend(run.conclusion().map(|outcome| Happening::RunFinished { outcome }));
    }
    if !records.is_empty() {
        return records.into_iter().map(Box::new).map(Action::Record).collect();
    }
    if run.cancel_requested {
        return run.board.running.iter().map(|index| Action::Cancel(*index)).collect();
    }
    if run.paused.is_some() {
        return Vec::new();
    }
    let mut actions: Vec<Action> = Phase::ALL
        .iter()
        .filter(|phase| run.board.is_reached(**phase))
        .flat_map(|phase| &run.board.ready[*phase as usize])
        .map(|index| Action::Consider(*index))
        .collect();
    for index in &run.board.backing_off {
        if let StepState::BackingOff { until, .. } = run.steps[*index].state
            && run.board.unmet[*index] == 0
        {
            actions.push(if until <= now { Action::Consider(*index) } else { Action::WakeAt(until) });
        }
    }
    actions
}

fn cancelled(run: &Run, index: usize) -> Happening {
    Happening::StepCancelled { step: run.planned(index).name.clone() }
}

fn after_setback(run: &Run, index: usize, now: DateTime<Utc>) -> Happening {
    let step = run.planned(index);
    if run.cancel_requested {
        return cancelled(run, index);
    }
    match retry::next(run.id, step, &run.steps[index]) {
        Next::GiveUp => Happening::StepFailed { step: step.name.clone() },
        Next::TryAgain { number, wait } => {
            Happening::RetryScheduled { step: step.name.clone(), number, until: now + wait }
        }
    }
}

/// The waiting steps that will not run, each with the first reason that applies.
fn skips(run: &Run) -> BTreeMap<usize, SkipReason> {
    let name = |index: usize| run.planned(index).name.clone();
    let mut skips = BTreeMap::new();
    for index in run.board.waiting.iter().flatten().filter(|index| !run.selection.steps[**index]) {
        skips.insert(*index, SkipReason::NotSelected);
    }
    for (index, blame) in &run.board.doomed {
        skips.entry(*index).or_insert_with(|| SkipReason::Upstream(name(*blame)));
    }
    for index in &run.board.unwanted {
        skips.entry(*index).or_insert(SkipReason::WhenFalse);
    }
    for phase in Phase::ALL {
        let waiting: &BTreeSet<usize> = &run.board.waiting[phase as usize];
        let failed = run.board.broken[..phase as usize].iter().flatten().min();
        let rejected = run.gates().find(|(gate, state)| {
            gate.phase < phase
                && gate.is_blocking()
                && state.verdict().is_some_and(|verdict| verdict != Verdict::Passed)
        });
        let because = match (failed, rejected) {
            (Some(failed), _) => SkipReason::Upstream(name(*failed)),
            (None, Some((gate, _))) => SkipReason::Gate(gate.name.clone()),
            (None, None) => continue,
        };
        for index in waiting {
            skips.entry(*index).or_insert_with(|| because.clone());
        }
    }
    skips
}

/// The seal of the success criteria, when the first step that could be tuned to them is about to begin.
fn seal(run: &Run) -> Option<Happening> {
    let is_about_to_train = run.sealed.is_none()
        && run.paused.is_none()
        && Phase::ALL[Phase::ModelEngineering as usize..]
            .iter()
            .any(|phase| run.board.is_reached(*phase) && !run.board.ready[*phase as usize].is_empty());
    is_about_to_train.then(|| Happening::CriteriaSealed { digest: run.plan.record.seal() })
}
