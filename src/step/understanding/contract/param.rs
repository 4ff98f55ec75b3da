//! The params with which a step is bound to a contract.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::document::Contract;
use crate::artifact::ArtifactKind;
use crate::step::{OutputPort, Ports};

/// A contract that was found to be without mistakes, from the text of a file or written in place.
#[derive(Debug, Clone, PartialEq)]
pub struct ContractFile(Contract);

impl ContractFile {
    /// The contract.
    pub fn contract(&self) -> &Contract {
        &self.0
    }
}

impl<'de> Deserialize<'de> for ContractFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ContractFile, D::Error> {
        struct TextOrMap;

        impl<'de> Visitor<'de> for TextOrMap {
            type Value = Contract;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a contract, such as `file:contracts/customers.yaml`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Contract, E> {
                Contract::parse(text).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Contract, A::Error> {
                Contract::deserialize(MapAccessDeserializer::new(map))?.checked().map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_any(TextOrMap).map(ContractFile)
    }
}

impl JsonSchema for ContractFile {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("ContractFile")
    }

    // What a contract may say stays out: it would come again with every kind that takes one.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                {"type": "string", "description": "The contract's file: `file:contracts/customers.yaml`."},
                {"type": "object", "description": "The contract itself."},
            ],
        })
    }
}

/// What happens when a table breaks its contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnViolation {
    /// The step fails, with all differences in one message.
    #[default]
    Error,
    /// They are warnings in the log, and the table stays as it came.
    Warn,
    /// Rows that break a rule go to the output `quarantine`; a column that is missing, new or of another type fails the step.
    Quarantine,
}

impl OnViolation {
    /// The output for rows that are put aside, if there is one.
    pub fn port(self) -> Option<OutputPort> {
        (self == OnViolation::Quarantine).then(|| OutputPort::new("quarantine", ArtifactKind::Table))
    }

    /// The outputs of a step that makes a table, and puts aside nothing but rows that break its contract.
    pub fn ports(self) -> Ports {
        let table = OutputPort::new("table", ArtifactKind::Table);
        Ports::new([], std::iter::once(table).chain(self.port()).collect::<Vec<_>>())
    }
}
