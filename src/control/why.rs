//! Why a step of a run is where it is: what it waits for, who could change that and how, or how it ended.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ControlError;
use crate::engine::{GateState, Obstacle, Question, Run, RunLog, StepEnd, StepState};
use crate::executor::owner::is_gone;
use crate::id::{RunId, StepName};
use crate::manifest::suggest;
use crate::store::queries::{PoolHolder, RunLease, RunSummary, StepDetail, StepWait};
use crate::store::{DaemonEntry, PipelineEntry, QUARANTINED, Store};

/// Why a step is where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Why {
    /// The run.
    #[schema(value_type = String)]
    pub run: RunId,
    /// The step.
    pub step: String,
    /// Its state in one word.
    pub state: String,
    /// Who drives the run now; none while nobody does.
    pub driver: Option<String>,
    /// The reasons, the one that has to go away first before the others.
    pub reasons: Vec<Reason>,
}

/// One reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Reason {
    /// The stable code, such as `upstream`, `gate`, `approval`, `pool` or `no_daemon`.
    pub code: String,
    /// The same in a sentence.
    pub message: String,
    /// Since when.
    pub since: Option<String>,
    /// Until when at most.
    pub until: Option<String>,
    /// What somebody can do about it.
    pub help: Option<String>,
    /// The attempts that have what it waits for.
    pub holders: Vec<PoolHolder>,
}

impl Reason {
    fn new(code: &str, message: impl Into<String>) -> Reason {
        Reason {
            code: code.to_owned(),
            message: message.into(),
            since: None,
            until: None,
            help: None,
            holders: Vec::new(),
        }
    }

    fn help(self, help: impl Into<String>) -> Reason {
        Reason { help: Some(help.into()), ..self }
    }
}

/// What is known besides the log of the run.
struct Surroundings {
    summary: RunSummary,
    lease: RunLease,
    /// Who drives the run, if somebody does.
    driver: Option<String>,
    daemons: Vec<DaemonEntry>,
    pipeline: Option<PipelineEntry>,
    wait: Option<(StepWait, Vec<PoolHolder>)>,
    detail: Option<StepDetail>,
}

/// Says why a step of a run is where it is.
///
/// # Errors
/// There is no such run or step, or its log cannot be read although nobody has put it aside.
pub async fn why(store: &Store, run: RunId, step: &str) -> Result<Why, ControlError> {
    let summary = store.run_summary(run).await?;
    if let Some(flaw) = summary.parked.as_deref().and_then(|parked| parked.strip_prefix(QUARANTINED)) {
        let reason = Reason::new("quarantined", format!("the run was put aside, since it cannot be read: {flaw}"))
            .help("repair the database or update the program; daemons try it again when they start");
        return Ok(Why { run, step: step.to_owned(), state: summary.state, driver: None, reasons: vec![reason] });
    }
    let loaded = Run::load(store.run(run).await?, &store.events(run).await?)?;
    let names = loaded.plan().steps.keys().map(StepName::as_str);
    let Some(name) = loaded.plan().steps.keys().find(|name| name.as_str() == step).cloned() else {
        let help = suggest(step, names).unwrap_or_else(|| format!("`phaseline show {run}` lists its steps"));
        return Err(ControlError::not_found("no_such_step", format!("{run} has no step `{step}`")).help(help));
    };
    let wait = match store.step_wait(run, &name).await? {
        Some(wait) => {
            let holders = store.holders_for(&wait).await?;
            Some((wait, holders))
        }
        None => None,
    };
    let lease = store.run_lease(run).await?;
    let around = Surroundings {
        driver: lease.owner.clone().filter(|owner| lease.is_held && !is_gone(owner)),
        lease,
        daemons: store.daemons().await?,
        pipeline: store.pipeline(&summary.pipeline).await?,
        detail: store.step_detail(run, step).await?,
        summary,
        wait,
    };
    let record = loaded.step(&name).expect("the step is one of the plan's");
    let state = record.state().as_str().to_owned();
    let reasons = reasons(&loaded, &name, record.state(), &around);
    Ok(Why { run, step: step.to_owned(), state, driver: around.driver, reasons })
}

fn reasons(run: &Run, step: &StepName, state: &StepState, around: &Surroundings) -> Vec<Reason> {
    let mut reasons = match state {
        StepState::Done(end) => return vec![ended(end, around)],
        StepState::Running(attempt) => {
            let mut reason = Reason::new("running", format!("attempt {} ({}) runs", attempt.number, attempt.attempt));
            reason.since = Some(time(attempt.since));
            vec![reason]
        }
        StepState::Faltered(_) => vec![Reason::new("faltered", "its last attempt ended, and what follows is decided")],
        StepState::Asking(question) => vec![asked(run, &format!("step `{step}`"), step.as_str(), question)],
        StepState::BackingOff { number, until } => {
            let failure = run.step(step).and_then(|record| record.failure());
            let after = failure.map(|failure| format!(" after: {} ({})", failure.message, failure.code));
            let message = format!("attempt {number} follows{}", after.unwrap_or_default());
            let until = Some(time(*until));
            vec![Reason { until, ..Reason::new("back_off", message) }]
        }
        StepState::Waiting => again(run, step, around).into_iter().collect(),
    };
    if matches!(state, StepState::Waiting | StepState::BackingOff { .. }) {
        reasons.extend(run.obstacles(step).iter().map(|obstacle| stands_before(run, obstacle)));
        if let Some(pause) = run.paused() {
            let because = pause.reason.as_ref().map(|reason| format!(" because {reason}")).unwrap_or_default();
            reasons.push(
                Reason::new("run_paused", format!("the run was paused by {}{because}", pause.by))
                    .help("resume the run, and it goes on"),
            );
        }
        reasons.extend(around.wait.as_ref().map(|(wait, holders)| Reason {
            since: DateTime::from_timestamp_millis(wait.since_ms).map(time),
            holders: holders.clone(),
            ..Reason::new(&wait.waits_for, wait.because.as_str())
        }));
        reasons.extend(trouble_of_driver(around));
    }
    if run.is_cancelling() {
        reasons.push(Reason::new("cancelling", "the run is being cancelled"));
    }
    reasons.extend(driver(run, around));
    if reasons.is_empty() {
        let driver = around.driver.as_deref().unwrap_or("its driver");
        reasons.push(Reason::new("ready", format!("nothing stands before it: it begins as soon as {driver} looks")));
    }
    reasons
}

/// Why a step that has had an attempt, or a result, waits once more.
fn again(run: &Run, step: &StepName, around: &Surroundings) -> Option<Reason> {
    let record = run.step(step).filter(|record| record.attempts() > 0)?;
    if let Some(failure) = record.failure() {
        let message = format!("its last attempt failed: {} ({})", failure.message, failure.code);
        return Some(Reason::new("again", message));
    }
    let why = around.detail.as_ref()?.why.as_ref()?;
    Some(Reason::new("again", format!("it runs again: {why}")))
}

/// How it ended.
fn ended(end: &StepEnd, around: &Surroundings) -> Reason {
    let detail = around.detail.as_ref();
    let at = detail.and_then(|detail| detail.finished_at.clone());
    let mut reason = match end {
        StepEnd::Succeeded(made) => Reason::new("succeeded", format!("attempt {} made its result", made.by)),
        StepEnd::Reused(made) => {
            let from = detail.and_then(|detail| detail.reused_from.clone());
            let from = from.map(|from| format!(" of {from}")).unwrap_or_default();
            Reason::new("reused", format!("the result of attempt {}{from} is used", made.by))
                .help("`--refresh` makes it anew")
        }
        StepEnd::Failed(failure) => {
            let message = format!("it failed: {} ({})", failure.message, failure.code);
            Reason { help: failure.help.clone(), ..Reason::new("failed", message) }
        }
        StepEnd::Skipped(because) => Reason::new("skipped", format!("it was skipped, since {because}")),
        StepEnd::Cancelled => Reason::new("cancelled", "it was cancelled with its run"),
        StepEnd::Approved(decision) => {
            Reason::new("approved", format!("approved by {} because {}", decision.by, decision.reason))
        }
        StepEnd::Refused(refusal) => Reason::new("refused", refusal.told()),
    };
    reason.since = at;
    reason
}

fn stands_before(run: &Run, obstacle: &Obstacle) -> Reason {
    match obstacle {
        Obstacle::Upstream(upstream) => {
            let state = run.step(upstream).map_or("unknown", |record| record.state().as_str());
            Reason::new("upstream", format!("step `{upstream}` has not ended: it is {state}"))
        }
        Obstacle::Gate(gate) => {
            let question =
                run.questions().find(|(subject, _)| subject.kind() == "gate" && subject.name() == gate.as_str());
            if let Some((_, question)) = question {
                return asked(run, &format!("gate `{gate}`"), gate.as_str(), question);
            }
            let verdict = run.gate(gate).and_then(GateState::verdict);
            match (verdict, run.gate(gate)) {
                (Some(verdict), Some(GateState::Evaluated { evidence, .. })) => {
                    let evidence: Vec<String> =
                        evidence.iter().map(|(path, value)| format!("{path} = {value}")).collect();
                    let message = format!("gate `{gate}` is {}: {}", verdict.as_str(), evidence.join(", "));
                    Reason::new("gate", message)
                }
                _ => {
                    let left: Vec<String> =
                        run.unfinished_before(gate).iter().map(|step| format!("`{step}`")).collect();
                    let message = format!("gate `{gate}` has no verdict yet; it waits for {}", left.join(", "));
                    Reason::new("gate", message)
                }
            }
        }
    }
}

fn asked(run: &Run, what: &str, name: &str, question: &Question) -> Reason {
    let message = question.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    Reason {
        since: Some(time(question.since)),
        until: question.expires_at.map(time),
        ..Reason::new("approval", format!("{what} waits for approval{message}"))
    }
    .help(format!("`phaseline approve {} {name} --reason …`", run.id()))
}

/// What keeps the daemon that drives the run from beginning anything.
fn trouble_of_driver(around: &Surroundings) -> Option<Reason> {
    let owner = around.lease.owner.as_ref().filter(|_| around.lease.is_held)?;
    let daemon = around.daemons.iter().find(|daemon| daemon.daemon == *owner)?;
    let trouble = daemon.trouble.as_ref()?;
    Some(Reason::new("daemon_trouble", format!("the daemon that drives the run begins nothing new: {trouble}")))
}

/// Why nobody drives the run, if nobody does.
fn driver(run: &Run, around: &Surroundings) -> Option<Reason> {
    if run.outcome().is_some() || around.driver.is_some() {
        return None;
    }
    if let Some(parked) = &around.summary.parked {
        return Some(Reason::new("parked", format!("nobody drives the run meanwhile: {parked}")));
    }
    if let Some(entry) = around.pipeline.as_ref().filter(|entry| entry.paused_at.is_some())
        && run.next_seq() == 1
    {
        let by = entry.paused_by.as_deref().unwrap_or("somebody");
        let because = entry.paused_because.as_ref().map(|reason| format!(" because {reason}")).unwrap_or_default();
        let message =
            format!("pipeline `{}` was paused by {by}{because}, so its runs do not begin", around.summary.pipeline);
        return Some(Reason { since: entry.paused_at.clone(), ..Reason::new("pipeline_paused", message) });
    }
    if !around.lease.is_shared {
        let owner = around.lease.owner.as_deref().map(|owner| format!(", since {owner} is gone")).unwrap_or_default();
        let message = format!("the run was started in the foreground, and nobody drives it now{owner}");
        return Some(Reason::new("interrupted", message).help(format!("go on with `phaseline resume {}`", run.id())));
    }
    let alive: Vec<&DaemonEntry> = around.daemons.iter().filter(|daemon| daemon.state != "gone").collect();
    if alive.is_empty() {
        return Some(
            Reason::new("no_daemon", "nobody drives the run, and no daemon is alive")
                .help(format!("start `phaseline daemon`, or go on here with `phaseline resume {}`", run.id())),
        );
    }
    let held_up: Vec<String> = alive
        .iter()
        .filter_map(|daemon| {
            let because =
                daemon.trouble.clone().or_else(|| (daemon.state == "draining").then(|| "it ends".to_owned()))?;
            Some(format!("{}: {because}", daemon.daemon))
        })
        .collect();
    if held_up.len() == alive.len() {
        return Some(Reason::new("daemon_trouble", format!("no daemon takes runs: {}", held_up.join("; "))));
    }
    let message = match &around.lease.owner {
        Some(owner) => format!("{owner} drove the run and is gone"),
        None => "nobody drives the run yet".to_owned(),
    };
    Some(
        Reason::new("undriven", message)
            .help("a daemon takes it within seconds, unless it drives all the `--runs` that it may"),
    )
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
