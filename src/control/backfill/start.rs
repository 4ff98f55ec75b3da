//! Which runs a backfill will make, and recording it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::range;
use crate::control::{By, ControlError, Params, Version};
use crate::id::BackfillId;
use crate::manifest::suggest;
use crate::store::{BackfillState, NewBackfill, NewItem, RunsOfValue, Store};

/// The most runs of one backfill at once.
const MOST_PARALLEL: u32 = 1_000;

/// A backfill to be made.
#[derive(Debug, Clone)]
pub struct Backfill {
    /// What its runs run.
    pub version: Version,
    /// The param that takes the values.
    pub param: String,
    /// The values: `2026-01-01..2026-01-31`, `1..12` or `a,b,c`.
    pub range: String,
    /// How far one value is from the next.
    pub step: Option<String>,
    /// Which of the values get a run.
    pub mode: Mode,
    /// How many runs there are at once.
    pub parallel: u32,
    /// Whether the last value comes first.
    pub is_newest_first: bool,
    /// Values of other params.
    pub params: Params,
    /// How urgent the runs are.
    pub priority: i32,
}

/// Which values of a backfill get a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Those for which no run has succeeded and none is under way.
    Missing,
    /// Those whose latest run failed, was rejected or cancelled.
    Failed,
    /// All of them.
    All,
}

impl Mode {
    /// The mode as users write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Missing => "missing",
            Mode::Failed => "failed",
            Mode::All => "all",
        }
    }
}

/// What a backfill would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillPlan {
    /// The pipeline.
    pub pipeline: String,
    /// The param that takes the values.
    pub param: String,
    /// Its values in the order in which they are run.
    pub values: Vec<PlannedValue>,
}

/// One value of a backfill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedValue {
    /// The value.
    pub value: String,
    /// Why it gets no run; none if it does.
    pub skipped: Option<String>,
}

/// A backfill that was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Started {
    /// Its id.
    pub backfill: BackfillId,
    /// What it does.
    #[serde(flatten)]
    pub plan: BackfillPlan,
}

/// What is stored of a backfill: enough to make each of its runs at any later time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Definition {
    pub(super) range: String,
    pub(super) step: Option<String>,
    pub(super) mode: Mode,
    pub(super) parallel: u32,
    pub(super) is_newest_first: bool,
    pub(super) priority: i32,
    pub(super) params: BTreeMap<String, Value>,
    pub(super) manifest_path: String,
    pub(super) manifest_folder: std::path::PathBuf,
    pub(super) manifest_text: String,
}

/// What a backfill would do; nothing is recorded.
///
/// # Errors
/// The range, the param or a value is wrong.
pub async fn plan_backfill(store: &Store, backfill: &Backfill) -> Result<BackfillPlan, ControlError> {
    Ok(planned(store, backfill).await?.0)
}

/// Records a backfill; its runs are made by [`super::advance_backfills`].
///
/// # Errors
/// The range, the param or a value is wrong.
pub async fn start_backfill(
    store: &Store,
    backfill: Backfill,
    by: &By,
    now: DateTime<Utc>,
) -> Result<Started, ControlError> {
    let (plan, params) = planned(store, &backfill).await?;
    let id = BackfillId::generate();
    let definition = Definition {
        range: backfill.range,
        step: backfill.step,
        mode: backfill.mode,
        parallel: backfill.parallel,
        is_newest_first: backfill.is_newest_first,
        priority: backfill.priority,
        params,
        manifest_path: backfill.version.path,
        manifest_folder: backfill.version.folder,
        manifest_text: backfill.version.text,
    };
    let items = plan.values.iter().map(|value| NewItem { value: value.value.clone(), skipped: value.skipped.clone() });
    let new = NewBackfill {
        id,
        pipeline: plan.pipeline.clone(),
        param: plan.param.clone(),
        definition: serde_json::to_value(definition).expect("a definition is plain data"),
        requested_by: by.who.clone(),
        created_at: now,
        state: BackfillState::Running,
        items: items.collect(),
    };
    store.record_backfill(&new).await?;
    Ok(Started { backfill: id, plan })
}

/// The plan, and the other params with their types.
async fn planned(store: &Store, backfill: &Backfill) -> Result<(BackfillPlan, BTreeMap<String, Value>), ControlError> {
    if backfill.parallel == 0 || backfill.parallel > MOST_PARALLEL {
        let message = format!("a backfill has 1 to {MOST_PARALLEL} runs at once, not {}", backfill.parallel);
        return Err(ControlError::invalid("bad_parallel", message));
    }
    let manifest = backfill.version.manifest()?;
    let Some(declared) = manifest.params.iter().find(|(name, _)| name.as_str() == backfill.param).map(|(_, it)| it)
    else {
        let known = manifest.params.keys().map(crate::id::ParamName::as_str);
        let message = format!("pipeline `{}` has no param `{}`", manifest.pipeline, backfill.param);
        let help = suggest(&backfill.param, known)
            .unwrap_or_else(|| "declare it under `params`, and use it as `${{ params.NAME }}`".to_owned());
        return Err(ControlError::invalid("unknown_param", message).help(help));
    };
    let others = backfill.params.names();
    if others.contains(&backfill.param.as_str()) {
        let message = format!("param `{}` takes the values of the range and cannot be set as well", backfill.param);
        return Err(ControlError::invalid("param_set_twice", message));
    }
    let mut values = range::values(&backfill.range, backfill.step.as_deref())?;
    if backfill.is_newest_first {
        values.reverse();
    }
    let mut typed = Vec::with_capacity(values.len());
    for value in &values {
        let accepted = declared
            .accept_text(&backfill.param, value, &(0..0))
            .map_err(|mistake| ControlError::invalid(mistake.code, mistake.message).maybe_help(mistake.help))?;
        typed.push(accepted);
    }
    // The first value stands for all: what is wrong with the manifest or the other params is wrong with each.
    let first = [(backfill.param.clone(), typed[0].clone())];
    let plan = backfill.version.plan(&backfill.params.overrides()?.or_values(first))?;
    let is_other = |name: &crate::id::ParamName| others.contains(&name.as_str());
    let params = plan.params.iter().filter(|(name, _)| is_other(name));
    let params = params.map(|(name, value)| (name.to_string(), value.clone())).collect();
    let before = store.runs_by_value(plan.pipeline.as_str(), &backfill.param).await?;
    let values = values.into_iter().zip(&typed).map(|(value, typed)| {
        let skipped = skipped(backfill.mode, before.get(&stored(typed)));
        PlannedValue { value, skipped }
    });
    let values = values.collect();
    Ok((BackfillPlan { pipeline: plan.pipeline.to_string(), param: backfill.param.clone(), values }, params))
}

/// A value as the table of params has it.
fn stored(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Why a value gets no run in this mode, given the runs that it had.
fn skipped(mode: Mode, before: Option<&RunsOfValue>) -> Option<String> {
    match (mode, before) {
        (Mode::Missing, Some(runs)) if runs.succeeded => Some("a run for it has succeeded".to_owned()),
        (Mode::Missing | Mode::Failed, Some(runs)) if runs.unfinished => Some("a run for it is under way".to_owned()),
        (Mode::Failed, None) => Some("there was no run for it".to_owned()),
        (Mode::Failed, Some(runs)) if runs.latest_state == "succeeded" => Some("its latest run succeeded".to_owned()),
        (Mode::All | Mode::Missing, _) | (Mode::Failed, Some(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_says_which_values_get_a_run() {
        let runs = |latest_state: &str, succeeded, unfinished| {
            Some(RunsOfValue { succeeded, unfinished, latest_state: latest_state.to_owned() })
        };
        let cases = [
            (None, [true, false, true]),
            (runs("succeeded", true, false), [false, false, true]),
            (runs("failed", false, false), [true, true, true]),
            (runs("rejected", true, false), [false, true, true]),
            (runs("running", false, true), [false, false, true]),
        ];
        for (before, expected) in cases {
            let is_run = |mode| skipped(mode, before.as_ref()).is_none();
            assert_eq!([Mode::Missing, Mode::Failed, Mode::All].map(is_run), expected, "{before:?}");
        }
    }
}
