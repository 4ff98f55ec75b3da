//! The command line: one file per subcommand. The only place besides the daemon that puts the parts together.
//!
//! Exit codes: 0 succeeded, 1 a step failed or the machine did, 2 the manifest or the command is wrong, 3 a gate
//! rejected, 4 the run waits for somebody, 130 cancelled.

mod approvals;
mod artifacts;
mod audit;
mod backfill;
mod check;
mod client;
mod completions;
mod daemon;
mod database;
mod decide;
mod diff;
mod doctor;
mod exit;
mod follow;
mod gc;
mod import_suite;
mod infer_schema;
mod init;
mod lineage;
mod load;
mod local;
mod logs;
mod models;
mod notify;
mod output;
mod parts;
mod pause;
mod pipelines;
mod plan;
mod pools;
mod remote;
mod request;
mod rerun;
mod resume;
mod retention;
mod run;
mod runs;
mod schema;
mod serve;
mod settings;
mod show;
mod sql;
mod step_output;
mod submit;
mod suggest_checks;
mod table_facts;
mod token;
mod triggers;
mod why;

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
    /// Write a small project to start from.
    Init(init::Args),
    /// Check manifests: all mistakes at once.
    Check(check::Args),
    /// Show what a run would do, step by step.
    Plan(plan::Args),
    /// Run a pipeline.
    Run(run::Args),
    /// Record a run, which a daemon drives.
    Submit(submit::Args),
    /// Ask for the end of a run, or of a backfill.
    Cancel(request::Args),
    /// Let a run go on that waits at a gate or step.
    Approve(decide::Expiring),
    /// End a run that waits at a gate or step.
    Reject(decide::Args),
    /// Let a gate not count, whatever it says.
    Waive(decide::Expiring),
    /// Record a new run of what an earlier run was.
    Rerun(rerun::Args),
    /// Hold back a run, a backfill, a pipeline's triggers, or one of them.
    Pause(pause::Args),
    /// Go on with a run that was cancelled, rejected, failed, interrupted or paused, or with what else is paused.
    Resume(resume::Args),
    /// List the pipelines that daemons have loaded.
    Pipelines(pipelines::Args),
    /// List what somebody has to decide about.
    Approvals(approvals::Args),
    /// List runs, newest first.
    Runs(runs::Args),
    /// Show one run: its steps, gates and metrics.
    Show(show::Args),
    /// Say why a step of a run is where it is: what it waits for, or how it ended.
    Why(why::Args),
    /// Print the log of a step of a run.
    Logs(logs::Args),
    /// Look at artifacts.
    Artifacts(artifacts::Args),
    /// Show what went into a model or artifact, or what came of it.
    Lineage(lineage::Args),
    /// List registered models.
    Models(models::Args),
    /// Show the pools that steps share, who uses them and who waits, or set their size.
    Pools(pools::Args),
    /// Compare two runs: params, inputs, outputs, metrics.
    Diff(diff::Args),
    /// Ask the lineage views in SQL.
    Sql(sql::Args),
    /// Free artifacts, logs and checkpoints that nobody needs.
    Gc(gc::Args),
    /// Turn an expectation suite of Great Expectations into a block of YAML.
    ImportSuite(import_suite::Args),
    /// Turn a profile into a block of checks that hold for its rows.
    SuggestChecks(suggest_checks::Args),
    /// Write a schema contract that a file or a table of a run keeps, or say how it differs from one.
    InferSchema(infer_schema::Args),
    /// Look whether all is well, and say what is not, where, and what helps.
    Doctor(doctor::Args),
    /// Print the JSON Schema of manifests, or the kinds of steps.
    Schema(schema::Args),
    /// Drive the runs that anybody submits, keep a folder of pipelines loaded, and answer requests.
    Daemon(daemon::Args),
    /// Answer requests with the deployed models.
    Serve(serve::Args),
    /// Make, list and revoke tokens of the HTTP API.
    Token(token::Args),
    /// List who did what, newest first.
    Audit(audit::Args),
    /// Run a pipeline once for each value of a param; a daemon carries it out.
    Backfill(backfill::Args),
    /// List backfills, newest first, and how far they are.
    Backfills(backfill::ListArgs),
    /// Show when pipelines run by themselves, and why they do not.
    Triggers(triggers::Args),
    /// Print the completion script of a shell.
    Completions(completions::Args),
}

impl Command {
    /// Whether it reads or changes recorded state, and cannot do so at a daemon elsewhere.
    fn is_of_this_machine(&self) -> bool {
        use Command::{Artifacts, Diff, Lineage, Models, Run, Sql, Token};
        matches!(self, Artifacts(_) | Diff(_) | Lineage(_) | Models(_) | Run(_) | Sql(_) | Token(_))
    }
}

/// Runs the program and returns its exit status.
pub fn main() -> ExitCode {
    // A worker is started for every attempt: it goes its own way before anything else is set up.
    if let Some(code) = crate::worker::main_if_worker(crate::step::StepRegistry::builtin) {
        return code;
    }
    let cli = Cli::parse();
    let result = settings::Settings::resolve(cli.settings).and_then(|settings| {
        // A daemon is left alone for long: what it does must be found in its log.
        let least = u8::from(matches!(cli.command, Command::Daemon(_)));
        crate::telemetry::start(settings.verbosity.max(least));
        if settings.server.is_some() && cli.command.is_of_this_machine() {
            let help = "leave out --server, or unset PHASELINE_SERVER; the HTTP API answers most of it";
            return Err(UsageError::new("this command works on the state of this machine only").help(help).into());
        }
        match cli.command {
            Command::Init(args) => init::run(&args),
            Command::Check(args) => check::run(&args),
            Command::Plan(args) => plan::run(&settings, &args),
            Command::Run(args) => run::run(&settings, args),
            Command::Submit(args) => submit::run(&settings, args),
            Command::Cancel(args) => request::cancel(&settings, &args),
            Command::Approve(args) => decide::approve(&settings, &args),
            Command::Reject(args) => decide::reject(&settings, &args),
            Command::Waive(args) => decide::waive(&settings, &args),
            Command::Rerun(args) => rerun::run(&settings, args),
            Command::Pause(args) => pause::run(&settings, &args),
            Command::Resume(args) => resume::run(&settings, &args),
            Command::Pipelines(args) => pipelines::run(&settings, &args),
            Command::Approvals(args) => approvals::run(&settings, &args),
            Command::Runs(args) => runs::run(&settings, &args),
            Command::Show(args) => show::run(&settings, &args),
            Command::Why(args) => why::run(&settings, &args),
            Command::Logs(args) => logs::run(&settings, &args),
            Command::Artifacts(args) => artifacts::run(&settings, &args),
            Command::Lineage(args) => lineage::run(&settings, &args),
            Command::Models(args) => models::run(&settings, &args),
            Command::Pools(args) => pools::run(&settings, &args),
            Command::Diff(args) => diff::run(&settings, &args),
            Command::Sql(args) => sql::run(&settings, &args),
            Command::Gc(args) => gc::run(&settings, args),
            Command::SuggestChecks(args) => suggest_checks::run(&settings, &args),
            Command::ImportSuite(args) => import_suite::run(&args),
            Command::InferSchema(args) => infer_schema::run(&settings, &args),
            Command::Doctor(args) => doctor::run(&settings, &args),
            Command::Schema(args) => schema::run(&args),
            Command::Daemon(args) => daemon::run(&settings, args),
            Command::Serve(args) => serve::run(&settings, &args),
            Command::Token(args) => token::run(&settings, &args),
            Command::Audit(args) => audit::run(&settings, &args),
            Command::Backfill(args) => backfill::run(&settings, args),
            Command::Backfills(args) => backfill::list(&settings, &args),
            Command::Triggers(args) => triggers::run(&settings, args),
            Command::Completions(args) => completions::run(&args),
        }
    });
    let exit = result.unwrap_or_else(|error| exit::report(&error));
    crate::telemetry::finish();
    exit.into()
}

/// The definition of the command line, for completions and tests.
fn definition() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}
