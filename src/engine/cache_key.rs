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
use crate::phase::Phase;
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
        purpose: (step.phase == Phase::Evaluation).then(|| purpose(plan)),
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
    if let Some(purpose) = &parts.purpose {
        writer.bytes("purpose").bytes(purpose.to_string());
    }
    CacheKey(writer.finish())
}

/// Objectives, criteria, risks and gates, which a model card lists: it is made again when they change.
fn purpose(plan: &Plan) -> Digest {
    let record = serde_json::to_value(&plan.record).expect("a record is plain data");
    let mut writer = DigestWriter::new("phaseline purpose 1");
    writer.json(&record);
    for gate in plan.gates.values() {
        writer.bytes(gate.name.as_str()).bytes(&gate.check);
    }
    writer.finish()
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
    if before.purpose != now.purpose {
        changes.push("the manifest's purpose, criteria, risks or gates changed".to_owned());
    }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::engine::testing::{plan, step};

    fn parts(params: Value) -> KeyParts {
        let mut step = step("train", Phase::ModelEngineering, &[]);
        step.params = params;
        let plan = plan(vec![step.clone()], vec![]);
        cache_key(&plan, &step, &[], &mut FileDigests::in_memory()).parts
    }

    #[test]
    fn a_miss_is_explained_field_by_field() {
        let before = parts(json!({"epochs": 40, "hidden": [64]}));
        let check = |expected: &str, now: KeyParts| assert_eq!(explain(Some(&before), &now), expected);
        assert_eq!(explain(None, &before), "never ran");
        check("param `epochs` 40 -> 50", parts(json!({"epochs": 50, "hidden": [64]})));
        check("param `hidden` is gone, param `rate` 0.1 is new", parts(json!({"epochs": 40, "rate": 0.1})));
        check("kind version 1 -> 2", KeyParts { kind_version: 2, ..before.clone() });
        check("seed 7 -> 8", KeyParts { seed: 8, ..before.clone() });
        let inputs = BTreeMap::from([("train".parse().unwrap(), vec![Digest::of("x")])]);
        check("input `train` is new", KeyParts { inputs, ..before.clone() });
        let files = BTreeMap::from([("x.csv".to_owned(), Digest::of("x"))]);
        check("file `x.csv` is new", KeyParts { files, ..before.clone() });
        check("its result is not in the store any more", before.clone());
    }

    #[test]
    fn names_and_places_of_steps_are_no_part_of_the_key() {
        let mut one = step("one", Phase::DataEngineering, &[]);
        let mut two = step("two", Phase::Understanding, &[]);
        (one.params, two.params) = (json!({"a": 1}), json!({"a": 1}));
        two.resources.cpus = 4;
        two.needs.insert(one.name.clone());
        let plan = plan(vec![one.clone(), two.clone()], vec![]);
        let key = |step: &PlannedStep| cache_key(&plan, step, &[], &mut FileDigests::in_memory()).key;
        assert_eq!(key(&one), key(&two));
    }

    #[test]
    fn a_step_with_an_unknown_part_has_no_key() {
        let check = |expected: &str, change: fn(&mut PlannedStep)| {
            let mut step = step("load", Phase::Understanding, &[]);
            change(&mut step);
            let keyed = cache_key(&plan(vec![], vec![]), &step, &[], &mut FileDigests::in_memory());
            assert_eq!(keyed.key.unwrap_err().to_string(), expected);
        };
        check("its cache is off", |step| step.cache = CachePolicy::Off);
        check("it changes something outside its outputs", |step| step.is_external = true);
        check("not cacheable: a web page", |step| step.unknowns.push("a web page".to_owned()));
        check("not cacheable: `gone.csv`: there is no such file", |step| step.files.push("gone.csv".to_owned()));
    }

    #[test]
    fn a_changed_criterion_changes_the_key_of_evaluation_only() {
        let keys = |description: &str| {
            let steps = vec![step("train", Phase::ModelEngineering, &[]), step("report", Phase::Evaluation, &[])];
            let mut plan = plan(steps, vec![]);
            plan.record.description = Some(description.to_owned());
            let key = |name: usize| cache_key(&plan, &plan.steps[name], &[], &mut FileDigests::in_memory()).key;
            (key(0), key(1))
        };
        let (before, after) = (keys("one"), keys("two"));
        assert_eq!(before.0, after.0);
        assert_ne!(before.1, after.1);
    }

    proptest! {
        #[test]
        fn a_key_reacts_to_any_param(left in 0..5i64, right in 0..5i64, name in "[ab]") {
            let key = |value: i64, name: &str| key_of(&parts(json!({name: value, "c": 1})));
            prop_assert_eq!(key(left, &name) == key(right, &name), left == right);
            prop_assert_ne!(key(left, "a"), key(left, "b"));
        }
    }
}
