//! Handing out the runs of backfills, as many at once as each allows.

use chrono::{DateTime, Utc};

use super::start::Definition;
use crate::control::submit::{derived, new_run};
use crate::control::{By, ControlError, ErrorKind, Version};
use crate::engine::{NewRun, Origin, RunOptions};
use crate::fault;
use crate::id::{BackfillId, RunId};
use crate::plan::Overrides;
use crate::store::{BackfillState, ItemSubmission, OpenBackfill, Store, StoreError, WaitingItem};

/// What one look at the backfills has done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Advanced {
    /// The runs that were recorded.
    pub submitted: Vec<RunId>,
    /// The backfills that have not ended.
    pub open: Vec<BackfillId>,
}

/// Records the next runs of every backfill that has room for them, and ends those whose runs have all ended.
///
/// Any number of processes may call this: the id of a run follows from its place in the backfill, so that there is one.
///
/// # Errors
/// The database does not answer. One backfill that cannot go on does not stop the others.
pub async fn advance_backfills(store: &Store, now: DateTime<Utc>) -> Result<Advanced, ControlError> {
    let mut advanced = Advanced::default();
    for backfill in store.open_backfills().await? {
        match advance(store, &backfill, now, &mut advanced.submitted).await {
            Ok(true) => {}
            Ok(false) => advanced.open.push(backfill.id),
            Err(error) if error.kind == ErrorKind::Failed => return Err(error),
            Err(error) => {
                advanced.open.push(backfill.id);
                tracing::warn!(backfill.id = %backfill.id, %error, "a backfill does not go on");
            }
        }
    }
    Ok(advanced)
}

/// Advances one backfill and says whether it has ended.
async fn advance(
    store: &Store,
    backfill: &OpenBackfill,
    now: DateTime<Utc>,
    submitted: &mut Vec<RunId>,
) -> Result<bool, ControlError> {
    let definition: Definition = serde_json::from_value(backfill.definition.clone())
        .map_err(|error| StoreError::Corrupt { what: "definition of a backfill", reason: error.to_string() })?;
    let unfinished = store.unfinished_runs_of(backfill.id).await?;
    let room = u64::from(definition.parallel).saturating_sub(unfinished);
    let waiting = store.waiting_items(backfill.id, u32::try_from(room).unwrap_or(u32::MAX)).await?;
    for item in &waiting {
        let run = derived(&format!("backfill\0{}\0{}", backfill.id, item.position));
        match prepared(backfill, &definition, item, run, now) {
            Ok(new) => {
                match store.submit_item(backfill.id, definition.parallel, item.position, &new).await? {
                    ItemSubmission::Submitted => submitted.push(run),
                    ItemSubmission::Taken => {}
                    // Others hand out runs too, or somebody has ended it meanwhile.
                    ItemSubmission::Full | ItemSubmission::Closed => break,
                }
                fault::point("backfill.after_commit").map_err(|error| {
                    ControlError::new(ErrorKind::Failed, "fault", format!("a fault point failed: {error}"))
                })?;
            }
            Err(error) => store.item_refused(backfill.id, item.position, &error.message).await?,
        }
    }
    let may_be_over = unfinished == 0 && waiting.is_empty();
    Ok(may_be_over && store.end_backfill(backfill.id).await?)
}

fn prepared(
    backfill: &OpenBackfill,
    definition: &Definition,
    item: &WaitingItem,
    run: RunId,
    now: DateTime<Utc>,
) -> Result<NewRun, ControlError> {
    let version = Version {
        path: definition.manifest_path.clone(),
        folder: definition.manifest_folder.clone(),
        text: definition.manifest_text.clone(),
    };
    let setting = format!("{}={}", backfill.param, item.value);
    let overrides = Overrides::from_settings([setting.as_str()])?.or_values(definition.params.clone());
    let plan = version.plan(&overrides)?;
    let origin = Origin { priority: definition.priority, backfill: Some(backfill.id.to_string()), ..Origin::default() };
    let by = By { who: backfill.requested_by.clone(), role: None, remote: None };
    new_run(run, plan, version, &RunOptions::default(), origin, &by, now)
}

/// Ends a backfill: it hands out no more runs. The runs that it has made are returned, for whoever wants them cancelled.
///
/// # Errors
/// There is no such backfill, or it has ended.
pub async fn cancel_backfill(store: &Store, id: BackfillId) -> Result<Vec<RunId>, ControlError> {
    change(store, id, &[BackfillState::Running, BackfillState::Paused], BackfillState::Cancelled).await?;
    Ok(store.unfinished_run_ids_of(id).await?)
}

/// Makes a backfill hand out no more runs until it is resumed.
///
/// # Errors
/// There is no such backfill, or it does not run.
pub async fn pause_backfill(store: &Store, id: BackfillId) -> Result<(), ControlError> {
    change(store, id, &[BackfillState::Running], BackfillState::Paused).await
}

/// Lets a paused backfill go on.
///
/// # Errors
/// There is no such backfill, or it is not paused.
pub async fn resume_backfill(store: &Store, id: BackfillId) -> Result<(), ControlError> {
    change(store, id, &[BackfillState::Paused], BackfillState::Running).await
}

async fn change(store: &Store, id: BackfillId, from: &[BackfillState], to: BackfillState) -> Result<(), ControlError> {
    match store.change_backfill(id, from, to).await? {
        None => Err(ControlError::not_found("no_such_backfill", format!("there is no backfill {id}"))),
        Some(state) if from.contains(&state) => Ok(()),
        Some(state) => {
            let message = format!("backfill {id} is {} and cannot become {}", state.as_str(), to.as_str());
            Err(ControlError::conflict("backfill_state", message))
        }
    }
}
