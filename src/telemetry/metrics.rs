//! Counters and histograms of this process, and their text for Prometheus.
//!
//! Counters begin at zero when the process does, as Prometheus expects; what the database knows is asked for when
//! somebody looks (`api`). Labels are bounded: kinds of steps and templates of routes, never names from a manifest.

use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;

use super::process::usage;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptEnd {
    kind: String,
    result: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Class {
    class: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Version {
    version: String,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Everything that is counted.
struct Metrics {
    registry: Registry,
    runs_ended: Family<Outcome, Counter>,
    attempts_started: Family<Kind, Counter>,
    attempts_ended: Family<AttemptEnd, Counter>,
    steps_reused: Family<Kind, Counter>,
    step_seconds: Histograms<Kind>,
    queue_seconds: Histograms<Kind>,
    database_errors: Family<Class, Counter>,
    requests: Family<Answer, Counter>,
    request_seconds: Histograms<RouteLabel>,
}

/// From a cached native step to a training of a night.
fn step_buckets() -> Histogram {
    Histogram::new([0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 43200.0])
}

fn request_buckets() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let mut registry = Registry::default();
    let metrics = Metrics {
        registry: Registry::default(),
        runs_ended: Family::default(),
        attempts_started: Family::default(),
        attempts_ended: Family::default(),
        steps_reused: Family::default(),
        step_seconds: Family::new_with_constructor(step_buckets),
        queue_seconds: Family::new_with_constructor(step_buckets),
        database_errors: Family::default(),
        requests: Family::default(),
        request_seconds: Family::new_with_constructor(request_buckets),
    };
    let own = &mut registry;
    own.register("phaseline_runs_ended", "Runs that this process drove to their end", metrics.runs_ended.clone());
    let help = "Attempts that this process started, by kind of step";
    own.register("phaseline_attempts_started", help, metrics.attempts_started.clone());
    let help = "Attempts that ended under this process, by kind of step and result";
    own.register("phaseline_attempts_ended", help, metrics.attempts_ended.clone());
    let help = "Steps whose result was reused instead of made";
    own.register("phaseline_steps_reused", help, metrics.steps_reused.clone());
    let help = "How long attempts took, by kind of step";
    own.register_with_unit("phaseline_attempt_duration", help, Unit::Seconds, metrics.step_seconds.clone());
    let help = "How long steps waited for room before their attempt, by kind of step";
    own.register_with_unit("phaseline_queue_wait", help, Unit::Seconds, metrics.queue_seconds.clone());
    let help = "Failures of the database as this process saw them, those tried again included";
    own.register("phaseline_database_errors", help, metrics.database_errors.clone());
    let help = "HTTP requests that were answered, by route and status";
    own.register("phaseline_http_requests", help, metrics.requests.clone());
    let help = "How long HTTP requests took until their answer began, by route";
    own.register_with_unit("phaseline_http_request_duration", help, Unit::Seconds, metrics.request_seconds.clone());
    let build: Family<Version, Gauge> = Family::default();
    build.get_or_create(&Version { version: env!("CARGO_PKG_VERSION").to_owned() }).set(1);
    own.register("phaseline_build_info", "The version of the program", build);
    Metrics { registry, ..metrics }
});

/// A run ended.
pub fn run_ended(outcome: &str) {
    METRICS.runs_ended.get_or_create(&Outcome { outcome: outcome.to_owned() }).inc();
}

/// An attempt was started.
pub fn attempt_started(kind: &str) {
    METRICS.attempts_started.get_or_create(&Kind { kind: kind.to_owned() }).inc();
}

/// An attempt ended as `result` says: `succeeded`, `lost`, or the fault.
pub fn attempt_ended(kind: &str, result: &str, seconds: Option<f64>) {
    let labels = AttemptEnd { kind: kind.to_owned(), result: result.to_owned() };
    METRICS.attempts_ended.get_or_create(&labels).inc();
    if let Some(seconds) = seconds {
        METRICS.step_seconds.get_or_create(&Kind { kind: kind.to_owned() }).observe(seconds);
    }
}

/// A step was given the result of an earlier attempt.
pub fn step_reused(kind: &str) {
    METRICS.steps_reused.get_or_create(&Kind { kind: kind.to_owned() }).inc();
}

/// A step got room after it had waited for it.
pub fn queue_waited(kind: &str, wait: Duration) {
    METRICS.queue_seconds.get_or_create(&Kind { kind: kind.to_owned() }).observe(wait.as_secs_f64());
}

/// The database refused or did not answer; `class` is one of a few words.
pub fn database_error(class: &'static str) {
    METRICS.database_errors.get_or_create(&Class { class: class.to_owned() }).inc();
}

/// A request was answered. `route` is the template of the path, never the path.
pub fn request_answered(method: &'static str, route: &str, status: u16, took: Duration) {
    let labels = Answer { method: method.to_owned(), route: route.to_owned(), status };
    METRICS.requests.get_or_create(&labels).inc();
    METRICS.request_seconds.get_or_create(&RouteLabel { route: route.to_owned() }).observe(took.as_secs_f64());
}

/// Values that are asked for when somebody looks.
#[derive(Default)]
pub struct Snapshot {
    registry: Registry,
}

impl Snapshot {
    /// A gauge with at most one label; each reading has the label's value and the number.
    pub fn gauge(&mut self, name: &str, help: &str, label: Option<&'static str>, readings: &[(String, f64)]) {
        let gauges: Family<Vec<(&'static str, String)>, Gauge<f64, AtomicU64>> = Family::default();
        for (value, number) in readings {
            let labels = label.map(|label| (label, value.clone())).into_iter().collect();
            gauges.get_or_create(&labels).set(*number);
        }
        self.registry.register(name, help, gauges);
    }

    fn process(&mut self) {
        let usage = usage();
        let gauges = [
            ("process_resident_memory_bytes", "Memory that is in use", usage.resident_bytes),
            ("process_open_fds", "Open files", usage.open_files),
            ("process_max_fds", "Files that may be open at once", usage.most_files),
            ("process_start_time_seconds", "When the process began, since 1970", usage.started_at_seconds),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                self.gauge(name, help, None, &[(String::new(), value)]);
            }
        }
        if let Some(seconds) = usage.cpu_seconds {
            let counter = Counter::<f64, AtomicU64>::default();
            counter.inc_by(seconds);
            self.registry.register("process_cpu_seconds", "Time that the process ran on CPUs", counter);
        }
    }
}

/// Everything as text for Prometheus, format 0.0.4.
pub fn render(mut snapshot: Snapshot) -> String {
    snapshot.process();
    let mut text = String::new();
    for registry in [&METRICS.registry, &snapshot.registry] {
        // Writing to a string does not fail.
        if encode(&mut text, registry).is_err() {
            tracing::error!("the metrics could not be written");
        }
    }
    plain(&text)
}

/// The text of OpenMetrics as older readers want it: counters are named with their `_total` throughout.
fn plain(text: &str) -> String {
    let mut counters: Vec<&str> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("# TYPE ").and_then(|rest| rest.strip_suffix(" counter")) {
            counters.push(name);
        }
    }
    let mut plain = String::with_capacity(text.len());
    for line in text.lines() {
        let comment = ["# HELP ", "# TYPE "].into_iter().find_map(|word| Some((word, line.strip_prefix(word)?)));
        let written = match comment {
            Some((word, rest)) => {
                let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                let suffix = if counters.contains(&name) { "_total" } else { "" };
                writeln!(plain, "{word}{name}{suffix} {rest}")
            }
            None if line.starts_with('#') => Ok(()),
            None => writeln!(plain, "{line}"),
        };
        written.expect("a string takes everything");
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_called_the_same_in_every_line() {
        let text = "# HELP a_b Some.\n# TYPE a_b counter\na_b_total{x=\"1\"} 2\n# UNIT c_seconds seconds\n# EOF\n";
        assert_eq!(plain(text), "# HELP a_b_total Some.\n# TYPE a_b_total counter\na_b_total{x=\"1\"} 2\n");
    }
}
