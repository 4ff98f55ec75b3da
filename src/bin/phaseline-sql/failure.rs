//! What the engine says, told to who wrote the query.

use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use phaseline::id::InputName;
use phaseline::step::StepError;

/// Why a query cannot be planned, told to who wrote it.
pub(crate) fn unplanned(error: DataFusionError, tables: &[InputName]) -> StepError {
    let error = failure(error);
    if error.code() != "sql_query" {
        return error;
    }
    let names: Vec<String> = tables.iter().map(|name| format!("`{name}`")).collect();
    error.help(match names.as_slice() {
        [] => "the step has no `inputs`, so that there is no table to read".to_owned(),
        _ => format!("the tables are the step's inputs, {}; names keep their case", names.join(", ")),
    })
}

/// Why a query was not carried out.
#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
pub(crate) fn failure(error: DataFusionError) -> StepError {
    let message = said(error.find_root());
    match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => {
            StepError::environment("out_of_memory", format!("the query needs more memory than it may use: {message}"))
                .help("raise `resources: {memory: …}`, or let `retry: {grow: {memory: 2x}}` raise it")
        }
        DataFusionError::IoError(_) | DataFusionError::ObjectStore(_) | DataFusionError::ParquetError(_) => {
            StepError::environment("sql_io", message)
        }
        DataFusionError::Internal(_) => StepError::bug(message),
        _ => StepError::input("sql_query", message),
    }
}

/// The engine's words, without its own names for things and without what only its authors need.
fn said(error: &DataFusionError) -> String {
    let message = match error {
        DataFusionError::SQL(error, _) => match error.as_ref() {
            ParserError::ParserError(message) | ParserError::TokenizerError(message) => message.clone(),
            ParserError::RecursionLimitExceeded => "the query is nested too deeply".to_owned(),
        },
        DataFusionError::ArrowError(error, _) => error.to_string(),
        DataFusionError::SchemaError(error, _) => error.to_string(),
        DataFusionError::Plan(message)
        | DataFusionError::NotImplemented(message)
        | DataFusionError::Execution(message)
        | DataFusionError::ResourcesExhausted(message) => message.clone(),
        _ => error.strip_backtrace(),
    };
    message.lines().next().unwrap_or_default().replace("datafusion.public.", "")
}
