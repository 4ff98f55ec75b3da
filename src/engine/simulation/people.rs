//! People who ask things of runs: in time, too late, twice, and of runs that nobody drives.

use chrono::TimeDelta;
use rand::RngExt;

use super::world::World;
use crate::engine::{Outcome, Request, RequestKind, Run, Subject};
use crate::id::RunId;

impl World {
    /// Somebody may look at a run that has not ended, and ask something of it.
    pub(super) fn look_at(&mut self, id: RunId) {
        if !self.rng.random_bool(0.06) || self.is_asked(id) && self.rng.random_bool(0.8) {
            return;
        }
        let run = self.load(id);
        if run.outcome().is_some() || run.is_cancelling() {
            return;
        }
        let subject = run.questions().map(|(subject, _)| subject).next();
        let trouble = self.trouble;
        if let Some(subject) = subject.filter(|_| self.rng.random_bool(0.7)) {
            let kind = match (self.rng.random_range(0..10), &subject) {
                (0 | 1, Subject::Gate(_)) => RequestKind::Waive,
                (0..7, _) => RequestKind::Approve,
                _ => RequestKind::Reject,
            };
            self.ask(self.request(id, kind).about(subject.name(), "it was looked at"));
        } else if run.paused().is_some() {
            self.ask(self.request(id, RequestKind::Resume));
        } else if self.rng.random_bool(trouble) {
            let kind = [RequestKind::Cancel, RequestKind::Pause, RequestKind::Pause][self.rng.random_range(0..3)];
            self.ask(self.request(id, kind));
        } else if let Some(gate) = closed_gate(&run).filter(|_| self.rng.random_bool(0.3)) {
            self.ask(self.request(id, RequestKind::Waive).about(gate, "it is known"));
        }
    }

    /// Once, somebody may want a run that has ended badly to go on.
    pub(super) fn look_at_the_end_of(&mut self, run: &Run) {
        if !self.reopened.insert(run.id()) || !self.rng.random_bool(0.6) {
            return;
        }
        match (run.outcome(), closed_gate(run)) {
            (Some(Outcome::Rejected), Some(gate)) => {
                self.ask(self.request(run.id(), RequestKind::Waive).about(gate, "it is known"));
            }
            (Some(Outcome::Rejected | Outcome::Failed | Outcome::Cancelled), _) => {
                self.ask(self.request(run.id(), RequestKind::Resume));
            }
            _ => {}
        }
    }

    fn request(&self, run: RunId, kind: RequestKind) -> Request {
        Request { created_at: self.now(), ..Request::new(run, kind, "ada") }
    }

    fn ask(&mut self, mut request: Request) {
        if request.kind.is_decision() && self.rng.random_bool(0.2) {
            request.expires_at = Some(self.now() + TimeDelta::seconds(self.rng.random_range(1..300)));
        }
        self.asked.push(self.log.ask(request));
    }
}

/// A gate that did not pass and keeps the run from going on.
fn closed_gate(run: &Run) -> Option<String> {
    let mut gates = run.gates().enumerate();
    gates.find(|(index, _)| run.stops(*index) || run.needs_asking(*index)).map(|(_, (gate, _))| gate.name.to_string())
}
