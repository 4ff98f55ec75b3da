//! The command line: one file per subcommand. The only place besides the daemon that puts the parts together.
//!
//! Exit codes: 0 succeeded, 1 a step failed or the machine did, 2 the manifest or the command is wrong, 3 a gate
//! rejected, 130 cancelled.

mod completions;
mod exit;
mod output;
mod settings;

pub mod sample;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use exit::{Exit, UsageError};
pub use settings::Settings;

/// Machine-learning pipelines in YAML, laid out along CRISP-ML(Q), with quality gates and lineage in SQL.
#[derive(Debug, Parser)]
#[command(name = "phaseline", version, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    settings: settings::SettingsArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the completion script of a shell.
    Completions(completions::Args),
}

/// Runs the program and returns its exit status.
pub fn main() -> ExitCode {
    // A worker is started for every attempt: it goes its own way before anything else is set up.
    if let Some(code) = crate::worker::main_if_worker(crate::step::StepRegistry::builtin) {
        return code;
    }
    let cli = Cli::parse();
    let result = settings::Settings::resolve(cli.settings).and_then(|settings| {
        crate::telemetry::start(settings.verbosity);
        match cli.command {
            Command::Completions(args) => completions::run(&args),
        }
    });
    match result {
        Ok(exit) => exit.into(),
        Err(error) => exit::report(&error).into(),
    }
}

/// The definition of the command line, for completions and tests.
fn definition() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}
