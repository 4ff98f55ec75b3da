//! Secrets: declared by name in the manifest, known to the worker only.

use std::collections::BTreeMap;
use std::env;
use std::fs;

use crate::step::StepError;

/// The values of the named secrets, for the environment of a command. `NAME` is taken from the environment, or else
/// from the file that `NAME_FILE` names, less one line break at its end.
///
/// # Errors
/// A secret is neither here nor there, or its file cannot be read.
pub(super) fn resolve(names: &[String]) -> Result<BTreeMap<String, String>, StepError> {
    names.iter().map(|name| Ok((name.clone(), value(name)?))).collect()
}

fn value(name: &str) -> Result<String, StepError> {
    if let Ok(value) = env::var(name) {
        return Ok(value);
    }
    let file_variable = format!("{name}_FILE");
    let Some(path) = env::var_os(&file_variable) else {
        return Err(StepError::input("secret_missing", format!("the secret `{name}` is not set"))
            .help(format!("set the environment variable {name}, or {file_variable} to a file that holds it")));
    };
    let text = fs::read_to_string(&path).map_err(|error| {
        let message = format!("the file of the secret `{name}` cannot be read");
        StepError::input("secret_missing", message).caused_by(error).help(format!("{file_variable} names it"))
    })?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}
