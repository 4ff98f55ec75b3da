//! Tracing set-up.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// Sends the program's own log to standard error: warnings, with `verbosity` 1 the main events, with 2 everything.
/// `PHASELINE_LOG` takes a filter such as `phaseline::engine=debug` and wins.
pub fn start(verbosity: u8) {
    let default = match verbosity {
        0 => "phaseline=warn",
        1 => "phaseline=info",
        _ => "phaseline=debug,sqlx=info",
    };
    let filter = EnvFilter::try_from_env("PHASELINE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let log = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .with_filter(filter);
    let subscriber = tracing_subscriber::registry().with(log);
    #[cfg(feature = "otel")]
    let subscriber = subscriber.with(super::otel::layer());
    // A second start within one process, as in tests, keeps the first one.
    drop(subscriber.try_init());
}

/// Sends what is still on its way, before the program ends.
pub fn finish() {
    #[cfg(feature = "otel")]
    super::otel::finish();
}
