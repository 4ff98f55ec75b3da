//! `phaseline schema`: the JSON Schema of manifests, and the kinds of steps.

use super::{Exit, output};
use crate::manifest;
use crate::step::StepRegistry;

/// What to print.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// List the kinds of steps instead.
    #[arg(long)]
    kinds: bool,
    /// Print the params, ports and an example of one kind instead.
    #[arg(long, value_name = "KIND", conflicts_with = "kinds")]
    kind: Option<String>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let registry = StepRegistry::builtin();
    if args.kinds {
        let rows: Vec<Vec<String>> = registry
            .kinds()
            .map(|kind| vec![kind.name.to_owned(), kind.phase.to_string(), kind.summary.to_owned()])
            .collect();
        output::write(output::table(&["kind", "phase", "what it does"], &rows).as_bytes())?;
    } else if let Some(name) = &args.kind {
        let kind = registry.kind(name).map_err(|unknown| {
            let error = super::UsageError::new(unknown.to_string());
            match unknown.nearest {
                Some(nearest) => error.help(format!("did you mean `{nearest}`?")),
                None => error.help("`phaseline schema --kinds` lists them"),
            }
        })?;
        output::line(format!(
            "{} (version {}): {}\n\n{}",
            kind.name,
            kind.version,
            kind.summary,
            kind.example.trim_end()
        ))?;
        output::line("\nparams:")?;
        output::json(&(kind.schema)().to_value())?;
    } else {
        output::json(&manifest::schema(&registry))?;
    }
    Ok(Exit::Succeeded)
}
