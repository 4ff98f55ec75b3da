//! Traces over OTLP: a span for each run, each attempt and each HTTP request, sent where the standard variables
//! (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_SERVICE_NAME`, ...) say. Without an endpoint nothing is sent.

use std::sync::OnceLock;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracerProvider, Tracer};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

/// The variables that say where to send traces.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// The layer that turns spans into traces, if there is somewhere to send them.
pub(super) fn layer<S>() -> Option<impl Layer<S>>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    if ENDPOINTS.iter().all(|name| std::env::var_os(name).is_none_or(|endpoint| endpoint.is_empty())) {
        return None;
    }
    let tracer = tracer()?;
    // Our own spans only: the exporter's HTTP client would otherwise trace itself.
    let ours = Targets::new().with_target("phaseline", LevelFilter::INFO);
    let layer: OpenTelemetryLayer<S, Tracer> = tracing_opentelemetry::layer().with_tracer(tracer);
    Some(layer.with_filter(ours))
}

fn tracer() -> Option<Tracer> {
    let exporter = match SpanExporter::builder().with_http().build() {
        Ok(exporter) => exporter,
        Err(error) => {
            report(&format!("traces are not sent: {error}"));
            return None;
        }
    };
    let mut resource = Resource::builder();
    if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name("phaseline");
    }
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
    let tracer = provider.tracer("phaseline");
    PROVIDER.set(provider).ok()?;
    Some(tracer)
}

#[expect(clippy::print_stderr, reason = "the log is not set up yet")]
fn report(message: &str) {
    eprintln!("warning: {message}");
}

/// Sends the spans that have ended and not gone out.
pub(super) fn finish() {
    if let Some(provider) = PROVIDER.get()
        && let Err(error) = provider.shutdown()
    {
        tracing::debug!(%error, "the last traces were not sent");
    }
}
