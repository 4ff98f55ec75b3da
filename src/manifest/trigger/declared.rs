//! A trigger as it is written: what makes it fire, and what a run of it gets.

use super::kind::TriggerKind;
use crate::id::{InvalidId, is_name};
use crate::manifest::decode::{Decoder, Fields};
use crate::manifest::node::{Node, Yaml};
use crate::manifest::rejected::Mistake;
use crate::manifest::source::Spanned;

/// A declared trigger.
#[derive(Debug, Clone, PartialEq)]
pub struct Trigger {
    /// Its name.
    pub name: Spanned<String>,
    /// What makes it fire.
    pub kind: TriggerKind,
    /// What its runs' params are set to; texts may hold expressions over `trigger`.
    pub set: Vec<(Spanned<String>, Node)>,
    /// What happens with times at which no daemon was there.
    pub missed: Missed,
    /// What happens if its last run still goes on.
    pub overlap: Overlap,
    /// Runs with a higher number get slots first.
    pub priority: i32,
}

/// What happens with times at which no daemon was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// They are left out.
    Skip,
    /// The latest of them fires.
    Latest,
    /// The latest ones fire, in their order, at most so many.
    All(u32),
}

/// What happens if a trigger fires while its last run still goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// Nothing: the tick is recorded as skipped.
    #[default]
    Skip,
    /// The tick waits for the end of that run; one tick waits at a time.
    Queue,
    /// That run is cancelled, and the new one starts.
    CancelRunning,
    /// Both runs go on.
    Allow,
}

/// The keys of a trigger.
pub(in crate::manifest) const KEYS: [&str; 14] = [
    "cron",
    "every",
    "after",
    "files",
    "webhook",
    "when",
    "timezone",
    "cooldown",
    "max_per_day",
    "set",
    "missed",
    "most",
    "overlap",
    "priority",
];
pub(in crate::manifest) const MISSED_KEYS: [&str; 2] = ["policy", "most"];

/// How many missed times fire at most unless told.
const MOST: u32 = 10;
/// How many missed times may fire at most: each is a run.
const MOST_LIMIT: u32 = 1000;
/// The highest priority, and below zero the lowest.
const PRIORITY_LIMIT: i64 = 1000;

impl Trigger {
    pub(in crate::manifest) fn read(decoder: &mut Decoder, node: &Node, key: &Spanned<String>) -> Option<Trigger> {
        let what = format!("trigger `{}`", key.value);
        if !is_name(&key.value) {
            let error = InvalidId::Name { what: "trigger name", text: key.value.clone() };
            decoder.note(Mistake::new("bad_name", key.span.clone(), error.to_string()));
        }
        let fields = decoder.fields(node, &what, &KEYS);
        let missed = read_missed(decoder, fields);
        let overlap = fields.get("overlap").and_then(|node| decoder.word(node, "`overlap`", &Overlap::WORDS));
        let priority = fields.get("priority").and_then(|node| read_priority(decoder, node));
        let set = fields.get("set").map_or(&[][..], |node| decoder.map(node, "`set`"));
        let kind = TriggerKind::read(decoder, fields, &what, &key.span)?;
        if !kind.is_timed() {
            for key in ["missed", "most"] {
                let of = "`cron` and `every`: other triggers miss nothing while no daemon is there";
                kind.refuse(decoder, fields, key, of);
            }
        }
        Some(Trigger {
            name: key.clone(),
            kind,
            set: set.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect(),
            missed: missed.unwrap_or(Missed::Latest),
            overlap: overlap.unwrap_or_default(),
            priority: priority.unwrap_or_default(),
        })
    }
}

impl Overlap {
    const WORDS: [(&'static str, Overlap); 4] = [
        ("skip", Overlap::Skip),
        ("queue", Overlap::Queue),
        ("cancel_running", Overlap::CancelRunning),
        ("allow", Overlap::Allow),
    ];

    /// The words for all of them.
    pub(in crate::manifest) fn words() -> impl Iterator<Item = &'static str> {
        Self::WORDS.iter().map(|(word, _)| *word)
    }
}

/// `missed: all`, `missed: {policy: all, most: 10}`, or `most` beside `missed`.
fn read_missed(decoder: &mut Decoder, fields: Fields<'_>) -> Option<Missed> {
    let inner = match fields.get("missed") {
        Some(node) if matches!(node.value, Yaml::Map(_)) => {
            let inner = decoder.fields(node, "`missed`", &MISSED_KEYS);
            if inner.get("policy").is_none() {
                decoder.missing("policy", "`missed`", &node.span);
            }
            Some(inner)
        }
        _ => None,
    };
    let policy = match inner {
        Some(inner) => inner.get("policy"),
        None => fields.get("missed"),
    };
    let words = [("latest", Missed::Latest), ("all", Missed::All(MOST)), ("skip", Missed::Skip)];
    let policy = policy.and_then(|node| decoder.word(node, "`missed`", &words));
    let beside = fields.get("most");
    let most = inner.and_then(|inner| inner.get("most"));
    if let (Some(node), Some(_)) = (beside, most) {
        let mistake = Mistake::new("conflict", node.span.clone(), "`most` is given twice");
        decoder.note(mistake.help("keep the one inside of `missed`"));
    }
    let Some(node) = most.or(beside) else { return policy };
    let most = decoder.count(node, "`most`", 1..=MOST_LIMIT)?;
    if let Some(Missed::All(_)) = policy {
        return Some(Missed::All(most));
    }
    let mistake = Mistake::new("conflict", node.span.clone(), "`most` goes with `missed: all` only");
    decoder.note(mistake.help("write `missed: {policy: all, most: 10}`, or leave `most` out"));
    policy
}

fn read_priority(decoder: &mut Decoder, node: &Node) -> Option<i32> {
    let number = match &node.value {
        Yaml::Number(number) => number.as_i64(),
        _ => None,
    };
    let Some(number) = number else {
        decoder.wrong_type(node, "`priority`", "a whole number");
        return None;
    };
    if !(-PRIORITY_LIMIT..=PRIORITY_LIMIT).contains(&number) {
        let message = format!("`priority` must be from -{PRIORITY_LIMIT} to {PRIORITY_LIMIT}");
        decoder.note(Mistake::new("out_of_range", node.span.clone(), message));
    }
    i32::try_from(number).ok()
}
