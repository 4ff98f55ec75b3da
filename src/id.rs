//! Validated names and ids: parsed once at the edge, trusted inside.
//!
//! A name is `[a-z][a-z0-9_]*` with at most 63 characters; the same string appears in YAML, SQL, logs and on screen.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The longest name, in characters.
pub const MAX_NAME_LENGTH: usize = 63;

/// A text that is not a valid name or id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// The name breaks the rule for names.
    #[error(
        "`{text}` is not a valid {what}: use a lower-case letter, then lower-case letters, digits or `_`, at most 63"
    )]
    Name {
        /// What was being named, such as `step name`.
        what: &'static str,
        /// The refused text.
        text: String,
    },
    /// The text is not an id of the expected form.
    #[error("`{text}` is not a {what}")]
    Form {
        /// What was expected, such as `run id`.
        what: &'static str,
        /// The refused text.
        text: String,
    },
}

/// Whether `text` is `[a-z][a-z0-9_]*` with at most [`MAX_NAME_LENGTH`] characters.
pub fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= MAX_NAME_LENGTH
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if is_name(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidId::Name { what: $what, text: text.to_owned() })
                }
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(&self.0)
            }
        }
    };
}

name!(
    /// The name of a pipeline, from the manifest's `pipeline` key.
    PipelineName,
    "pipeline name"
);
name!(
    /// The name of one output of a step.
    OutputName,
    "output name"
);
name!(
    /// The name of one input of a step.
    InputName,
    "input name"
);
name!(
    /// The name of a quality gate.
    GateName,
    "gate name"
);
name!(
    /// The name of a manifest parameter.
    ParamName,
    "param name"
);
name!(
    /// The name of a risk in the risk register.
    RiskName,
    "risk name"
);
name!(
    /// The name under which a deployed model answers.
    EndpointName,
    "endpoint name"
);

/// The name of a step in a plan: `train`, or `train[model=mlp,seed=3]` for one instance of a matrix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StepName {
    text: String,
    base_length: usize,
}

impl StepName {
    /// The name as a user writes and reads it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name of the declared step: `train` for `train[seed=3]`.
    pub fn base(&self) -> &str {
        &self.text[..self.base_length]
    }

    /// Whether this is one instance of a `matrix` or `foreach`.
    pub fn is_instance(&self) -> bool {
        self.base_length < self.text.len()
    }

    /// The instance of this step for the given keys, in the order given.
    ///
    /// Characters in values that would break the form (`[`, `]`, `,`, `=`, control characters, `/`) become `_`.
    #[must_use]
    pub fn instance<'key>(&self, keys: impl IntoIterator<Item = (&'key str, String)>) -> StepName {
        let keys: Vec<String> = keys
            .into_iter()
            .map(|(key, value)| {
                let value: String = value
                    .chars()
                    .map(|char| if "[],=/".contains(char) || char.is_control() { '_' } else { char })
                    .collect();
                format!("{key}={value}")
            })
            .collect();
        StepName { text: format!("{}[{}]", self.base(), keys.join(",")), base_length: self.base_length }
    }
}

impl FromStr for StepName {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let refused = || InvalidId::Name { what: "step name", text: text.to_owned() };
        let (base, keys) = match text.split_once('[') {
            None => (text, None),
            Some((base, rest)) => (base, Some(rest.strip_suffix(']').ok_or_else(refused)?)),
        };
        let keys_are_valid = keys.is_none_or(|keys| {
            keys.split(',').all(|pair| {
                pair.split_once('=').is_some_and(|(key, value)| {
                    is_name(key) && !value.chars().any(|char| "[]=/".contains(char) || char.is_control())
                })
            })
        });
        if is_name(base) && keys_are_valid {
            Ok(StepName { text: text.to_owned(), base_length: base.len() })
        } else {
            Err(refused())
        }
    }
}

impl TryFrom<String> for StepName {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<StepName> for String {
    fn from(name: StepName) -> String {
        name.text
    }
}

impl fmt::Display for StepName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.text)
    }
}

macro_rules! prefixed_uuid {
    ($(#[$doc:meta])* $type:ident, $prefix:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Uuid);

        impl $type {
            /// A new id, ordered by time.
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id from given bytes, for tests and simulations.
            pub fn from_u128(value: u128) -> Self {
                Self(Uuid::from_u128(value))
            }
        }

        impl FromStr for $type {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix($prefix)
                    .and_then(|hex| Uuid::try_parse(hex).ok())
                    .map(Self)
                    .ok_or_else(|| InvalidId::Form { what: $what, text: text.to_owned() })
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(id: $type) -> String {
                id.to_string()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!($prefix, "{}"), self.0.simple())
            }
        }
    };
}

prefixed_uuid!(
    /// The id of a run, shown as `run_…`.
    RunId,
    "run_",
    "run id"
);
prefixed_uuid!(
    /// The id of an attempt, shown as `att_…`; never reused.
    AttemptId,
    "att_",
    "attempt id"
);
prefixed_uuid!(
    /// The id of something asked of a run, shown as `req_…`.
    RequestId,
    "req_",
    "request id"
);
prefixed_uuid!(
    /// The id of a backfill, shown as `bf_…`.
    BackfillId,
    "bf_",
    "backfill id"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_lower_case_and_short() {
        for good in ["a", "train_2", &"x".repeat(63)] {
            assert!(good.parse::<PipelineName>().is_ok(), "{good}");
        }
        for bad in ["", "2nd", "Train", "a-b", "a b", "é", &"x".repeat(64)] {
            assert!(bad.parse::<PipelineName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_instance_name_reads_back_as_written() {
        let declared: StepName = "train".parse().unwrap();
        let instance = declared.instance([("model", "mlp".to_owned()), ("rate", "a/b".to_owned())]);
        assert_eq!(instance.as_str(), "train[model=mlp,rate=a_b]");
        assert_eq!(instance.as_str().parse::<StepName>().unwrap(), instance);
        assert_eq!(instance.base(), "train");
        assert!("train[model]".parse::<StepName>().is_err());
    }

    #[test]
    fn a_run_id_reads_back_as_shown() {
        let id = RunId::generate();
        assert_eq!(id.to_string().parse::<RunId>().unwrap(), id);
        assert!("run_xyz".parse::<RunId>().is_err());
    }
}
