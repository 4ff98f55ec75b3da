//! Tracing set-up. Field names in logs: `run.id`, `pipeline`, `step`, `attempt`, `endpoint`, `artifact`.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Sends the program's own log to standard error: warnings, with `verbosity` 1 the main events, with 2 everything.
/// `PHASELINE_LOG` takes a filter such as `phaseline::engine=debug` and wins.
pub fn start(verbosity: u8) {
    let default = match verbosity {
        0 => "phaseline=warn",
        1 => "phaseline=info",
        _ => "phaseline=debug,sqlx=info",
    };
    let filter = EnvFilter::try_from_env("PHASELINE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .try_init();
    // A second start within one process, as in tests, keeps the first one.
    drop(started);
}
