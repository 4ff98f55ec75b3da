//! Where the database is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The file of the database in a state folder.
const FILE: &str = "phaseline.db";

/// Where the database is: a SQLite file or a Postgres server.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// A SQLite file, created when it does not exist.
    Sqlite(PathBuf),
    /// A `postgres://` URL.
    Postgres(String),
}

/// A text that does not say where a database is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a database URL starts with `postgres://` or `sqlite:`")]
pub struct InvalidStoreUrl;

impl StoreUrl {
    /// The SQLite file in the state folder `state`.
    pub fn in_state_folder(state: &Path) -> StoreUrl {
        StoreUrl::Sqlite(state.join(FILE))
    }
}

impl FromStr for StoreUrl {
    type Err = InvalidStoreUrl;

    fn from_str(text: &str) -> Result<StoreUrl, InvalidStoreUrl> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(StoreUrl::Postgres(text.to_owned()));
        }
        let path = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:")).unwrap_or_default();
        if path.is_empty() { Err(InvalidStoreUrl) } else { Ok(StoreUrl::Sqlite(path.into())) }
    }
}

/// Shown without user, password and options, so that it may be logged.
impl fmt::Display for StoreUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreUrl::Sqlite(path) => write!(formatter, "{}", path.display()),
            StoreUrl::Postgres(url) => {
                let rest = url.split_once("://").map_or("", |(_, rest)| rest);
                let rest = rest.split('?').next().unwrap_or_default();
                let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
                write!(formatter, "postgres://{place}")
            }
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        let url: StoreUrl = "postgres://ada:p@ss@db.example:5432/ml?sslmode=require".parse().unwrap();
        assert_eq!(url.to_string(), "postgres://db.example:5432/ml");
        assert_eq!(format!("{url:?}"), "postgres://db.example:5432/ml");
    }

    #[test]
    fn a_sqlite_url_names_a_file() {
        assert_eq!("sqlite:///tmp/x.db".parse(), Ok(StoreUrl::Sqlite("/tmp/x.db".into())));
        assert_eq!("sqlite:x.db".parse(), Ok(StoreUrl::Sqlite("x.db".into())));
        assert_eq!("mysql://x".parse::<StoreUrl>(), Err(InvalidStoreUrl));
    }
}
