//! What stands between a step and its next attempt, as far as its run tells: the same as `decide` goes by.

use super::Run;
use crate::id::{GateName, StepName};
use crate::phase::Phase;

/// Something that has to happen before a step that waits can begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// A step that it follows has not ended.
    Upstream(StepName),
    /// A blocking gate of an earlier phase is not open.
    Gate(GateName),
}

impl Run {
    /// What stands before a step, in plan order; nothing where only room or a driver is missing.
    pub fn obstacles(&self, step: &StepName) -> Vec<Obstacle> {
        let Some(index) = self.plan.steps.get_index_of(step) else { return Vec::new() };
        let mut obstacles: Vec<Obstacle> = self.graph.upstream[index]
            .iter()
            .filter(|upstream| !self.steps[**upstream].state.is_done())
            .map(|upstream| Obstacle::Upstream(self.planned(*upstream).name.clone()))
            .collect();
        let phase = self.planned(index).phase;
        let gates = self.plan.gates.values().enumerate();
        let closed = gates.filter(|(gate, planned)| planned.phase < phase && self.is_closed(*gate));
        obstacles.extend(closed.map(|(_, gate)| Obstacle::Gate(gate.name.clone())));
        obstacles
    }

    /// The steps that a gate judges and that have not ended: all of its phase and of those before it.
    pub fn unfinished_before(&self, gate: &GateName) -> Vec<StepName> {
        let Some(gate) = self.plan.gates.get(gate) else { return Vec::new() };
        let judged = |phase: Phase| phase <= gate.phase;
        let steps = self.steps().filter(|(planned, record)| judged(planned.phase) && !record.state.is_done());
        steps.map(|(planned, _)| planned.name.clone()).collect()
    }
}
