//! `data.sql`: what the main program knows of it. The work is done by `phaseline-sql`, which carries the engine.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::artifact::ArtifactKind;
use crate::phase::Phase;
use crate::step::query::{QUERY_PROGRAM, problem, program_missing, trimmed};
use crate::step::{InputPort, OutputPort, ParamErrors, Ports, StepContext, StepError, StepKind};

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
        trimmed(&self.params.query)
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
    const PROGRAM: Option<&'static str> = Some(QUERY_PROGRAM);
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        match problem(&params.query) {
            None => Ok(DataSql { params }),
            Some(reason) => Err(ParamErrors::one(["query"], reason)),
        }
    }

    fn ports(&self) -> Ports {
        let mut ports = Ports::new([], [OutputPort::new("table", ArtifactKind::Table)]);
        ports.free_inputs = Some(InputPort::one("table", ArtifactKind::Table));
        ports
    }

    /// Reached only where `phaseline-sql` is missing: otherwise it has taken over before the step began.
    fn run(&self, _: &mut StepContext) -> Result<(), StepError> {
        Err(program_missing("`data.sql` steps"))
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
