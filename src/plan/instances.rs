//! Declared steps to instances: one each, or one for each combination of a matrix.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::scope::Scope;
use crate::id::StepName;
use crate::manifest::{Manifest, Mistake, Reference, StepDecl, Yaml};

/// How many instances a step may have.
const MAX_INSTANCES: usize = 10_000;

/// One step of the plan to be.
#[derive(Debug)]
pub(super) struct Instance<'manifest> {
    /// The full name.
    pub(super) name: StepName,
    /// What it is an instance of.
    pub(super) declared: &'manifest StepDecl,
    /// The values of its matrix: key, value, and the value as it stands in the name.
    pub(super) keys: Vec<(&'manifest str, Value, String)>,
}

impl<'manifest> Instance<'manifest> {
    /// What expressions of this instance see.
    pub(super) fn scope(&self, scope: &Scope<'manifest>) -> Scope<'manifest> {
        if self.keys.is_empty() {
            return scope.clone();
        }
        let keys = self.keys.iter().map(|(key, value, _)| ((*key).to_owned(), value.clone())).collect();
        let scope = scope.with("matrix", Value::Object(keys));
        match self.keys.iter().find(|(key, ..)| *key == "item") {
            Some((_, item, _)) => scope.with("item", item.clone()),
            None => scope,
        }
    }

    /// The value of a key as it stands in the name.
    fn key(&self, key: &str) -> Option<&str> {
        self.keys.iter().find(|(known, ..)| *known == key).map(|(_, _, text)| text.as_str())
    }
}

/// All instances, in the order of the manifest, and where those of each declared step are.
#[derive(Debug)]
pub(super) struct Instances<'manifest> {
    pub(super) all: Vec<Instance<'manifest>>,
    by_step: BTreeMap<&'manifest str, Vec<usize>>,
}

/// Makes the instances of all steps.
pub(super) fn expand<'manifest>(
    manifest: &'manifest Manifest,
    scope: &Scope<'manifest>,
    mistakes: &mut Vec<Mistake>,
) -> Instances<'manifest> {
    let mut instances = Instances { all: Vec::new(), by_step: BTreeMap::new() };
    for declared in &manifest.steps {
        let combinations = combinations(declared, scope, mistakes);
        let mut names = BTreeSet::new();
        for keys in combinations {
            let name = &declared.name.value;
            let name = match keys.as_slice() {
                [] => name.clone(),
                keys => name.instance(keys.iter().map(|(key, _, text)| (*key, text.clone()))),
            };
            if !names.insert(name.clone()) {
                let place = declared.matrix.first().map_or(&declared.name.span, |axis| &axis.values.span);
                let mistake = Mistake::new("duplicate_value", place.clone(), format!("`{name}` would be there twice"));
                mistakes.push(mistake.help("list each value once"));
                continue;
            }
            instances.by_step.entry(declared.name.value.as_str()).or_default().push(instances.all.len());
            instances.all.push(Instance { name, declared, keys });
        }
    }
    instances
}

type Keys<'manifest> = Vec<(&'manifest str, Value, String)>;

fn combinations<'manifest>(
    declared: &'manifest StepDecl,
    scope: &Scope<'manifest>,
    mistakes: &mut Vec<Mistake>,
) -> Vec<Keys<'manifest>> {
    let mut combinations: Vec<Keys<'manifest>> = vec![Vec::new()];
    for axis in &declared.matrix {
        let before = mistakes.len();
        let resolved = scope.resolve(&axis.values, mistakes);
        let Yaml::List(items) = &resolved.value else {
            if mistakes.len() == before {
                let message = format!("`{}` must be a list, not {}", axis.key.value, resolved.what());
                mistakes.push(Mistake::new("wrong_type", axis.values.span.clone(), message));
            }
            continue;
        };
        if items.is_empty() {
            mistakes.push(Mistake::new(
                "empty",
                axis.values.span.clone(),
                format!("`{}` has no values", axis.key.value),
            ));
            continue;
        }
        if combinations.len() * items.len() > MAX_INSTANCES {
            let message = format!("step `{}` would have more than {MAX_INSTANCES} instances", declared.name.value);
            mistakes.push(Mistake::new("too_many_instances", axis.key.span.clone(), message));
            return Vec::new();
        }
        combinations = combinations
            .iter()
            .flat_map(|keys| {
                items.iter().enumerate().map(move |(index, item)| {
                    let value = item.to_json();
                    let text = match &value {
                        Value::String(text) => text.clone(),
                        Value::Number(_) | Value::Bool(_) => value.to_string(),
                        Value::Null | Value::Array(_) | Value::Object(_) => index.to_string(),
                    };
                    let mut keys = keys.clone();
                    keys.push((axis.key.value.as_str(), value, text));
                    keys
                })
            })
            .collect();
    }
    combinations
}

impl Instances<'_> {
    /// The instances of a declared step.
    pub(super) fn of(&self, step: &str) -> &[usize] {
        self.by_step.get(step).map_or(&[], Vec::as_slice)
    }

    /// The instances that a reference means to `consumer`.
    ///
    /// A reference without keys means the instance with the same values, where both steps share a matrix, and all
    /// instances otherwise.
    pub(super) fn select(&self, reference: &Reference, consumer: &Instance<'_>) -> Vec<usize> {
        let fits = |source: &Instance<'_>| {
            if !reference.keys.is_empty() {
                return reference.keys.iter().all(|(key, value)| source.key(key) == Some(value));
            }
            let is_shared = source.keys.iter().all(|(key, ..)| consumer.key(key).is_some());
            !is_shared || source.keys.iter().all(|(key, _, text)| consumer.key(key) == Some(text))
        };
        self.of(&reference.step).iter().copied().filter(|index| fits(&self.all[*index])).collect()
    }
}
