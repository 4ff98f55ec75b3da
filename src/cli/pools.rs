//! `phaseline pools`.

use chrono::Utc;
use serde_json::json;

use super::database::ask;
use super::local::Local;
use super::{Exit, Settings, output, parts};
use crate::control::{By, set_pool};
use crate::store::PoolUse;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Set how many slots a pool has. Attempts that have one keep it.
    Set {
        /// The pool, as named by `pool:` in manifests.
        name: String,
        /// How many slots; 0 lets nobody in.
        slots: u32,
    },
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    match &args.command {
        Some(Command::Set { name, slots }) => set(settings, name, *slots),
        None => list(settings, args.json),
    }
}

fn set(settings: &Settings, name: &str, slots: u32) -> anyhow::Result<Exit> {
    parts::runtime()?.block_on(async {
        let local = Local::open(settings, true).await?;
        let by = By::local();
        let work = set_pool(&local.store, name, slots, &by, Utc::now());
        let done = local.audited("pools set", &format!("{name} {slots}"), work).await;
        local.store.close().await;
        done
    })?;
    output::line(format!("pool `{name}` has {slots} slots now"))?;
    Ok(Exit::Succeeded)
}

fn list(settings: &Settings, as_json: bool) -> anyhow::Result<Exit> {
    let pools = ask(settings, async |store| store.pool_use().await)?;
    if as_json {
        output::json(&pools.iter().map(document).collect::<Vec<_>>())?;
        return Ok(Exit::Succeeded);
    }
    if pools.is_empty() {
        output::line("no pool is set, used or waited for; a step names one by `pool:`, and it has one slot until set")?;
        return Ok(Exit::Succeeded);
    }
    let rows: Vec<Vec<String>> = pools
        .iter()
        .map(|pool| {
            let users = pool.used.iter().map(|slot| format!("{} of {}", slot.step, slot.run));
            let waiting = pool.waiting.iter().map(|(it, _)| format!("{} of {}", it.step, it.run));
            vec![
                pool.pool.clone(),
                pool.slots.to_string(),
                taken(pool).to_string(),
                users.collect::<Vec<_>>().join(", "),
                waiting.collect::<Vec<_>>().join(", "),
            ]
        })
        .collect();
    output::write(output::table(&["pool", "slots", "used", "by", "waiting"], &rows).as_bytes())?;
    Ok(Exit::Succeeded)
}

fn taken(pool: &PoolUse) -> u32 {
    pool.used.iter().filter_map(|slot| slot.take.pool.as_ref()).map(|(_, slots)| slots).sum()
}

fn document(pool: &PoolUse) -> serde_json::Value {
    let used = pool.used.iter().map(|slot| {
        json!({"run_id": slot.run.to_string(), "step": slot.step.as_str(), "attempt_id": slot.attempt.to_string(),
            "host": slot.host, "slots": slot.take.pool.as_ref().map(|(_, slots)| slots)})
    });
    let waiting = pool.waiting.iter().map(|(it, wait)| {
        json!({"run_id": it.run.to_string(), "step": it.step.as_str(), "priority": it.priority,
            "since_ms": it.since_ms, "because": wait.because})
    });
    json!({"pool": pool.pool, "slots": pool.slots, "used": taken(pool), "by": used.collect::<Vec<_>>(),
        "waiting": waiting.collect::<Vec<_>>()})
}
