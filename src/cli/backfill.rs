//! `phaseline backfill` and `phaseline backfills`.

use chrono::Utc;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::client::{Client, ask};
use super::database::time;
use super::local::{Local, answered, refused};
use super::remote::Remote;
use super::{Exit, Settings, output};
use crate::control::{Backfill, BackfillPlan, By, Mode, Params, Started, Version, plan_backfill, start_backfill};
use crate::id::BackfillId;
use crate::store::queries::{BackfillSummary, PageRequest};

/// One run of a pipeline for each value of a param.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The pipeline, which a daemon has loaded.
    pipeline: String,
    /// The param that takes the values.
    #[arg(long, value_name = "NAME")]
    param: String,
    /// The values: `2026-01-01..2026-01-31`, `1..12`, both ends included, or `a,b,c`.
    #[arg(long, value_name = "A..B")]
    range: String,
    /// How far one value is from the next: `1d`, `2w`, `1mo`, or a number.
    #[arg(long, value_name = "STEP")]
    step: Option<String>,
    /// Which values get a run.
    #[arg(long, value_enum, default_value_t = ModeName::Missing)]
    mode: ModeName,
    /// How many runs there are at once.
    #[arg(long, value_name = "N", default_value_t = 1)]
    parallel: u32,
    /// Which value comes first.
    #[arg(long, value_enum, default_value_t = OrderName::OldestFirst)]
    order: OrderName,
    /// Set another param, as `name=value`; may be given several times.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Runs with a higher number get slots first.
    #[arg(long, value_name = "N", default_value_t = 0, allow_hyphen_values = true)]
    priority: i32,
    /// Only tell what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ModeName {
    /// Those for which no run has succeeded and none is under way.
    Missing,
    /// Those whose latest run failed, was rejected or cancelled.
    Failed,
    /// All of them.
    All,
}

impl From<ModeName> for Mode {
    fn from(mode: ModeName) -> Mode {
        match mode {
            ModeName::Missing => Mode::Missing,
            ModeName::Failed => Mode::Failed,
            ModeName::All => Mode::All,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OrderName {
    OldestFirst,
    NewestFirst,
}

/// A backfill that was recorded, or what it would do.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    /// Its id; none where it was only told what would be done.
    backfill: Option<BackfillId>,
    #[serde(flatten)]
    plan: BackfillPlan,
}

pub(super) fn run(settings: &Settings, args: Args) -> anyhow::Result<Exit> {
    let as_json = args.json;
    let (told, has_daemon) = ask(settings, async |client| match client {
        Client::Local(local) => Ok((Box::pin(here(local, args)).await?, answered(local.has_daemon().await)?)),
        Client::Remote(remote) => Ok((there(remote, &args).await?, true)),
    })?;
    if as_json {
        output::json(&told)?;
        return Ok(Exit::Succeeded);
    }
    output::write(text(&told.plan).as_bytes())?;
    if let Some(id) = told.backfill {
        output::line(format!("{id}: a daemon carries it out; `phaseline backfills` shows how far it is"))?;
        if !has_daemon {
            output::line("no daemon runs now; start one with `phaseline daemon`")?;
        }
    }
    Ok(Exit::Succeeded)
}

async fn here(local: &Local, args: Args) -> anyhow::Result<Told> {
    let backfill = Backfill {
        version: Version::of_pipeline(&local.store, &args.pipeline).await.map_err(refused)?,
        param: args.param,
        range: args.range,
        step: args.step,
        mode: args.mode.into(),
        parallel: args.parallel,
        is_newest_first: args.order == OrderName::NewestFirst,
        params: Params::Settings(args.set, None),
        priority: args.priority,
    };
    if args.dry_run {
        let plan = plan_backfill(&local.store, &backfill).await.map_err(refused)?;
        return Ok(Told { backfill: None, plan });
    }
    let by = By::local();
    let work = Box::pin(start_backfill(&local.store, backfill, &by, Utc::now()));
    let Started { backfill, plan } = local.audited("backfill", &args.pipeline, work).await?;
    Ok(Told { backfill: Some(backfill), plan })
}

async fn there(remote: &Remote, args: &Args) -> anyhow::Result<Told> {
    let mode = Mode::from(args.mode);
    let body = json!({
        "param": args.param,
        "range": args.range,
        "step": args.step,
        "mode": mode.as_str(),
        "parallel": args.parallel,
        "newest_first": args.order == OrderName::NewestFirst,
        "set": args.set,
        "priority": args.priority,
        "dry_run": args.dry_run,
    });
    Ok(remote.post(&["pipelines", &args.pipeline, "backfills"], &body, None).await?.document)
}

fn text(plan: &BackfillPlan) -> String {
    let runs = plan.values.iter().filter(|value| value.skipped.is_none()).count();
    let mut text =
        format!("{runs} of {} values of `{}` get a run of {}\n", plan.values.len(), plan.param, plan.pipeline);
    let rows: Vec<Vec<String>> = plan
        .values
        .iter()
        .map(|value| vec![value.value.clone(), value.skipped.clone().unwrap_or_else(|| "gets a run".to_owned())])
        .collect();
    text.push_str(&output::table(&[&plan.param, "what"], &rows));
    text
}

/// Which backfills.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// How many, newest first.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn list(settings: &Settings, args: &ListArgs) -> anyhow::Result<Exit> {
    let found: Vec<BackfillSummary> = ask(settings, async |client| match client {
        Client::Local(local) => {
            let request = PageRequest { limit: args.limit, ..PageRequest::default() };
            Ok(answered(local.store.backfills_page(&request).await)?.items)
        }
        Client::Remote(remote) => remote.list(&["backfills"], &[], args.limit as usize).await,
    })?;
    if args.json {
        output::json(&found)?;
        return Ok(Exit::Succeeded);
    }
    if found.is_empty() {
        output::line("no backfills; `phaseline backfill` starts one")?;
        return Ok(Exit::Succeeded);
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|backfill| {
            vec![
                backfill.backfill_id.clone(),
                backfill.pipeline.clone(),
                backfill.param.clone(),
                backfill.state.clone(),
                format!("{}/{}", backfill.with_run, backfill.items),
                time(&backfill.created_at),
            ]
        })
        .collect();
    output::write(
        output::table(&["backfill", "pipeline", "param", "state", "with run", "asked for (UTC)"], &rows).as_bytes(),
    )?;
    Ok(Exit::Succeeded)
}
