//! The kind of step: its params, and which database answers.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{mysql, postgres, sqlite};
use crate::artifact::ArtifactKind;
use crate::phase::Phase;
use crate::step::{Dependency, OutputPort, ParamErrors, Ports, StepContext, StepError, StepKind};

/// Reads the rows of a SQL query.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The environment variable that holds the connection URL: `postgres://…`, `mysql://…`, `mariadb://…` or
    /// `sqlite:…`. The place for URLs with passwords.
    #[serde(default)]
    pub url_env: Option<String>,
    /// The connection URL itself, for databases without a password. A relative SQLite path starts from the manifest's
    /// folder.
    #[serde(default)]
    pub url: Option<String>,
    /// One query. It runs in a read-only transaction; add `ORDER BY` if rows shall come in the same order every time.
    pub query: String,
}

/// A step that queries a database.
pub struct IngestSql {
    params: Params,
}

impl StepKind for IngestSql {
    const NAME: &'static str = "ingest.sql";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::Understanding;
    const SUMMARY: &'static str = "Reads the rows of a query on Postgres, MySQL, MariaDB or SQLite into a table.";
    const EXAMPLE: &'static str = "\
uses: ingest.sql
with:
  url_env: CRM_DATABASE_URL
  query: SELECT id, plan, churned FROM customers ORDER BY id
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        if params.query.trim().is_empty() {
            return Err(ParamErrors::one(["query"], "the query is empty"));
        }
        match (&params.url, &params.url_env) {
            (Some(url), None) => {
                scheme(url).ok_or_else(|| ParamErrors::one(["url"], UNKNOWN_SCHEME))?;
            }
            (None, Some(_)) => {}
            (Some(_), Some(_)) => return Err(ParamErrors::one(["url"], "give either `url` or `url_env`, not both")),
            (None, None) => return Err(ParamErrors::one(["url_env"], "give the database with `url_env` or `url`")),
        }
        Ok(IngestSql { params })
    }

    fn ports(&self) -> Ports {
        Ports::new([], [OutputPort::new("table", ArtifactKind::Table)])
    }

    fn dependencies(&self) -> Vec<Dependency> {
        vec![Dependency::Unknown("a database may give other rows next time".to_owned())]
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let url = match (&self.params.url, &self.params.url_env) {
            (Some(url), _) => url.clone(),
            (None, Some(variable)) => std::env::var(variable).map_err(|_| {
                StepError::input("secret_missing", format!("the environment variable `{variable}` is not set"))
                    .help("set it to the connection URL for the process that runs Phaseline")
            })?,
            (None, None) => return Err(StepError::bug("a checked step has neither `url` nor `url_env`")),
        };
        context.conceal(&url);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let query = self.params.query.trim().trim_end_matches(';');
        runtime.block_on(async {
            match scheme(&url) {
                Some(Scheme::Postgres) => postgres::read(&url, query, context).await,
                Some(Scheme::MySql) => mysql::read(&url, query, context).await,
                Some(Scheme::Sqlite) => sqlite::read(&url, query, context).await,
                None => Err(StepError::input("sql_url", UNKNOWN_SCHEME)),
            }
        })
    }
}

const UNKNOWN_SCHEME: &str =
    "the connection URL begins with none of `postgres://`, `mysql://`, `mariadb://`, `sqlite:`";

enum Scheme {
    Postgres,
    MySql,
    Sqlite,
}

fn scheme(url: &str) -> Option<Scheme> {
    match url.split_once(':')?.0.to_ascii_lowercase().as_str() {
        "postgres" | "postgresql" => Some(Scheme::Postgres),
        "mysql" | "mariadb" => Some(Scheme::MySql),
        "sqlite" => Some(Scheme::Sqlite),
        _ => None,
    }
}
