//! How far a step has read, as the output `position` of one run and an input of the next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::mark::Mark;
use crate::artifact::Digest;
use crate::step::understanding::csv::ColumnType;
use crate::step::{StepContext, StepError, former_input};

/// The layout that this version of the program writes and reads.
const FORMAT: u32 = 1;

/// How far a step has read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// The version of this layout.
    pub format: u32,
    /// The cursor column.
    pub cursor: String,
    /// Its type.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// The greatest value read.
    pub value: Mark,
    /// The same as people write it.
    pub shown: String,
    /// From here on, rows that were read are known one by one.
    pub known_from: Mark,
    /// What the position is in: it means nothing in another source.
    pub source: Digest,
    /// Hashes of the rows from `known_from` on, each with how often it was read.
    pub known: BTreeMap<String, u64>,
}

impl Position {
    /// A position that holds nothing yet but where it is.
    pub fn at(cursor: &str, column_type: ColumnType, value: Mark, known_from: Mark, source: Digest) -> Position {
        let shown = value.written(column_type);
        let cursor = cursor.to_owned();
        Position { format: FORMAT, cursor, column_type, value, shown, known_from, source, known: BTreeMap::new() }
    }

    /// The position that the last run reached, if it is one in this source. Says in the log why it is not.
    ///
    /// # Errors
    /// The artifact cannot be read.
    pub fn former(context: &mut StepContext, cursor: &str, source: Digest) -> Result<Option<Position>, StepError> {
        let Some(former) = context.inputs(&former_input("position")).first() else { return Ok(None) };
        let text = std::fs::read(context.path(&former.artifact.clone())?)?;
        let Ok(document) = serde_json::from_slice::<Value>(&text) else {
            return Err(StepError::bug("the position of the last run is no JSON"));
        };
        if document.get("value") == Some(&Value::Null) {
            return Ok(None);
        }
        let Ok(position) = serde_json::from_value::<Position>(document) else {
            context
                .log("warning: the position of the last run was written by another version; everything is read again");
            return Ok(None);
        };
        if position.cursor != cursor || position.source != source || position.format != FORMAT {
            context.log(
                "warning: source, query, cursor or mode have changed since the last run; everything is read again",
            );
            return Ok(None);
        }
        Ok(Some(position))
    }
}
