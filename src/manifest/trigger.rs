//! When a pipeline runs by itself.

use std::time::Duration;

use super::decode::Decoder;
use super::node::Node;
use super::rejected::Mistake;
use super::source::{Span, Spanned};
use crate::id::{InvalidId, is_name};

/// A declared trigger.
#[derive(Debug, Clone, PartialEq)]
pub struct Trigger {
    /// Its name.
    pub name: Spanned<String>,
    /// When it fires.
    pub schedule: Schedule,
    /// The time zone that a cron line is read in.
    pub timezone: Option<String>,
    /// What happens with times that were missed.
    pub missed: Missed,
    /// What happens if the last run still goes on.
    pub overlap: Overlap,
}

/// When a trigger fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// At the times of a cron line.
    Cron(String),
    /// After each such time.
    Every(Duration),
}

/// What happens with times at which no daemon was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Missed {
    #[default]
    Latest,
    All,
    Skip,
}

/// What happens if a trigger fires while its last run still goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Overlap {
    #[default]
    Skip,
    Queue,
    Allow,
}

/// The keys of a trigger.
pub(super) const KEYS: [&str; 5] = ["cron", "every", "timezone", "missed", "overlap"];

impl Trigger {
    pub(super) fn read(decoder: &mut Decoder, node: &Node, key: &Spanned<String>) -> Option<Trigger> {
        let what = format!("trigger `{}`", key.value);
        if !is_name(&key.value) {
            let error = InvalidId::Name { what: "trigger name", text: key.value.clone() };
            decoder.note(Mistake::new("bad_name", key.span.clone(), error.to_string()));
        }
        let fields = decoder.fields(node, &what, &KEYS);
        let missed = [("latest", Missed::Latest), ("all", Missed::All), ("skip", Missed::Skip)];
        let overlap = [("skip", Overlap::Skip), ("queue", Overlap::Queue), ("allow", Overlap::Allow)];
        let timezone = fields.get("timezone").and_then(|node| decoder.text(node, "`timezone`")).map(|text| text.value);
        let missed = fields.get("missed").and_then(|node| decoder.word(node, "`missed`", &missed)).unwrap_or_default();
        let overlap =
            fields.get("overlap").and_then(|node| decoder.word(node, "`overlap`", &overlap)).unwrap_or_default();
        let schedule = match (fields.get("cron"), fields.get("every")) {
            (Some(node), None) => {
                let line = decoder.text(node, "`cron`")?;
                check_cron(decoder, &line.value, &line.span);
                Schedule::Cron(line.value)
            }
            (None, Some(node)) => Schedule::Every(decoder.duration(node, "`every`")?),
            (None, None) => {
                decoder.missing("cron", &what, &key.span);
                return None;
            }
            (Some(_), Some(node)) => {
                let mistake =
                    Mistake::new("conflict", node.span.clone(), format!("{what} has both `cron` and `every`"));
                decoder.note(mistake.help("keep one of them"));
                return None;
            }
        };
        Some(Trigger { name: key.clone(), schedule, timezone, missed, overlap })
    }
}

/// Checks the shape of a cron line: five fields of `*`, numbers, names, ranges, lists and steps.
fn check_cron(decoder: &mut Decoder, line: &str, span: &Span) {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let fits = |field: &str| field.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*,-/#?".contains(&byte));
    if fields.len() != 5 || !fields.iter().all(|field| fits(field)) {
        let mistake = Mistake::new("bad_cron", span.clone(), format!("`{line}` is not a cron line"))
            .help("write minute, hour, day of month, month and day of week: `0 3 * * MON`");
        decoder.note(mistake);
    }
}
