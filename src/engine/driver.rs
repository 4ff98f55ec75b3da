//! The engine's face: starts and resumes runs.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{broadcast, watch};
use tracing::Instrument;

use super::attempts::required;
use super::desk::Desk;
use super::files::FileDigests;
use super::forecast::{check_only, forecast};
use super::journal::Journal;
use super::resolve::Resolver;
use super::run_loop::{Drive, End};
use super::{
    Bell, CacheIndex, Crowd, DriveError, EngineError, Happening, Lease, Limits, NewRun, Outcome, Run, RunEvent, RunLog,
    RunOptions, Slots,
};
use crate::artifact::ArtifactStore;
use crate::executor::{Executor, GpuProbe};
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
    /// How long a lease is valid without renewal, and how long a database may be away.
    pub lease_for: Duration,
    /// How long an attempt that is ended may take to clean up.
    pub grace: Duration,
    /// Rung when slots become free, and heard by those who wait for one.
    pub bell: Bell,
}

impl EngineSettings {
    /// Settings with the usual times.
    pub fn new(owner: impl Into<String>, state_folder: impl Into<PathBuf>, artifacts: impl Into<String>) -> Self {
        EngineSettings {
            owner: owner.into(),
            limits: Limits::of_machine(),
            state_folder: state_folder.into(),
            artifacts: artifacts.into(),
            lease_for: Duration::from_secs(15),
            grace: Duration::from_secs(3),
            bell: Bell::new(),
        }
    }
}

/// Drives runs. What one needs to end them early: a sender of the name of who asks, see [`Engine::start`].
pub type CancelSwitch = watch::Receiver<Option<String>>;

/// How a run is driven can be changed from outside while it is.
#[derive(Debug, Clone)]
pub struct Control {
    /// Ends the run, as cancelled by the name that it gets.
    pub cancel: CancelSwitch,
    /// When true, the run is left as it is for another process: no attempt is started, those that run go on.
    pub detach: watch::Receiver<bool>,
}

impl Control {
    /// A run that is driven to its end unless it is cancelled.
    pub fn cancelled_by(cancel: CancelSwitch) -> Control {
        Control { cancel, detach: watch::channel(false).1 }
    }
}

/// How far a run was driven.
#[derive(Debug)]
pub enum Driven {
    /// To its end.
    Ended(Box<Run>),
    /// Nothing can go on until somebody decides or a time comes. The run holds no lease and no slots.
    Parked {
        /// The run.
        run: Box<Run>,
        /// When it is to be driven again even if nobody has decided anything.
        until: Option<DateTime<Utc>>,
    },
    /// It goes on elsewhere.
    Detached,
}

/// Puts plan, log, cache, executor and artifacts together.
pub struct Engine {
    pub(super) log: Arc<dyn RunLog>,
    pub(super) cache: Arc<dyn CacheIndex>,
    pub(super) slots: Arc<dyn Slots>,
    pub(super) gpus: GpuProbe,
    pub(super) executor: Arc<dyn Executor>,
    pub(super) artifacts: ArtifactStore,
    pub(super) settings: EngineSettings,
    pub(super) desk: Desk,
    pub(super) crowd: Crowd,
    registry: StepRegistry,
    files: Arc<Mutex<FileDigests>>,
    committed: broadcast::Sender<Arc<RunEvent>>,
}

impl Engine {
    /// An engine on the given parts.
    pub fn new(
        log: Arc<dyn RunLog>,
        cache: Arc<dyn CacheIndex>,
        slots: Arc<dyn Slots>,
        executor: Arc<dyn Executor>,
        artifacts: ArtifactStore,
        settings: EngineSettings,
    ) -> Engine {
        let files = FileDigests::kept_in(settings.state_folder.join(FileDigests::FILE));
        Engine {
            desk: Desk::new(log.clone(), settings.bell.clone()),
            crowd: Crowd::default(),
            log,
            cache,
            slots,
            gpus: GpuProbe::new(),
            executor,
            artifacts,
            settings,
            registry: StepRegistry::builtin(),
            files: Arc::new(Mutex::new(files)),
            committed: broadcast::channel(LISTENER_LAG).0,
        }
    }

    /// Who drives: the holder of the leases that this engine takes.
    pub fn owner(&self) -> &str {
        &self.settings.owner
    }

    /// The runs that it drives and that wait for a core.
    pub fn crowd(&self) -> &Crowd {
        &self.crowd
    }

    /// How many cores its attempts may use.
    pub fn cpus(&self) -> usize {
        usize::try_from(self.settings.limits.cpus).unwrap_or(usize::MAX)
    }

    /// Every event from now on, once it is durable. A listener that is too slow misses events; the run does not wait.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<RunEvent>> {
        self.committed.subscribe()
    }

    /// Makes a run and drives it to its end. When `cancel` gets a name, the run ends as cancelled by that. A run that
    /// has not ended then waits for somebody: see [`Run::standstill`].
    ///
    /// # Errors
    /// When the options do not fit the plan, or the run cannot be driven on; then it can be resumed.
    pub async fn start(&self, new: NewRun, cancel: CancelSwitch) -> Result<Run, DriveError> {
        let options = RunOptions::from_value(&new.options)
            .map_err(|error| EngineError::Corrupt { run: new.id, reason: error.to_string() })?;
        options.check(&new.plan)?;
        let plan = Arc::new(new.plan.clone());
        let run = Run::fresh(Arc::clone(&plan), new.id, &options).in_environment(new.environment.clone());
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
        let mut drive = Drive::new(self, self.journal(run, lease), resolver, Control::cancelled_by(cancel));
        self.claimed(&mut drive.journal)?;
        Ok(self.finish(drive).await?.0)
    }

    /// Drives a run that anybody has made, as far as it goes: the way of daemons. A run that has ended goes on only if
    /// somebody has asked for it. A lease that another process holds is not waited for.
    ///
    /// # Errors
    /// When another process drives the run, it does not exist, or it cannot be driven on.
    pub async fn drive(&self, id: RunId, by: &str, control: Control) -> Result<Driven, DriveError> {
        let lease = self.log.claim(id, &self.settings.owner, self.settings.lease_for).await?;
        tracing::info!(run.id = %id, "{by} drives the run");
        let prepared = async {
            let run = self.load(id).await?;
            let resolver = self.resolver(&run).await?;
            Ok::<_, EngineError>((run, resolver))
        };
        let (run, resolver) = match prepared.await {
            Ok(prepared) => prepared,
            Err(error) => {
                self.release(&lease).await;
                return Err(error.into());
            }
        };
        let has_ended = run.outcome().is_some();
        let mut drive = Drive::new(self, self.journal(run, lease), resolver, control);
        if !has_ended && let Err(error) = self.mend(&mut drive).await {
            self.release(&drive.journal.lease).await;
            return Err(error);
        }
        let (run, end) = self.finish(drive).await?;
        Ok(match end {
            End::Ended(_) => Driven::Ended(Box::new(run)),
            End::Parked(parked) => Driven::Parked { run: Box::new(run), until: parked.until },
            End::Detached => Driven::Detached,
        })
    }

    async fn mend(&self, drive: &mut Drive<'_>) -> Result<(), DriveError> {
        self.take_over(drive).await?;
        drive.heal_results().await
    }

    async fn take_over(&self, drive: &mut Drive<'_>) -> Result<(), DriveError> {
        let attempts = drive.find_attempts().await?;
        self.claimed(&mut drive.journal)?;
        drive.adopt(attempts).await
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
        let mut drive = Drive::new(self, self.journal(run, lease), resolver, Control::cancelled_by(cancel));
        self.take_over(&mut drive).await?;
        if drive.journal.run.is_cancelling() {
            // The driver died while it was cancelling; that comes to its end first.
            drive.go_on().await?;
            drive.attempts.stop_none();
        }
        if drive.journal.run.outcome().is_some() {
            drive.journal.record(Happening::RunResumed { by: by.to_owned() })?;
        } else if drive.journal.run.paused().is_some() {
            drive.journal.record(Happening::RunUnpaused { by: by.to_owned() })?;
        }
        drive.heal_results().await?;
        Ok(self.finish(drive).await?.0)
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
        Journal::new(
            run,
            lease,
            self.log.clone(),
            self.committed.clone(),
            self.settings.bell.clone(),
            self.settings.lease_for,
        )
    }

    pub(super) fn claimed(&self, journal: &mut Journal) -> Result<(), DriveError> {
        let epoch = journal.lease.epoch;
        Ok(journal.record(Happening::RunClaimed { owner: self.settings.owner.clone(), epoch })?)
    }

    async fn finish(&self, mut drive: Drive<'_>) -> Result<(Run, End), DriveError> {
        let (id, pipeline) = (drive.journal.run.id(), drive.journal.run.plan().pipeline.clone());
        let span = tracing::info_span!("run", run.id = %id, %pipeline);
        let end = drive.go_on().instrument(span).await;
        let Journal { run, lease, .. } = drive.journal;
        match &end {
            Ok(End::Parked(parked)) => {
                self.log.park(&lease, parked).await?;
                tracing::info!(run.id = %run.id(), "the run is parked: {}", parked.because);
            }
            Ok(End::Ended(outcome)) => {
                self.release(&lease).await;
                tracing::info!(run.id = %run.id(), outcome = outcome.as_str(), at = %Utc::now(), "the run has ended");
            }
            Ok(End::Detached) => {
                self.release(&lease).await;
                tracing::info!(run.id = %run.id(), "the run is left to another process");
            }
            Err(DriveError::Engine(EngineError::LeaseLost { .. })) => {}
            Err(_) => self.release(&lease).await,
        }
        Ok((run, end?))
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
