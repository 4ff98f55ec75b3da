//! Makes notifications of events.

use serde_json::Value;

use super::channel::{self, rules};
use super::document::document;
use super::notifier::Notifier;
use crate::manifest::{NotifyRule, Occasion};
use crate::store::{NewDelivery, PublishedEvent, StoreError};

/// How many events are read at once.
const PAGE: u32 = 200;

/// Makes the notifications of the next events; says how many events there were.
pub(super) async fn follow(notifier: &Notifier) -> Result<usize, StoreError> {
    let store = &notifier.store;
    let cursor = store.notified().await?;
    let events = store.published(cursor, PAGE).await?;
    let Some(last) = events.last() else { return Ok(0) };
    let mut new = Vec::new();
    for event in &events {
        new.extend(deliveries(notifier, event).await?);
    }
    store.notify(last.cursor, &new).await?;
    Ok(events.len())
}

/// The notifications of one event.
async fn deliveries(notifier: &Notifier, event: &PublishedEvent) -> Result<Vec<NewDelivery>, StoreError> {
    let Some(mut occasions) = occasions(&event.what) else { return Ok(Vec::new()) };
    let store = &notifier.store;
    let rules = rules(store, event.run).await?;
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let detail = store.run_detail(event.run).await?;
    if event.what["event"] == "gate_evaluated" {
        let gate = event.what["gate"].as_str().unwrap_or_default();
        let found = detail.gates.iter().find(|found| found.gate == gate);
        if found.is_none_or(|found| found.on_fail != "notify") {
            return Ok(Vec::new());
        }
    }
    if occasions.contains(&Occasion::Succeeded)
        && matches!(store.outcome_before(event.run).await?.as_deref(), Some("failed" | "rejected"))
    {
        occasions.push(Occasion::Recovered);
    }
    let mut new = Vec::new();
    for (channel, rule) in (0..).zip(&rules) {
        // An entry for both `succeeded` and `recovered` is told once, of the rarer one.
        let Some(occasion) = occasions.iter().rev().find(|occasion| rule.on.contains(occasion)) else { continue };
        let body = document(*occasion, event, &detail, notifier.settings.public_url.as_deref());
        new.push(delivery(event, channel, rule, *occasion, body));
    }
    Ok(new)
}

fn delivery(event: &PublishedEvent, channel: u32, rule: &NotifyRule, occasion: Occasion, body: Value) -> NewDelivery {
    NewDelivery {
        run: event.run,
        seq: event.seq,
        channel,
        pipeline: event.pipeline.to_string(),
        occasion: occasion.as_str().to_owned(),
        target: channel::target(&rule.channel),
        body: body.to_string(),
    }
}

/// What an event may be an occasion for; none for most events.
fn occasions(what: &Value) -> Option<Vec<Occasion>> {
    match what["event"].as_str()? {
        "run_finished" => match what["outcome"].as_str()? {
            "failed" => Some(vec![Occasion::Failed]),
            "rejected" => Some(vec![Occasion::Rejected]),
            "succeeded" => Some(vec![Occasion::Succeeded]),
            _ => None,
        },
        "gate_evaluated" if what["verdict"] != "passed" => Some(vec![Occasion::Gate]),
        "approval_requested" => Some(vec![Occasion::Approval]),
        _ => None,
    }
}
