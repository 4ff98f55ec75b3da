//! `phaseline backfill` and `phaseline backfills`.

use chrono::Utc;
use clap::ValueEnum;

use super::database::{ask, time};
use super::{Exit, Settings, UsageError, output, parts};
use crate::control::{
    Backfill, BackfillPlan, By, ControlError, ErrorKind, Mode, Params, Started, Version, plan_backfill, start_backfill,
};
use crate::store::queries::PageRequest;

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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OrderName {
    OldestFirst,
    NewestFirst,
}

pub(super) fn run(settings: &Settings, args: Args) -> anyhow::Result<Exit> {
    super::database::existing_url(settings)?;
    let (as_json, is_dry) = (args.json, args.dry_run);
    let answer = parts::runtime()?.block_on(async {
        let store = parts::store(settings).await?;
        let answer = async {
            let backfill = Backfill {
                version: Version::of_pipeline(&store, &args.pipeline).await?,
                param: args.param,
                range: args.range,
                step: args.step,
                mode: match args.mode {
                    ModeName::Missing => Mode::Missing,
                    ModeName::Failed => Mode::Failed,
                    ModeName::All => Mode::All,
                },
                parallel: args.parallel,
                is_newest_first: args.order == OrderName::NewestFirst,
                params: Params::Settings(args.set, None),
                priority: args.priority,
            };
            if is_dry {
                return Ok::<_, ControlError>((None, plan_backfill(&store, &backfill).await?, true));
            }
            let Started { backfill, plan } = start_backfill(&store, backfill, &By::local(), Utc::now()).await?;
            let has_daemon = store.daemons().await?.iter().any(|daemon| daemon.state == "running");
            Ok((Some(backfill), plan, has_daemon))
        };
        let answer = answer.await;
        store.close().await;
        anyhow::Ok(answer)
    })?;
    let (id, plan, has_daemon) = match answer {
        Ok(answer) => answer,
        Err(error) if error.kind == ErrorKind::Failed => return Err(error.into()),
        Err(error) => return Err(UsageError { message: error.message, help: error.help }.into()),
    };
    match (as_json, id) {
        (true, Some(backfill)) => output::json(&Started { backfill, plan })?,
        (true, None) => output::json(&plan)?,
        (false, Some(id)) => {
            output::write(text(&plan).as_bytes())?;
            output::line(format!("{id}: a daemon carries it out; `phaseline backfills` shows how far it is"))?;
            if !has_daemon {
                output::line("no daemon runs now; start one with `phaseline daemon`")?;
            }
        }
        (false, None) => output::write(text(&plan).as_bytes())?,
    }
    Ok(Exit::Succeeded)
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
    let request = PageRequest { limit: args.limit, ..PageRequest::default() };
    let found = ask(settings, async |store| store.backfills_page(&request).await)?.items;
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
