//! Whom a command asks: the state of this machine, or a daemon over HTTP. The same questions, answers and refusals.

use std::time::Duration;

use chrono::Utc;
use serde::Deserialize;
use serde_json::{Value, json};

use super::local::{Local, answered, refused};
use super::remote::Remote;
use super::{Settings, UsageError, parts};
use crate::control::{self, By, Decision, DecisionKind, Target, Why};
use crate::executor::owner;
use crate::id::{BackfillId, RunId, is_name};
use crate::store::RequestDetail;
use crate::store::queries::{
    ApprovalSummary, AskedDecision, GateDetail, ManifestProblemSummary, PageRequest, PipelineSummary, RunDetail,
    RunLease, RunSummary, StepDetail, run_among,
};

/// How many runs are looked through for one whose id is not given in full.
const RUNS: usize = 5_000;
/// How many rows of other lists are shown.
const ROWS: usize = 5_000;
/// How long somebody who drives a run may take to carry a request out.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Whom a command asks.
pub(super) enum Client {
    /// The state of this machine.
    Local(Local),
    /// A daemon.
    Remote(Remote),
}

/// Something that was asked of a run.
pub(super) struct Asked {
    /// The run.
    pub(super) run: RunId,
    /// The id of the request.
    pub(super) request: String,
}

/// Who carries out what is asked of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hands {
    /// Somebody drives it now, or a daemon will at once.
    Busy,
    /// It is for daemons to drive, and none is there.
    NoDaemon,
    /// It was started in the foreground, and nobody drives it now.
    Nobody,
}

#[derive(Deserialize)]
struct RunAnswer {
    #[serde(flatten)]
    summary: RunSummary,
    manifest_digest: String,
    criteria_digest: Option<String>,
    environment: Value,
    options: Value,
    params: std::collections::BTreeMap<String, String>,
    gates: Vec<GateDetail>,
    approvals: Vec<AskedDecision>,
    lease: RunLease,
}

#[derive(Deserialize)]
struct RequestAnswer {
    request: String,
}

/// Asks the daemon that the settings name, or the state of this machine, which must be there.
pub(super) fn ask<T>(settings: &Settings, work: impl AsyncFnOnce(&Client) -> anyhow::Result<T>) -> anyhow::Result<T> {
    with(settings, false, work)
}

/// The same for what may be the first thing in a state folder.
pub(super) fn begin<T>(settings: &Settings, work: impl AsyncFnOnce(&Client) -> anyhow::Result<T>) -> anyhow::Result<T> {
    with(settings, true, work)
}

fn with<T>(
    settings: &Settings,
    may_make: bool,
    work: impl AsyncFnOnce(&Client) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    parts::runtime()?.block_on(async {
        let client = match &settings.server {
            Some(server) => Client::Remote(Remote::new(server, settings)?),
            None => Client::Local(Local::open(settings, may_make).await?),
        };
        let done = Box::pin(work(&client)).await;
        if let Client::Local(local) = &client {
            local.store.close().await;
        }
        done
    })
}

impl Client {
    /// The run that `text` means: its id, the beginning of it, or `latest`.
    pub(super) async fn find_run(&self, text: &str) -> anyhow::Result<RunId> {
        let remote = match self {
            Client::Local(local) => return answered(local.store.find_run(text).await),
            Client::Remote(remote) => remote,
        };
        if text.parse::<RunId>().is_ok()
            && let Some(run) = remote.find::<RunSummary>(&["runs", text]).await?
        {
            return Ok(run.run);
        }
        let most = if text == "latest" { 1 } else { RUNS };
        let runs: Vec<RunSummary> = remote.list(&["runs"], &[], most).await?;
        let ids: Vec<String> = runs.iter().map(|run| run.run.to_string()).collect();
        answered(run_among(text, &ids))
    }

    /// The latest runs, newest first.
    pub(super) async fn runs(&self, pipeline: Option<&str>, limit: u32) -> anyhow::Result<Vec<RunSummary>> {
        match self {
            Client::Local(local) => answered(local.store.runs(pipeline, limit).await),
            Client::Remote(remote) => {
                let query: Vec<(&str, &str)> = pipeline.map(|pipeline| ("pipeline", pipeline)).into_iter().collect();
                remote.list(&["runs"], &query, limit as usize).await
            }
        }
    }

    /// One run in brief.
    pub(super) async fn summary(&self, run: RunId) -> anyhow::Result<RunSummary> {
        match self {
            Client::Local(local) => answered(local.store.run_summary(run).await),
            Client::Remote(remote) => remote.get(&["runs", &run.to_string()], &[]).await,
        }
    }

    /// Everything about one run.
    pub(super) async fn detail(&self, run: RunId) -> anyhow::Result<RunDetail> {
        let remote = match self {
            Client::Local(local) => return answered(local.store.run_detail(run).await),
            Client::Remote(remote) => remote,
        };
        let id = run.to_string();
        let answer: RunAnswer = remote.get(&["runs", &id], &[]).await?;
        let steps: Vec<StepDetail> = remote.list(&["runs", &id, "steps"], &[("details", "true")], usize::MAX).await?;
        Ok(RunDetail {
            summary: answer.summary,
            manifest_digest: answer.manifest_digest,
            criteria_digest: answer.criteria_digest,
            environment: answer.environment,
            options: answer.options,
            params: answer.params.into_iter().collect(),
            steps,
            gates: answer.gates,
            approvals: answer.approvals,
            requests: remote.list(&["runs", &id, "requests"], &[], ROWS).await?,
        })
    }

    /// Why a step is where it is.
    pub(super) async fn why(&self, run: RunId, step: &str) -> anyhow::Result<Why> {
        match self {
            Client::Local(local) => control::why(&local.store, run, step).await.map_err(refused),
            Client::Remote(remote) => remote.get(&["runs", &run.to_string(), "steps", step, "why"], &[]).await,
        }
    }

    /// The pipelines that daemons have loaded.
    pub(super) async fn pipelines(&self) -> anyhow::Result<Vec<PipelineSummary>> {
        match self {
            Client::Local(local) => {
                let request = PageRequest { after: None, limit: u32::try_from(ROWS).unwrap_or(u32::MAX) };
                Ok(answered(local.store.pipelines_page(&request).await)?.items)
            }
            Client::Remote(remote) => remote.list(&["pipelines"], &[], ROWS).await,
        }
    }

    /// The files of which no pipeline is loaded.
    pub(super) async fn manifest_problems(&self) -> anyhow::Result<Vec<ManifestProblemSummary>> {
        match self {
            Client::Local(local) => {
                let request = PageRequest { after: None, limit: u32::try_from(ROWS).unwrap_or(u32::MAX) };
                Ok(answered(local.store.manifest_problems_page(&request).await)?.items)
            }
            Client::Remote(remote) => remote.list(&["manifest-problems"], &[], ROWS).await,
        }
    }

    /// What somebody has to decide about.
    pub(super) async fn approvals(&self) -> anyhow::Result<Vec<ApprovalSummary>> {
        match self {
            Client::Local(local) => {
                let request = PageRequest { after: None, limit: u32::try_from(ROWS).unwrap_or(u32::MAX) };
                Ok(answered(local.store.approvals_page(None, Some("awaited"), &request).await)?.items)
            }
            Client::Remote(remote) => remote.list(&["approvals"], &[], ROWS).await,
        }
    }

    /// Asks for the end of a run.
    pub(super) async fn cancel(&self, run: RunId, reason: Option<&str>) -> anyhow::Result<Asked> {
        match self {
            Client::Local(local) => {
                let by = By::local();
                let work = control::cancel(&local.store, run, reason, &by);
                let request = local.audited("cancel", &run.to_string(), work).await?;
                Ok(Asked { run, request: request.to_string() })
            }
            Client::Remote(remote) => {
                asked(remote, run, &["runs", &run.to_string(), "cancel"], &json!({"reason": reason})).await
            }
        }
    }

    /// Ends a backfill.
    pub(super) async fn cancel_backfill(&self, backfill: BackfillId) -> anyhow::Result<()> {
        match self {
            Client::Local(local) => {
                let work = control::cancel_backfill(&local.store, backfill);
                local.audited("cancel", &backfill.to_string(), work).await.map(drop)
            }
            Client::Remote(remote) => {
                let path = ["backfills", &backfill.to_string(), "cancel"];
                remote.post::<Value>(&path, &json!({}), None).await.map(drop)
            }
        }
    }

    /// Decides about a gate or step.
    pub(super) async fn decide(&self, run: RunId, decision: Decision) -> anyhow::Result<Asked> {
        let word = decision.kind.as_str();
        let remote = match self {
            Client::Local(local) => {
                let object = format!("{run} {}", decision.subject);
                let by = By::local();
                let work = control::decide(&local.store, run, decision, &by, Utc::now());
                let request = local.audited(word, &object, work).await?;
                return Ok(Asked { run, request: request.to_string() });
            }
            Client::Remote(remote) => remote,
        };
        let id = run.to_string();
        let gates: Vec<GateDetail> = remote.list(&["runs", &id, "gates"], &[], ROWS).await?;
        let is_gate = decision.kind == DecisionKind::Waive || gates.iter().any(|gate| gate.gate == decision.subject);
        let mut body = json!({"reason": decision.reason});
        if let Some(at) = decision.expires_at {
            body["expires_at"] = json!(at);
        }
        let of = if is_gate { "gates" } else { "steps" };
        asked(remote, run, &["runs", &id, of, &decision.subject, word], &body).await
    }

    /// What `text` means as something that can be held back.
    pub(super) async fn target(&self, text: &str) -> anyhow::Result<Target> {
        let remote = match self {
            Client::Local(local) => return Target::find(&local.store, text).await.map_err(super::local::refused),
            Client::Remote(remote) => remote,
        };
        if let Ok(backfill) = text.parse::<BackfillId>() {
            return Ok(Target::Backfill(backfill));
        }
        if let Some((pipeline, trigger)) = text.split_once('.')
            && is_name(pipeline)
        {
            return Ok(Target::Trigger { pipeline: pipeline.to_owned(), trigger: trigger.to_owned() });
        }
        let may_be_pipeline = is_name(text) && text != "latest" && !text.starts_with("run_");
        if may_be_pipeline && remote.find::<Value>(&["pipelines", text]).await?.is_some() {
            return Ok(Target::Pipeline(text.to_owned()));
        }
        match self.find_run(text).await {
            Ok(run) => Ok(Target::Run(run)),
            // It is refused there, in the words for pipelines.
            Err(_) if may_be_pipeline => Ok(Target::Pipeline(text.to_owned())),
            Err(error) => Err(error),
        }
    }

    /// Holds something back (`pause`) or lets it go on (`resume`). For a run the request is returned.
    pub(super) async fn hold(
        &self,
        word: &str,
        target: &Target,
        reason: Option<&str>,
    ) -> anyhow::Result<Option<Asked>> {
        let of_run = |run: Option<RunId>, request: Option<String>| Some(Asked { run: run?, request: request? });
        let run = if let Target::Run(run) = target { Some(*run) } else { None };
        let remote = match self {
            Client::Local(local) => {
                let by = By::local();
                let work = async {
                    if word == "pause" {
                        control::pause(&local.store, target, reason, &by, Utc::now()).await
                    } else {
                        control::resume(&local.store, target, reason, &by).await
                    }
                };
                let request = local.audited(word, &named(target), work).await?;
                return Ok(of_run(run, request.map(|request| request.to_string())));
            }
            Client::Remote(remote) => remote,
        };
        let id = named(target);
        let path: Vec<&str> = match target {
            Target::Run(_) => vec!["runs", &id, word],
            Target::Backfill(_) => vec!["backfills", &id, word],
            Target::Pipeline(pipeline) => vec!["pipelines", pipeline, word],
            Target::Trigger { pipeline, trigger } => vec!["triggers", pipeline, trigger, word],
        };
        let answer: Value = remote.post(&path, &json!({"reason": reason}), None).await?.document;
        Ok(of_run(run, answer["request"].as_str().map(str::to_owned)))
    }

    /// Who carries out what is asked of the run.
    pub(super) async fn hands(&self, run: RunId) -> anyhow::Result<Hands> {
        let (lease, has_daemon) = match self {
            Client::Local(local) => {
                let lease = answered(local.store.run_lease(run).await)?;
                (lease, answered(local.has_daemon().await)?)
            }
            Client::Remote(remote) => {
                let answer: RunAnswer = remote.get(&["runs", &run.to_string()], &[]).await?;
                (answer.lease, true)
            }
        };
        let is_driven = lease.is_held && !lease.owner.as_deref().is_some_and(owner::is_gone);
        Ok(match (is_driven, lease.is_shared) {
            (true, _) => Hands::Busy,
            (false, true) if has_daemon => Hands::Busy,
            (false, true) => Hands::NoDaemon,
            (false, false) => Hands::Nobody,
        })
    }

    /// What came of a request, if whoever drives the run has carried it out within some seconds.
    ///
    /// # Errors
    /// It was refused.
    pub(super) async fn outcome(&self, asked: &Asked) -> anyhow::Result<Option<String>> {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let requests: Vec<RequestDetail> = match self {
                Client::Local(local) => answered(local.store.requests_of(asked.run).await)?,
                Client::Remote(remote) => remote.list(&["runs", &asked.run.to_string(), "requests"], &[], ROWS).await?,
            };
            let request = requests.into_iter().find(|request| request.request == asked.request);
            if let Some(RequestDetail { handled_at: Some(_), outcome: Some(outcome), .. }) = request {
                return match outcome.strip_prefix("nothing changed: ") {
                    Some(why) => Err(UsageError::new(why).into()),
                    None => Ok(Some(outcome)),
                };
            }
            if tokio::time::Instant::now() >= end {
                return Ok(None);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// A target as people name it.
pub(super) fn named(target: &Target) -> String {
    match target {
        Target::Run(run) => run.to_string(),
        Target::Backfill(backfill) => backfill.to_string(),
        Target::Pipeline(pipeline) => pipeline.clone(),
        Target::Trigger { pipeline, trigger } => format!("{pipeline}.{trigger}"),
    }
}

async fn asked(remote: &Remote, run: RunId, path: &[&str], body: &Value) -> anyhow::Result<Asked> {
    let answer: RequestAnswer = remote.post(path, body, None).await?.document;
    Ok(Asked { run, request: answer.request })
}
