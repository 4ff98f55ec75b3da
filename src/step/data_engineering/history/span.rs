//! How far back: a number of rows or a length of time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::duration;

/// A number of rows, or a length of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Span")]
pub enum Span {
    /// Rows of the group.
    Rows(u32),
    /// A length of time such as `7d`, `12h` or `30m`.
    Time(String),
}

/// A span, understood.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Reach {
    /// Rows of the group.
    Rows(usize),
    /// Microseconds.
    Time(f64),
}

impl Span {
    /// What it means, or what is wrong with it.
    pub(super) fn reach(&self) -> Result<Reach, String> {
        match self {
            Span::Rows(0) => Err("0 rows back is the row itself; give 1 or more".to_owned()),
            Span::Rows(rows) => Ok(Reach::Rows(*rows as usize)),
            Span::Time(text) => micros(text).map(Reach::Time),
        }
    }

    /// How it is written in the name of a column.
    pub(super) fn name(&self) -> String {
        match self {
            Span::Rows(rows) => rows.to_string(),
            Span::Time(text) => text.clone(),
        }
    }
}

/// A length of time in microseconds.
pub(super) fn micros(text: &str) -> Result<f64, String> {
    let length = duration(text).ok_or_else(|| format!("`{text}` is no length of time such as `7d`, `12h` or `30m`"))?;
    Ok((length.as_secs_f64() * 1e6).round())
}
