//! The table `[notify]` of `phaseline.toml`: how notifications are sent.

use serde::Deserialize;

use super::UsageError;
use crate::daemon::notify::{NotifySettings, Smtp, SmtpSecurity};

/// What the file may say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NotifyFile {
    public_url: Option<String>,
    most_tries: Option<u32>,
    smtp: Option<SmtpFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SmtpFile {
    host: String,
    port: Option<u16>,
    #[serde(default)]
    security: Security,
    from: String,
    user: Option<String>,
    password_secret: Option<String>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Security {
    #[default]
    StartTls,
    Tls,
    None,
}

impl NotifyFile {
    pub(super) fn resolve(self) -> anyhow::Result<NotifySettings> {
        let usual = NotifySettings::default();
        let smtp = self.smtp.map(SmtpFile::resolve).transpose()?;
        let most_tries = self.most_tries.unwrap_or(usual.most_tries).max(1);
        Ok(NotifySettings { smtp, public_url: self.public_url, most_tries, ..usual })
    }
}

impl SmtpFile {
    fn resolve(self) -> anyhow::Result<Smtp> {
        let (security, port) = match self.security {
            Security::StartTls => (SmtpSecurity::StartTls, 587),
            Security::Tls => (SmtpSecurity::Tls, 465),
            Security::None => (SmtpSecurity::Plain, 25),
        };
        let login = match (self.user, self.password_secret) {
            (Some(user), Some(secret)) => Some((user, secret)),
            (None, None) => None,
            _ => {
                let message = "`notify.smtp` has one of `user` and `password_secret` without the other";
                return Err(UsageError::new(message)
                    .help("`password_secret` is the name of the secret that holds the password")
                    .into());
            }
        };
        Ok(Smtp { host: self.host, port: self.port.unwrap_or(port), security, from: self.from, login })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_server_is_protected_unless_it_is_said_otherwise() {
        let text =
            "smtp = {host = 'mail', from = 'phaseline@example.org', user = 'u', password_secret = 'SMTP_PASSWORD'}";
        let file: NotifyFile = toml::from_str(text).unwrap();
        let smtp = file.resolve().unwrap().smtp.unwrap();
        assert_eq!((smtp.port, smtp.security), (587, SmtpSecurity::StartTls));
        let file: NotifyFile = toml::from_str("smtp = {host = 'mail', from = 'x@y', user = 'u'}").unwrap();
        assert!(file.resolve().unwrap_err().to_string().contains("password_secret"));
    }
}
