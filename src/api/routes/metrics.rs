//! What Prometheus reads.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::openapi::Errors;
use crate::api::{ApiState, Need, Route};
use crate::store::Role;
use crate::store::queries::Counts;
use crate::telemetry::metrics::{Snapshot, render};

pub(super) const ROUTES: &[Route] = &[Route::get("/metrics", Need::Role(Role::Viewer))];

/// The text format that every Prometheus reads.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(read))
}

/// Counters, gauges and histograms.
///
/// Counters begin at zero when the process does. When the database does not answer, what only it knows is left out and
/// `phaseline_database_up` is 0.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, body = String, content_type = "text/plain"), Errors))]
async fn read(State(state): State<ApiState>) -> impl IntoResponse {
    let mut snapshot = Snapshot::default();
    let counts = state.store.counts().await;
    let is_up = if counts.is_ok() { 1.0 } else { 0.0 };
    snapshot.gauge("phaseline_database_up", "Whether the database answers", None, &[(String::new(), is_up)]);
    match counts {
        Ok(counts) => fill(&mut snapshot, &counts),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "metrics lack what the database knows");
        }
    }
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], render(snapshot))
}

fn fill(snapshot: &mut Snapshot, counts: &Counts) {
    snapshot.gauge("phaseline_runs", "Runs that have not ended, by state", Some("state"), &counts.runs);
    snapshot.gauge("phaseline_slots_used", "Slots that attempts hold, by pool", Some("pool"), &counts.slots_used);
    snapshot.gauge("phaseline_slots_limit", "Slots that pools have", Some("pool"), &counts.slots_limit);
    snapshot.gauge("phaseline_steps_waiting", "Steps that wait for room, by pool", Some("pool"), &counts.waiting);
    for (name, help, number) in [
        ("phaseline_leases", "Runs that some process drives", counts.leases),
        ("phaseline_daemons", "Daemons that gave a sign within a minute", counts.daemons),
        ("phaseline_requests_open", "What people asked of runs and nobody carried out yet", counts.requests),
        ("phaseline_deliveries_open", "Notifications that are still to be delivered", counts.deliveries),
    ] {
        snapshot.gauge(name, help, None, &[(String::new(), number)]);
    }
}
