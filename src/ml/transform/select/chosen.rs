//! What every choice by numbers leaves: the columns that go, and for all of them the score and the reason.

use serde::{Deserialize, Serialize};

use crate::ml::transform::TransformError;
use crate::ml::transform::fitted::{Fitted, Rows};
use crate::ml::transform::frame::{Frame, Kind};
use crate::ml::transform::needs::need_numbers;
use crate::ml::transform::plan::{Planning, Promise};

/// Whether a column goes on, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The column.
    pub column: String,
    /// The transform that judged it.
    pub transform: String,
    /// Whether it goes on.
    pub kept: bool,
    /// The number that it was judged by; none if it has none.
    pub score: Option<f64>,
    /// Why, in a few words.
    pub reason: String,
}

impl Choice {
    /// A choice of the transform `key`.
    pub(super) fn new(key: &str, column: String, kept: bool, score: Option<f64>, reason: String) -> Choice {
        Choice { column, transform: key.to_owned(), kept, score, reason }
    }
}

/// The columns that were judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Chosen {
    choices: Vec<Choice>,
}

impl Chosen {
    /// These choices, if any column is kept.
    pub(super) fn new(key: &str, choices: Vec<Choice>) -> Result<Chosen, TransformError> {
        if choices.iter().any(|choice| choice.kept) {
            return Ok(Chosen { choices });
        }
        let message = format!("`{key}` would take all {} columns away", choices.len());
        Err(TransformError::input("nothing_kept", message).help("lower its threshold, or select other `columns`"))
    }
}

impl Fitted for Chosen {
    fn apply(&self, frame: &mut Frame, _: Rows<'_>) -> Result<(), TransformError> {
        self.choices.iter().filter(|choice| !choice.kept).for_each(|choice| frame.remove(&choice.column));
        Ok(())
    }

    fn inputs(&self) -> Vec<&str> {
        Vec::new()
    }

    fn outputs(&self) -> Vec<&str> {
        Vec::new()
    }

    fn choices(&self) -> &[Choice] {
        &self.choices
    }
}

/// Refuses columns that are no numbers.
pub(super) fn need(key: &str, planning: &Planning<'_>) -> Result<(), TransformError> {
    planning.columns.iter().try_for_each(|name| need_numbers(key, name, planning.frame.column(name)?))
}

/// Some of the columns, which ones is not known yet.
pub(super) fn promise(planning: &Planning<'_>) -> Result<Promise, TransformError> {
    let mut open: Vec<Kind> = Vec::new();
    for name in planning.columns {
        let kind = planning.frame.column(name)?.kind;
        if !open.contains(&kind) {
            open.push(kind);
        }
    }
    Ok(Promise { open, ..Promise::default() })
}
