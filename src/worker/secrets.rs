//! Secrets: declared by name in the manifest, known to the worker only.

use std::collections::BTreeMap;
use std::env;
use std::fs;

use crate::step::StepError;
use crate::step::masking::{Masker, SHORTEST_SECRET};

/// Variables of other programs that hold credentials, which libraries may repeat in their errors.
const WELL_KNOWN: [&str; 8] = [
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_CLIENT_SECRET",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "PGPASSWORD",
    "PHASELINE_DATABASE_URL",
];

/// The values of the named secrets, for the environment of a command. `NAME` is taken from the environment, or else
/// from the file that `NAME_FILE` names, less one line break at its end.
///
/// The masker knows them from then on.
///
/// # Errors
/// A secret is neither here nor there, its file cannot be read, or its value is too short to be kept out of the log.
pub(super) fn resolve(names: &[String], masker: &Masker) -> Result<BTreeMap<String, String>, StepError> {
    for value in WELL_KNOWN.iter().filter_map(|name| env::var(name).ok()) {
        masker.conceal(&value);
    }
    names
        .iter()
        .map(|name| {
            let value = secret(name)?;
            if value.trim().len() < SHORTEST_SECRET {
                let message = format!("the secret `{name}` has fewer than {SHORTEST_SECRET} characters");
                return Err(StepError::input("secret_short", message).help(
                    "a value this short cannot be kept out of the log: if it is no secret, give it to the step in `env`",
                ));
            }
            masker.conceal(&value);
            masker.add(&value);
            Ok((name.clone(), value))
        })
        .collect()
}

/// The value of one secret.
///
/// # Errors
/// It is neither in the environment nor in a file, or the file cannot be read.
pub fn secret(name: &str) -> Result<String, StepError> {
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
