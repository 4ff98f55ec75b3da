//! The list of runs, and finding one by what a user types.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::super::connection::{Row, Session, Value};
use super::super::{Store, StoreError, time};
use super::page::{KeyKind, Listing, Order, Page, PageRequest};
use super::{not_found, parsed};
use crate::id::RunId;

/// One run in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunSummary {
    /// Its id.
    #[schema(value_type = String, example = "run_0196b2c8f5e07a3b9c1d2e3f4a5b6c7d")]
    pub run: RunId,
    /// Its pipeline.
    pub pipeline: String,
    /// `waiting`, `running`, `awaiting_approval`, `paused`, `interrupted`, or the outcome. An interrupted run should be
    /// driven and has no process that does.
    pub state: String,
    /// The manifest's path as the user gave it.
    pub manifest_path: String,
    /// Who or what asked for it.
    pub requested_by: String,
    /// When it was asked for.
    pub created_at: String,
    /// When it ended.
    pub finished_at: Option<String>,
    /// From start to end.
    pub seconds: Option<f64>,
    /// How many steps it has.
    pub steps: i64,
    /// How many of them have a result.
    pub done: i64,
    /// How many of those results were reused.
    pub reused: i64,
    /// How many steps failed.
    pub failed: i64,
    /// A higher one goes first.
    pub priority: i64,
    /// Why nobody drives it now, if it waits for something outside.
    pub parked: Option<String>,
    /// The trigger that fired it.
    pub fired_by: Option<String>,
    /// The run that it repeats.
    pub rerun_of: Option<String>,
    /// The backfill that it is part of.
    pub backfill: Option<String>,
}

/// Which runs are wanted; what is none does not matter.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Those of this pipeline.
    pub pipeline: Option<String>,
    /// Those in this state, as [`RunSummary::state`] tells it.
    pub state: Option<String>,
    /// Those asked for at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Those fired by this trigger.
    pub trigger: Option<String>,
    /// Those of this backfill.
    pub backfill: Option<String>,
}

/// How many runs are named when one is not found.
const NAMED: usize = 3;

// A shared run that nobody has begun waits for a daemon, and a parked one for somebody's decision: neither was interrupted.
const SELECT: &str = "select r.run_id, r.pipeline,
        case when r.finished_at is null and (r.lease_owner is null or r.lease_expires_ms <= $1)
            and r.parked is null and not (r.shared and r.state = 'waiting') then 'interrupted'
            else r.state end as state,
        r.priority, r.parked, r.fired_by, r.rerun_of, r.backfill_id, r.manifest_path, r.requested_by, r.created_at, r.finished_at, r.seconds,
        (select count(*) from steps s where s.run_id = r.run_id) as steps,
        (select count(*) from steps s where s.run_id = r.run_id and s.state in ('succeeded', 'reused')) as done,
        (select count(*) from steps s where s.run_id = r.run_id and s.state = 'reused') as reused,
        (select count(*) from steps s where s.run_id = r.run_id and s.state = 'failed') as failed
    from runs r";

impl Store {
    /// The latest runs, newest first, of one pipeline or of all.
    pub async fn runs(&self, pipeline: Option<&str>, limit: u32) -> Result<Vec<RunSummary>, StoreError> {
        let mut session = self.read("list runs").await?;
        let now_ms = session.now_ms().await?;
        let sql =
            format!("{SELECT} where r.pipeline = $2 or $2 = '' order by r.created_at desc, r.run_id desc limit $3");
        let values = vec![now_ms.into(), pipeline.unwrap_or_default().into(), limit.into()];
        let rows = session.fetch(sql, values).await?;
        rows.iter().map(summary).collect()
    }

    /// One run in brief.
    pub async fn run_summary(&self, run: RunId) -> Result<RunSummary, StoreError> {
        let mut session = self.read("read a run").await?;
        self.summary(&mut session, run).await
    }

    /// Runs, newest first, in pages.
    pub async fn runs_page(&self, filter: &RunFilter, request: &PageRequest) -> Result<Page<RunSummary>, StoreError> {
        let mut session = self.read("list runs").await?;
        let text = |wanted: &Option<String>| Value::from(wanted.clone().unwrap_or_default());
        let values = vec![
            session.now_ms().await?.into(),
            text(&filter.pipeline),
            filter.since.map(time::text).unwrap_or_default().into(),
            text(&filter.trigger),
            text(&filter.backfill),
            text(&filter.state),
        ];
        let sql = format!(
            "select r.* from ({SELECT} where ($2 = '' or r.pipeline = $2) and r.created_at >= $3
                and ($4 = '' or r.fired_by = $4) and ($5 = '' or r.backfill_id = $5)) as r
            where ($6 = '' or r.state = $6)"
        );
        let columns = &[("r.created_at", KeyKind::Text), ("r.run_id", KeyKind::Text)];
        Listing { sql, values, order: Order { columns, is_descending: true } }
            .page(&mut session, request, summary)
            .await
    }

    pub(super) async fn summary(&self, session: &mut Session<'_>, run: RunId) -> Result<RunSummary, StoreError> {
        let now_ms = session.now_ms().await?;
        let sql = format!("{SELECT} where r.run_id = $2");
        let rows = session.fetch(sql, vec![now_ms.into(), run.to_string().into()]).await?;
        let row = rows.first().ok_or(crate::engine::EngineError::NoRun(run))?;
        summary(row)
    }

    /// The run that `text` means: a run id, the beginning of exactly one, or `latest`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] with the latest runs as help.
    pub async fn find_run(&self, text: &str) -> Result<RunId, StoreError> {
        let mut session = self.read("look for a run").await?;
        let sql = "select run_id from runs order by created_at desc, run_id desc limit 200000";
        let rows = session.fetch(sql, vec![]).await?;
        let ids: Vec<String> = rows.iter().map(|row| row.get("run_id")).collect::<Result<_, _>>()?;
        run_among(text, &ids)
    }
}

/// The run that `text` means among those with the given ids, newest first.
///
/// # Errors
/// [`StoreError::NotFound`] with the latest runs as help.
pub fn run_among(text: &str, ids: &[String]) -> Result<RunId, StoreError> {
    if ids.is_empty() {
        let help = "start one with `phaseline run MANIFEST`".to_owned();
        return Err(not_found("there are no runs yet".to_owned(), help));
    }
    if text == "latest" {
        return parsed("run id", &ids[0]);
    }
    let wanted = if text.starts_with("run_") { text.to_owned() } else { format!("run_{text}") };
    let mut fitting = ids.iter().filter(|id| id.starts_with(&wanted) && !text.is_empty());
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => parsed("run id", only),
        (Some(_), Some(_)) => {
            let count = fitting.count() + 2;
            let help = "write more of its id, or `latest`".to_owned();
            Err(not_found(format!("{count} runs begin with `{text}`"), help))
        }
        (None, _) => {
            let latest: Vec<&str> = ids.iter().take(NAMED).map(String::as_str).collect();
            let help = match latest.as_slice() {
                [only] => format!("there is only {only}"),
                several => format!("the latest are {}", several.join(", ")),
            };
            Err(not_found(format!("there is no run `{text}`"), help))
        }
    }
}

fn summary(row: &Row) -> Result<RunSummary, StoreError> {
    Ok(RunSummary {
        run: parsed("run id", &row.get::<String>("run_id")?)?,
        pipeline: row.get("pipeline")?,
        state: row.get("state")?,
        manifest_path: row.get("manifest_path")?,
        requested_by: row.get("requested_by")?,
        created_at: row.get("created_at")?,
        finished_at: row.get("finished_at")?,
        seconds: row.get("seconds")?,
        steps: row.get("steps")?,
        done: row.get("done")?,
        reused: row.get("reused")?,
        failed: row.get("failed")?,
        priority: row.get("priority")?,
        parked: row.get("parked")?,
        fired_by: row.get("fired_by")?,
        rerun_of: row.get("rerun_of")?,
        backfill: row.get("backfill_id")?,
    })
}
