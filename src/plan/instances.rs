//! Declared steps to instances: one each, or one for each combination of a matrix.

use std::collections::BTreeMap;

use serde_json::Value;

use super::scope::Scope;
use crate::id::StepName;
use crate::manifest::{Manifest, Mistake, Reference, StepDecl, Yaml};

/// How many steps a pipeline may have with all instances of their matrices.
const MAX_INSTANCES: usize = 200_000;

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
    by_name: BTreeMap<StepName, usize>,
}

/// Makes the instances of all steps.
pub(super) fn expand<'manifest>(
    manifest: &'manifest Manifest,
    scope: &Scope<'manifest>,
    mistakes: &mut Vec<Mistake>,
) -> Instances<'manifest> {
    let mut instances = Instances { all: Vec::new(), by_step: BTreeMap::new(), by_name: BTreeMap::new() };
    for declared in &manifest.steps {
        let combinations = combinations(declared, scope, MAX_INSTANCES.saturating_sub(instances.all.len()), mistakes);
        for keys in combinations {
            let name = &declared.name.value;
            let name = match keys.as_slice() {
                [] => name.clone(),
                keys => name.instance(keys.iter().map(|(key, _, text)| (*key, text.clone()))),
            };
            if instances.by_name.contains_key(&name) && !keys.is_empty() {
                let place = declared.matrix.first().map_or(&declared.name.span, |axis| &axis.values.span);
                let mistake = Mistake::new("duplicate_value", place.clone(), format!("`{name}` would be there twice"));
                mistakes.push(mistake.help("list each value once"));
                continue;
            }
            instances.by_name.insert(name.clone(), instances.all.len());
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
    room: usize,
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
        if combinations.len().saturating_mul(items.len()) > room {
            let message = format!(
                "with the instances of `{}`, the pipeline would have more than {MAX_INSTANCES} steps",
                declared.name.value
            );
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
        let all = self.of(&reference.step);
        // All instances of a step have the same keys.
        let Some(sample) = all.first().map(|first| &self.all[*first]) else { return Vec::new() };
        let wanted = |key: &str| match reference.keys.as_slice() {
            [] => consumer.key(key),
            keys => keys.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str()),
        };
        if reference.keys.iter().any(|(key, _)| sample.key(key).is_none()) {
            return Vec::new();
        }
        let texts: Option<Vec<(&str, String)>> =
            sample.keys.iter().map(|(key, ..)| Some((*key, wanted(key)?.to_owned()))).collect();
        match texts {
            // One instance among a hundred thousand is not searched for.
            Some(texts) if !texts.is_empty() => {
                let name = sample.declared.name.value.instance(texts);
                self.by_name.get(&name).copied().into_iter().collect()
            }
            _ => {
                let fits = |source: &Instance<'_>| {
                    reference.keys.iter().all(|(key, value)| source.key(key) == Some(value.as_str()))
                };
                all.iter().copied().filter(|index| fits(&self.all[*index])).collect()
            }
        }
    }

    /// The instance with this full name.
    pub(super) fn named(&self, name: &str) -> Option<usize> {
        self.by_name.get(&name.parse::<StepName>().ok()?).copied()
    }
}
