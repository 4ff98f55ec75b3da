//! Recording a run that whoever is there drives.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{By, ControlError, Version, environment};
use crate::artifact::Digest;
use crate::engine::{EngineError, NewRun, Origin, RunLog, RunOptions};
use crate::id::RunId;
use crate::manifest::Rejected;
use crate::plan::{Overrides, Plan};
use crate::store::Store;

/// The longest idempotency key, in bytes.
const LONGEST_KEY: usize = 200;

/// A run to be made.
#[derive(Debug, Clone)]
pub struct Submission {
    /// What it runs.
    pub version: Version,
    /// Values of params.
    pub params: Params,
    /// Which steps, and which of them anew.
    pub options: RunOptions,
    /// What makes it and how urgent it is.
    pub origin: Origin,
    /// The same key for the same pipeline means the same run, however often it is submitted.
    pub idempotency_key: Option<String>,
}

/// Values given to params.
#[derive(Debug, Clone)]
pub enum Params {
    /// Texts such as `epochs=50`, and the folder that relative paths among them start from.
    Settings(Vec<String>, Option<PathBuf>),
    /// Typed values by name.
    Values(Vec<(String, Value)>),
}

impl Params {
    /// Nothing given: the defaults count.
    pub fn none() -> Params {
        Params::Values(Vec::new())
    }

    pub(super) fn overrides(&self) -> Result<Overrides, Rejected> {
        match self {
            Params::Settings(settings, folder) => {
                let overrides = Overrides::from_settings(settings.iter().map(String::as_str))?;
                Ok(match folder {
                    Some(folder) => overrides.with_paths_from(folder),
                    None => overrides,
                })
            }
            Params::Values(values) => Ok(Overrides::from_values(values.iter().cloned())),
        }
    }

    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        match self {
            Params::Settings(settings, _) => settings.is_empty(),
            Params::Values(values) => values.is_empty(),
        }
    }

    /// The names that are given.
    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            Params::Settings(settings, _) => {
                settings.iter().filter_map(|setting| Some(setting.split_once('=')?.0.trim())).collect()
            }
            Params::Values(values) => values.iter().map(|(name, _)| name.as_str()).collect(),
        }
    }
}

/// A run that was recorded, now or before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submitted {
    /// The run.
    pub run: RunId,
    /// Whether it did not exist before.
    pub is_new: bool,
}

/// Records a run. With an idempotency key that was used for the same before, it is the run of then.
///
/// # Errors
/// The manifest, a value or an option is wrong, or the key was used for something else.
pub async fn submit(
    store: &Store,
    submission: Submission,
    by: &By,
    now: DateTime<Utc>,
) -> Result<Submitted, ControlError> {
    let is_keyed = submission.idempotency_key.is_some();
    let given: Vec<String> = submission.params.names().into_iter().map(str::to_owned).collect();
    let new = prepare(submission, by, now)?;
    record(store, new, is_keyed, &given).await
}

/// Records a run; one whose id comes from a key may be there, asked for in the same way: with the same values for the
/// params that are `given`, and the same options.
pub(super) async fn record(
    store: &Store,
    new: NewRun,
    is_keyed: bool,
    given: &[String],
) -> Result<Submitted, ControlError> {
    if is_keyed && let Some(before) = earlier(store, &new, given).await? {
        return Ok(before);
    }
    match store.submit(new.clone()).await {
        Ok(()) => Ok(Submitted { run: new.id, is_new: true }),
        // Somebody else was faster with the same key.
        Err(error) if is_keyed => earlier(store, &new, given).await?.ok_or_else(|| error.into()),
        Err(error) => Err(error.into()),
    }
}

/// The run that a submission means, not yet recorded.
///
/// # Errors
/// The manifest, a value or an option is wrong.
pub fn prepare(submission: Submission, by: &By, now: DateTime<Utc>) -> Result<NewRun, ControlError> {
    let plan = submission.version.plan(&submission.params.overrides()?)?;
    let id = match &submission.idempotency_key {
        Some(key) => keyed(plan.pipeline.as_str(), key)?,
        None => RunId::generate(),
    };
    new_run(id, plan, submission.version, &submission.options, submission.origin, by, now)
}

/// A new run of a plan.
pub(super) fn new_run(
    id: RunId,
    plan: Plan,
    version: Version,
    options: &RunOptions,
    origin: Origin,
    by: &By,
    now: DateTime<Utc>,
) -> Result<NewRun, ControlError> {
    options.check(&plan)?;
    Ok(NewRun {
        id,
        environment: environment(&plan.base_folder),
        plan,
        manifest_text: version.text,
        manifest_path: version.path,
        created_at: now,
        requested_by: by.who.clone(),
        options: options.to_value(),
        origin,
    })
}

/// The id that a key stands for within a scope, such as a pipeline.
pub(super) fn keyed(scope: &str, key: &str) -> Result<RunId, ControlError> {
    if key.is_empty() || key.len() > LONGEST_KEY || key.chars().any(char::is_control) {
        let message = format!("an idempotency key has 1 to {LONGEST_KEY} bytes and no control characters");
        return Err(ControlError::invalid("bad_idempotency_key", message));
    }
    Ok(derived(&format!("submission\0{scope}\0{key}")))
}

/// A run id that the same text always gives.
pub(super) fn derived(text: &str) -> RunId {
    let digits = Digest::of(format!("phaseline run 1\0{text}")).to_string();
    format!("run_{}", &digits[..32]).parse().expect("32 hexadecimal digits are an id")
}

/// The run that was made under the same key, if it was asked for in the same way.
async fn earlier(store: &Store, new: &NewRun, given: &[String]) -> Result<Option<Submitted>, ControlError> {
    let before = match store.run(new.id).await {
        Ok(before) => before,
        Err(EngineError::NoRun(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // The manifest may have changed since; what was asked may not.
    let value = |plan: &Plan, name: &str| {
        plan.params.iter().find(|(param, _)| param.as_str() == name).map(|(_, value)| value.clone())
    };
    let differing = given.iter().find(|name| value(&before.plan, name) != value(&new.plan, name));
    let what = match differing {
        Some(name) => format!("param `{name}`"),
        None if before.options != new.options => "the selection of steps".to_owned(),
        None => return Ok(Some(Submitted { run: new.id, is_new: false })),
    };
    let message = format!("the idempotency key was used for {}, with another value of {what}", new.id);
    Err(ControlError::conflict("idempotency_key_reused", message).help("take a new key for what is not the same"))
}
