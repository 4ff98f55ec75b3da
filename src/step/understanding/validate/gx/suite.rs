//! A saved expectation suite.

use std::fmt;

use serde_json::{Map, Value};

use super::super::expectation::Expectation;
use super::translate::translate;

/// A suite in our words.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    /// The suite's name.
    pub name: String,
    /// The expectations as they stand under `expect`.
    pub expectations: Vec<Map<String, Value>>,
    /// Those that cannot be said in our words.
    pub unsupported: Vec<Unsupported>,
}

/// An expectation that cannot be said in our words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// Its place in the suite, counted from 1.
    pub place: usize,
    /// Its name.
    pub gx_type: String,
    /// Why not.
    pub reason: String,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "expectation {} of the suite, `{}`: {}", self.place, self.gx_type, self.reason)
    }
}

/// Why a text is no suite.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// It is not even JSON.
    #[error("the suite is no JSON: {0}")]
    NotJson(serde_json::Error),
    /// It is something else.
    #[error("the suite has no list `expectations`")]
    NoExpectations,
}

/// Reads a suite as Great Expectations saves it.
///
/// # Errors
/// The text is no suite. Single expectations that cannot be read are listed in the result.
pub fn read_suite(text: &str) -> Result<Suite, SuiteError> {
    let document: Value = serde_json::from_str(text).map_err(SuiteError::NotJson)?;
    let listed = document.get("expectations").and_then(Value::as_array).ok_or(SuiteError::NoExpectations)?;
    let name = ["name", "expectation_suite_name"].iter().find_map(|key| document.get(key)?.as_str());
    let parameters =
        ["suite_parameters", "evaluation_parameters"].iter().find_map(|key| document.get(key)?.as_object());
    let mut suite =
        Suite { name: name.unwrap_or_default().to_owned(), expectations: Vec::new(), unsupported: Vec::new() };
    for (place, entry) in listed.iter().enumerate() {
        let gx_type = ["type", "expectation_type"].iter().find_map(|key| entry.get(key)?.as_str()).unwrap_or_default();
        match one(gx_type, entry, parameters) {
            Ok(expectation) => suite.expectations.push(expectation),
            Err(reason) => {
                suite.unsupported.push(Unsupported { place: place + 1, gx_type: gx_type.to_owned(), reason });
            }
        }
    }
    Ok(suite)
}

fn one(gx_type: &str, entry: &Value, parameters: Option<&Map<String, Value>>) -> Result<Map<String, Value>, String> {
    let mut kwargs = entry.get("kwargs").and_then(Value::as_object).cloned().unwrap_or_default();
    for value in kwargs.values_mut() {
        fill_in(value, parameters)?;
    }
    if entry.get("windows").and_then(Value::as_array).is_some_and(|windows| !windows.is_empty()) {
        return Err("its thresholds come from earlier runs (`windows`)".to_owned());
    }
    let mut translated = translate(gx_type, &kwargs)?;
    // The severity stood under `meta` before it had a place of its own.
    let severity = entry.get("severity").or_else(|| entry.get("meta")?.get("severity"));
    if let Some(severity) = severity.and_then(Value::as_str).filter(|severity| *severity != "critical") {
        translated.insert("severity".to_owned(), severity.into());
    }
    let expectation: Expectation = serde_path_to_error::deserialize(Value::Object(translated.clone()))
        .map_err(|error| format!("`{}`: {}", error.path(), error.inner()))?;
    match expectation.problems().as_slice() {
        [] => Ok(translated),
        problems => Err(problems.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>().join("; ")),
    }
}

/// Puts the values of suite parameters in their places.
fn fill_in(value: &mut Value, parameters: Option<&Map<String, Value>>) -> Result<(), String> {
    if let Some(name) = value.get("$PARAMETER").and_then(Value::as_str) {
        let known = parameters.and_then(|parameters| parameters.get(name));
        *value = known.cloned().ok_or_else(|| format!("the suite parameter `{name}` has no value"))?;
    }
    Ok(())
}
