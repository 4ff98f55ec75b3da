//! Drives a run to its end under a display, and says how it ended.

use std::future::Future;
use std::sync::Arc;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{broadcast, mpsc, watch};

use super::display::Display;
use super::document::document;
use super::{reports, summary};
use crate::artifact::ArtifactStore;
use crate::cli::{Exit, Settings, output};
use crate::engine::{DriveError, Engine, Outcome, Run, RunEvent};
use crate::executor::AttemptMessage;
use crate::id::RunId;
use crate::plan::Plan;

/// How the end of a run is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Format {
    /// As text for people.
    Text,
    /// As one JSON document on standard output.
    Json,
    /// Not at all: the caller tells it.
    Nothing,
}

/// An engine with everything that watches it.
pub(in crate::cli) struct Driver {
    pub(in crate::cli) engine: Engine,
    pub(in crate::cli) messages: mpsc::Receiver<AttemptMessage>,
    pub(in crate::cli) artifacts: ArtifactStore,
}

impl Driver {
    /// Runs what `work` makes of the engine and a switch for cancelling, under a display for `plan`.
    pub(in crate::cli) async fn drive<'engine, W, F>(
        &'engine mut self,
        plan: &Plan,
        settings: &Settings,
        format: Format,
        work: W,
    ) -> anyhow::Result<Exit>
    where
        W: FnOnce(&'engine Engine, watch::Receiver<Option<String>>) -> F,
        F: Future<Output = Result<Run, DriveError>>,
    {
        let (switch, cancel) = watch::channel(None);
        let display = Display::new(plan);
        let events = self.engine.subscribe();
        let run = watched(work(&self.engine, cancel), display, events, &mut self.messages, &switch).await?;
        tell(&run, &self.artifacts, settings, format)?;
        Ok(match run.outcome() {
            Some(Outcome::Succeeded) => Exit::Succeeded,
            Some(Outcome::Rejected) => Exit::Rejected,
            Some(Outcome::Cancelled) => Exit::Cancelled,
            Some(Outcome::Failed) => Exit::Failed,
            None => Exit::Parked,
        })
    }
}

async fn watched(
    work: impl Future<Output = Result<Run, DriveError>>,
    mut display: Display,
    mut events: broadcast::Receiver<Arc<RunEvent>>,
    messages: &mut mpsc::Receiver<AttemptMessage>,
    switch: &watch::Sender<Option<String>>,
) -> anyhow::Result<Run> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    tokio::pin!(work);
    let result = loop {
        tokio::select! {
            biased;
            result = &mut work => break result,
            _ = interrupt.recv() => drop(switch.send_replace(Some("Ctrl-C".to_owned()))),
            _ = terminate.recv() => drop(switch.send_replace(Some("SIGTERM".to_owned()))),
            event = events.recv() => if let Ok(event) = event { display.event(&event); },
            Some(said) = messages.recv() => display.message(&said.step, &said.message),
        }
    };
    while let Ok(event) = events.try_recv() {
        display.event(&event);
    }
    display.finish();
    Ok(result?)
}

fn tell(run: &Run, artifacts: &ArtifactStore, settings: &Settings, format: Format) -> anyhow::Result<()> {
    let reports = reports::lay_out(run, artifacts, &settings.state);
    match format {
        Format::Nothing => Ok(()),
        Format::Json => output::json(&document(run)),
        Format::Text => Ok(output::write(summary::summary(run, &reports, &settings.state_hint()).as_bytes())?),
    }
}

/// Tells that a run has no end yet, and how it gets one.
pub(in crate::cli) fn interrupted(settings: &Settings, run: RunId) -> String {
    format!("run {run} was interrupted; go on with `phaseline{} resume {run}`", settings.state_hint())
}
