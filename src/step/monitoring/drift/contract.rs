//! Current rows against the schema contract of the source.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::rows::Rows;
use crate::step::StepError;
use crate::step::understanding::contract::{Contract, row_rules, type_of};

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
    rows.each(&mut |batch| {
        let schema = batch.schema();
        for field in schema.fields() {
            seen.insert(field.name().clone());
            let Some(wanted) = contract.column(field.name()) else { continue };
            let found = type_of(field.data_type()).map_or_else(|| field.data_type().to_string(), |it| it.to_string());
            if found != wanted.column_type.to_string() && !is_close(&found, &wanted.column_type.to_string()) {
                let rule = format!("type {}", wanted.column_type);
                let breach = breaches.entry((field.name().clone(), rule)).or_default();
                breach.rows += batch.num_rows() as u64;
                breach.example = Value::from(found);
            }
        }
        let mut touched = vec![false; batch.num_rows()];
        for broken in row_rules(contract, &schema).broken(&batch) {
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
fn is_close(found: &str, wanted: &str) -> bool {
    matches!((found, wanted), ("float64", "int64") | ("int64", "float64" | "bool"))
        || [found, wanted].iter().all(|name| matches!(*name, "timestamp" | "instant" | "date"))
}
