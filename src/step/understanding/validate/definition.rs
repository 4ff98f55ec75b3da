//! What there is to know of a check without an expectation of it: its name, what it takes, and how it is prepared.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use super::catalogue;
use super::check::State;
use super::expectation::Expectation;
use super::setting::Setting;

/// Makes the check that carries an expectation out on a table, or says why it does not fit.
pub(super) type Prepare = fn(&Setting<'_>, &Expectation) -> Result<State, String>;

/// What a check is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// The table.
    Table,
    /// One `column`.
    Column,
    /// `column`, or several `columns` together.
    ColumnOrColumns,
    /// Exactly two `columns`.
    Pair,
    /// Two or more `columns`.
    Several,
    /// Any number of `columns`.
    Columns,
    /// `columns`, or all.
    AnyColumns,
    /// Whatever the measure is asked about.
    Any,
    /// The rows that a query gives.
    Query,
}

/// One check of the catalogue.
pub(super) struct Definition {
    pub(super) name: &'static str,
    /// The name of Great Expectations; empty for checks that it does not have.
    pub(super) gx: &'static str,
    pub(super) summary: &'static str,
    pub(super) target: Target,
    /// The arguments it cannot do without.
    pub(super) required: &'static [&'static str],
    /// Of these at least one is needed.
    pub(super) one_of: &'static [&'static str],
    /// The arguments it may have besides, apart from those that every check takes.
    pub(super) optional: &'static [&'static str],
    pub(super) prepare: Prepare,
}

impl Definition {
    /// A check that takes no arguments but what it is asked about.
    pub(super) const fn new(
        name: &'static str,
        gx: &'static str,
        summary: &'static str,
        target: Target,
        prepare: Prepare,
    ) -> Definition {
        Definition { name, gx, summary, target, required: &[], one_of: &[], optional: &[], prepare }
    }

    /// The same check, which cannot do without these arguments.
    pub(super) const fn needs(self, required: &'static [&'static str]) -> Definition {
        Definition { required, ..self }
    }

    /// The same check, which needs at least one of these arguments.
    pub(super) const fn needs_one_of(self, one_of: &'static [&'static str]) -> Definition {
        Definition { one_of, ..self }
    }

    /// The same check, which may have these arguments.
    pub(super) const fn takes(self, optional: &'static [&'static str]) -> Definition {
        Definition { optional, ..self }
    }

    /// Whether it looks at rows one by one.
    pub(super) fn is_of_rows(&self) -> bool {
        self.optional.contains(&"mostly")
    }
}

/// The name of a check that there is.
#[derive(Clone, Copy)]
pub struct CheckName(&'static Definition);

impl CheckName {
    /// The check of this name.
    ///
    /// # Errors
    /// There is none; the nearest name is in the message.
    pub fn parse(name: &str) -> Result<CheckName, String> {
        catalogue::all().find(|known| known.name == name).map(CheckName).ok_or_else(|| {
            let nearest = catalogue::all()
                .map(|known| (strsim::damerau_levenshtein(known.name, name), known.name))
                .min()
                .filter(|(distance, _)| *distance <= 3);
            match nearest {
                Some((_, nearest)) => format!("there is no check `{name}`; did you mean `{nearest}`?"),
                None => format!("there is no check `{name}`; docs/checks.md lists them"),
            }
        })
    }

    /// The name as written.
    pub fn as_str(self) -> &'static str {
        self.0.name
    }

    pub(super) fn definition(self) -> &'static Definition {
        self.0
    }
}

impl PartialEq for CheckName {
    fn eq(&self, other: &CheckName) -> bool {
        self.as_str() == other.as_str()
    }
}

impl fmt::Debug for CheckName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for CheckName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for CheckName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CheckName, D::Error> {
        let name = Cow::<str>::deserialize(deserializer)?;
        CheckName::parse(&name).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for CheckName {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("CheckName")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<Value> = catalogue::all()
            .map(|known| json!({"type": "string", "const": known.name, "description": known.summary}))
            .collect();
        json_schema!({"description": "What is checked.", "oneOf": names})
    }
}
