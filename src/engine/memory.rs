//! Runs and results kept in memory: for tests, and for runs that need no trace.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::{
    CacheIndex, CacheKey, CachedResult, EngineError, Handled, Happening, KeyParts, Lease, NewRun, Parked, Request,
    RunEvent, RunLog, StoredRun,
};
use crate::id::{AttemptId, PipelineName, RequestId, RunId, StepName};

/// A [`RunLog`] and [`CacheIndex`] without a database. Its leases never run out by themselves.
#[derive(Debug, Default)]
pub struct MemoryLog(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    runs: BTreeMap<RunId, Kept>,
    results: BTreeMap<CacheKey, CachedResult>,
    parts: BTreeMap<(PipelineName, StepName), KeyParts>,
    reservations: BTreeMap<CacheKey, (RunId, AttemptId)>,
    requests: Vec<Request>,
    answers: BTreeMap<RequestId, String>,
}

#[derive(Debug)]
struct Kept {
    new: NewRun,
    events: Vec<RunEvent>,
    epoch: u64,
    holder: Option<String>,
    parked: Option<Parked>,
}

impl MemoryLog {
    /// An empty log.
    pub fn new() -> MemoryLog {
        MemoryLog::default()
    }

    /// Ends the lease on a run, as when its holder has died.
    pub fn expire(&self, run: RunId) {
        let mut state = self.state();
        if let Some(kept) = state.runs.get_mut(&run) {
            kept.holder = None;
        }
        state.reservations.retain(|_, (holder, _)| *holder != run);
    }

    /// Asks something of a run.
    pub fn ask(&self, request: Request) -> RequestId {
        let id = request.id;
        self.state().requests.push(request);
        id
    }

    /// What came of a request, once it is handled.
    pub fn answer(&self, request: RequestId) -> Option<String> {
        self.state().answers.get(&request).cloned()
    }

    /// Why nobody drives a run, if it is parked.
    pub fn parked(&self, run: RunId) -> Option<Parked> {
        self.state().runs.get(&run).and_then(|kept| kept.parked.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn kept(&mut self, run: RunId) -> Result<&mut Kept, EngineError> {
        self.runs.get_mut(&run).ok_or(EngineError::NoRun(run))
    }

    fn held(&mut self, lease: &Lease) -> Result<&mut Kept, EngineError> {
        let kept = self.kept(lease.run)?;
        if kept.epoch == lease.epoch && kept.holder.as_ref() == Some(&lease.owner) {
            return Ok(kept);
        }
        let reason = kept.holder.as_ref().map_or("it has run out".to_owned(), |holder| format!("{holder} has it now"));
        Err(EngineError::LeaseLost { run: lease.run, reason })
    }

    /// What a database derives from an event.
    fn project(&mut self, run: RunId, event: &RunEvent) -> Result<(), EngineError> {
        let kept = self.kept(run)?;
        let pipeline = kept.new.plan.pipeline.clone();
        match &event.what {
            Happening::AttemptSucceeded { step, attempt, outcome, .. } => {
                let started = kept.events.iter().rev().find_map(|earlier| match &earlier.what {
                    Happening::AttemptStarted { attempt: started, key, parts, .. } if started == attempt => {
                        Some((*key, parts.clone()))
                    }
                    _ => None,
                });
                if let Some((key, parts)) = started {
                    self.parts.insert((pipeline, step.clone()), parts);
                    if let Some(key) = key {
                        self.results.insert(key, CachedResult { made_by: *attempt, outcome: outcome.clone() });
                    }
                }
                self.release(*attempt);
            }
            Happening::StepReused { step, parts, .. } => {
                self.parts.insert((pipeline, step.clone()), parts.clone());
            }
            Happening::AttemptFailed { attempt, .. } | Happening::AttemptLost { attempt, .. } => self.release(*attempt),
            _ => {}
        }
        Ok(())
    }

    fn release(&mut self, attempt: AttemptId) {
        self.reservations.retain(|_, (_, holder)| *holder != attempt);
    }
}

#[async_trait]
impl RunLog for MemoryLog {
    async fn create(&self, run: NewRun, owner: &str, _lease_for: Duration) -> Result<Lease, EngineError> {
        let id = run.id;
        let kept = Kept { new: run, events: Vec::new(), epoch: 1, holder: Some(owner.to_owned()), parked: None };
        self.state().runs.insert(id, kept);
        Ok(Lease { run: id, owner: owner.to_owned(), epoch: 1 })
    }

    async fn submit(&self, run: NewRun) -> Result<(), EngineError> {
        let kept = Kept { new: run, events: Vec::new(), epoch: 0, holder: None, parked: None };
        self.state().runs.insert(kept.new.id, kept);
        Ok(())
    }

    async fn append_answers(
        &self,
        lease: &Lease,
        expected_next: u64,
        events: &[RunEvent],
        handled: &[Handled],
    ) -> Result<(), EngineError> {
        let mut state = self.state();
        let kept = state.held(lease)?;
        if kept.events.len() as u64 + 1 != expected_next {
            let reason = "somebody else appended to its log".to_owned();
            return Err(EngineError::LeaseLost { run: lease.run, reason });
        }
        for event in events {
            state.kept(lease.run)?.events.push(event.clone());
            state.project(lease.run, event)?;
        }
        for handled in handled {
            state.requests.retain(|request| request.id != handled.request);
            state.answers.insert(handled.request, handled.outcome.clone());
        }
        Ok(())
    }

    async fn requests(&self, runs: &[RunId]) -> Result<Vec<Request>, EngineError> {
        Ok(self.state().requests.iter().filter(|request| runs.contains(&request.run)).cloned().collect())
    }

    async fn run(&self, run: RunId) -> Result<StoredRun, EngineError> {
        let mut state = self.state();
        let new = &state.kept(run)?.new;
        Ok(StoredRun {
            id: run,
            plan: new.plan.clone(),
            manifest_path: new.manifest_path.clone(),
            options: new.options.clone(),
        })
    }

    async fn events(&self, run: RunId) -> Result<Vec<RunEvent>, EngineError> {
        Ok(self.state().kept(run)?.events.clone())
    }

    async fn claim(&self, run: RunId, owner: &str, _lease_for: Duration) -> Result<Lease, EngineError> {
        let mut state = self.state();
        let kept = state.kept(run)?;
        if let Some(holder) = kept.holder.as_ref().filter(|holder| *holder != owner) {
            return Err(EngineError::Held { run, holder: holder.clone(), remaining: Duration::ZERO });
        }
        kept.epoch += 1;
        kept.holder = Some(owner.to_owned());
        kept.parked = None;
        Ok(Lease { run, owner: owner.to_owned(), epoch: kept.epoch })
    }

    async fn renew(&self, lease: &Lease, _lease_for: Duration) -> Result<(), EngineError> {
        self.state().held(lease).map(drop)
    }

    async fn park(&self, lease: &Lease, parked: &Parked) -> Result<(), EngineError> {
        let mut state = self.state();
        let kept = state.held(lease)?;
        kept.holder = None;
        kept.parked = Some(parked.clone());
        state.reservations.retain(|_, (holder, _)| *holder != lease.run);
        Ok(())
    }

    async fn release(&self, lease: &Lease) -> Result<(), EngineError> {
        let mut state = self.state();
        state.held(lease)?.holder = None;
        state.reservations.retain(|_, (holder, _)| *holder != lease.run);
        Ok(())
    }
}

#[async_trait]
impl CacheIndex for MemoryLog {
    async fn lookup(&self, keys: &[CacheKey]) -> Result<Vec<(CacheKey, CachedResult)>, EngineError> {
        let state = self.state();
        Ok(keys.iter().filter_map(|key| Some((*key, state.results.get(key)?.clone()))).collect())
    }

    async fn forget(&self, key: CacheKey) -> Result<(), EngineError> {
        self.state().results.remove(&key);
        Ok(())
    }

    async fn last_parts(&self, pipeline: &PipelineName) -> Result<Vec<(StepName, KeyParts)>, EngineError> {
        let state = self.state();
        let of_pipeline = state.parts.iter().filter(|((owner, _), _)| owner == pipeline);
        Ok(of_pipeline.map(|((_, step), parts)| (step.clone(), parts.clone())).collect())
    }

    async fn reserve(&self, key: CacheKey, run: RunId, attempt: AttemptId) -> Result<AttemptId, EngineError> {
        Ok(self.state().reservations.entry(key).or_insert((run, attempt)).1)
    }
}
