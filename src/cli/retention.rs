//! The table `[retention]` of `phaseline.toml`: how long a daemon keeps what.

use std::time::Duration;

use serde::Deserialize;

use super::UsageError;
use crate::daemon::RetentionSettings;
use crate::units;

/// What the file may say; everything else has a default.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RetentionFile {
    /// `false`: nothing is deleted.
    enabled: Option<bool>,
    logs: Option<String>,
    events: Option<String>,
    audit: Option<String>,
    ticks: Option<String>,
    outbox: Option<String>,
    artifacts: Option<String>,
    artifacts_max_size: Option<String>,
    keep_last: Option<u32>,
}

impl RetentionFile {
    pub(super) fn resolve(self) -> anyhow::Result<RetentionSettings> {
        let mut settings = RetentionSettings::default();
        settings.is_enabled = self.enabled.unwrap_or(settings.is_enabled);
        settings.policy.keep_last = self.keep_last.unwrap_or(settings.policy.keep_last);
        let ages = [
            ("logs", self.logs, &mut settings.logs),
            ("events", self.events, &mut settings.ages.events),
            ("audit", self.audit, &mut settings.ages.audit),
            ("ticks", self.ticks, &mut settings.ages.ticks),
            ("outbox", self.outbox, &mut settings.ages.outbox),
        ];
        for (name, text, age) in ages {
            if let Some(text) = text {
                *age = time(name, &text)?;
            }
        }
        settings.policy.older_than = self.artifacts.map(|text| time("artifacts", &text)).transpose()?;
        settings.policy.max_bytes = match self.artifacts_max_size {
            None => None,
            Some(text) => Some(units::bytes(&text).ok_or_else(|| {
                UsageError::new(format!("`retention.artifacts_max_size` must be a size such as `50GiB`, not `{text}`"))
            })?),
        };
        Ok(settings)
    }
}

fn time(name: &str, text: &str) -> anyhow::Result<Duration> {
    let wrong = || UsageError::new(format!("`retention.{name}` must be a time such as `30d`, not `{text}`"));
    Ok(units::duration(text).ok_or_else(wrong)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_file_does_not_say_has_its_default() {
        let file: RetentionFile = toml::from_str("logs = '7d'\nartifacts_max_size = '50GiB'").unwrap();
        let settings = file.resolve().unwrap();
        assert_eq!(settings.logs, Duration::from_hours(7 * 24));
        assert_eq!(settings.ages, RetentionSettings::default().ages);
        assert_eq!((settings.policy.older_than, settings.policy.max_bytes), (None, Some(50 << 30)));
        let wrong: RetentionFile = toml::from_str("events = 'soon'").unwrap();
        assert!(wrong.resolve().unwrap_err().to_string().contains("`retention.events`"));
    }
}
