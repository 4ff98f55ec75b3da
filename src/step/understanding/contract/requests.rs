//! A contract at predict time: whether the columns of a model agree with it, and its rules for rows of requests.

use arrow::datatypes::Schema;

use super::document::Contract;
use super::rules;
use super::types::{Fit, Typing, fit, is_wider, type_name, type_of};
use crate::step::understanding::csv::ColumnType;
use crate::step::understanding::validate::RowScreen;

/// The rules of a contract that a row by itself keeps or breaks, for rows with the columns of `schema`.
pub fn row_rules(contract: &Contract, schema: &Schema) -> RowScreen {
    RowScreen::new(schema, &rules::of(contract))
}

/// Where the columns that a model takes do not agree with a contract.
pub fn mismatches(contract: &Contract, schema: &Schema) -> Vec<String> {
    let mut found = Vec::new();
    for field in schema.fields() {
        let Some(wanted) = contract.column(field.name()) else {
            found.push(format!("the model takes column `{}`, which the contract does not have", field.name()));
            continue;
        };
        // Values may have become wider on the way from the source to the model, and not another thing.
        let agrees = type_of(field.data_type()).is_some_and(|taken| {
            let is_moment = |it| matches!(it, ColumnType::Timestamp | ColumnType::Instant);
            fit(wanted.column_type, taken, Typing::Known) != Fit::Other
                || is_wider(taken, wanted.column_type)
                || (is_moment(taken) && is_moment(wanted.column_type))
        });
        if !agrees {
            let (name, taken) = (field.name(), type_name(field.data_type()));
            found.push(format!("the model takes column `{name}` as {taken}; the contract says {}", wanted.column_type));
        }
    }
    found
}
