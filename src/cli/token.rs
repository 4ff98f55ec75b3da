//! `phaseline token`.

use chrono::Utc;
use serde_json::json;

use super::database::{ask, time};
use super::{Exit, Settings, UsageError, audit, output};
use crate::control::By;
use crate::store::{NewToken, Rights, Role, Scope, Standing, Token};
use crate::units::duration;

/// What to do with tokens of the HTTP API.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a token and show it, this once.
    Create(Create),
    /// List tokens, without their secrets.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Refuse a token from now on.
    Revoke {
        /// Its id, `tok_…`.
        id: String,
    },
}

#[derive(Debug, clap::Args)]
struct Create {
    /// What it may do: look (viewer), run and decide (operator), or everything (admin).
    #[arg(long, value_name = "ROLE", required_unless_present = "scope", conflicts_with = "scope")]
    role: Option<Role>,
    /// The one thing it may do: `webhook:PIPELINE.TRIGGER` or `predict:ENDPOINT`.
    #[arg(long, value_name = "SCOPE")]
    scope: Option<Scope>,
    /// What to call it, for lists and the audit log.
    #[arg(long, value_name = "NAME", default_value = "unnamed")]
    name: String,
    /// How long it counts, such as `12h` or `30d` [default: until it is revoked].
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The longest name of a token, in characters.
const LONGEST_NAME: usize = 100;

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    match &args.command {
        Command::Create(create) => make(settings, create),
        Command::List { json } => list(settings, *json),
        Command::Revoke { id } => {
            let token = audit::local(settings, "token revoke", Some(id), async |store| store.revoke_token(id).await)?;
            output::line(format!("{} ({}) is refused from now on", token.id, token.name))?;
            Ok(Exit::Succeeded)
        }
    }
}

fn make(settings: &Settings, create: &Create) -> anyhow::Result<Exit> {
    let rights = match (create.role, &create.scope) {
        (_, Some(scope)) => Rights::Scope(scope.clone()),
        (Some(role), None) => Rights::Role(role),
        (None, None) => return Err(UsageError::new("a token needs `--role` or `--scope`").into()),
    };
    if create.name.is_empty() || create.name.len() > LONGEST_NAME || create.name.chars().any(char::is_control) {
        return Err(UsageError::new(format!("a name has 1 to {LONGEST_NAME} printable characters")).into());
    }
    let expires_at = match &create.expires {
        None => None,
        Some(text) => {
            let length = duration(text).and_then(|length| chrono::TimeDelta::from_std(length).ok());
            let end = length.and_then(|length| Utc::now().checked_add_signed(length));
            let refused = || UsageError::new(format!("`{text}` is not a length of time")).help("write `12h` or `30d`");
            Some(end.ok_or_else(refused)?)
        }
    };
    let new = NewToken { name: create.name.clone(), rights, created_by: By::local().who, expires_at };
    let object = format!("{} ({})", new.name, new.rights);
    let (token, secret) =
        audit::local(settings, "token create", Some(&object), async |store| store.create_token(new).await)?;
    if create.json {
        let mut document = serde_json::to_value(&token)?;
        document["token"] = json!(secret.reveal());
        output::json(&document)?;
        return Ok(Exit::Succeeded);
    }
    output::line(secret.reveal())?;
    let until = token.expires_at.as_deref().map_or_else(|| "it is revoked".to_owned(), time);
    note(&format!(
        "{}: {}, until {until}. Keep it now: it is not shown again. `phaseline token revoke {}` ends it.",
        token.name, token.rights, token.id
    ));
    Ok(Exit::Succeeded)
}

/// What is for people goes beside the token, so that `TOKEN=$(phaseline token create ...)` works.
#[expect(clippy::print_stderr, reason = "standard output has the token and nothing else")]
fn note(text: &str) {
    eprintln!("{text}");
}

fn list(settings: &Settings, as_json: bool) -> anyhow::Result<Exit> {
    let tokens = ask(settings, async |store| store.tokens().await)?;
    if as_json {
        output::json(&tokens)?;
    } else if tokens.is_empty() {
        output::line("no tokens; `phaseline token create --role viewer` makes one")?;
    } else {
        output::write(text(&tokens).as_bytes())?;
    }
    Ok(Exit::Succeeded)
}

fn text(tokens: &[Token]) -> String {
    let when = |at: &Option<String>| at.as_deref().map_or_else(|| "-".to_owned(), time);
    let rows: Vec<Vec<String>> = tokens
        .iter()
        .map(|token| {
            let standing = match token.standing(Utc::now()) {
                Standing::Good => "good",
                Standing::Expired => "expired",
                Standing::Revoked => "revoked",
            };
            vec![
                token.id.clone(),
                token.name.clone(),
                token.rights.to_string(),
                standing.to_owned(),
                time(&token.created_at),
                token.created_by.clone(),
                when(&token.expires_at),
                when(&token.used_at),
            ]
        })
        .collect();
    output::table(&["token", "name", "allows", "state", "made (UTC)", "by", "expires", "used"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_listed_without_their_secrets() {
        let token = Token {
            id: "tok_00".to_owned(),
            name: "ci".to_owned(),
            rights: Rights::Role(Role::Operator),
            created_at: "2026-03-02T08:00:00.000000Z".to_owned(),
            created_by: "ada".to_owned(),
            expires_at: Some("2026-03-03T08:00:00.000000Z".to_owned()),
            revoked_at: None,
            used_at: None,
        };
        let narrow =
            Token { rights: Rights::Scope("predict:churn".parse().unwrap()), expires_at: None, ..token.clone() };
        insta::assert_snapshot!(text(&[token, narrow]), @r"
        token   name  allows         state    made (UTC)           by   expires              used
        tok_00  ci    operator       expired  2026-03-02 08:00:00  ada  2026-03-03 08:00:00     -
        tok_00  ci    predict:churn  good     2026-03-02 08:00:00  ada  -                       -
        ");
    }
}
