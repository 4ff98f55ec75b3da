//! Current rows against the schema contract of the source.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use serde_json::{Value, json};

use super::rows::Rows;
use crate::step::StepError;
use crate::step::understanding::contract::{Contract, row_rules, type_name, type_of};
use crate::step::understanding::csv::ColumnType;
use crate::step::understanding::validate::RowScreen;

/// How current rows keep a contract.
pub(super) struct Kept {
    /// How many rules are broken, columns of another type included.
    pub(super) violations: usize,
    /// How many rows break at least one rule.
    pub(super) rows: u64,
    /// Each in words.
    pub(super) remarks: Vec<String>,
    /// The part of the report.
    pub(super) document: Value,
}

#[derive(Default)]
struct Breach {
    rows: u64,
    example: Value,
}

/// Holds all rows against what a contract says of single rows.
pub(super) fn hold(rows: &Rows, contract: &Contract) -> Result<Kept, StepError> {
    let mut breaches: BTreeMap<(String, String), Breach> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut broken_rows = 0;
    let mut screen: Option<(SchemaRef, RowScreen)> = None;
    rows.each(&mut |batch| {
        let schema = batch.schema();
        for field in schema.fields() {
            seen.insert(field.name().clone());
            let Some(wanted) = contract.column(field.name()) else { continue };
            if !type_of(field.data_type()).is_some_and(|found| is_close(found, wanted.column_type)) {
                let rule = format!("type {}", wanted.column_type);
                let breach = breaches.entry((field.name().clone(), rule)).or_default();
                breach.rows += batch.num_rows() as u64;
                breach.example = Value::from(type_name(field.data_type()));
            }
        }
        let mut touched = vec![false; batch.num_rows()];
        if screen.as_ref().is_none_or(|(known, _)| *known != schema) {
            screen = Some((Arc::clone(&schema), row_rules(contract, &schema)));
        }
        for broken in screen.iter().flat_map(|(_, rules)| rules.broken(&batch)) {
            touched[broken.row] = true;
            let breach = breaches.entry((broken.column, broken.rule)).or_default();
            if breach.rows == 0 {
                breach.example = broken.value;
            }
            breach.rows += 1;
        }
        broken_rows += touched.iter().filter(|touched| **touched).count() as u64;
        Ok(())
    })?;
    let absent: Vec<&str> =
        contract.columns.iter().map(|it| it.name.as_str()).filter(|name| !seen.contains(*name)).collect();
    let remarks = breaches
        .iter()
        .map(|((column, rule), breach)| {
            format!("{contract}: column `{column}`: {rule}: {} rows, such as {}", breach.rows, breach.example)
        })
        .collect();
    let listed: Vec<Value> = breaches
        .iter()
        .map(|((column, rule), breach)| {
            json!({"column": column, "rule": rule, "rows": breach.rows, "example": breach.example})
        })
        .collect();
    let document = json!({
        "contract": contract.name,
        "version": contract.version,
        "rows": broken_rows,
        "violations": listed,
        "not_there": absent,
    });
    Ok(Kept { violations: breaches.len(), rows: broken_rows, remarks, document })
}

/// Numbers may be logged as wider ones, and moments without their zone.
fn is_close(found: ColumnType, wanted: ColumnType) -> bool {
    use ColumnType::{Bool, Date, Decimal, Float64, Instant, Int64, Timestamp};
    let is_number = |it| matches!(it, Int64 | Float64 | Decimal { .. });
    found == wanted
        || (is_number(found) && is_number(wanted))
        || (found, wanted) == (Int64, Bool)
        || [found, wanted].iter().all(|it| matches!(it, Timestamp | Instant | Date))
}
