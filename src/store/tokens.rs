//! API tokens: what each may do, until when, and the SHA-256 by which it is known again.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde::Serialize;

use super::connection::{Access, Row};
use super::retry::repeated;
use super::{Store, StoreError, time};
use crate::id::{EndpointName, PipelineName, is_name};

/// How every token begins, so that people and scanners know one when they see it.
pub const TOKEN_PREFIX: &str = "phl_";

/// Random bytes in a token.
const SECRET_BYTES: usize = 32;

/// The last use of a token is written down at most this often.
const USED_EVERY: Duration = Duration::from_secs(60);

/// What somebody may do with the API; each may do what those before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Look at everything.
    Viewer,
    /// Start, stop and decide about runs.
    Operator,
    /// Change what the daemon is: tokens, pools, what is kept.
    Admin,
}

impl Role {
    /// All roles, the weakest first.
    pub const ALL: [Role; 3] = [Role::Viewer, Role::Operator, Role::Admin];

    /// The role's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A text that names no role or scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidRights(String);

impl FromStr for Role {
    type Err = InvalidRights;

    fn from_str(text: &str) -> Result<Role, InvalidRights> {
        Role::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| InvalidRights(format!("`{text}` is not a role: write viewer, operator or admin")))
    }
}

/// The one thing that a narrow token may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Fire one trigger.
    Webhook {
        /// Of this pipeline.
        pipeline: PipelineName,
        /// The trigger's name.
        trigger: String,
    },
    /// Ask one endpoint for predictions.
    Predict {
        /// The endpoint.
        endpoint: EndpointName,
    },
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Webhook { pipeline, trigger } => write!(formatter, "webhook:{pipeline}.{trigger}"),
            Scope::Predict { endpoint } => write!(formatter, "predict:{endpoint}"),
        }
    }
}

impl FromStr for Scope {
    type Err = InvalidRights;

    fn from_str(text: &str) -> Result<Scope, InvalidRights> {
        let refused = || {
            InvalidRights(format!("`{text}` is not a scope: write `webhook:PIPELINE.TRIGGER` or `predict:ENDPOINT`"))
        };
        match text.split_once(':').ok_or_else(refused)? {
            ("webhook", rest) => {
                let (pipeline, trigger) = rest.split_once('.').ok_or_else(refused)?;
                let pipeline = pipeline.parse().map_err(|_| refused())?;
                if !is_name(trigger) {
                    return Err(refused());
                }
                Ok(Scope::Webhook { pipeline, trigger: trigger.to_owned() })
            }
            ("predict", endpoint) => Ok(Scope::Predict { endpoint: endpoint.parse().map_err(|_| refused())? }),
            _ => Err(refused()),
        }
    }
}

/// What a token allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rights {
    /// Whatever the role may.
    Role(Role),
    /// One thing only.
    Scope(Scope),
}

/// How the role column tells that there is a scope instead.
const SCOPED: &str = "scoped";

impl Rights {
    /// The role's name, or `scoped`.
    pub fn role(&self) -> &'static str {
        match self {
            Rights::Role(role) => role.as_str(),
            Rights::Scope(_) => SCOPED,
        }
    }

    fn read(role: &str, scope: Option<&str>) -> Result<Rights, InvalidRights> {
        match scope {
            Some(scope) if role == SCOPED => Ok(Rights::Scope(scope.parse()?)),
            Some(_) => Err(InvalidRights(format!("role `{role}` with a scope"))),
            None => Ok(Rights::Role(role.parse()?)),
        }
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rights::Role(role) => role.fmt(formatter),
            Rights::Scope(scope) => scope.fmt(formatter),
        }
    }
}

impl Serialize for Rights {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A token as it is known, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Token {
    /// Its id, `tok_…`, which is no secret.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it allows.
    pub rights: Rights,
    /// When it was made.
    pub created_at: String,
    /// Who made it.
    pub created_by: String,
    /// From when on it is refused.
    pub expires_at: Option<String>,
    /// Since when it is refused.
    pub revoked_at: Option<String>,
    /// When it was used last, to the minute.
    pub used_at: Option<String>,
}

/// Whether a token counts now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Good,
    /// Its time is over.
    Expired,
    /// Somebody revoked it.
    Revoked,
}

impl Token {
    /// Whether it counts at `now`. A time that cannot be read is over.
    pub fn standing(&self, now: DateTime<Utc>) -> Standing {
        if self.revoked_at.is_some() {
            return Standing::Revoked;
        }
        match self.expires_at.as_deref().map(str::parse::<DateTime<Utc>>) {
            None => Standing::Good,
            Some(Ok(expires)) if now < expires => Standing::Good,
            Some(_) => Standing::Expired,
        }
    }
}

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// What to call it.
    pub name: String,
    /// What it allows.
    pub rights: Rights,
    /// Who makes it.
    pub created_by: String,
    /// From when on it is refused.
    pub expires_at: Option<DateTime<Utc>>,
}

/// The text of a token: shown once and stored nowhere.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// 256 bits from the operating system.
    fn generate() -> Secret {
        let mut bytes = [0u8; SECRET_BYTES];
        SystemRandom::new().fill(&mut bytes).expect("the operating system has random numbers");
        Secret(format!("{TOKEN_PREFIX}{}", hex(&bytes)))
    }

    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{TOKEN_PREFIX}…")
    }
}

/// The SHA-256 by which a token is looked up. Whoever measures how long that takes learns about the hash only.
pub fn token_hash(secret: &str) -> String {
    hex(digest(&SHA256, secret.as_bytes()).as_ref())
}

/// Whether `text` has the form of a token.
pub fn is_token(text: &str) -> bool {
    text.strip_prefix(TOKEN_PREFIX)
        .is_some_and(|rest| rest.len() == SECRET_BYTES * 2 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

const SELECT: &str = "select token_id, name, role, scope, created_at, created_by, expires_at, revoked_at, used_at
    from tokens";

impl Store {
    /// Makes a token and gives its secret, which nothing can show again.
    pub async fn create_token(&self, new: NewToken) -> Result<(Token, Secret), StoreError> {
        let mut number = [0u8; 8];
        SystemRandom::new().fill(&mut number).expect("the operating system has random numbers");
        let secret = Secret::generate();
        let token = Token {
            id: format!("tok_{}", hex(&number)),
            name: new.name,
            rights: new.rights,
            created_at: time::text(Utc::now()),
            created_by: new.created_by,
            expires_at: new.expires_at.map(time::text),
            revoked_at: None,
            used_at: None,
        };
        let hash = token_hash(secret.reveal());
        repeated!(self, "make a token", self.insert_token(&token, &hash))?;
        Ok((token, secret))
    }

    async fn insert_token(&self, token: &Token, hash: &str) -> Result<(), sqlx::Error> {
        let mut session = self.database.begin(Access::Write).await?;
        // Tried again after an answer that got lost, it is there already.
        let sql = "insert into tokens (token_id, name, hash, role, scope, created_at, created_by, expires_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (token_id) do nothing";
        let scope = match &token.rights {
            Rights::Role(_) => None,
            Rights::Scope(scope) => Some(scope.to_string()),
        };
        let values = vec![
            token.id.as_str().into(),
            token.name.as_str().into(),
            hash.into(),
            token.rights.role().into(),
            scope.into(),
            token.created_at.as_str().into(),
            token.created_by.as_str().into(),
            token.expires_at.as_deref().into(),
        ];
        session.execute(sql, values).await?;
        session.commit().await
    }

    /// All tokens that can be read, the newest first.
    pub async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        let mut session = self.read("list tokens").await?;
        let sql = format!("{SELECT} order by created_at desc, token_id");
        Ok(session.fetch(sql, vec![]).await?.iter().filter_map(readable).collect())
    }

    /// The token whose text is `secret`, whether it still counts or not. One whose row makes no sense is none.
    pub async fn token_of(&self, secret: &str) -> Result<Option<Token>, StoreError> {
        let mut session = self.read("look a token up").await?;
        let rows = session.fetch(format!("{SELECT} where hash = $1"), vec![token_hash(secret).into()]).await?;
        Ok(rows.first().and_then(readable))
    }

    /// Refuses the token from now on; one that was revoked before stays so.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none of that id.
    pub async fn revoke_token(&self, id: &str) -> Result<Token, StoreError> {
        let at = time::text(Utc::now());
        let rows = repeated!(self, "revoke a token", async {
            let mut session = self.database.begin(Access::Write).await?;
            let sql = "update tokens set revoked_at = $2 where token_id = $1 and revoked_at is null";
            session.execute(sql, vec![id.into(), at.as_str().into()]).await?;
            let rows = session.fetch(format!("{SELECT} where token_id = $1"), vec![id.into()]).await?;
            session.commit().await?;
            Ok(rows)
        })?;
        let found = rows.first().ok_or_else(|| StoreError::NotFound {
            message: format!("there is no token `{id}`"),
            help: Some("`phaseline token list` shows the ids of all tokens".to_owned()),
        })?;
        token(found)
    }

    /// Writes down that a token was used, unless that was done within the last minute.
    pub async fn token_used(&self, id: &str, at: DateTime<Utc>) -> Result<(), StoreError> {
        repeated!(self, "note the use of a token", async {
            let mut session = self.database.begin(Access::Write).await?;
            let sql = "update tokens set used_at = $2 where token_id = $1 and (used_at is null or used_at < $3)";
            session.execute(sql, vec![id.into(), time::text(at).into(), time::text(at - USED_EVERY).into()]).await?;
            session.commit().await
        })
    }
}

/// The token of a row, unless the row makes no sense: then it opens nothing, and nothing else fails because of it.
fn readable(row: &Row) -> Option<Token> {
    let told = |error: &StoreError| {
        let id: String = row.get("token_id").unwrap_or_default();
        tracing::warn!(%error, "the row of token `{id}` makes no sense, and the token counts for nothing");
    };
    token(row).inspect_err(told).ok()
}

fn token(row: &Row) -> Result<Token, StoreError> {
    let (role, scope): (String, Option<String>) = (row.get("role")?, row.get("scope")?);
    let rights = Rights::read(&role, scope.as_deref())
        .map_err(|error| StoreError::Corrupt { what: "role of a token", reason: error.to_string() })?;
    Ok(Token {
        id: row.get("token_id")?,
        name: row.get("name")?,
        rights,
        created_at: row.get("created_at")?,
        created_by: row.get("created_by")?,
        expires_at: row.get("expires_at")?,
        revoked_at: row.get("revoked_at")?,
        used_at: row.get("used_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_256_bits_and_shows_itself_to_nobody_who_prints_it() {
        let (first, second) = (Secret::generate(), Secret::generate());
        assert_ne!(first.reveal(), second.reveal());
        assert!(is_token(first.reveal()) && first.reveal().len() == 4 + 64, "{}", first.reveal());
        assert_eq!(format!("{first:?}"), "phl_…");
        for bad in ["", "phl_", "phl_00", &first.reveal()[4..], &format!("{}0", first.reveal())] {
            assert!(!is_token(bad), "{bad}");
        }
    }

    #[test]
    fn roles_include_those_before_them_and_scopes_read_back_as_written() {
        assert!(Role::Viewer < Role::Operator && Role::Operator < Role::Admin);
        for text in ["webhook:churn.arrived", "predict:churn"] {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
        }
        for bad in ["", "predict", "predict:", "predict:../x", "webhook:churn", "webhook:churn.A", "admin:x"] {
            assert!(bad.parse::<Scope>().is_err(), "{bad}");
        }
        assert!(Rights::read("admin", Some("predict:churn")).is_err());
        assert!(Rights::read("root", None).is_err());
    }
}
