//! `phaseline pools`.

use chrono::Utc;
use serde_json::{Value, json};

use super::client::{Client, ask, begin};
use super::local::answered;
use super::{Exit, Settings, output};
use crate::control::{By, set_pool};
use crate::store::queries::{PageRequest, PoolDetail, PoolSummary};

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
    begin(settings, async |client| match client {
        Client::Local(local) => {
            let by = By::local();
            let work = set_pool(&local.store, name, slots, &by, Utc::now());
            local.audited("pools set", &format!("{name} {slots}"), work).await
        }
        Client::Remote(remote) => remote.put::<Value>(&["pools", name], &json!({"slots": slots})).await.map(drop),
    })?;
    output::line(format!("pool `{name}` has {slots} slots now"))?;
    Ok(Exit::Succeeded)
}

fn list(settings: &Settings, as_json: bool) -> anyhow::Result<Exit> {
    let pools: Vec<PoolDetail> = ask(settings, async |client| match client {
        Client::Local(local) => {
            let everything = PageRequest { after: None, limit: u32::MAX };
            Ok(answered(local.store.pools_page(true, &everything).await)?.items)
        }
        Client::Remote(remote) => remote.list(&["pools"], &[("details", "true")], usize::MAX).await,
    })?;
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
            let users = pool.holders.iter().flatten().map(|holder| format!("{} of {}", holder.step, holder.run_id));
            let waiting = pool.waiters.iter().flatten().map(|waiter| format!("{} of {}", waiter.step, waiter.run_id));
            vec![
                pool.summary.pool.clone(),
                pool.summary.slots.to_string(),
                pool.summary.used.to_string(),
                users.collect::<Vec<_>>().join(", "),
                waiting.collect::<Vec<_>>().join(", "),
            ]
        })
        .collect();
    output::write(output::table(&["pool", "slots", "used", "by", "waiting"], &rows).as_bytes())?;
    Ok(Exit::Succeeded)
}

fn document(pool: &PoolDetail) -> Value {
    let PoolSummary { pool: name, slots, used, .. } = &pool.summary;
    json!({"pool": name, "slots": slots, "used": used, "by": pool.holders.as_deref().unwrap_or_default(),
        "waiting": pool.waiters.as_deref().unwrap_or_default()})
}
