//! `phaseline models`.

use super::database::{ask, short, time};
use super::{Exit, Settings, output};

/// How to print.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    let versions = ask(settings, async |store| store.models().await)?;
    if args.json {
        output::json(&versions)?;
        return Ok(Exit::Succeeded);
    }
    if versions.is_empty() {
        output::line("no models are registered; a `deploy.endpoint` step does that")?;
        return Ok(Exit::Succeeded);
    }
    let rows: Vec<Vec<String>> = versions
        .iter()
        .map(|version| {
            vec![
                version.model.clone(),
                version.version.to_string(),
                version.aliases.join(", "),
                if version.is_serving { "yes" } else { "" }.to_owned(),
                short(&version.bundle).to_owned(),
                version.pipeline.clone(),
                version.run.clone(),
                time(&version.registered_at),
            ]
        })
        .collect();
    let header = ["model", "version", "aliases", "serves", "bundle", "pipeline", "run", "registered (UTC)"];
    output::write(output::table(&header, &rows).as_bytes())?;
    Ok(Exit::Succeeded)
}
