//! Words that say nothing.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Words that are left out: a list, or one that is known by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "StopWords")]
pub(in crate::ml::transform) enum StopWords {
    /// A list that is known.
    Known(Known),
    /// These words, in lower case if `lowercase` is on.
    These(BTreeSet<String>),
}

/// A list of stop words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "KnownStopWords")]
pub(in crate::ml::transform) enum Known {
    /// 318 English words, the list of the Glasgow Information Retrieval Group that scikit-learn has too.
    English,
}

impl Default for StopWords {
    fn default() -> StopWords {
        StopWords::These(BTreeSet::new())
    }
}

impl StopWords {
    /// The words.
    pub(in crate::ml::transform) fn words(&self) -> BTreeSet<String> {
        match self {
            StopWords::Known(Known::English) => {
                include_str!("english.txt").split_whitespace().map(str::to_owned).collect()
            }
            StopWords::These(words) => words.clone(),
        }
    }
}
