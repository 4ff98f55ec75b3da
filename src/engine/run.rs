//! A run: its plan and what its log says about it.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::board::{Board, Graph, PerPhase};
use super::options::{RunOptions, Selection};
use super::ruling::{Effect, effect};
use super::sound::flaw;
use super::state::{GateState, StepEnd, StepRecord, StepState};
use super::{
    EngineError, IllegalEvent, InputBinding, Outcome, Parked, Question, Ruling, RunEvent, SkipReason, StoredRun,
    Subject, gate,
};
use crate::artifact::Digest;
use crate::id::{GateName, RunId, StepName};
use crate::phase::Phase;
use crate::plan::{Gate, Plan, PlannedStep};

/// One execution of a plan, as far as its log tells. It changes through [`Run::apply`] only.
///
/// Steps and gates are addressed inside the engine by their place in the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub(super) id: RunId,
    /// Facts for reproduction, of where and when the run was asked for.
    pub(super) environment: Arc<Value>,
    pub(super) plan: Arc<Plan>,
    pub(super) graph: Arc<Graph>,
    pub(super) selection: Arc<Selection>,
    pub(super) next_seq: u64,
    pub(super) epoch: u64,
    pub(super) steps: Vec<StepRecord>,
    pub(super) gates: Vec<GateState>,
    pub(super) sealed: Option<Digest>,
    pub(super) cancel_requested: bool,
    /// Who paused it, and why.
    pub(super) paused: Option<Pause>,
    pub(super) outcome: Option<Outcome>,
    /// How often each phase has begun again since the run was begun or resumed.
    pub(super) restarts: PerPhase<u32>,
    /// The time of the event that is being applied, or was last.
    pub(super) clock: Option<DateTime<Utc>>,
    /// Whether any step is an approval.
    pub(super) has_approvals: bool,
    /// Whether any step has a time for all its attempts together.
    pub(super) has_deadlines: bool,
    /// Times before this do not count: the run was begun, resumed or unpaused then.
    pub(super) counts_from: Option<DateTime<Utc>>,
    /// When the gates before each phase were all open.
    pub(super) reached_at: PerPhase<Option<DateTime<Utc>>>,
    pub(super) board: Board,
}

/// Who paused a run, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Who.
    pub by: String,
    /// Why, if it was said.
    pub reason: Option<String>,
}

impl Run {
    /// A run in which nothing has happened yet.
    pub fn fresh(plan: Arc<Plan>, id: RunId, options: &RunOptions) -> Run {
        let graph = Arc::new(Graph::of(&plan));
        let mut run = Run {
            id,
            environment: Arc::default(),
            selection: Arc::new(Selection::of(&plan, options)),
            next_seq: 1,
            epoch: 0,
            steps: plan.steps.values().map(|_| StepRecord::new()).collect(),
            gates: plan.gates.values().map(|_| GateState::Open).collect(),
            sealed: None,
            cancel_requested: false,
            paused: None,
            outcome: None,
            restarts: PerPhase::default(),
            has_approvals: plan.steps.values().any(|step| step.approval.is_some()),
            has_deadlines: plan.steps.values().any(|step| step.total_timeout.is_some()),
            clock: None,
            counts_from: None,
            reached_at: PerPhase::default(),
            board: Board::default(),
            graph,
            plan,
        };
        run.rebuild();
        run
    }

    /// The run that a log tells of.
    ///
    /// # Errors
    /// The first event that cannot have happened: the log is not one of this plan, or is damaged.
    pub fn replay(plan: Arc<Plan>, id: RunId, options: &RunOptions, events: &[RunEvent]) -> Result<Run, IllegalEvent> {
        let mut run = Run::fresh(plan, id, options);
        for event in events {
            run.apply(event)?;
        }
        Ok(run)
    }

    /// The run as the database has it.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] when the stored log makes no sense.
    pub fn load(stored: StoredRun, events: &[RunEvent]) -> Result<Run, EngineError> {
        let run = stored.id;
        let corrupt = |reason: String| EngineError::Corrupt { run, reason };
        let options = RunOptions::from_value(&stored.options).map_err(|error| corrupt(error.to_string()))?;
        if let Some(flaw) = flaw(&stored.plan) {
            return Err(corrupt(flaw));
        }
        let replayed = Run::replay(Arc::new(stored.plan), run, &options, events);
        Ok(replayed.map_err(|error| corrupt(error.to_string()))?.in_environment(stored.environment))
    }

    /// The same run with facts for reproduction.
    #[must_use]
    pub fn in_environment(self, environment: Value) -> Run {
        Run { environment: Arc::new(environment), ..self }
    }

    /// The id.
    pub fn id(&self) -> RunId {
        self.id
    }

    /// What is run.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// How the run ended, if it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// The steps in plan order.
    pub fn steps(&self) -> impl Iterator<Item = (&PlannedStep, &StepRecord)> {
        self.plan.steps.values().zip(&self.steps)
    }

    /// One step.
    pub fn step(&self, name: &StepName) -> Option<&StepRecord> {
        self.plan.steps.get_index_of(name).map(|index| &self.steps[index])
    }

    /// The gates in plan order.
    pub fn gates(&self) -> impl Iterator<Item = (&Gate, &GateState)> {
        self.plan.gates.values().zip(&self.gates)
    }

    /// One gate.
    pub fn gate(&self, name: &GateName) -> Option<&GateState> {
        self.plan.gates.get_index_of(name).map(|index| &self.gates[index])
    }

    /// The digest of the success criteria, once they are sealed.
    pub fn sealed(&self) -> Option<Digest> {
        self.sealed
    }

    /// Whether somebody asked for the end of the run.
    pub fn is_cancelling(&self) -> bool {
        self.cancel_requested && self.outcome.is_none()
    }

    /// Who keeps new attempts from being started, and why.
    pub fn paused(&self) -> Option<&Pause> {
        self.paused.as_ref()
    }

    /// What the run waits for when nothing goes on by itself.
    pub fn standstill(&self) -> Option<Parked> {
        let until = self.questions().filter_map(|(_, question)| question.expires_at).min();
        if let Some(pause) = &self.paused {
            let reason = pause.reason.as_ref().map(|reason| format!(" because {reason}")).unwrap_or_default();
            return Some(Parked { state: "paused", because: format!("paused by {}{reason}", pause.by), until });
        }
        let subjects: Vec<String> = self.questions().map(|(subject, _)| subject.to_string()).collect();
        let because = format!("waits for approval of {}", subjects.join(", "));
        (!subjects.is_empty()).then_some(Parked { state: "awaiting_approval", because, until })
    }

    /// The sequence number of the next event.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// How many steps have ended, and how many there are, for progress.
    pub fn progress(&self) -> (usize, usize) {
        let unfinished: usize = self.board.unfinished.iter().sum();
        (self.steps.len() - unfinished, self.steps.len())
    }

    pub(super) fn planned(&self, index: usize) -> &PlannedStep {
        &self.plan.steps[index]
    }

    /// Since when a step that is ready could have run if there had been room, as far as time is counted.
    pub(super) fn counts_since(&self, index: usize) -> Option<DateTime<Utc>> {
        let phase = self.planned(index).phase;
        if !self.board.is_reached(phase) {
            return None;
        }
        let reached = self.reached_at[phase as usize];
        self.steps[index].ready_since.max(reached).max(self.counts_from)
    }

    /// When the time of a step is up, all attempts together.
    pub(super) fn deadline(&self, index: usize) -> Option<DateTime<Utc>> {
        let total = chrono::TimeDelta::from_std(self.planned(index).total_timeout?).ok()?;
        self.counts_since(index)?.checked_add_signed(total)
    }

    /// The memory of the next attempt of a step: more than planned after attempts that ran out of it.
    pub fn memory_bytes(&self, index: usize) -> Option<u64> {
        let planned = self.planned(index);
        let bytes = planned.resources.memory_bytes?;
        let Some(factor) = planned.retry.grow_memory else { return Some(bytes) };
        let grown = bytes as f64 * factor.powi(i32::try_from(self.steps[index].shortages).unwrap_or(i32::MAX));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within the range")]
        Some(if grown < u64::MAX as f64 { grown as u64 } else { u64::MAX })
    }

    /// What is bound to the inputs of a step, if everything it needs has been made.
    pub(super) fn bindings(&self, index: usize) -> Option<Vec<InputBinding>> {
        let mut bindings = Vec::new();
        for (input, sources) in &self.planned(index).inputs {
            for source in sources {
                let producer = self.plan.steps.get_index_of(&source.step)?;
                let artifact = self.steps[producer].outcome()?.outputs.get(&source.output)?.clone();
                bindings.push(InputBinding { input: input.clone(), source: source.clone(), artifact });
            }
        }
        Some(bindings)
    }

    /// Whether a gate takes part and can be evaluated now.
    pub(super) fn is_due(&self, gate: usize) -> bool {
        let phase = self.plan.gates[gate].phase;
        self.selection.gates[gate]
            && self.gates[gate] == GateState::Open
            && self.board.is_complete(phase)
            && self.board.broken_up_to(phase).is_none()
    }

    /// Whether a gate did not pass and waits for somebody who was asked.
    fn is_awaited(&self, gate: usize) -> bool {
        self.selection.gates[gate] && matches!(self.gates[gate].ruling(), Some(Ruling::Awaited(_)))
    }

    /// Whether a gate did not pass, and for good.
    pub(super) fn stops(&self, gate: usize) -> bool {
        let on_fail = self.plan.gates[gate].on_fail;
        self.selection.gates[gate]
            && self.gates[gate].unpassed().is_some_and(|ruling| effect(on_fail, ruling) == Effect::Stops)
    }

    /// Whether a gate did not pass and somebody has to be asked, who is not yet.
    pub(super) fn needs_asking(&self, gate: usize) -> bool {
        let on_fail = self.plan.gates[gate].on_fail;
        self.selection.gates[gate]
            && self.gates[gate]
                .unpassed()
                .is_some_and(|ruling| ruling.is_none() && effect(on_fail, ruling) == Effect::Waits)
    }

    /// The questions that wait for somebody.
    pub fn questions(&self) -> impl Iterator<Item = (Subject, &Question)> {
        let gates = self.plan.gates.keys().zip(&self.gates).filter_map(|(gate, state)| match state.ruling() {
            Some(Ruling::Awaited(question)) => Some((Subject::Gate(gate.clone()), question)),
            _ => None,
        });
        let steps = self.board.asking.iter().filter_map(|index| match &self.steps[*index].state {
            StepState::Asking(question) => Some((Subject::Step(self.planned(*index).name.clone()), question)),
            _ => None,
        });
        gates.chain(steps)
    }

    /// The first phase in which a step failed for good and that may begin again, with that step.
    pub(super) fn restartable(&self) -> Option<(Phase, usize)> {
        Phase::ALL.into_iter().find_map(|phase| {
            let left = self.plan.phase_retries.get(&phase)?.checked_sub(self.restarts[phase as usize])?;
            let failed = self.board.broken[phase as usize]
                .iter()
                .find(|index| matches!(self.steps[**index].state, StepState::Done(StepEnd::Failed(_))))?;
            (left > 0).then_some((phase, *failed))
        })
    }

    /// The steps that wait again when a phase begins again. Approvals that were given or asked for stay.
    pub(super) fn again(&self, phase: Phase) -> Vec<StepName> {
        let follows = self.following(phase);
        let begins_again = |index: usize| match &self.steps[index].state {
            StepState::Waiting
            | StepState::Asking(_)
            | StepState::Done(StepEnd::Approved(_) | StepEnd::Skipped(SkipReason::NotSelected)) => false,
            // What was skipped only because the phase had failed may run as well.
            StepState::Done(StepEnd::Skipped(SkipReason::Upstream(_) | SkipReason::EarlierPhase(_))) => {
                self.planned(index).phase >= phase
            }
            _ => follows.contains(&index),
        };
        let again = (0..self.steps.len()).filter(|index| begins_again(*index));
        again.map(|index| self.planned(index).name.clone()).collect()
    }

    /// The steps of a phase and all that follow from them, in plan order.
    pub(super) fn following(&self, phase: Phase) -> BTreeSet<usize> {
        let mut found: BTreeSet<usize> = BTreeSet::new();
        for index in 0..self.steps.len() {
            let follows = self.graph.upstream[index].iter().any(|upstream| found.contains(upstream));
            if self.planned(index).phase == phase || follows {
                found.insert(index);
            }
        }
        found
    }

    /// How the run ends, if nothing is left to do.
    pub(super) fn conclusion(&self) -> Option<Outcome> {
        let board = &self.board;
        if self.outcome.is_some() || !board.running.is_empty() || !board.faltered.is_empty() {
            None
        } else if self.cancel_requested {
            (board.backing_off.is_empty() && board.asking.is_empty()).then_some(Outcome::Cancelled)
        } else if board.unfinished.iter().any(|count| *count > 0)
            || (0..self.gates.len()).any(|gate| self.is_due(gate) || self.is_awaited(gate))
            || self.restartable().is_some()
        {
            None
        } else if board.broken.iter().any(|steps| !steps.is_empty()) {
            Some(Outcome::Failed)
        } else if board.refused.iter().any(|steps| !steps.is_empty())
            || board.closed_gates.iter().any(|count| *count > 0)
        {
            Some(Outcome::Rejected)
        } else {
            Some(Outcome::Succeeded)
        }
    }

    /// Derives the board from the states. [`Run::set_state`] gives the same, step by step.
    pub(super) fn rebuild(&mut self) {
        self.board = Board::empty(&self.graph);
        for (index, record) in self.steps.iter().enumerate() {
            self.board.insert(index, self.plan.steps[index].phase, &record.state);
            let is_open = |upstream: &&usize| !self.steps[**upstream].state.is_done();
            self.board.unmet[index] = self.graph.upstream[index].iter().filter(is_open).count();
        }
        for index in 0..self.steps.len() {
            self.reconsider(index);
        }
        self.count_gates();
    }

    /// Whether a gate keeps what comes after its phase from beginning, for now or for good.
    pub(super) fn is_closed(&self, index: usize) -> bool {
        let gate = &self.plan.gates[index];
        let is_open = match &self.gates[index] {
            GateState::Open => false,
            state @ GateState::Evaluated { .. } => {
                state.unpassed().is_none_or(|ruling| effect(gate.on_fail, ruling) == Effect::GoesOn)
            }
        };
        self.selection.gates[index] && gate.is_blocking() && !is_open
    }

    pub(super) fn count_gates(&mut self) {
        self.board.closed_gates = [0; 6];
        for (index, gate) in self.plan.gates.values().enumerate() {
            if self.is_closed(index) {
                self.board.closed_gates[gate.phase as usize] += 1;
            }
        }
        for phase in Phase::ALL {
            let reached = &mut self.reached_at[phase as usize];
            *reached = if self.board.is_reached(phase) { reached.or(self.clock) } else { None };
        }
    }

    /// Puts a step into a new state and tells those that wait for it.
    pub(super) fn set_state(&mut self, index: usize, record: StepRecord) {
        let phase = self.planned(index).phase;
        let before = std::mem::replace(&mut self.steps[index], record);
        self.board.remove(index, phase, &before.state);
        let state = &self.steps[index].state;
        self.board.insert(index, phase, state);
        let (was_done, is_done) = (before.state.is_done(), state.is_done());
        self.reconsider(index);
        if was_done == is_done {
            return;
        }
        let graph = Arc::clone(&self.graph);
        for &waiter in &graph.downstream[index] {
            if !is_done {
                self.board.unmet[waiter] += 1;
                self.reconsider(waiter);
                continue;
            }
            self.board.unmet[waiter] -= 1;
            if self.waits(waiter) && !self.gives(index, waiter) {
                let blame = self.board.doomed.entry(waiter).or_insert(index);
                *blame = index.min(*blame);
                let phase = self.planned(waiter).phase;
                self.board.ready[phase as usize].remove(&waiter);
            } else if self.board.unmet[waiter] == 0 {
                self.reconsider(waiter);
            }
        }
    }

    fn waits(&self, index: usize) -> bool {
        matches!(self.steps[index].state, StepState::Waiting | StepState::BackingOff { .. })
    }

    /// Whether `upstream`, which has ended, left what `index` needs of it.
    fn gives(&self, upstream: usize, index: usize) -> bool {
        if self.graph.awaited[index].contains(&upstream) {
            return true;
        }
        if matches!(self.steps[upstream].state, StepState::Done(StepEnd::Approved(_))) {
            return true;
        }
        let Some(outcome) = self.steps[upstream].outcome() else { return false };
        // Nearly always everything was made, and a step that joins a thousand others need not be searched for each.
        let planned = self.planned(upstream);
        if planned.outputs.keys().all(|output| outcome.outputs.contains_key(output)) {
            return true;
        }
        let name = &planned.name;
        let mut bound = self.planned(index).inputs.values().flatten().filter(|binding| binding.step == *name);
        bound.all(|binding| outcome.outputs.contains_key(&binding.output))
    }

    /// Whether a step can never run, and `upstream` alone is reason enough.
    pub(super) fn is_doomed_by(&self, index: usize, upstream: usize) -> bool {
        self.graph.upstream[index].contains(&upstream)
            && self.steps[upstream].state.is_done()
            && !self.gives(upstream, index)
    }

    /// Works out anew whether a step that waits is ready, doomed or unwanted.
    fn reconsider(&mut self, index: usize) {
        let phase = self.planned(index).phase as usize;
        self.board.ready[phase].remove(&index);
        self.board.doomed.remove(&index);
        self.board.unwanted.remove(&index);
        if !self.waits(index) {
            return;
        }
        let blame = self.graph.upstream[index].iter().copied().find(|upstream| self.is_doomed_by(index, *upstream));
        if let Some(blame) = blame {
            self.board.doomed.insert(index, blame);
        } else if self.board.unmet[index] == 0 && self.steps[index].state == StepState::Waiting {
            // A run that left the step out does not ask for its reasons.
            let is_wanted = match &self.planned(index).when {
                Some(when) if self.selection.steps[index] => gate::holds(self, when),
                _ => true,
            };
            if is_wanted {
                if self.steps[index].ready_since.is_none() {
                    self.steps[index].ready_since = self.clock;
                }
                self.board.ready[phase].insert(index);
            } else {
                self.board.unwanted.insert(index);
            }
        }
    }
}
