//! A run: its plan and what its log says about it.

use std::sync::Arc;

use super::board::{Board, Graph};
use super::options::{RunOptions, Selection};
use super::state::{GateState, StepRecord, StepState};
use super::{EngineError, IllegalEvent, InputBinding, Outcome, Parked, RunEvent, StoredRun, gate};
use crate::artifact::Digest;
use crate::id::{GateName, RunId, StepName};
use crate::plan::{Gate, Plan, PlannedStep};

/// One execution of a plan, as far as its log tells. It changes through [`Run::apply`] only.
///
/// Steps and gates are addressed inside the engine by their place in the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub(super) id: RunId,
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
            selection: Arc::new(Selection::of(&plan, options)),
            next_seq: 1,
            epoch: 0,
            steps: plan.steps.values().map(|_| StepRecord::new()).collect(),
            gates: plan.gates.values().map(|_| GateState::Open).collect(),
            sealed: None,
            cancel_requested: false,
            paused: None,
            outcome: None,
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
        Run::replay(Arc::new(stored.plan), run, &options, events).map_err(|error| corrupt(error.to_string()))
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
        let pause = self.paused.as_ref()?;
        let reason = pause.reason.as_ref().map(|reason| format!(" because {reason}")).unwrap_or_default();
        Some(Parked { state: "paused", because: format!("paused by {}{reason}", pause.by), until: None })
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

    /// How the run ends, if nothing is left to do.
    pub(super) fn conclusion(&self) -> Option<Outcome> {
        let board = &self.board;
        if self.outcome.is_some() || !board.running.is_empty() || !board.faltered.is_empty() {
            None
        } else if self.cancel_requested {
            board.backing_off.is_empty().then_some(Outcome::Cancelled)
        } else if board.unfinished.iter().any(|count| *count > 0) || (0..self.gates.len()).any(|gate| self.is_due(gate))
        {
            None
        } else if board.broken.iter().any(|steps| !steps.is_empty()) {
            Some(Outcome::Failed)
        } else if board.closed_gates.iter().any(|count| *count > 0) {
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

    pub(super) fn count_gates(&mut self) {
        self.board.closed_gates = [0; 6];
        for (index, gate) in self.plan.gates.values().enumerate() {
            let is_passed = self.gates[index].verdict() == Some(super::Verdict::Passed);
            if self.selection.gates[index] && gate.is_blocking() && !is_passed {
                self.board.closed_gates[gate.phase as usize] += 1;
            }
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
                self.board.ready[phase].insert(index);
            } else {
                self.board.unwanted.insert(index);
            }
        }
    }
}
