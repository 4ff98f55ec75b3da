//! `data.sql`: what the main program knows of it. The work is done by `phaseline-sql`, which carries the engine.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::artifact::ArtifactKind;
use crate::phase::Phase;
use crate::step::{InputPort, OutputPort, ParamErrors, Ports, StepContext, StepError, StepKind};

/// The program that runs steps of this kind, found beside this one.
pub const PROGRAM: &str = "phaseline-sql";

/// Joins, filters and aggregates tables with a SQL query.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// One `SELECT` over the inputs, each of which is a table under its name in `inputs`; nothing else can be read.
    /// Names keep their case. Write `ORDER BY` where the order of rows matters. Long queries are kept beside the
    /// manifest: `query: file:churn.sql`.
    pub query: String,
}

/// A step that queries its inputs.
pub struct DataSql {
    params: Params,
}

impl DataSql {
    /// The query.
    pub fn query(&self) -> &str {
        self.params.query.trim().trim_end_matches(';')
    }
}

impl StepKind for DataSql {
    const NAME: &'static str = "data.sql";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::DataEngineering;
    const SUMMARY: &'static str = "Joins, filters and aggregates its input tables with a SQL query.";
    const EXAMPLE: &'static str = "\
uses: data.sql
inputs: {customers: checked, calls: support_calls}
with:
  query: >
    SELECT c.*, count(s.id) AS calls
    FROM customers c LEFT JOIN calls s ON s.customer = c.id
    GROUP BY ALL ORDER BY c.id
";
    const PROGRAM: Option<&'static str> = Some(PROGRAM);
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        let step = DataSql { params };
        match first_word(step.query()).to_ascii_lowercase().as_str() {
            "" => Err(ParamErrors::one(["query"], "the query is empty")),
            "select" | "with" | "values" | "(" => Ok(step),
            word => Err(ParamErrors::one(
                ["query"],
                format!(
                    "a query begins with `SELECT` or `WITH` and not with `{word}`: steps read their inputs and change nothing"
                ),
            )),
        }
    }

    fn ports(&self) -> Ports {
        let mut ports = Ports::new([], [OutputPort::new("table", ArtifactKind::Table)]);
        ports.free_inputs = Some(InputPort::one("table", ArtifactKind::Table));
        ports
    }

    /// Reached only where `phaseline-sql` is missing: otherwise it has taken over before the step began.
    fn run(&self, _: &mut StepContext) -> Result<(), StepError> {
        Err(StepError::input(
            "program_missing",
            format!("`data.sql` steps need the program `{PROGRAM}` beside this one"),
        )
        .help("build it with `cargo build --release --features sql`; releases and the Docker image carry it"))
    }
}

/// The first word of a query, behind comments.
fn first_word(query: &str) -> &str {
    let mut rest = query.trim_start();
    loop {
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, after)| after).trim_start();
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, after)| after).trim_start();
        } else if rest.starts_with('(') {
            return "(";
        } else {
            let end = rest.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(rest.len());
            return &rest[..end];
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::step::testing::Workbench;

    fn check(query: &str) -> String {
        Workbench::new().run("data.sql", json!({"query": query}), &[]).err().unwrap().to_string()
    }

    #[test]
    fn only_queries_are_taken() {
        insta::assert_snapshot!(check("-- a\n/* b */ DROP TABLE t"), @"query: a query begins with `SELECT` or `WITH` and not with `drop`: steps read their inputs and change nothing");
        insta::assert_snapshot!(check(" ; "), @"query: the query is empty");
    }

    #[test]
    fn without_the_program_the_error_says_how_to_get_it() {
        insta::assert_snapshot!(check("SELECT 1"), @"`data.sql` steps need the program `phaseline-sql` beside this one");
    }
}
