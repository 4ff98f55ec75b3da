//! `phaseline completions SHELL`.

use super::Exit;

/// Which shell.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell whose completion script to print.
    shell: clap_complete::Shell,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::definition(), "phaseline", &mut script);
    super::output::write(&script)?;
    Ok(Exit::Succeeded)
}
