//! The identity of a step's work: everything that its result depends on, and nothing else.
//!
//! Names of steps, paths, times and resources are no part of it. Because inputs enter by the digest of their content, a
//! step that ran again and made the same bytes leaves everything after it reused.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::files::{FileDigests, NoDigest};
use super::{CacheKey, InputBinding, KeyParts};
use crate::artifact::{Digest, DigestWriter};
use crate::id::InputName;
use crate::plan::{CachePolicy, Plan, PlannedStep};

/// Why a step has no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uncacheable {
    /// The manifest says so.
    Off,
    /// The step changes something outside its outputs.
    External,
    /// It reads something that gives no fingerprint.
    Unknown(String),
    /// A file that it reads has no digest.
    File(NoDigest),
}

impl fmt::Display for Uncacheable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Uncacheable::Off => formatter.write_str("its cache is off"),
            Uncacheable::External => formatter.write_str("it changes something outside its outputs"),
            Uncacheable::Unknown(what) => write!(formatter, "not cacheable: {what}"),
            Uncacheable::File(file) => write!(formatter, "not cacheable: {file}"),
        }
    }
}

/// A step's key with what went into it.
#[derive(Debug, Clone, PartialEq)]
pub struct Keyed {
    /// What is known; all of it if there is a key.
    pub parts: KeyParts,
    /// The key, or why there is none.
    pub key: Result<CacheKey, Uncacheable>,
}

/// The key of `step` when `inputs` are bound to it.
pub fn cache_key(plan: &Plan, step: &PlannedStep, inputs: &[InputBinding], files: &mut FileDigests) -> Keyed {
    let mut digests = BTreeMap::new();
    let mut obstacle = match step.cache {
        CachePolicy::Off => Some(Uncacheable::Off),
        CachePolicy::Reuse | CachePolicy::Refresh if step.is_external => Some(Uncacheable::External),
        CachePolicy::Reuse | CachePolicy::Refresh => step.unknowns.first().cloned().map(Uncacheable::Unknown),
    };
    for pattern in &step.files {
        match files.of_pattern(&plan.base_folder, pattern) {
            Ok(found) => digests.extend(found),
            Err(reason) => obstacle = obstacle.or(Some(Uncacheable::File(reason))),
        }
    }
    let mut by_input: BTreeMap<InputName, Vec<Digest>> = BTreeMap::new();
    for binding in inputs {
        by_input.entry(binding.input.clone()).or_default().push(binding.artifact.digest);
    }
    let parts = KeyParts {
        kind: step.kind.clone(),
        kind_version: step.kind_version,
        params: step.params.clone(),
        seed: step.seed,
        inputs: by_input,
        files: digests,
        env: step.env.clone(),
    };
    let key = match obstacle {
        Some(obstacle) => Err(obstacle),
        None => Ok(key_of(&parts)),
    };
    Keyed { parts, key }
}

/// The digest of all parts in a canonical, length-prefixed form. Files count by content, in the order of their paths.
pub fn key_of(parts: &KeyParts) -> CacheKey {
    let mut writer = DigestWriter::new("phaseline step 1");
    writer.bytes(&parts.kind).number(u64::from(parts.kind_version)).json(&parts.params).number(parts.seed);
    writer.number(parts.inputs.len() as u64);
    for (input, digests) in &parts.inputs {
        writer.bytes(input.as_str()).number(digests.len() as u64);
        for digest in digests {
            writer.bytes(digest.to_string());
        }
    }
    writer.number(parts.files.len() as u64);
    for digest in parts.files.values() {
        writer.bytes(digest.to_string());
    }
    writer.number(parts.env.len() as u64);
    for (name, value) in &parts.env {
        writer.bytes(name).bytes(value);
    }
    CacheKey(writer.finish())
}

/// Why a step runs although it ran before, in words: the first differences between what went into its keys.
pub fn explain(previous: Option<&KeyParts>, now: &KeyParts) -> String {
    let Some(before) = previous else { return "never ran".to_owned() };
    let mut changes = Vec::new();
    if before.kind != now.kind {
        changes.push(format!("kind {} -> {}", before.kind, now.kind));
    } else if before.kind_version != now.kind_version {
        changes.push(format!("kind version {} -> {}", before.kind_version, now.kind_version));
    }
    compare_params("", &before.params, &now.params, &mut changes);
    if before.seed != now.seed {
        changes.push(format!("seed {} -> {}", before.seed, now.seed));
    }
    compare(&before.inputs, &now.inputs, &mut changes, |input, how| format!("input `{input}` {how}"));
    compare(&before.files, &now.files, &mut changes, |file, how| format!("file `{file}` {how}"));
    compare(&before.env, &now.env, &mut changes, |name, how| format!("environment variable `{name}` {how}"));
    if changes.is_empty() {
        return "its result is not in the store any more".to_owned();
    }
    let more = changes.len().saturating_sub(3);
    changes.truncate(3);
    let shown = changes.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

fn compare<Name: Ord, Content: PartialEq>(
    before: &BTreeMap<Name, Content>,
    now: &BTreeMap<Name, Content>,
    changes: &mut Vec<String>,
    say: impl Fn(&Name, &str) -> String,
) {
    for (name, content) in now {
        match before.get(name) {
            None => changes.push(say(name, "is new")),
            Some(earlier) if earlier != content => changes.push(say(name, "changed")),
            Some(_) => {}
        }
    }
    changes.extend(before.keys().filter(|name| !now.contains_key(name)).map(|name| say(name, "is gone")));
}

fn compare_params(path: &str, before: &Value, now: &Value, changes: &mut Vec<String>) {
    if before == now {
        return;
    }
    let (Value::Object(old), Value::Object(new)) = (before, now) else {
        let name = if path.is_empty() { "params".to_owned() } else { format!("param `{path}`") };
        changes.push(format!("{name} {} -> {}", shown(before), shown(now)));
        return;
    };
    let added = new.keys().filter(|key| !old.contains_key(*key));
    for key in old.keys().chain(added) {
        let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match (old.get(key), new.get(key)) {
            (Some(before), Some(now)) => compare_params(&inner, before, now, changes),
            (None, Some(now)) => changes.push(format!("param `{inner}` {} is new", shown(now))),
            (_, None) => changes.push(format!("param `{inner}` is gone")),
        }
    }
}

/// A value short enough for a line.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 40 { text } else { format!("{}…", text.chars().take(39).collect::<String>()) }
}
