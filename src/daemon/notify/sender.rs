//! Sends notifications that are due, at least once.

use std::time::Duration;

use super::notifier::Notifier;
use super::{channel, command, email, webhook};
use crate::manifest::Channel;
use crate::store::{Delivery, StoreError, Tried};

/// How many are sent at once.
const AT_ONCE: u32 = 8;

/// Room beyond the patience of a try before another sender takes the notification for abandoned.
const MARGIN: Duration = Duration::from_secs(10);

/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// How much of an answer or error is kept.
const LONGEST_ERROR: usize = 300;

/// Tries what is due, a few at once, so that one slow receiver does not hold up the others for long.
pub(super) async fn send_due(notifier: &Notifier) -> Result<usize, StoreError> {
    let due = notifier.store.take_deliveries(notifier.settings.patience + MARGIN, AT_ONCE).await?;
    let count = due.len();
    let mut tries = tokio::task::JoinSet::new();
    for delivery in due {
        let notifier = notifier.clone();
        tries.spawn(async move {
            let tried = attempt(&notifier, &delivery).await?;
            if let Tried::GivenUp(error) = &tried {
                tracing::warn!(
                    pipeline = delivery.pipeline,
                    run.id = delivery.run,
                    error,
                    "a notification is given up"
                );
            }
            notifier.store.tried(&delivery.id, &tried).await
        });
    }
    while let Some(joined) = tries.join_next().await {
        joined.unwrap_or(Ok(()))?;
    }
    Ok(count)
}

async fn attempt(notifier: &Notifier, delivery: &Delivery) -> Result<Tried, StoreError> {
    let settings = &notifier.settings;
    let Ok(run) = delivery.run.parse() else {
        return Ok(Tried::GivenUp(format!("`{}` is no run", delivery.run)));
    };
    let rules = channel::rules(&notifier.store, run).await?;
    let Some(rule) = rules.get(delivery.channel as usize) else {
        return Ok(Tried::GivenUp("the run's manifest no longer reads".to_owned()));
    };
    let sending = async {
        match &rule.channel {
            Channel::Webhook { url, signed_with } => webhook::send(delivery, url, signed_with.as_deref()).await,
            Channel::Email { to } => email::send(delivery, to, settings.smtp.as_ref()).await,
            Channel::Command(words) => command::send(delivery, words).await,
        }
    };
    let sent = tokio::time::timeout(settings.patience, sending)
        .await
        .unwrap_or_else(|_| Err(format!("there was no answer within {} s", settings.patience.as_secs())));
    let error = match sent {
        Ok(()) => return Ok(Tried::Delivered),
        Err(error) => error.chars().take(LONGEST_ERROR).collect::<String>(),
    };
    if delivery.attempts >= settings.most_tries {
        return Ok(Tried::GivenUp(format!("after {} tries: {error}", delivery.attempts)));
    }
    let doubled = settings.first_wait.saturating_mul(2u32.saturating_pow(delivery.attempts.saturating_sub(1).min(20)));
    Ok(Tried::Again(doubled.min(LONGEST_WAIT), error))
}
