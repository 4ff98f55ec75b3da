//! What follows from the state of a run: pure, so that tests can ask it anything.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::retry::{self, Next};
use super::state::StepState;
use super::{Happening, Run, SkipReason, Subject, gate};
use crate::phase::Phase;
use crate::plan::ApprovalTerms;
use crate::step::Fault;
use crate::worker::Failure;

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
    let restart = if run.cancel_requested { None } else { run.restartable() };
    if run.cancel_requested {
        records.extend(run.board.backing_off.iter().chain(&run.board.asking).map(|index| cancelled(run, *index)));
    } else if let Some((phase, failed)) = restart {
        // Nothing is skipped for a failure that may not stay one.
        if records.is_empty() && run.paused.is_none() && run.is_quiet(phase) {
            let because = run.planned(failed).name.clone();
            records.push(Happening::PhaseRestarted { phase, because, again: run.again(phase) });
        }
        records.extend(expired(run, now));
    } else {
        let skips = skips(run);
        let goes_on = |index: &usize| !skips.contains_key(index);
        records.extend(skips.iter().map(|(index, because)| Happening::StepSkipped {
            step: run.planned(*index).name.clone(),
            because: because.clone(),
        }));
        records.extend((0..run.gates.len()).filter(|gate| run.is_due(*gate)).map(|gate| gate::evaluate(run, gate)));
        records.extend(asked(run, now, goes_on));
        records.extend(expired(run, now));
        records.extend(timed_out(run, now, goes_on));
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
    // What belongs to a phase that begins again starts nothing more until it does.
    let held = restart.map(|(phase, _)| run.following(phase));
    let is_held = |index: usize| held.as_ref().is_some_and(|held| held.contains(&index));
    let mut actions: Vec<Action> = Phase::ALL
        .iter()
        .filter(|phase| run.board.is_reached(**phase))
        .flat_map(|phase| &run.board.ready[*phase as usize])
        .filter(|index| !is_held(**index) && run.planned(**index).approval.is_none())
        .map(|index| Action::Consider(*index))
        .collect();
    let deadlines: Vec<DateTime<Utc>> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Consider(index) => run.deadline(*index),
            _ => None,
        })
        .collect();
    actions.extend(deadlines.into_iter().map(Action::WakeAt));
    for index in run.board.backing_off.iter().filter(|index| !is_held(**index)) {
        if let StepState::BackingOff { until, .. } = run.steps[*index].state
            && run.board.unmet[*index] == 0
        {
            let deadline = run.deadline(*index);
            let time = deadline.map_or(until, |deadline| deadline.min(until));
            actions.push(if until <= now { Action::Consider(*index) } else { Action::WakeAt(time) });
            actions.extend(deadline.filter(|_| until <= now).map(Action::WakeAt));
        }
    }
    actions
}

/// Questions to be asked: about gates that did not pass, and by approvals whose turn it is.
fn asked(run: &Run, now: DateTime<Utc>, goes_on: impl Fn(&usize) -> bool) -> Vec<Happening> {
    let request = |subject: Subject, terms: &ApprovalTerms| Happening::ApprovalRequested {
        subject,
        message: terms.message.clone(),
        expires_at: terms.expires.and_then(|expires| now.checked_add_signed(TimeDelta::from_std(expires).ok()?)),
    };
    let gates = run.plan.gates.values().enumerate().filter(|(index, _)| run.needs_asking(*index));
    let mut requests: Vec<Happening> =
        gates.map(|(_, gate)| request(Subject::Gate(gate.name.clone()), &gate.terms)).collect();
    if !run.has_approvals || run.paused.is_some() {
        return requests;
    }
    let is_sealed = |phase: Phase| phase < Phase::ModelEngineering || run.sealed.is_some();
    for phase in Phase::ALL.into_iter().filter(|phase| run.board.is_reached(*phase) && is_sealed(*phase)) {
        for index in &run.board.ready[phase as usize] {
            if !run.selection.steps[*index] || !goes_on(index) {
                continue;
            }
            let planned = run.planned(*index);
            requests.extend(planned.approval.as_ref().map(|terms| request(Subject::Step(planned.name.clone()), terms)));
        }
    }
    requests
}

/// Questions whose time is up.
fn expired(run: &Run, now: DateTime<Utc>) -> Vec<Happening> {
    let over = run.questions().filter(|(_, question)| question.is_over(now));
    over.map(|(subject, _)| Happening::ApprovalExpired { subject }).collect()
}

/// Steps whose time is up before an attempt could start. An approval has a time of its own.
fn timed_out(run: &Run, now: DateTime<Utc>, goes_on: impl Fn(&usize) -> bool) -> Vec<Happening> {
    if !run.has_deadlines || run.paused.is_some() {
        return Vec::new();
    }
    let ready = Phase::ALL
        .iter()
        .filter(|phase| run.board.is_reached(**phase))
        .flat_map(|phase| &run.board.ready[*phase as usize]);
    ready
        .chain(&run.board.backing_off)
        .filter(|index| run.selection.steps[**index] && goes_on(index) && run.planned(**index).approval.is_none())
        .filter(|index| run.deadline(**index).is_some_and(|deadline| deadline <= now))
        .map(|index| {
            let step = run.planned(*index);
            let last = run.steps[*index].last_failure.as_ref();
            let last = last.map(|failure| format!("; the last attempt: {}", failure.message)).unwrap_or_default();
            let failure = Failure {
                fault: Fault::Environment,
                code: "total_timeout".to_owned(),
                message: format!(
                    "all attempts together took longer than {:?}{last}",
                    step.total_timeout.unwrap_or_default()
                ),
                help: Some("raise `total` under `timeout` of the step".to_owned()),
            };
            Happening::StepTimedOut { step: step.name.clone(), failure }
        })
        .collect()
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
        let failed = run.board.broken_before(phase);
        let mut gates = run.plan.gates.values().enumerate();
        let rejected = gates.find(|(index, gate)| gate.phase < phase && run.stops(*index));
        let because = match (failed, rejected) {
            (Some(failed), _) => SkipReason::EarlierPhase(name(failed)),
            (None, Some((_, gate))) => SkipReason::Gate(gate.name.clone()),
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
