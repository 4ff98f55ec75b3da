//! The ways to tell that a run's manifest names.

use crate::id::RunId;
use crate::manifest::{Channel, NotifyRule, Source, WebhookUrl, parse};
use crate::store::{Store, StoreError};

/// The entries of `notify` in the manifest that a run was made from. A text that no longer reads, since another version
/// wrote it, has none.
pub(super) async fn rules(store: &Store, run: RunId) -> Result<Vec<NotifyRule>, StoreError> {
    let (path, text) = store.manifest_of_run(run).await?;
    if !text.contains("notify") {
        return Ok(Vec::new());
    }
    Ok(parse(Source::new(path, text)).map(|manifest| manifest.notify).unwrap_or_default())
}

/// Where it goes, in words that hold no secret: addresses of webhooks let in whoever knows them.
pub(super) fn target(channel: &Channel) -> String {
    match channel {
        Channel::Webhook { url: WebhookUrl::Plain(url), .. } => {
            let host = url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
            format!("webhook at {}", host.unwrap_or_default())
        }
        Channel::Webhook { url: WebhookUrl::Secret(name), .. } => format!("webhook `{name}`"),
        Channel::Email { to } => format!("email to {}", to.join(", ")),
        Channel::Command(words) => format!("command `{}`", words.first().map_or("", String::as_str)),
    }
}
