//! The counters behind a run: who waits for whom, kept up with each change so that no event costs a look at all steps.

use std::collections::{BTreeMap, BTreeSet};

use super::options::{awaited_by, upstream_of};
use super::state::{StepEnd, StepState};
use crate::phase::Phase;
use crate::plan::Plan;

/// One phase's worth of something.
pub(crate) type PerPhase<T> = [T; Phase::ALL.len()];

/// The edges of a plan by place in plan order. Fixed for the life of a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Graph {
    /// Steps that must have ended before this one.
    pub(crate) upstream: Vec<BTreeSet<usize>>,
    /// Steps that wait for this one.
    pub(crate) downstream: Vec<BTreeSet<usize>>,
    /// Of the upstream ones, those whose end is awaited but whose result is not needed.
    pub(crate) awaited: Vec<BTreeSet<usize>>,
}

impl Graph {
    pub(crate) fn of(plan: &Plan) -> Graph {
        let upstream: Vec<BTreeSet<usize>> = plan.steps.values().map(|step| upstream_of(plan, step)).collect();
        let mut downstream = vec![BTreeSet::new(); upstream.len()];
        for (index, needs) in upstream.iter().enumerate() {
            for need in needs {
                downstream[*need].insert(index);
            }
        }
        let awaited = plan
            .steps
            .values()
            .map(|step| {
                let mut awaited = awaited_by(plan, step);
                for name in step.inputs.values().flatten().map(|binding| &binding.step).chain(&step.needs) {
                    if let Some(index) = plan.steps.get_index_of(name) {
                        awaited.remove(&index);
                    }
                }
                awaited
            })
            .collect();
        Graph { upstream, downstream, awaited }
    }
}

/// What follows from the states of all steps. Equal states give equal boards, however they came about.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Board {
    /// How many steps each step still waits for.
    pub(crate) unmet: Vec<usize>,
    /// Steps that wait for nothing but room and their phase.
    pub(crate) ready: PerPhase<BTreeSet<usize>>,
    /// All steps that wait.
    pub(crate) waiting: PerPhase<BTreeSet<usize>>,
    /// Waiting steps that can never run, with the step that is to blame.
    pub(crate) doomed: BTreeMap<usize, usize>,
    /// Waiting steps whose `when` is false.
    pub(crate) unwanted: BTreeSet<usize>,
    pub(crate) running: BTreeSet<usize>,
    pub(crate) faltered: BTreeSet<usize>,
    pub(crate) backing_off: BTreeSet<usize>,
    /// Approvals that somebody is asked for.
    pub(crate) asking: BTreeSet<usize>,
    /// Approvals that were refused, or not given in time.
    pub(crate) refused: PerPhase<BTreeSet<usize>>,
    /// Steps that failed or were cancelled.
    pub(crate) broken: PerPhase<BTreeSet<usize>>,
    /// How many steps have not ended.
    pub(crate) unfinished: PerPhase<usize>,
    /// How many blocking gates have no verdict yet, or one that blocks.
    pub(crate) closed_gates: PerPhase<usize>,
    /// How many gates have no verdict yet.
    pub(crate) open_gates: PerPhase<usize>,
}

impl Board {
    /// A board on which no step stands yet; [`Board::place`] adds them.
    pub(crate) fn empty(graph: &Graph) -> Board {
        Board { unmet: graph.upstream.iter().map(BTreeSet::len).collect(), ..Board::default() }
    }

    /// Whether every step of `phase` and of those before it has ended.
    pub(crate) fn is_complete(&self, phase: Phase) -> bool {
        self.unfinished[..=phase as usize].iter().all(|count| *count == 0)
    }

    /// The first step by plan order that failed, was cancelled or was refused in `phase` or before it.
    pub(crate) fn broken_up_to(&self, phase: Phase) -> Option<usize> {
        let broken = self.broken[..=phase as usize].iter().chain(&self.refused[..=phase as usize]);
        broken.flatten().min().copied()
    }

    /// The first step by plan order that failed, was cancelled or was refused before `phase`.
    pub(crate) fn broken_before(&self, phase: Phase) -> Option<usize> {
        let broken = self.broken[..phase as usize].iter().chain(&self.refused[..phase as usize]);
        broken.flatten().min().copied()
    }

    /// Whether a step failed, was cancelled or was refused before `phase`.
    pub(crate) fn stops(&self, index: usize, phase: Phase) -> bool {
        let broken = self.broken[..phase as usize].iter().chain(&self.refused[..phase as usize]);
        broken.into_iter().any(|steps| steps.contains(&index))
    }

    /// Whether no blocking gate stands before `phase`.
    pub(crate) fn is_reached(&self, phase: Phase) -> bool {
        self.closed_gates[..phase as usize].iter().all(|count| *count == 0)
    }

    pub(crate) fn remove(&mut self, index: usize, phase: Phase, state: &StepState) {
        if let StepState::Waiting | StepState::BackingOff { .. } = state {
            self.ready[phase as usize].remove(&index);
            self.doomed.remove(&index);
            self.unwanted.remove(&index);
        }
        if let Some(set) = self.set_of(phase, state) {
            set.remove(&index);
        }
        if !state.is_done() {
            self.unfinished[phase as usize] -= 1;
        }
    }

    pub(crate) fn insert(&mut self, index: usize, phase: Phase, state: &StepState) {
        if let Some(set) = self.set_of(phase, state) {
            set.insert(index);
        }
        if !state.is_done() {
            self.unfinished[phase as usize] += 1;
        }
    }

    fn set_of(&mut self, phase: Phase, state: &StepState) -> Option<&mut BTreeSet<usize>> {
        match state {
            StepState::Waiting => Some(&mut self.waiting[phase as usize]),
            StepState::Running(_) => Some(&mut self.running),
            StepState::Faltered(_) => Some(&mut self.faltered),
            StepState::Asking(_) => Some(&mut self.asking),
            StepState::Done(StepEnd::Refused(_)) => Some(&mut self.refused[phase as usize]),
            StepState::BackingOff { .. } => Some(&mut self.backing_off),
            StepState::Done(StepEnd::Failed(_) | StepEnd::Cancelled) => Some(&mut self.broken[phase as usize]),
            StepState::Done(
                StepEnd::Succeeded(_) | StepEnd::Reused(_) | StepEnd::Skipped(_) | StepEnd::Approved(_),
            ) => None,
        }
    }
}
