//! The kind of step: its params, and which database answers.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::rows::Landing;
use super::since::since;
use super::target::Targets;
use super::{mysql, postgres, sqlite};
use crate::artifact::{ArtifactKind, DigestWriter};
use crate::phase::Phase;
use crate::step::understanding::contract::{Bound, ContractFile, OnViolation, Typing};
use crate::step::understanding::csv::ColumnType;
use crate::step::understanding::cursor::{Increment, Mode};
use crate::step::understanding::source::redacted;
use crate::step::{Dependency, OutputPort, ParamErrors, Ports, StepContext, StepError, StepKind};
use crate::units;

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
    /// Types of columns by name, in place of the database's: `int64`, `float64`, `text`, `bool`, `date`, `timestamp`,
    /// `instant`, or `decimal(20,2)` for up to 38 digits of which none is lost. Without a type, decimals become doubles,
    /// which keep 15 digits; arrays and JSON are JSON text, times are text; Postgres' bytes are text such as `\x0a`, and of MySQL's,
    /// which must be UTF-8, `HEX(…)` in the query makes one; a day of zeros, as MySQL knows it, is missing.
    #[serde(default)]
    pub types: IndexMap<String, ColumnType>,
    /// A column that only grows, such as `updated_at`: the step reads what came since the last run of the pipeline that
    /// succeeded, and the output `position` says how far it got. Whole numbers, days, moments and texts will do; a row without a
    /// value is an error. Rows that share the greatest value are neither lost nor read twice. `--refresh` with the step's name
    /// reads everything again.
    #[serde(default)]
    pub cursor: Option<String>,
    /// What the table holds then: all rows that were ever read, or only the new ones.
    #[serde(default)]
    pub mode: Mode,
    /// How far before the position rows may still come late, such as `2h`, or `1000` for whole numbers. Rows that were read
    /// are left out.
    #[serde(default)]
    pub lookback: Option<String>,
    /// The schema contract that the table must keep: `file:contracts/customers.yaml`.
    #[serde(default)]
    pub contract: Option<ContractFile>,
    /// What happens when it breaks the contract.
    #[serde(default)]
    pub on_violation: OnViolation,
}

/// A step that queries a database.
pub struct IngestSql {
    params: Params,
    targets: Targets,
}

impl StepKind for IngestSql {
    const NAME: &'static str = "ingest.sql";
    const VERSION: u32 = 3;
    const PHASE: Phase = Phase::Understanding;
    const SUMMARY: &'static str = "Reads the rows of a query on Postgres, MySQL, MariaDB or SQLite into a table.";
    const EXAMPLE: &'static str = "\
uses: ingest.sql
with:
  url_env: CRM_DATABASE_URL
  query: SELECT id, plan, balance, churned FROM customers ORDER BY id
  types: {balance: \"decimal(20,2)\"}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        if params.query.trim().is_empty() {
            return Err(ParamErrors::one(["query"], "the query is empty"));
        }
        check_cursor(&params)?;
        match (&params.url, &params.url_env) {
            (Some(url), None) => {
                scheme(url).ok_or_else(|| ParamErrors::one(["url"], UNKNOWN_SCHEME))?;
            }
            (None, Some(_)) => {}
            (Some(_), Some(_)) => return Err(ParamErrors::one(["url"], "give either `url` or `url_env`, not both")),
            (None, None) => return Err(ParamErrors::one(["url_env"], "give the database with `url_env` or `url`")),
        }
        let decimals = params.contract.iter().flat_map(|file| file.contract().decimals());
        // A cursor is compared by the type that the database gives it: as texts, 10 is before 9.
        let exact = decimals.filter(|name| params.cursor.as_deref() != Some(*name)).map(str::to_owned);
        let targets = Targets::new(params.types.clone(), exact.collect());
        Ok(IngestSql { params, targets })
    }

    fn ports(&self) -> Ports {
        let mut ports = self.params.on_violation.ports();
        if self.params.cursor.is_none() {
            return ports;
        }
        ports.outputs.push(OutputPort::new("position", ArtifactKind::Report).from_inputs(&["former_position"]));
        match self.params.mode {
            Mode::Append => ports.continuing(&["table", "position"]),
            Mode::Delta => ports.continuing(&["position"]),
        }
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
        let scheme = scheme(&url).ok_or_else(|| StepError::input("sql_url", UNKNOWN_SCHEME))?;
        let bound = Bound::of(self.params.contract.as_ref(), self.params.on_violation, Typing::Queried);
        let increment = self.increment(context, &url)?;
        let from = increment.as_ref().and_then(Increment::from);
        let query = from.map_or_else(
            || query.to_owned(),
            |(cursor, column_type, from)| {
                // A server compares values in its own type of the column, which the manifest may overrule.
                let is_overruled = scheme != Scheme::Sqlite && self.params.types.contains_key(cursor);
                if is_overruled { query.to_owned() } else { since(query, scheme, cursor, column_type, &from) }
            },
        );
        let landing = Landing { bound, increment };
        runtime.block_on(async {
            match scheme {
                Scheme::Postgres => postgres::read(&url, &query, &self.targets, context, landing).await,
                Scheme::MySql => mysql::read(&url, &query, &self.targets, context, landing).await,
                Scheme::Sqlite => sqlite::read(&url, &query, &self.targets, context, landing).await,
            }
        })
    }
}

impl IngestSql {
    /// Where the last run ended, if the step reads by a cursor.
    fn increment(&self, context: &mut StepContext, url: &str) -> Result<Option<Increment>, StepError> {
        let Some(cursor) = &self.params.cursor else { return Ok(None) };
        // A password may change, and the rows stay the same.
        let source = DigestWriter::new("phaseline cursor of ingest.sql 1")
            .bytes(redacted(url))
            .bytes(self.params.query.trim())
            .bytes(format!("{:?} {:?} {:?}", self.params.mode, self.params.types, self.targets.exact()))
            .finish();
        Increment::begin(context, cursor, self.params.mode, self.params.lookback.as_deref(), source).map(Some)
    }
}

fn check_cursor(params: &Params) -> Result<(), ParamErrors> {
    match (&params.cursor, &params.lookback) {
        (Some(cursor), _) if cursor.trim().is_empty() => Err(ParamErrors::one(["cursor"], "the cursor has no name")),
        (None, Some(_)) => Err(ParamErrors::one(["lookback"], "`lookback` needs a `cursor`")),
        (None, None) if params.mode == Mode::Delta => {
            Err(ParamErrors::one(["mode"], "`mode: delta` needs a `cursor`, which tells what is new"))
        }
        (_, Some(text)) if units::duration(text).is_none() && text.trim().parse::<u32>().is_err() => {
            let message = format!("`{text}` is neither a length of time such as `2h` nor a whole number");
            Err(ParamErrors::one(["lookback"], message))
        }
        _ => Ok(()),
    }
}

const UNKNOWN_SCHEME: &str =
    "the connection URL begins with none of `postgres://`, `mysql://`, `mariadb://`, `sqlite:`";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
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
