//! How each step is run: its own settings, then the defaults of the manifest, then ours.

use std::collections::BTreeMap;

use serde_json::Value;

use super::planned::{CachePolicy, Resources, RetryPolicy};
use super::scope::Scope;
use crate::manifest::{Cache, Gpu, Mistake, PoolUse, Settings, Timeouts};

/// Settings with nothing left open.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    pub(super) retry: RetryPolicy,
    pub(super) timeout: Timeouts,
    pub(super) resources: Resources,
    pub(super) pool: Option<PoolUse>,
    pub(super) cache: CachePolicy,
    pub(super) env: BTreeMap<String, String>,
    pub(super) secrets: Vec<String>,
}

/// The settings of a step; `scope` is what expressions in its environment see.
pub(super) fn resolve(defaults: &Settings, own: &Settings, scope: &Scope<'_>, mistakes: &mut Vec<Mistake>) -> Resolved {
    let ours = RetryPolicy::default();
    let (first, then) = (&own.retry, &defaults.retry);
    let retry = RetryPolicy {
        attempts: first.attempts.or(then.attempts).unwrap_or(ours.attempts),
        initial: first.initial.or(then.initial).unwrap_or(ours.initial),
        max: first.max.or(then.max).unwrap_or(ours.max),
        factor: first.factor.or(then.factor).unwrap_or(ours.factor),
        jitter: first.jitter.or(then.jitter).unwrap_or(ours.jitter),
        grow_memory: first.grow_memory.or(then.grow_memory),
        on: first.on.clone().or_else(|| then.on.clone()).unwrap_or(ours.on),
    };
    let gpu = own.machine.gpu.or(defaults.machine.gpu);
    let resources = Resources {
        cpus: own.machine.cpus.or(defaults.machine.cpus).unwrap_or(Resources::default().cpus),
        memory_bytes: own.machine.memory_bytes.or(defaults.machine.memory_bytes),
        gpu_required: match gpu {
            Some(Gpu::Required) => Some(true),
            Some(Gpu::Optional) => Some(false),
            Some(Gpu::None) | None => None,
        },
        gpu_memory_bytes: own.machine.gpu_memory_bytes.or(defaults.machine.gpu_memory_bytes),
    };
    let cache = match own.cache.or(defaults.cache) {
        Some(Cache::Reuse) | None => CachePolicy::Reuse,
        Some(Cache::Refresh) => CachePolicy::Refresh,
        Some(Cache::Off) => CachePolicy::Off,
    };
    let mut secrets: Vec<String> =
        defaults.secrets.iter().chain(&own.secrets).map(|secret| secret.value.clone()).collect();
    secrets.sort();
    secrets.dedup();
    let mut env = BTreeMap::new();
    for (name, node) in defaults.env.iter().chain(&own.env) {
        let text = match scope.resolve(node, mistakes).to_json() {
            Value::String(text) => text,
            Value::Null => String::new(),
            other => other.to_string(),
        };
        env.insert(name.value.clone(), text);
    }
    Resolved {
        retry,
        timeout: Timeouts {
            run: own.timeout.run.or(defaults.timeout.run),
            queue: own.timeout.queue.or(defaults.timeout.queue),
            total: own.timeout.total.or(defaults.timeout.total),
        },
        resources,
        pool: own.pool.clone().or_else(|| defaults.pool.clone()),
        cache,
        env,
        secrets,
    }
}
