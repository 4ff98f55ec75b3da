//! A new run of what an earlier run was: its own manifest and params, unless told otherwise.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::submit::{keyed, new_run};
use super::{By, ControlError, Params, Submitted, Version};
use crate::engine::{NewRun, Origin, RunLog, RunOptions, StoredRun};
use crate::id::{RunId, StepName};
use crate::plan::Plan;
use crate::step::StepRegistry;
use crate::store::Store;

/// A run to be repeated.
#[derive(Debug, Clone)]
pub struct Rerun {
    /// The earlier run.
    pub run: RunId,
    /// These steps, and everything after them, run anew; everything else is reused where it can be.
    pub from: Vec<StepName>,
    /// These steps run anew.
    pub refresh: Vec<StepName>,
    /// Values that differ from those of the earlier run.
    pub params: Params,
    /// Which version of the manifest.
    pub manifest: Manifest,
    /// How urgent it is; as the earlier run unless told.
    pub priority: Option<i32>,
    /// The same key means the same new run.
    pub idempotency_key: Option<String>,
}

/// The version of the manifest that a rerun takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manifest {
    /// The one that the earlier run had, whatever became of the file.
    Own,
    /// The one that a daemon has loaded last, or else the file as it is now.
    Latest,
    /// Another one.
    Given(Version),
}

impl Rerun {
    /// A run repeated as it was.
    pub fn of(run: RunId) -> Rerun {
        let (from, refresh) = (Vec::new(), Vec::new());
        Rerun {
            run,
            from,
            refresh,
            params: Params::none(),
            manifest: Manifest::Own,
            priority: None,
            idempotency_key: None,
        }
    }
}

/// Records a run that repeats an earlier one.
///
/// # Errors
/// There is no such run, or a value, an option or the manifest is wrong.
pub async fn rerun(store: &Store, rerun: Rerun, by: &By, now: DateTime<Utc>) -> Result<Submitted, ControlError> {
    let is_keyed = rerun.idempotency_key.is_some();
    let new = prepare_rerun(store, rerun, by, now).await?;
    super::submit::record(store, new, is_keyed, &[]).await
}

/// The run that repeats an earlier one, not yet recorded.
///
/// # Errors
/// There is no such run, or a value, an option or the manifest is wrong.
pub async fn prepare_rerun(store: &Store, rerun: Rerun, by: &By, now: DateTime<Utc>) -> Result<NewRun, ControlError> {
    let before = store.run(rerun.run).await?;
    let (path, text) = store.manifest_of_run(rerun.run).await?;
    let own = Version { path, folder: before.plan.base_folder.clone(), text };
    let priority = match rerun.priority {
        Some(priority) => priority,
        None => store.priority_of(rerun.run).await?,
    };
    let (version, plan) = match rerun.manifest {
        Manifest::Own if rerun.params.is_empty() && is_current(&before.plan) => (own, before.plan.clone()),
        which => {
            let version = match which {
                Manifest::Own => own.clone(),
                Manifest::Given(version) => version,
                Manifest::Latest => latest(store, &before, &own).await?,
            };
            let overrides = rerun.params.overrides()?.or_values(given(&before.plan, &own)?);
            let plan = version.plan(&overrides)?;
            if plan.pipeline != before.plan.pipeline {
                let message = format!(
                    "the manifest is that of pipeline `{}`, and {} is a run of `{}`",
                    plan.pipeline, rerun.run, before.plan.pipeline
                );
                return Err(ControlError::invalid("other_pipeline", message).help("submit it instead"));
            }
            (version, plan)
        }
    };
    let earlier = RunOptions::from_value(&before.options).unwrap_or_default();
    // What was chosen stays chosen, unless it is chosen anew from where to begin.
    let only = if rerun.from.is_empty() { earlier.only } else { Vec::new() };
    let options = RunOptions { from: rerun.from, only, refresh: rerun.refresh };
    let id = match &rerun.idempotency_key {
        Some(key) => keyed(&format!("rerun {}", rerun.run), key)?,
        None => RunId::generate(),
    };
    let origin = Origin { priority, rerun_of: Some(rerun.run), ..Origin::default() };
    new_run(id, plan, version, &options, origin, by, now)
}

/// The newest version of the manifest that a run had.
async fn latest(store: &Store, before: &StoredRun, own: &Version) -> Result<Version, ControlError> {
    match store.manifest_of(before.plan.pipeline.as_str()).await? {
        Some((path, text)) => Ok(Version::new(path, text)),
        None => {
            let file = std::path::Path::new(&own.path).file_name().unwrap_or_default();
            Ok(Version::read(&own.folder.join(file))?)
        }
    }
}

/// Whether this program runs the steps of a stored plan as the program did that made it.
fn is_current(plan: &Plan) -> bool {
    let registry = StepRegistry::builtin();
    plan.steps.values().all(|step| registry.kind(&step.kind).is_ok_and(|kind| kind.version == step.kind_version))
}

/// The values that were given to a run from outside, as opposed to the defaults of its manifest.
fn given(plan: &Plan, own: &Version) -> Result<Vec<(String, Value)>, ControlError> {
    let manifest = own.manifest()?;
    let is_default = |name: &crate::id::ParamName, value: &Value| {
        manifest.params.get(name).is_some_and(|declared| declared.default.as_ref() == Some(value))
    };
    let given = plan.params.iter().filter(|(name, value)| !is_default(name, value));
    Ok(given.map(|(name, value)| (name.to_string(), value.clone())).collect())
}
