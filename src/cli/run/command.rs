//! The arguments of `phaseline run`, and the run itself.

use std::path::PathBuf;

use anyhow::Context;
use chrono::Utc;

use super::drive::{Driver, Format, interrupted};
use crate::cli::local::Local;
use crate::cli::{Exit, Settings, UsageError, load, parts};
use crate::engine::{NewRun, Origin, RunOptions};
use crate::id::{RunId, StepName};
use crate::manifest::Source;

/// What to run, and how.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The manifest.
    file: PathBuf,
    #[command(flatten)]
    steps: Steps,
    /// End with one JSON document on standard output.
    #[arg(long)]
    json: bool,
}

/// The params of a run, and which of its steps it is about.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Steps {
    /// Set a parameter of the manifest; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(in crate::cli) set: Vec<String>,
    /// Run this step and everything after it anew; what is before it is reused where it can be.
    #[arg(long, value_name = "STEP")]
    pub(in crate::cli) from: Vec<StepName>,
    /// Run only this step; what it needs is reused.
    #[arg(long, value_name = "STEP")]
    pub(in crate::cli) only: Vec<StepName>,
    /// Run this step anew, even if its result is known.
    #[arg(long, value_name = "STEP")]
    pub(in crate::cli) refresh: Vec<StepName>,
}

impl Steps {
    /// The settings of params, and the options of the run.
    pub(in crate::cli) fn into_options(self) -> (Vec<String>, RunOptions) {
        (self.set, RunOptions { from: self.from, only: self.only, refresh: self.refresh })
    }
}

/// Runs a manifest.
pub(in crate::cli) fn run(settings: &Settings, args: Args) -> anyhow::Result<Exit> {
    let format = if args.json { Format::Json } else { Format::Text };
    let (set, options) = args.steps.into_options();
    let mut plan = match load::plan(&args.file, &set) {
        Ok(plan) => plan,
        Err(rejected) => return load::refuse(rejected, args.json),
    };
    // Whoever goes on with the run may do so in another folder.
    plan.base_folder = std::path::absolute(&plan.base_folder).context("cannot tell the working folder")?;
    // Read again for the record; a plan holds the digest of its text only.
    let source = Source::read(&args.file)?;
    options.check(&plan).map_err(|error| UsageError::new(error.to_string()))?;
    let new = NewRun {
        id: RunId::generate(),
        plan: plan.clone(),
        manifest_text: source.text.clone(),
        manifest_path: args.file.to_string_lossy().into_owned(),
        created_at: Utc::now(),
        requested_by: "cli".to_owned(),
        environment: crate::control::environment(&plan.base_folder),
        options: options.to_value(),
        origin: Origin::default(),
    };
    parts::runtime()?.block_on(async {
        let local = Local::open(settings, true).await?;
        let artifacts = parts::artifacts(settings)?;
        let (engine, messages) = parts::engine(settings, &local.store, artifacts.clone())?;
        let mut driver = Driver { engine, messages, artifacts };
        let id = new.id;
        let work = driver.drive(&plan, settings, format, |engine, cancel| engine.start(new, cancel));
        let ended = local.noted("run", &id.to_string(), Box::pin(work)).await;
        local.store.close().await;
        ended.with_context(|| interrupted(settings, id))
    })
}
