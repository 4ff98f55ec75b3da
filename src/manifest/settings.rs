//! How a step is run: retries, time, machine and cache. The same keys stand in `defaults`.

use std::time::Duration;

use super::decode::Decoder;
use super::node::{Node, Yaml};
use super::rejected::Mistake;
use super::source::{Span, Spanned};
use crate::id::{InvalidId, is_name};
use crate::step::RetryOn;

/// Settings of a step, or of all steps; what is not given comes from the defaults.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// When to try again.
    pub retry: Retry,
    /// How long it may take.
    pub timeout: Timeouts,
    /// What an attempt takes from the machine.
    pub machine: Machine,
    /// The pool whose slots the step competes for.
    pub pool: Option<PoolUse>,
    /// Whether results may be reused.
    pub cache: Option<Cache>,
    /// Environment variables, with expressions in their values.
    pub env: Vec<(Spanned<String>, Node)>,
    /// The environment variables that hold secrets.
    pub secrets: Vec<Spanned<String>>,
}

/// How long a step may take, as far as it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeouts {
    /// One attempt.
    pub run: Option<Duration>,
    /// The wait for room before an attempt.
    pub queue: Option<Duration>,
    /// All attempts and the waits between them, from when nothing but room is missing.
    pub total: Option<Duration>,
}

/// When a failed attempt is followed by another, as far as it is said.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Retry {
    /// How many attempts in all.
    pub attempts: Option<u32>,
    /// The wait before the second attempt.
    pub initial: Option<Duration>,
    /// The longest wait.
    pub max: Option<Duration>,
    /// What each further wait is multiplied by.
    pub factor: Option<f64>,
    /// How much of a wait is random, from 0 to 1.
    pub jitter: Option<f64>,
    /// What is retried.
    pub on: Option<Vec<RetryOn>>,
    /// What the memory is multiplied by after an attempt that ran out of it.
    pub grow_memory: Option<f64>,
}

/// What an attempt takes from the machine, as far as it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Machine {
    /// CPU cores.
    pub cpus: Option<u32>,
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// A GPU.
    pub gpu: Option<Gpu>,
    /// GPU memory in bytes.
    pub gpu_memory_bytes: Option<u64>,
}

/// The pool that a step uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolUse {
    /// Its name.
    pub name: String,
    /// How many slots an attempt takes.
    pub slots: u32,
}

/// Whether a step uses a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Gpu {
    Required,
    Optional,
    None,
}

/// Whether results of a step may be reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// Reuse and record.
    Reuse,
    /// Record only.
    Refresh,
    /// Neither.
    Off,
}

/// The keys of settings, in a step and in `defaults`.
pub(super) const KEYS: [&str; 8] = ["retry", "timeout", "resources", "pool", "cache", "env", "executor", "secrets"];
pub(super) const RETRY_KEYS: [&str; 7] = ["attempts", "backoff", "initial", "max", "jitter", "on", "grow"];
pub(super) const GROW_KEYS: [&str; 1] = ["memory"];
pub(super) const TIMEOUT_KEYS: [&str; 3] = ["run", "queue", "total"];
pub(super) const RESOURCE_KEYS: [&str; 4] = ["cpus", "memory", "gpu", "gpu_memory"];
pub(super) const POOL_KEYS: [&str; 2] = ["name", "slots"];

impl Settings {
    /// Reads the settings among the entries of a step or of `defaults`.
    pub(super) fn read(decoder: &mut Decoder, node: &Node) -> Settings {
        let get = |key: &str| node.entry(key).map(|entry| &entry.value).filter(|node| node.value != Yaml::Null);
        if let Some(node) = get("executor") {
            decoder.word(node, "`executor`", &[("local", ())]);
        }
        Settings {
            retry: get("retry").map(|node| Retry::read(decoder, node)).unwrap_or_default(),
            timeout: get("timeout").map(|node| Timeouts::read(decoder, node)).unwrap_or_default(),
            machine: get("resources").map(|node| Machine::read(decoder, node)).unwrap_or_default(),
            pool: get("pool").and_then(|node| PoolUse::read(decoder, node)),
            cache: get("cache").and_then(|node| read_cache(decoder, node)),
            env: get("env").map(|node| read_env(decoder, node)).unwrap_or_default(),
            secrets: get("secrets").map(|node| read_secrets(decoder, node)).unwrap_or_default(),
        }
    }
}

impl Retry {
    fn read(decoder: &mut Decoder, node: &Node) -> Retry {
        let attempts = |decoder: &mut Decoder, node: &Node| decoder.count(node, "`attempts`", 1..=100);
        if matches!(node.value, Yaml::Number(_)) {
            return Retry { attempts: attempts(decoder, node), ..Retry::default() };
        }
        let fields = decoder.fields(node, "`retry`", &RETRY_KEYS);
        let retry = Retry {
            attempts: fields.get("attempts").and_then(|node| attempts(decoder, node)),
            factor: fields
                .get("backoff")
                .and_then(|node| decoder.word(node, "`backoff`", &[("exponential", 2.0), ("fixed", 1.0)])),
            initial: fields.get("initial").and_then(|node| decoder.duration(node, "`initial`")),
            max: fields.get("max").and_then(|node| decoder.duration(node, "`max`")),
            jitter: fields.get("jitter").and_then(|node| {
                let jitter = decoder.number(node, "`jitter`")?;
                if !(0.0..=1.0).contains(&jitter) {
                    decoder.note(Mistake::new("out_of_range", node.span.clone(), "`jitter` must be from 0 to 1"));
                }
                Some(jitter)
            }),
            on: fields.get("on").map(|node| {
                let items = Decoder::one_or_many(node);
                items.iter().filter_map(|item| decoder.word(item, "`on`", &RetryOn::WORDS)).collect()
            }),
            grow_memory: fields.get("grow").and_then(|node| {
                let fields = decoder.fields(node, "`grow`", &GROW_KEYS);
                fields.get("memory").and_then(|node| read_factor(decoder, node))
            }),
        };
        if let (Some(initial), Some(max), Some(node)) = (retry.initial, retry.max, fields.get("max"))
            && max < initial
        {
            decoder.note(Mistake::new("out_of_range", node.span.clone(), "`max` is shorter than `initial`"));
        }
        retry
    }
}

impl PoolUse {
    fn read(decoder: &mut Decoder, node: &Node) -> Option<PoolUse> {
        let Yaml::Map(_) = node.value else {
            return Some(PoolUse { name: pool_name(decoder, node)?, slots: 1 });
        };
        let fields = decoder.fields(node, "`pool`", &POOL_KEYS);
        let slots = fields.get("slots").and_then(|node| decoder.count(node, "`slots`", 1..=100_000)).unwrap_or(1);
        let Some(name) = fields.get("name") else {
            let mistake = Mistake::new("missing_key", node.span.clone(), "`pool` has no `name`");
            decoder.note(mistake.help("write `pool: gpu` or `pool: {name: gpu, slots: 2}`"));
            return None;
        };
        Some(PoolUse { name: pool_name(decoder, name)?, slots })
    }
}

fn pool_name(decoder: &mut Decoder, node: &Node) -> Option<String> {
    let text = decoder.text(node, "`pool`")?;
    if is_name(&text.value) {
        return Some(text.value);
    }
    let error = InvalidId::Name { what: "pool name", text: text.value };
    decoder.note(Mistake::new("bad_name", text.span, error.to_string()));
    None
}

impl Timeouts {
    fn read(decoder: &mut Decoder, node: &Node) -> Timeouts {
        if !matches!(node.value, Yaml::Map(_)) {
            return Timeouts { run: decoder.duration(node, "`timeout`"), ..Timeouts::default() };
        }
        let fields = decoder.fields(node, "`timeout`", &TIMEOUT_KEYS);
        let mut read = |key: &str| fields.get(key).and_then(|node| decoder.duration(node, &format!("`{key}`")));
        let timeouts = Timeouts { run: read("run"), queue: read("queue"), total: read("total") };
        if let (Some(run), Some(total), Some(node)) = (timeouts.run, timeouts.total, fields.get("total"))
            && total < run
        {
            decoder.note(Mistake::new("out_of_range", node.span.clone(), "`total` is shorter than `run`"));
        }
        timeouts
    }
}

/// `2x`, or a number.
fn read_factor(decoder: &mut Decoder, node: &Node) -> Option<f64> {
    let factor = match &node.value {
        Yaml::Number(number) => number.as_f64(),
        Yaml::Text(text) => text.strip_suffix('x').and_then(|text| text.trim().parse().ok()),
        _ => None,
    };
    let factor = factor.filter(|factor: &f64| *factor > 1.0 && *factor <= 16.0);
    if factor.is_none() {
        let mistake = Mistake::new("out_of_range", node.span.clone(), "`memory` must be from above 1x to 16x");
        decoder.note(mistake.help("write `2x` to double it"));
    }
    factor
}

impl Machine {
    fn read(decoder: &mut Decoder, node: &Node) -> Machine {
        let fields = decoder.fields(node, "`resources`", &RESOURCE_KEYS);
        Machine {
            cpus: fields.get("cpus").and_then(|node| decoder.count(node, "`cpus`", 1..=4096)),
            memory_bytes: fields.get("memory").and_then(|node| decoder.bytes(node, "`memory`")),
            gpu_memory_bytes: fields.get("gpu_memory").and_then(|node| decoder.bytes(node, "`gpu_memory`")),
            gpu: fields.get("gpu").and_then(|node| {
                let words = [("optional", Gpu::Optional), ("required", Gpu::Required), ("none", Gpu::None)];
                decoder.word(node, "`gpu`", &words)
            }),
        }
    }
}

fn read_cache(decoder: &mut Decoder, node: &Node) -> Option<Cache> {
    match &node.value {
        Yaml::Bool(true) => Some(Cache::Reuse),
        Yaml::Bool(false) => Some(Cache::Off),
        _ => {
            decoder.word(node, "`cache`", &[("reuse", Cache::Reuse), ("refresh", Cache::Refresh), ("off", Cache::Off)])
        }
    }
}

fn read_env(decoder: &mut Decoder, node: &Node) -> Vec<(Spanned<String>, Node)> {
    let mut env = Vec::new();
    for entry in decoder.map(node, "`env`") {
        check_variable(decoder, &entry.key.value, &entry.key.span);
        if matches!(entry.value.value, Yaml::List(_) | Yaml::Map(_)) {
            decoder.wrong_type(&entry.value, &format!("`{}`", entry.key.value), "text or a number");
        } else {
            env.push((entry.key.clone(), entry.value.clone()));
        }
    }
    env
}

fn read_secrets(decoder: &mut Decoder, node: &Node) -> Vec<Spanned<String>> {
    let mut secrets = Vec::new();
    for item in decoder.list(node, "`secrets`") {
        if let Some(name) = decoder.text(item, "a secret's name") {
            check_variable(decoder, &name.value, &name.span);
            secrets.push(name);
        }
    }
    secrets
}

/// Notes that `name` cannot be the name of an environment variable.
pub(super) fn check_variable(decoder: &mut Decoder, name: &str, span: &Span) {
    let fits =
        |index: usize, byte: u8| byte == b'_' || byte.is_ascii_alphabetic() || (index > 0 && byte.is_ascii_digit());
    if name.is_empty() || !name.bytes().enumerate().all(|(index, byte)| fits(index, byte)) {
        let message = format!("`{name}` is not the name of an environment variable");
        decoder.note(Mistake::new("bad_name", span.clone(), message).help("use letters, digits and `_`"));
    }
}
