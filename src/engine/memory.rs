//! Runs and results kept in memory: for tests, and for runs that need no trace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::claims::{Claiming, Claims};
use super::{
    Answer, CacheIndex, CacheKey, CachedResult, EngineError, Handled, Happening, KeyParts, Lease, Limits, NewRun,
    Outcome, Parked, Request, RunEvent, RunLog, Slot, Slots, StoredRun, Waiting, Want,
};
use crate::artifact::ArtifactRef;
use crate::id::{AttemptId, OutputName, PipelineName, RequestId, RunId, StepName};
use crate::step::StepOutcome;

/// [`RunLog`], [`CacheIndex`] and [`Slots`] without a database. Its leases run out only once it has been told the time.
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
    slots: BTreeMap<AttemptId, Slot>,
    waits: Vec<Waiting>,
    now_ms: Option<i64>,
}

#[derive(Debug)]
struct Kept {
    new: NewRun,
    events: Vec<RunEvent>,
    epoch: u64,
    holder: Option<String>,
    parked: Option<Parked>,
    /// When the lease runs out, by the time that was told.
    expires_ms: i64,
    /// Whether any daemon may drive it.
    is_shared: bool,
    running: BTreeSet<AttemptId>,
}

impl Kept {
    fn new(new: NewRun, is_shared: bool) -> Kept {
        Kept {
            new,
            events: Vec::new(),
            epoch: 0,
            holder: None,
            expires_ms: i64::MAX,
            is_shared,
            parked: None,
            running: BTreeSet::new(),
        }
    }

    /// When the run ended, if it succeeded.
    fn succeeded_at(&self) -> Option<DateTime<Utc>> {
        let ended = self.events.iter().rev().find(|event| matches!(event.what, Happening::RunFinished { .. }))?;
        matches!(ended.what, Happening::RunFinished { outcome: Outcome::Succeeded, .. }).then_some(ended.at)
    }

    /// What a step made or reused.
    fn made_by(&self, wanted: &StepName) -> Option<StepOutcome> {
        self.events.iter().rev().find_map(|event| match &event.what {
            Happening::AttemptSucceeded { step, outcome, .. } | Happening::StepReused { step, outcome, .. }
                if step == wanted =>
            {
                Some(outcome.clone())
            }
            _ => None,
        })
    }

    fn is_driven(&self, now_ms: Option<i64>) -> bool {
        self.holder.is_some() && now_ms.is_none_or(|now_ms| now_ms < self.expires_ms)
    }
}

impl MemoryLog {
    /// An empty log.
    pub fn new() -> MemoryLog {
        MemoryLog::default()
    }

    /// Lets everything that a run's log tells have happened earlier, as when somebody has set the clock ahead since.
    #[cfg(test)]
    pub(crate) fn set_back(&self, run: RunId, by: chrono::TimeDelta) {
        if let Some(kept) = self.state().runs.get_mut(&run) {
            kept.events.iter_mut().for_each(|event| event.at -= by);
        }
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

    /// Tells the time, by which leases run out from now on.
    pub fn set_time(&self, now_ms: i64) {
        self.state().now_ms = Some(now_ms);
    }

    /// All slots on record.
    pub fn slots(&self) -> Vec<Slot> {
        self.state().slots.values().cloned().collect()
    }

    /// All steps on record that wait for room.
    pub fn waits(&self) -> Vec<Waiting> {
        self.state().waits.clone()
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
        let now_ms = self.now_ms;
        let kept = self.kept(lease.run)?;
        if kept.epoch == lease.epoch && kept.holder.as_ref() == Some(&lease.owner) && kept.is_driven(now_ms) {
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
            Happening::AttemptStarted { attempt, .. } => drop(kept.running.insert(*attempt)),
            Happening::CancelRequested { .. } => self.waits.retain(|wait| wait.run != run),
            Happening::RunFinished { .. } => {
                self.slots.retain(|_, slot| slot.run != run);
                self.waits.retain(|wait| wait.run != run);
            }
            _ => {}
        }
        Ok(())
    }

    fn release(&mut self, attempt: AttemptId) {
        self.reservations.retain(|_, (_, holder)| *holder != attempt);
        if let Some(slot) = self.slots.remove(&attempt)
            && let Some(kept) = self.runs.get_mut(&slot.run)
        {
            kept.running.remove(&attempt);
        }
    }

    /// Ends what was granted to attempts of a run that were never started.
    fn forget_unstarted(&mut self, run: RunId) {
        let Some(kept) = self.runs.get(&run) else { return };
        self.slots.retain(|attempt, slot| slot.run != run || kept.running.contains(attempt));
        self.reservations.retain(|_, (holder, attempt)| *holder != run || kept.running.contains(attempt));
    }
}

#[async_trait]
impl RunLog for MemoryLog {
    async fn create(&self, run: NewRun, owner: &str, lease_for: Duration) -> Result<Lease, EngineError> {
        let id = run.id;
        let mut state = self.state();
        let expires_ms = expiry(state.now_ms, lease_for);
        let kept = Kept { epoch: 1, holder: Some(owner.to_owned()), expires_ms, ..Kept::new(run, false) };
        state.runs.insert(id, kept);
        Ok(Lease { run: id, owner: owner.to_owned(), epoch: 1 })
    }

    async fn submit(&self, run: NewRun) -> Result<(), EngineError> {
        self.state().runs.insert(run.id, Kept::new(run, true));
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
            environment: new.environment.clone(),
            options: new.options.clone(),
        })
    }

    async fn events(&self, run: RunId) -> Result<Vec<RunEvent>, EngineError> {
        Ok(self.state().kept(run)?.events.clone())
    }

    async fn claim(&self, run: RunId, owner: &str, lease_for: Duration) -> Result<Lease, EngineError> {
        let mut state = self.state();
        let now_ms = state.now_ms;
        let kept = state.kept(run)?;
        if let Some(holder) = kept.holder.as_ref().filter(|holder| *holder != owner && kept.is_driven(now_ms)) {
            return Err(EngineError::Held { run, holder: holder.clone(), remaining: Duration::ZERO });
        }
        kept.epoch += 1;
        kept.holder = Some(owner.to_owned());
        kept.expires_ms = expiry(now_ms, lease_for);
        kept.parked = None;
        let lease = Lease { run, owner: owner.to_owned(), epoch: kept.epoch };
        state.forget_unstarted(run);
        Ok(lease)
    }

    async fn renew(&self, lease: &Lease, lease_for: Duration) -> Result<(), EngineError> {
        let mut state = self.state();
        let now_ms = state.now_ms;
        state.held(lease)?.expires_ms = expiry(now_ms, lease_for);
        Ok(())
    }

    async fn park(&self, lease: &Lease, parked: &Parked) -> Result<(), EngineError> {
        let mut state = self.state();
        let kept = state.held(lease)?;
        kept.holder = None;
        kept.parked = Some(parked.clone());
        state.forget_unstarted(lease.run);
        state.waits.retain(|wait| wait.run != lease.run);
        Ok(())
    }

    async fn release(&self, lease: &Lease) -> Result<(), EngineError> {
        let mut state = self.state();
        state.held(lease)?.holder = None;
        state.forget_unstarted(lease.run);
        state.waits.retain(|wait| wait.run != lease.run);
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

    async fn former(
        &self,
        pipeline: &PipelineName,
        step: &StepName,
    ) -> Result<Vec<(OutputName, ArtifactRef)>, EngineError> {
        let state = self.state();
        let last = state
            .runs
            .values()
            .filter(|kept| kept.new.plan.pipeline == *pipeline)
            .filter_map(|kept| Some((kept.succeeded_at()?, kept.made_by(step)?)))
            .max_by_key(|(at, _)| *at);
        Ok(last.map(|(_, outcome)| outcome.outputs.into_iter().collect()).unwrap_or_default())
    }
}

#[async_trait]
impl Slots for MemoryLog {
    async fn claim_slots(&self, lease: &Lease, wants: &[Want], limits: &Limits) -> Result<Vec<Answer>, EngineError> {
        let mut state = self.state();
        let new = &state.held(lease)?.new;
        let priority = i64::from(new.plan.priority) + i64::from(new.origin.priority);
        let now_ms = state.now_ms;
        let is_driven = |run: &RunId| state.runs.get(run).is_some_and(|kept| kept.is_driven(now_ms));
        let counts = |run: &RunId| state.runs.get(run).is_some_and(|kept| kept.is_shared || kept.is_driven(now_ms));
        let reserved = |want: &Want| Some((want.key?, *state.reservations.get(&want.key?)?));
        let claiming = Claiming {
            taken: state.slots.values().filter(|slot| counts(&slot.run)).cloned().collect(),
            waiting: state.waits.iter().filter(|wait| is_driven(&wait.run)).cloned().collect(),
            reserved: wants.iter().filter_map(reserved).filter(|(_, (run, _))| is_driven(run)).collect(),
            priority,
            now_ms: now_ms.unwrap_or(0),
        };
        let Claims { answers, granted, reserve, waits } = claiming.answer(lease.run, wants, limits);
        state.slots.extend(granted.into_iter().map(|slot| (slot.attempt, slot)));
        state.reservations.extend(reserve.into_iter().map(|(key, attempt)| (key, (lease.run, attempt))));
        state.waits.retain(|wait| wait.run != lease.run);
        state.waits.extend(waits.into_iter().map(|(waiting, _)| waiting));
        Ok(answers)
    }

    async fn give_back(&self, lease: &Lease, attempts: &[AttemptId]) -> Result<(), EngineError> {
        let mut state = self.state();
        state.held(lease)?;
        for attempt in attempts {
            state.release(*attempt);
        }
        Ok(())
    }
}

fn expiry(now_ms: Option<i64>, lease_for: Duration) -> i64 {
    let lease_ms = i64::try_from(lease_for.as_millis()).unwrap_or(i64::MAX);
    now_ms.map_or(i64::MAX, |now_ms| now_ms.saturating_add(lease_ms))
}
