//! The engine's face: starts and resumes runs.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::Utc;
use serde_json::Value;
use tokio::sync::{broadcast, watch};

use super::attempts::required;
use super::files::FileDigests;
use super::forecast::{check_only, forecast};
use super::journal::Journal;
use super::resolve::Resolver;
use super::run_loop::Drive;
use super::{
    CacheIndex, DriveError, EngineError, Happening, Lease, Limits, NewRun, Outcome, Run, RunEvent, RunLog, RunOptions,
};
use crate::artifact::ArtifactStore;
use crate::executor::Executor;
use crate::id::{OutputName, RunId};
use crate::plan::PlannedStep;
use crate::step::StepRegistry;

/// How many events a listener may be behind before it misses some: those of a run of a thousand steps.
const LISTENER_LAG: usize = 4096;

/// How often a lease is asked for that its holder may have left.
const LEASE_POLL: Duration = Duration::from_millis(250);

/// What the engine must know of its surroundings.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// Who drives: host, process id and program version.
    pub owner: String,
    /// What attempts may take together.
    pub limits: Limits,
    /// The state folder.
    pub state_folder: PathBuf,
    /// Where workers find artifacts: a folder, or a URL of an object store.
    pub artifacts: String,
    /// Git commit, program version, host, device: facts for model cards.
    pub environment: Value,
    /// How long a lease is valid without renewal, and how long a database may be away.
    pub lease_for: Duration,
    /// How long an attempt that is ended may take to clean up.
    pub grace: Duration,
}

impl EngineSettings {
    /// Settings with the usual times.
    pub fn new(owner: impl Into<String>, state_folder: impl Into<PathBuf>, artifacts: impl Into<String>) -> Self {
        EngineSettings {
            owner: owner.into(),
            limits: Limits::of_machine(),
            state_folder: state_folder.into(),
            artifacts: artifacts.into(),
            environment: Value::Null,
            lease_for: Duration::from_secs(30),
            grace: Duration::from_secs(3),
        }
    }
}

/// Drives runs. What one needs to end them early: a sender of the name of who asks, see [`Engine::start`].
pub type CancelSwitch = watch::Receiver<Option<String>>;

/// Puts plan, log, cache, executor and artifacts together.
pub struct Engine {
    pub(super) log: Arc<dyn RunLog>,
    pub(super) cache: Arc<dyn CacheIndex>,
    pub(super) executor: Arc<dyn Executor>,
    pub(super) artifacts: ArtifactStore,
    pub(super) settings: EngineSettings,
    registry: StepRegistry,
    files: Arc<Mutex<FileDigests>>,
    committed: broadcast::Sender<Arc<RunEvent>>,
}

impl Engine {
    /// An engine on the given parts.
    pub fn new(
        log: Arc<dyn RunLog>,
        cache: Arc<dyn CacheIndex>,
        executor: Arc<dyn Executor>,
        artifacts: ArtifactStore,
        settings: EngineSettings,
    ) -> Engine {
        let files = FileDigests::kept_in(settings.state_folder.join(FileDigests::FILE));
        Engine {
            log,
            cache,
            executor,
            artifacts,
            settings,
            registry: StepRegistry::builtin(),
            files: Arc::new(Mutex::new(files)),
            committed: broadcast::channel(LISTENER_LAG).0,
        }
    }

    /// Every event from now on, once it is durable. A listener that is too slow misses events; the run does not wait.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<RunEvent>> {
        self.committed.subscribe()
    }

    /// Makes a run and drives it to its end. When `cancel` gets a name, the run ends as cancelled by that.
    ///
    /// # Errors
    /// When the options do not fit the plan, or the run cannot be driven on; then it can be resumed.
    pub async fn start(&self, new: NewRun, cancel: CancelSwitch) -> Result<Run, DriveError> {
        let options = RunOptions::from_value(&new.options)
            .map_err(|error| EngineError::Corrupt { run: new.id, reason: error.to_string() })?;
        options.check(&new.plan)?;
        let plan = Arc::new(new.plan.clone());
        let run = Run::fresh(Arc::clone(&plan), new.id, &options);
        if !options.only.is_empty() {
            let forecasts = forecast(
                &plan,
                &options,
                self.cache.clone(),
                self.artifacts.clone(),
                Arc::clone(&self.files),
                Utc::now(),
            );
            check_only(&run, &forecasts.await?)?;
        }
        let resolver = self.resolver(&run).await?;
        let lease = self.log.create(new, &self.settings.owner, self.settings.lease_for).await?;
        let mut drive = Drive::new(self, self.journal(run, lease), resolver, cancel);
        self.claimed(&mut drive)?;
        self.finish(drive).await
    }

    /// Takes a run on that was interrupted or ended badly, and drives it to its end.
    ///
    /// # Errors
    /// When another process drives the run, it does not exist, or it cannot be driven on.
    pub async fn resume(&self, id: RunId, by: &str, cancel: CancelSwitch) -> Result<Run, DriveError> {
        let lease = self.claim(id, &cancel).await?;
        let run = match self.load(id).await {
            Ok(run) => run,
            Err(error) => {
                self.release(&lease).await;
                return Err(error.into());
            }
        };
        if run.outcome() == Some(Outcome::Succeeded) {
            self.release(&lease).await;
            return Ok(run);
        }
        let resolver = self.resolver(&run).await?;
        let mut drive = Drive::new(self, self.journal(run, lease), resolver, cancel);
        self.claimed(&mut drive)?;
        drive.adopt().await?;
        if drive.journal.run.is_cancelling() {
            // The driver died while it was cancelling; that comes to its end first.
            drive.go_on().await?;
            drive.attempts.stop_none();
        }
        if drive.journal.run.outcome().is_some() {
            drive.journal.record(Happening::RunResumed { by: by.to_owned() })?;
        }
        drive.heal_results().await?;
        self.finish(drive).await
    }

    /// Takes the lease. One that nobody renews, because its holder has died, is waited for until it runs out.
    async fn claim(&self, id: RunId, cancel: &CancelSwitch) -> Result<Lease, EngineError> {
        let mut shortest = Duration::MAX;
        loop {
            let claimed = self.log.claim(id, &self.settings.owner, self.settings.lease_for).await;
            match &claimed {
                Err(EngineError::Held { holder, remaining, .. })
                    if *remaining < shortest && cancel.borrow().is_none() =>
                {
                    if shortest == Duration::MAX {
                        let seconds = remaining.as_secs() + 1;
                        tracing::warn!(run.id = %id, "{holder} had the run; if it is gone, the run goes on in {seconds} s");
                    }
                    shortest = *remaining;
                    tokio::time::sleep(LEASE_POLL.min(*remaining)).await;
                }
                _ => return claimed,
            }
        }
    }

    async fn load(&self, id: RunId) -> Result<Run, EngineError> {
        let stored = self.log.run(id).await?;
        let events = self.log.events(id).await?;
        Run::load(stored, &events)
    }

    async fn resolver(&self, run: &Run) -> Result<Resolver, EngineError> {
        Resolver::new(Arc::clone(run.plan()), self.cache.clone(), self.artifacts.clone(), Arc::clone(&self.files)).await
    }

    fn journal(&self, run: Run, lease: Lease) -> Journal {
        Journal::new(run, lease, self.log.clone(), self.committed.clone(), self.settings.lease_for)
    }

    fn claimed(&self, drive: &mut Drive) -> Result<(), DriveError> {
        let epoch = drive.journal.lease.epoch;
        Ok(drive.journal.record(Happening::RunClaimed { owner: self.settings.owner.clone(), epoch })?)
    }

    async fn finish(&self, mut drive: Drive<'_>) -> Result<Run, DriveError> {
        let outcome = drive.go_on().await;
        let Journal { run, lease, .. } = drive.journal;
        if !matches!(outcome, Err(DriveError::Engine(EngineError::LeaseLost { .. }))) {
            self.release(&lease).await;
        }
        let outcome = outcome?;
        tracing::info!(run.id = %run.id(), outcome = outcome.as_str(), at = %Utc::now(), "the run has ended");
        Ok(run)
    }

    /// A lease that is not given back runs out by itself.
    async fn release(&self, lease: &Lease) {
        if let Err(error) = self.log.release(lease).await {
            tracing::warn!(run.id = %lease.run, %error, "a lease was not given back");
        }
    }

    pub(super) fn required_outputs(&self, planned: &PlannedStep) -> BTreeSet<OutputName> {
        required(planned, &self.registry)
    }
}
