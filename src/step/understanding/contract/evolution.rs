//! How a table may differ from its contract without breaking it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One change that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// None: a column that the contract does not have, and a value or type that does not fit, break it.
    Strict,
    /// New columns are kept, after those of the contract.
    AddColumns,
    /// New columns are left out.
    IgnoreColumns,
    /// A column may have a type that holds all values of the contract's and more, and keeps it: `float64` for `int64`,
    /// `timestamp` for `date`, `text` for anything.
    Widen,
}

/// The changes that are accepted: `strict` for none, one, or a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "`evolution` is `strict`, `add_columns`, `ignore_columns`, `widen` or a list of these")]
pub enum Evolution {
    /// One word.
    One(Change),
    /// Several.
    Many(Vec<Change>),
}

impl Default for Evolution {
    fn default() -> Evolution {
        Evolution::One(Change::Strict)
    }
}

impl Evolution {
    fn changes(&self) -> &[Change] {
        match self {
            Evolution::One(change) => std::slice::from_ref(change),
            Evolution::Many(changes) => changes,
        }
    }

    fn accepts(&self, change: Change) -> bool {
        self.changes().contains(&change)
    }

    /// Whether nothing may differ.
    pub fn is_strict(&self) -> bool {
        !self.adds() && !self.ignores() && !self.widens()
    }

    /// Whether new columns are kept.
    pub fn adds(&self) -> bool {
        self.accepts(Change::AddColumns)
    }

    /// Whether new columns are left out.
    pub fn ignores(&self) -> bool {
        self.accepts(Change::IgnoreColumns)
    }

    /// Whether wider types are kept.
    pub fn widens(&self) -> bool {
        self.accepts(Change::Widen)
    }

    /// What contradicts itself.
    pub(super) fn problem(&self) -> Option<&'static str> {
        if self.adds() && self.ignores() {
            return Some("`evolution` cannot both add and ignore new columns");
        }
        let is_several = self.changes().len() > 1;
        (is_several && self.accepts(Change::Strict)).then_some("`evolution: strict` stands alone")
    }
}
