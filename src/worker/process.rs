//! A worker process from start to end.

use std::backtrace::Backtrace;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use nix::sys::signal::SigSet;

use super::WorkOrder;
use super::claim::{Claim, ClaimError};
use super::folder::{AttemptFolder, create_once, read_json};
use super::limits::Limits;
use super::log::AttemptLog;
use super::report::{Failure, Report, ReportedEnd, with_causes};
use super::reporter::PipeReporter;
use super::secrets;
use crate::artifact::ArtifactStore;
use crate::fault;
use crate::id::AttemptId;
use crate::step::masking::Masker;
use crate::step::{Fault, InputArtifact, StepContext, StepError, StepOutcome, StepRegistry, Surroundings};

/// The first argument of a worker process.
pub const WORKER_COMMAND: &str = "worker";

/// The exit code of a worker that found its attempt claimed: `EX_TEMPFAIL`.
pub const EXIT_CLAIMED: u8 = 75;

/// How often a worker touches its beat.
const BEAT: Duration = Duration::from_secs(2);

/// If this process was started as a worker (`worker FOLDER`), does its work and returns its exit code.
pub fn main_if_worker(registry: fn() -> StepRegistry) -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != WORKER_COMMAND {
        return None;
    }
    let folder: OsString = arguments.next()?;
    Some(work(&AttemptFolder::at(folder), &registry()))
}

/// Writes a line to the attempt's log, which is standard error. On a full disk it is lost, and the worker goes on.
fn tell(line: &str) {
    writeln!(io::stderr(), "{line}").ok();
}

fn work(folder: &AttemptFolder, registry: &StepRegistry) -> ExitCode {
    let order: WorkOrder = match read_json(&folder.order()) {
        Ok(Some(order)) => order,
        Ok(None) => {
            tell(&format!("there is no work order in `{}`", folder.path().display()));
            return ExitCode::FAILURE;
        }
        Err(error) => {
            tell(&format!("cannot read the work order in `{}`: {error}", folder.path().display()));
            return ExitCode::FAILURE;
        }
    };
    hand_over(folder, &order, registry);
    match Claim::take(folder) {
        Ok(_) if fault::point("claimed").is_ok() => {}
        Ok(_) => return ExitCode::FAILURE,
        Err(ClaimError::Taken) => return ExitCode::from(EXIT_CLAIMED),
        Err(error) => {
            tell(&with_causes(&error));
            return ExitCode::FAILURE;
        }
    }
    let masker = Masker::default();
    let log = AttemptLog::on_standard_error(masker.clone());
    let (_, remark) = Limits::apply(folder, order.attempt, order.memory_bytes);
    if let Some(remark) = remark {
        log.line(&remark);
    }
    beat(folder);
    let started = Instant::now();
    report_panics(folder, order.attempt, started, &masker, &log);
    let end = match run(&order, folder, registry, &masker, &log) {
        Ok(outcome) => ReportedEnd::Succeeded(outcome),
        Err(error) => ReportedEnd::Failed(Failure::from(&error)),
    };
    let end = end.masked(&masker);
    drop(fs::remove_dir_all(folder.scratch()));
    log.finish();
    if let ReportedEnd::Failed(failure) = &end {
        log.line(&format!("failed ({}): {}", failure.code, failure.message));
        if let Some(help) = &failure.help {
            log.line(&format!("help: {help}"));
        }
    }
    let succeeded = matches!(end, ReportedEnd::Succeeded(_));
    match leave_report(folder, order.attempt, end, started) {
        Ok(()) if succeeded => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(error) => {
            log.line(&format!("cannot write the report: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Becomes the program that runs such steps, if there is one beside this program. The process stays the same, so whoever
/// started it need not know.
fn hand_over(folder: &AttemptFolder, order: &WorkOrder, registry: &StepRegistry) {
    let Ok(kind) = registry.kind(&order.kind) else { return };
    let Some(program) = kind.program else { return };
    // What is wrong with params is told where the step runs.
    if !kind.build(order.params.clone()).is_ok_and(|step| step.needs_program()) {
        return;
    }
    let Some(path) = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join(program))) else { return };
    if path.is_file() {
        let error = std::process::Command::new(&path).arg(WORKER_COMMAND).arg(folder.path()).exec();
        tell(&format!("cannot start `{}`: {error}", path.display()));
    }
}

fn run(
    order: &WorkOrder,
    folder: &AttemptFolder,
    registry: &StepRegistry,
    masker: &Masker,
    log: &AttemptLog,
) -> Result<StepOutcome, StepError> {
    let kind = registry
        .kind(&order.kind)
        .map_err(|error| StepError::bug(format!("the work order names an unknown kind: {error}")))?;
    let step = kind
        .build(order.params.clone())
        .map_err(|errors| StepError::input("bad_params", format!("the params of the step are not right: {errors}")))?;
    let inputs = order
        .inputs
        .iter()
        .map(|(name, bound)| {
            let artifacts = bound
                .iter()
                .map(|input| InputArtifact {
                    source: input.source.clone(),
                    artifact: input.artifact.clone(),
                    metrics: input.metrics.clone(),
                })
                .collect();
            (name.clone(), artifacts)
        })
        .collect();
    let mut env = order.env.clone();
    env.insert("PHASELINE_RUN".to_owned(), order.run.to_string());
    env.insert("PHASELINE_STEP".to_owned(), order.step.to_string());
    env.insert("PHASELINE_ATTEMPT".to_owned(), order.attempt.to_string());
    env.extend(secrets::resolve(&order.secrets, masker)?);
    let surroundings = Surroundings {
        inputs,
        base_folder: order.base_folder.clone(),
        scratch: folder.scratch(),
        checkpoint: order.checkpoint.clone(),
        state_folder: order.state_folder.clone(),
        seed: order.seed,
        threads: order.threads,
        memory_bytes: order.memory_bytes,
        record: order.record.clone(),
        env,
        withheld: order.withheld.clone(),
    };
    fs::create_dir_all(folder.scratch())?;
    fs::create_dir_all(&order.checkpoint)?;
    let store = ArtifactStore::open(&order.artifacts)?;
    // Nobody sets it: what ends a worker is a signal.
    let cancelled = Arc::new(AtomicBool::new(false));
    let reporter = PipeReporter::new(log.clone(), masker.clone());
    let mut context = StepContext::new(surroundings, store, Box::new(reporter), cancelled);
    step.run(&mut context)?;
    Ok(context.into_outcome())
}

fn leave_report(folder: &AttemptFolder, attempt: AttemptId, end: ReportedEnd, started: Instant) -> io::Result<()> {
    fault::point("report.before")?;
    let report = Report {
        attempt,
        end,
        seconds: started.elapsed().as_secs_f64(),
        peak_memory_bytes: peak_memory_bytes().unwrap_or(0),
    };
    create_once(&folder.report(), &report)?;
    fault::point("report.after")
}

/// A panic is a bug of ours: it is reported as one before the process ends.
fn report_panics(folder: &AttemptFolder, attempt: AttemptId, started: Instant, masker: &Masker, log: &AttemptLog) {
    let (folder, masker, log) = (folder.clone(), masker.clone(), log.clone());
    std::panic::set_hook(Box::new(move |panic| {
        log.line(&format!("{panic}\n{}", Backtrace::capture()));
        let failure = Failure {
            fault: Fault::Bug,
            code: "panic".to_owned(),
            message: format!("the step panicked: {panic}"),
            help: Some("this is a mistake in Phaseline; please report it with the attempt's log".to_owned()),
        };
        drop(leave_report(&folder, attempt, ReportedEnd::Failed(failure).masked(&masker), started));
        std::process::exit(70);
    }));
}

/// Touches the beat while the process lives. The thread ends with the process.
fn beat(folder: &AttemptFolder) {
    let path = folder.beat();
    let touch = move || {
        // Signals are for the thread that works; a beat that takes them away is worse than none.
        if SigSet::all().thread_block().is_err() {
            return;
        }
        loop {
            drop(fs::write(&path, b""));
            std::thread::sleep(BEAT);
        }
    };
    // Without a beat a local worker is still found by its process id.
    drop(std::thread::Builder::new().name("beat".to_owned()).stack_size(64 * 1024).spawn(touch));
}

/// The largest resident memory of this process or of one of its ended children.
fn peak_memory_bytes() -> Option<u64> {
    use nix::sys::resource::{UsageWho, getrusage};
    let peak_kib = |who| getrusage(who).ok().and_then(|usage| u64::try_from(usage.max_rss()).ok());
    let own = own_peak_kib(Path::new("/proc/self/status")).or_else(|| peak_kib(UsageWho::RUSAGE_SELF))?;
    let children = peak_kib(UsageWho::RUSAGE_CHILDREN).unwrap_or(0);
    Some(own.max(children) * 1024)
}

/// The kernel's high-water mark; `getrusage` would also count the process before it became a worker.
fn own_peak_kib(status: &Path) -> Option<u64> {
    let status = fs::read_to_string(status).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?.trim().parse().ok()
}
