//! Requests from outside that fire a trigger, and how they prove that they may.

use chrono::{DateTime, TimeDelta, Utc};
use ring::hmac;
use serde_json::{Value, json};

use super::ControlError;
use super::ticks::{DueTrigger, fire_due, tick_fields};
use super::triggers::{Firing, declared};
use crate::manifest::{TriggerKind, WebhookProof};
use crate::store::{Rights, Scope, Standing, Store};

/// How far the time of a signed request may be from ours.
const SKEW: TimeDelta = TimeDelta::minutes(5);
/// The longest body, in bytes: it is kept with the tick.
pub const LONGEST_BODY: usize = 256 * 1024;
/// The longest delivery id, in bytes.
const LONGEST_ID: usize = 200;

/// What counts of a request. Headers that were not sent are none.
#[derive(Debug, Clone, Default)]
pub struct WebhookRequest {
    /// `Authorization`, as `Bearer TOKEN`.
    pub authorization: Option<String>,
    /// `X-Phaseline-Signature`, as `sha256=` and the HMAC of `TIMESTAMP.BODY` in hexadecimal digits.
    pub signature: Option<String>,
    /// `X-Phaseline-Timestamp`, in seconds since 1970.
    pub timestamp: Option<String>,
    /// `X-Phaseline-Delivery`: a request that is sent again has the same.
    pub delivery: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// Fires a trigger for a request from outside. The same delivery, sent again, fires nothing and gets the same answer.
///
/// # Errors
/// The request does not prove that it may fire this trigger, which is told as if there were none; or its body is no
/// JSON; or the trigger is paused.
pub async fn fire_webhook(
    store: &Store,
    pipeline: &str,
    trigger: &str,
    request: WebhookRequest,
    now: DateTime<Utc>,
) -> Result<Firing, ControlError> {
    if request.body.len() > LONGEST_BODY {
        let message = format!("the body is longer than {LONGEST_BODY} bytes");
        return Err(ControlError::invalid("body_too_long", message));
    }
    let Ok((version, trigger)) = declared(store, pipeline, trigger).await else { return Err(refused()) };
    let key = match &trigger.kind {
        TriggerKind::Webhook(WebhookProof::Token) => {
            let token = request.authorization.as_deref().and_then(|text| text.strip_prefix("Bearer "));
            let token = token.ok_or_else(refused)?.trim();
            if !is_good_token(store, token, pipeline, &trigger.name.value, now).await? {
                return Err(refused());
            }
            match &request.delivery {
                Some(delivery) => format!("delivery:{}", checked(delivery)?),
                None => format!("delivery:{}", uuid::Uuid::now_v7().simple()),
            }
        }
        TriggerKind::Webhook(WebhookProof::Hmac { secret }) => {
            let secret = secret_of(secret).ok_or_else(|| {
                let message = format!("the secret `{secret}` is not set where the daemon runs");
                ControlError::conflict("secret_missing", message)
                    .help(format!("set {secret}, or {secret}_FILE to a file that holds it, and start the daemon again"))
            })?;
            // The delivery id is not signed, so that it tells nothing about whether this was sent before.
            format!("signature:{}", verified(&request, secret.as_bytes(), now).ok_or_else(refused)?)
        }
        _ => return Err(refused()),
    };
    let body: Value = if request.body.iter().all(u8::is_ascii_whitespace) {
        Value::Null
    } else {
        serde_json::from_slice(&request.body).map_err(|error| {
            ControlError::invalid("bad_json", format!("the body is no JSON: {error}"))
                .help("send an object, or nothing at all")
        })?
    };
    super::triggers::not_paused(store, pipeline, &trigger.name.value).await?;
    let detail = tick_fields(&trigger, now, json!({"body": body}));
    let due = DueTrigger { version, pipeline: pipeline.to_owned(), trigger, key, detail };
    Firing::of(fire_due(store, due, now).await?)
}

/// One answer for everything, so that nobody learns from outside which triggers there are.
fn refused() -> ControlError {
    let message = "there is no such hook, or the request does not prove that it may use it";
    ControlError::not_found("hook_refused", message).help(
        "a token goes into `Authorization: Bearer TOKEN`; a signature into `X-Phaseline-Signature`, with the time, at \
         most 5 minutes off, in `X-Phaseline-Timestamp`",
    )
}

/// Whether `secret` is a token for this trigger that counts now.
async fn is_good_token(
    store: &Store,
    secret: &str,
    pipeline: &str,
    trigger: &str,
    now: DateTime<Utc>,
) -> Result<bool, ControlError> {
    let Some(token) = store.token_of(secret).await? else { return Ok(false) };
    let is_good = token.standing(now) == Standing::Good && token.rights == rights(pipeline, trigger)?;
    if is_good {
        store.token_used(&token.id, now).await?;
    }
    Ok(is_good)
}

/// What the token of a trigger allows.
pub(super) fn rights(pipeline: &str, trigger: &str) -> Result<Rights, ControlError> {
    let pipeline = pipeline.parse().map_err(|_| refused())?;
    Ok(Rights::Scope(Scope::Webhook { pipeline, trigger: trigger.to_owned() }))
}

fn checked(delivery: &str) -> Result<&str, ControlError> {
    if delivery.is_empty() || delivery.len() > LONGEST_ID || delivery.chars().any(char::is_control) {
        let message = format!("a delivery id has 1 to {LONGEST_ID} bytes and no control characters");
        return Err(ControlError::invalid("bad_delivery_id", message));
    }
    Ok(delivery)
}

/// The signature, in lower case, if it fits the body and its time fits ours.
fn verified(request: &WebhookRequest, secret: &[u8], now: DateTime<Utc>) -> Option<String> {
    let timestamp = request.timestamp.as_deref()?;
    let sent = DateTime::from_timestamp(timestamp.parse().ok()?, 0)?;
    if (now - sent).abs() > SKEW {
        return None;
    }
    let signature = request.signature.as_deref()?.strip_prefix("sha256=")?.to_ascii_lowercase();
    let signed = [timestamp.as_bytes(), b".", &request.body].concat();
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), &signed, &bytes(&signature)?).ok()?;
    Some(signature)
}

/// The bytes that hexadecimal digits write.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = digits.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    digits
        .len()
        .is_multiple_of(2)
        .then(|| digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).expect("two digits")).collect())
}

/// The value of a secret, from the environment or from the file that `NAME_FILE` names.
fn secret_of(name: &str) -> Option<String> {
    if let Ok(value) = std::env::var(name) {
        return Some(value).filter(|value| !value.is_empty());
    }
    let text = std::fs::read_to_string(std::env::var_os(format!("{name}_FILE"))?).ok()?;
    Some(text.trim_end_matches(['\r', '\n']).to_owned()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(body: &str, timestamp: &str, secret: &str) -> WebhookRequest {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, format!("{timestamp}.{body}").as_bytes());
        let digits: Vec<String> = tag.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        WebhookRequest {
            signature: Some(format!("sha256={}", digits.concat())),
            timestamp: Some(timestamp.to_owned()),
            body: body.as_bytes().to_vec(),
            ..WebhookRequest::default()
        }
    }

    #[test]
    fn a_signature_is_good_for_its_body_its_secret_and_five_minutes() {
        let now = DateTime::from_timestamp(1_772_438_400, 0).unwrap();
        let good = signed("{}", "1772438400", "s3cret");
        assert!(verified(&good, b"s3cret", now).is_some());
        assert_eq!(verified(&good, b"other", now), None);
        assert_eq!(verified(&WebhookRequest { body: b"{ }".to_vec(), ..good.clone() }, b"s3cret", now), None);
        let later = WebhookRequest { timestamp: Some("1772438401".to_owned()), ..good.clone() };
        assert_eq!(verified(&later, b"s3cret", now), None, "the time is signed");
        assert!(verified(&good, b"s3cret", now + SKEW).is_some());
        for off in [SKEW + TimeDelta::seconds(1), -SKEW - TimeDelta::seconds(1)] {
            assert_eq!(verified(&good, b"s3cret", now + off), None);
        }
        for signature in ["", "sha256=", "sha256=zz", "sha256=abc", "md5=00"] {
            let odd = WebhookRequest { signature: Some(signature.to_owned()), ..good.clone() };
            assert_eq!(verified(&odd, b"s3cret", now), None, "{signature}");
        }
    }
}
