//! What the expressions under `set` may read of a tick.

use super::kind::TriggerKind;

/// The fields of `trigger` in the scope of `set`, for a kind of trigger.
pub fn trigger_fields(kind: &TriggerKind) -> Vec<&'static str> {
    let own: &[&str] = match kind {
        TriggerKind::Cron { .. } | TriggerKind::Every(_) | TriggerKind::When { .. } => &[],
        TriggerKind::After { .. } => &["run", "outcome"],
        TriggerKind::Files { .. } => &["file", "files"],
        TriggerKind::Webhook(_) => &["body"],
    };
    ["name", "time", "date"].iter().chain(own).copied().collect()
}
