//! A letter, by the server that the settings name.

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use serde_json::Value;

use crate::store::Delivery;
use crate::worker::secret;

/// How the connection to the server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// TLS after a plain greeting; the usual one on port 587.
    StartTls,
    /// TLS from the beginning; the usual one on port 465.
    Tls,
    /// None, for a server on this machine.
    Plain,
}

/// A server that takes letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smtp {
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub security: SmtpSecurity,
    /// Who letters are from.
    pub from: String,
    /// The name to log in with, and the secret that holds the password.
    pub login: Option<(String, String)>,
}

pub(super) async fn send(delivery: &Delivery, to: &[String], smtp: Option<&Smtp>) -> Result<(), String> {
    let smtp = smtp.ok_or("the settings name no mail server: set `[notify.smtp]` in phaseline.toml")?;
    let message = letter(delivery, to, smtp)?;
    let tls = || TlsParameters::new(smtp.host.clone()).map_err(|error| format!("TLS cannot be set up: {error}"));
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&smtp.host).port(smtp.port);
    transport = match smtp.security {
        SmtpSecurity::StartTls => transport.tls(Tls::Required(tls()?)),
        SmtpSecurity::Tls => transport.tls(Tls::Wrapper(tls()?)),
        SmtpSecurity::Plain => transport,
    };
    if let Some((user, password)) = &smtp.login {
        let password = secret(password).map_err(|error| error.to_string())?;
        transport = transport.credentials(Credentials::new(user.clone(), password));
    }
    transport.build().send(message).await.map(drop).map_err(|error| format!("the mail server: {error}"))
}

fn letter(delivery: &Delivery, to: &[String], smtp: &Smtp) -> Result<Message, String> {
    let mailbox = |address: &str| {
        address.parse::<Mailbox>().map_err(|error| format!("`{address}` is not an email address: {error}"))
    };
    let document: Value = serde_json::from_str(&delivery.body).map_err(|error| error.to_string())?;
    let summary = document["summary"].as_str().unwrap_or("Phaseline").to_owned();
    // The same letter at every try, so that a receiver can tell a second one.
    let mut builder: MessageBuilder = Message::builder()
        .from(mailbox(&smtp.from)?)
        .message_id(Some(format!("<{}@phaseline>", delivery.id)))
        .subject(format!("[{}] {}: {summary}", delivery.pipeline, delivery.occasion))
        .header(ContentType::TEXT_PLAIN);
    for address in to {
        builder = builder.to(mailbox(address)?);
    }
    builder.body(text(&document)).map_err(|error| error.to_string())
}

fn text(document: &Value) -> String {
    let mut lines = vec![document["summary"].as_str().unwrap_or_default().to_owned(), String::new()];
    for failure in document["failures"].as_array().into_iter().flatten() {
        let part = |key: &str| failure[key].as_str().unwrap_or_default().to_owned();
        lines.push(format!("step {}: {} ({})", part("step"), part("message"), part("code")));
        if !part("help").is_empty() {
            lines.push(format!("  help: {}", part("help")));
        }
    }
    for gate in document["gates"].as_array().into_iter().flatten() {
        let part = |key: &str| gate[key].as_str().unwrap_or_default().to_owned();
        lines.push(format!("gate {}: {} ({})", part("gate"), part("verdict"), part("check")));
    }
    if let Some(url) = document["url"].as_str() {
        lines.push(format!("\n{url}"));
    }
    lines.push(format!("\nphaseline show {}", document["run"].as_str().unwrap_or_default()));
    lines.join("\n")
}
