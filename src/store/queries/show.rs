//! One run with everything that happened in it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::connection::{Row, Session};
use super::super::requests::{RequestDetail, of_run};
use super::super::{Store, StoreError};
use super::page::{KeyKind, Listing, Order, Page, PageRequest};
use super::{AskedDecision, RunSummary, decisions, json};
use crate::id::RunId;

/// A run with its params, steps and gates, and what people have said about them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunDetail {
    /// What the list of runs says.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// The digest of the manifest's text.
    pub manifest_digest: String,
    /// The digest of the sealed success criteria.
    pub criteria_digest: Option<String>,
    /// Git commit, program version, host and the like.
    pub environment: Value,
    /// What was asked with the run.
    pub options: Value,
    /// The values of the pipeline's params, by name.
    pub params: Vec<(String, String)>,
    /// The steps, in the order of the plan.
    pub steps: Vec<StepDetail>,
    /// The gates, in the order of the plan.
    pub gates: Vec<GateDetail>,
    /// What somebody had to decide about, or has to: for each gate and step the last word.
    pub approvals: Vec<AskedDecision>,
    /// What was asked of the run, oldest first, and what came of it.
    pub requests: Vec<RequestDetail>,
}

/// A step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StepDetail {
    /// Its name.
    pub step: String,
    /// Its phase.
    pub phase: String,
    /// Its kind.
    pub kind: String,
    /// `waiting`, `running`, `awaiting_approval`, `succeeded`, `reused`, `failed`, `skipped` or `cancelled`.
    pub state: String,
    /// Why it was skipped, or what was said about an approval.
    pub because: Option<String>,
    /// Why it ran.
    pub why: Option<String>,
    /// How many attempts there were.
    pub attempts: i64,
    /// The attempt that runs or that made the result.
    pub attempt: Option<String>,
    /// Seconds of that attempt, unless the result was reused.
    pub seconds: Option<f64>,
    /// The run that made a reused result.
    pub reused_from: Option<String>,
    /// When the first attempt began.
    pub started_at: Option<String>,
    /// When the step ended.
    pub finished_at: Option<String>,
    /// What it made.
    pub outputs: Vec<OutputDetail>,
    /// What it measured.
    pub metrics: Vec<MeasuredValue>,
    /// Why its latest attempt failed, if it did.
    pub error: Option<AttemptError>,
}

/// An output of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OutputDetail {
    /// Its name.
    pub output: String,
    /// The digest of the artifact.
    pub digest: String,
    /// What it holds.
    pub kind: String,
    /// Rows, for tables.
    pub rows: Option<i64>,
    /// Size.
    pub bytes: i64,
}

/// A measured value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MeasuredValue {
    /// The metric.
    pub metric: String,
    /// The slice; none for all rows.
    pub slice: Option<String>,
    /// The value; none when undefined.
    pub value: Option<f64>,
    /// Lower end of the confidence interval.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AttemptError {
    /// `input`, `environment` or `bug`.
    pub fault: String,
    /// The stable code.
    pub code: String,
    /// What happened.
    pub message: String,
    /// The remedy.
    pub help: Option<String>,
}

/// A gate of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GateDetail {
    /// Its name.
    pub gate: String,
    /// Its phase.
    pub phase: String,
    /// Its expression.
    pub expression: String,
    /// `stop`, `warn`, `approval` or `notify`.
    pub on_fail: String,
    /// `passed`, `failed`, `not_evaluable`, or none while it was not evaluated.
    pub verdict: Option<String>,
    /// The values that the expression read.
    pub evidence: Value,
}

impl Store {
    /// Everything about one run.
    pub async fn run_detail(&self, run: RunId) -> Result<RunDetail, StoreError> {
        let mut session = self.read("read a run").await?;
        let summary = self.summary(&mut session, run).await?;
        let id = || vec![run.to_string().into()];
        let sql = "select manifest_digest, criteria_digest, environment, options from lineage_runs where run_id = $1";
        let rows = session.fetch(sql, id()).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let sql = "select param, value from lineage_params where run_id = $1 and step is null order by param";
        let params = session.fetch(sql, id()).await?;
        let params = params.iter().map(|row| Ok((row.get("param")?, row.get("value")?)));
        let params = params.collect::<Result<_, sqlx::Error>>()?;
        let sql = "select gate, phase, expression, on_fail, verdict, evidence from gates where run_id = $1
            order by position";
        let gates = session.fetch(sql, id()).await?.iter().map(gate).collect::<Result<_, _>>()?;
        Ok(RunDetail {
            summary,
            manifest_digest: row.get("manifest_digest")?,
            criteria_digest: row.get("criteria_digest")?,
            environment: json("environment of a run", &row.get::<String>("environment")?)?,
            options: json("options of a run", &row.get::<String>("options")?)?,
            params,
            steps: steps(&mut session, run).await?,
            gates,
            approvals: decisions::decisions(&mut session, run).await?,
            requests: of_run(&mut session, run).await?,
        })
    }

    /// The latest attempt of a step of a run; none if it was never tried there.
    pub async fn latest_attempt(&self, run: RunId, step: &str) -> Result<Option<String>, StoreError> {
        let mut session = self.read("look for an attempt").await?;
        let sql = "select attempt_id from attempts where run_id = $1 and step = $2
            order by number desc, started_at desc limit 1";
        let rows = session.fetch(sql, vec![run.to_string().into(), step.into()]).await?;
        Ok(rows.first().map(|row| row.get("attempt_id")).transpose()?)
    }
}

const STEPS: &str = "select step, phase, kind, state, because, why, attempts, attempt_id, seconds, reused_from,
        started_at, finished_at, position
    from lineage_steps where run_id = $1";

impl Store {
    /// The steps of a run in the order of the plan, in pages; `state` narrows them down. Outputs, metrics and failures are
    /// there only if asked for.
    pub async fn steps_page(
        &self,
        run: RunId,
        state: Option<&str>,
        has_details: bool,
        request: &PageRequest,
    ) -> Result<Page<StepDetail>, StoreError> {
        let mut session = self.read("list steps").await?;
        let order = Order { columns: &[("position", KeyKind::Int)], is_descending: false };
        let values = vec![run.to_string().into(), state.unwrap_or_default().into()];
        let mut page = Listing { sql: format!("{STEPS} and ($2 = '' or state = $2)"), values, order }
            .page(&mut session, request, |row| Ok(step(row)?))
            .await?;
        if has_details {
            details(&mut session, &mut page.items, "", vec![run.to_string().into()]).await?;
        }
        Ok(page)
    }

    /// One step of a run with its outputs and metrics; none if the run has no such step.
    pub async fn step_detail(&self, run: RunId, name: &str) -> Result<Option<StepDetail>, StoreError> {
        let mut session = self.read("read a step").await?;
        let values = || vec![run.to_string().into(), name.into()];
        let rows = session.fetch(format!("{STEPS} and step = $2"), values()).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let mut steps = vec![step(row)?];
        details(&mut session, &mut steps, " and s.step = $2", values()).await?;
        Ok(steps.pop())
    }

    /// The gates of a run, in the order of the plan.
    pub async fn run_gates(&self, run: RunId) -> Result<Vec<GateDetail>, StoreError> {
        let mut session = self.read("read gates").await?;
        let sql = "select gate, phase, expression, on_fail, verdict, evidence from gates where run_id = $1
            order by position";
        session.fetch(sql, vec![run.to_string().into()]).await?.iter().map(gate).collect()
    }
}

async fn steps(session: &mut Session<'_>, run: RunId) -> Result<Vec<StepDetail>, StoreError> {
    let id = || vec![run.to_string().into()];
    let rows = session.fetch(format!("{STEPS} order by position"), id()).await?;
    let mut steps: Vec<StepDetail> = rows.iter().map(step).collect::<Result<_, sqlx::Error>>()?;
    details(session, &mut steps, "", id()).await?;
    Ok(steps)
}

/// Adds outputs, metrics and failures to `steps`, those of one run that `only` lets through.
async fn details(
    session: &mut Session<'_>,
    steps: &mut [StepDetail],
    only: &'static str,
    values: Vec<super::super::connection::Value>,
) -> Result<(), StoreError> {
    let place: std::collections::BTreeMap<String, usize> =
        steps.iter().enumerate().map(|(place, step)| (step.step.clone(), place)).collect();
    let sql = format!(
        "select s.step, s.output, s.digest, s.kind, s.rows, s.bytes from lineage_outputs s where s.run_id = $1{only}
        order by s.step, s.output"
    );
    for row in session.fetch(sql, values.clone()).await? {
        if let Some(place) = place.get(&row.get::<String>("step")?) {
            steps[*place].outputs.push(OutputDetail {
                output: row.get("output")?,
                digest: row.get("digest")?,
                kind: row.get("kind")?,
                rows: row.get("rows")?,
                bytes: row.get("bytes")?,
            });
        }
    }
    let sql = format!(
        "select s.step, m.metric, m.slice, m.value, m.low, m.high
        from steps s join metrics m on m.attempt_id = s.attempt_id where s.run_id = $1{only}
        order by s.step, m.position"
    );
    for row in session.fetch(sql, values.clone()).await? {
        if let Some(place) = place.get(&row.get::<String>("step")?) {
            steps[*place].metrics.push(MeasuredValue {
                metric: row.get("metric")?,
                slice: row.get("slice")?,
                value: row.get("value")?,
                low: row.get("low")?,
                high: row.get("high")?,
            });
        }
    }
    let sql = format!(
        "select a.step, a.fault, a.code, a.message, a.help
        from steps s join attempts a on a.attempt_id = s.attempt_id
        where s.run_id = $1 and s.state <> 'reused' and a.message is not null{only}"
    );
    for row in session.fetch(sql, values).await? {
        if let Some(place) = place.get(&row.get::<String>("step")?) {
            steps[*place].error = Some(AttemptError {
                fault: row.get("fault")?,
                code: row.get("code")?,
                message: row.get("message")?,
                help: row.get("help")?,
            });
        }
    }
    Ok(())
}

fn step(row: &Row) -> Result<StepDetail, sqlx::Error> {
    Ok(StepDetail {
        step: row.get("step")?,
        phase: row.get("phase")?,
        kind: row.get("kind")?,
        state: row.get("state")?,
        because: row.get("because")?,
        why: row.get("why")?,
        attempts: row.get("attempts")?,
        attempt: row.get("attempt_id")?,
        seconds: row.get("seconds")?,
        reused_from: row.get("reused_from")?,
        started_at: row.get("started_at")?,
        finished_at: row.get("finished_at")?,
        outputs: vec![],
        metrics: vec![],
        error: None,
    })
}

fn gate(row: &Row) -> Result<GateDetail, StoreError> {
    let evidence: Option<String> = row.get("evidence")?;
    Ok(GateDetail {
        gate: row.get("gate")?,
        phase: row.get("phase")?,
        expression: row.get("expression")?,
        on_fail: row.get("on_fail")?,
        verdict: row.get("verdict")?,
        evidence: evidence.map_or(Ok(Value::Null), |text| json("evidence of a gate", &text))?,
    })
}
