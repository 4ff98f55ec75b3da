//! Tokens that are about to end, and secrets that others on the machine could read.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};

use super::report::{Check, Finding};
use super::{Patient, words};
use crate::store::{Standing, Store, StoreError, Token};

/// How long before its end a token is told.
const SOON: TimeDelta = TimeDelta::days(7);
/// The file with the token of this machine's administrator.
const LOCAL: &str = "daemon.token";

pub(super) async fn check(store: &Store, patient: &Patient, now: DateTime<Utc>) -> Result<Check, StoreError> {
    let tokens = store.tokens().await?;
    let mut findings = judge(&tokens, now);
    findings.extend(readable(&patient.state.join(LOCAL)));
    let good = tokens.iter().filter(|token| token.standing(now) == Standing::Good).count();
    Ok(Check::new("tokens", format!("{good} of {} count", words::count(tokens.len() as u64, "token")), findings))
}

fn judge(tokens: &[Token], now: DateTime<Utc>) -> Vec<Finding> {
    let ends = |token: &Token| token.expires_at.as_deref().and_then(|at| words::age(at, now)).map(|age| -age);
    let good = tokens.iter().filter(|token| token.standing(now) == Standing::Good);
    good.filter_map(|token| {
        let left = ends(token).filter(|left| *left < SOON)?;
        let message = format!("it ends in {}", words::length(left));
        let help = format!("make another with `phaseline token create`, then `phaseline token revoke {}`", token.id);
        Some(Finding::warning(format!("{} ({}, {})", token.name, token.rights, token.id), message, help))
    })
    .collect()
}

fn readable(path: &Path) -> Option<Finding> {
    let mode = fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o077 != 0).then(|| {
        let message =
            format!("others on this machine may read it (mode {:03o}), and it allows everything", mode & 0o777);
        let help = format!(
            "`chmod 600 {}`; if somebody may have read it, revoke its token and restart the daemon",
            path.display()
        );
        Finding::problem(path.display(), message, help)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Rights, Role};

    #[test]
    fn a_token_is_told_before_it_ends_and_not_after() {
        let now: DateTime<Utc> = "2026-03-02T00:00:00Z".parse().unwrap();
        let token = |expires_at: Option<&str>| Token {
            id: "tok_1".to_owned(),
            name: "ci".to_owned(),
            rights: Rights::Role(Role::Operator),
            created_at: String::new(),
            created_by: "ada".to_owned(),
            expires_at: expires_at.map(str::to_owned),
            revoked_at: None,
            used_at: None,
        };
        let told = |token: Token| judge(&[token], now).pop().map(|finding| finding.message);
        assert_eq!(told(token(None)), None);
        assert_eq!(told(token(Some("2026-03-10T00:00:00.000000Z"))), None);
        assert_eq!(told(token(Some("2026-03-05T00:00:00.000000Z"))).as_deref(), Some("it ends in 3 days"));
        assert_eq!(told(token(Some("2026-03-01T00:00:00.000000Z"))), None);
        let revoked = Token { revoked_at: Some(String::new()), ..token(Some("2026-03-05T00:00:00.000000Z")) };
        assert_eq!(told(revoked), None);
    }

    #[test]
    fn a_secret_that_others_can_read_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOCAL);
        assert_eq!(readable(&path), None);
        fs::write(&path, "secret").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(readable(&path), None);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(readable(&path).unwrap().message.contains("mode 644"));
    }
}
