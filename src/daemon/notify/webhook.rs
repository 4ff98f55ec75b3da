//! A POST of the document, signed when a secret is named.

use std::fmt::Write;
use std::sync::LazyLock;
use std::time::Duration;

use reqwest::redirect::Policy;
use ring::hmac;

use crate::manifest::WebhookUrl;
use crate::store::Delivery;
use crate::worker::secret;

/// The header with the signature: `t=SECONDS,v1=HEX`.
pub const SIGNATURE_HEADER: &str = "Phaseline-Signature";

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// A server that sends us elsewhere could make us talk to machines that only we can reach.
static CLIENT: LazyLock<Option<reqwest::Client>> = LazyLock::new(|| {
    reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .redirect(Policy::none())
        .user_agent(concat!("phaseline/", env!("CARGO_PKG_VERSION")))
        .build()
        .ok()
});

/// The signature of `body` at a time in seconds: HMAC-SHA-256 over `SECONDS.BODY`, in hexadecimal.
pub fn signature(key: &str, seconds: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let tag = hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
    tag.as_ref().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text takes what is written");
        text
    })
}

pub(super) async fn send(delivery: &Delivery, url: &WebhookUrl, signed_with: Option<&str>) -> Result<(), String> {
    let url = match url {
        WebhookUrl::Plain(url) => url.clone(),
        WebhookUrl::Secret(name) => secret(name).map_err(|error| error.to_string())?,
    };
    let client = CLIENT.as_ref().ok_or("the HTTP client cannot be set up")?;
    let mut request = client
        .post(url)
        .header("content-type", "application/json")
        .header("Phaseline-Delivery", &delivery.id)
        .header("Phaseline-Occasion", &delivery.occasion);
    if let Some(name) = signed_with {
        let key = secret(name).map_err(|error| error.to_string())?;
        let seconds = chrono::Utc::now().timestamp();
        let signed = format!("t={seconds},v1={}", signature(&key, seconds, &delivery.body));
        request = request.header(SIGNATURE_HEADER, signed);
    }
    // The address of a webhook is a secret of its own, so it stays out of errors.
    let answer = request.body(delivery.body.clone()).send().await.map_err(|error| {
        let error = error.without_url();
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        format!("{error}{}", cause.unwrap_or_default())
    })?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("the server answered {}", answer.status())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_what_other_programs_compute() {
        // printf '%s' '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 'key'
        let expected = "a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03";
        let signed = signature("key", 1_700_000_000, "{\"a\":1}");
        assert_eq!(signed, expected);
    }
}
