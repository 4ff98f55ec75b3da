//! Params of `validate.table` in which checks have Great Expectations' names, or come from a suite.

use serde_json::{Map, Value};

use super::suite::read_suite;
use super::translate::{UNEXPECTED_ROWS, translate};
use crate::step::{ParamError, ParamErrors};

/// The params with every check under our name.
pub(in super::super) fn adapt(params: Value) -> Result<Value, ParamErrors> {
    let Value::Object(mut params) = params else { return Ok(params) };
    let mut errors = Vec::new();
    if let Some(Value::Array(expect)) = params.get_mut("expect") {
        for (place, expectation) in expect.iter_mut().enumerate() {
            if let Err(reason) = adapt_one(expectation) {
                errors.push(error(&["expect", &place.to_string()], reason, None));
            }
        }
    }
    if let Some(Value::String(text)) = params.get("suite") {
        match read_suite(text) {
            Ok(suite) => {
                let help = "take them out of the suite, or write them as `expr` or `sql`";
                errors.extend(
                    suite.unsupported.iter().map(|one| error(&["suite"], one.to_string(), Some(help.to_owned()))),
                );
                let expect = params.entry("expect").or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(expect) = expect {
                    expect.extend(suite.expectations.into_iter().map(Value::Object));
                }
            }
            Err(reason) => errors.push(error(
                &["suite"],
                reason.to_string(),
                Some("write `suite: file:suite.json`, with a suite that Great Expectations saved".to_owned()),
            )),
        }
    }
    if errors.is_empty() { Ok(Value::Object(params)) } else { Err(ParamErrors(errors)) }
}

fn adapt_one(expectation: &mut Value) -> Result<(), String> {
    let Value::Object(fields) = expectation else { return Ok(()) };
    let is_theirs = |name: &&str| name.starts_with("expect_") || *name == UNEXPECTED_ROWS;
    let Some(gx_type) = fields.get("check").and_then(Value::as_str).filter(is_theirs) else {
        return Ok(());
    };
    // What every check takes is ours and no argument of theirs.
    let own = |name: &String| ["severity", "on_fail", "id", "where"].contains(&name.as_str());
    let (kept, kwargs): (Map<String, Value>, Map<String, Value>) =
        fields.clone().into_iter().filter(|(name, _)| name != "check").partition(|(name, _)| own(name));
    let mut translated = translate(gx_type, &kwargs)?;
    translated.extend(kept);
    *fields = translated;
    Ok(())
}

fn error(path: &[&str], message: String, help: Option<String>) -> ParamError {
    ParamError { path: path.iter().map(|part| (*part).to_owned()).collect(), message, help }
}
