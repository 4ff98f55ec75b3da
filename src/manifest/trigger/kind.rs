//! What makes a trigger fire.

use std::time::Duration;

use chrono_tz::Tz;
use serde_json::{Value, json};

use super::cron::{read_line, read_zone};
use crate::expr::Expr;
use crate::id::PipelineName;
use crate::manifest::decode::{Decoder, Fields};
use crate::manifest::node::{Node, Yaml};
use crate::manifest::rejected::Mistake;
use crate::manifest::source::{Span, Spanned};

/// What makes a trigger fire.
#[derive(Debug, Clone, PartialEq)]
pub enum TriggerKind {
    /// The times of a cron line, read in a time zone.
    Cron {
        /// Five fields, or six with seconds.
        line: String,
        /// The zone.
        zone: Tz,
    },
    /// A fixed length of time after the last.
    Every(Duration),
    /// The end of a run of another pipeline.
    After {
        /// The pipeline.
        pipeline: PipelineName,
        /// How the run must have ended.
        outcome: AfterOutcome,
    },
    /// Files that have come or changed.
    Files {
        /// A path with `*`, from the manifest's folder, or the URL of objects.
        glob: String,
        /// How long they must have stayed the same.
        settle: Duration,
    },
    /// A request from outside that proves where it comes from.
    Webhook(WebhookProof),
    /// A condition over the latest values that runs have measured.
    When {
        /// The expression, true if the trigger fires.
        check: Spanned<String>,
        /// How long it stays quiet after it has fired.
        cooldown: Option<Duration>,
        /// How often it fires in 24 hours at most.
        max_per_day: Option<u32>,
    },
}

/// How a run must have ended for a trigger to fire after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum AfterOutcome {
    Succeeded,
    Failed,
    Rejected,
    Cancelled,
    Any,
}

/// How a request proves that it may fire a trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookProof {
    /// By a token that was made for this trigger.
    Token,
    /// By a signature with a shared secret.
    Hmac {
        /// The name of the environment variable that holds the secret.
        secret: String,
    },
}

pub(in crate::manifest) const AFTER_KEYS: [&str; 2] = ["pipeline", "outcome"];
pub(in crate::manifest) const FILES_KEYS: [&str; 2] = ["glob", "settle"];
pub(in crate::manifest) const WEBHOOK_KEYS: [&str; 1] = ["hmac"];

/// The keys of which a trigger has exactly one.
const KINDS: [&str; 6] = ["cron", "every", "after", "files", "webhook", "when"];
/// How long files must have stayed the same unless told.
const SETTLE: Duration = Duration::from_secs(30);
/// Triggers are looked at once a second.
const SHORTEST: Duration = Duration::from_secs(1);

impl TriggerKind {
    /// The key that the kind is written under.
    pub fn word(&self) -> &'static str {
        match self {
            TriggerKind::Cron { .. } => "cron",
            TriggerKind::Every(_) => "every",
            TriggerKind::After { .. } => "after",
            TriggerKind::Files { .. } => "files",
            TriggerKind::Webhook(_) => "webhook",
            TriggerKind::When { .. } => "when",
        }
    }

    /// Whether it fires at times that are known before.
    pub fn is_timed(&self) -> bool {
        matches!(self, TriggerKind::Cron { .. } | TriggerKind::Every(_))
    }

    /// What fires it, as stored: when this changes, the trigger begins anew.
    pub fn definition(&self) -> Value {
        match self {
            TriggerKind::Cron { line, zone } => json!({"cron": line, "timezone": zone.name()}),
            TriggerKind::Every(every) => json!({"every_ms": every.as_millis().to_string()}),
            TriggerKind::After { pipeline, outcome } => {
                json!({"after": pipeline.as_str(), "outcome": outcome.word()})
            }
            TriggerKind::Files { glob, settle } => json!({"files": glob, "settle_ms": settle.as_millis().to_string()}),
            TriggerKind::Webhook(WebhookProof::Token) => json!({"webhook": "token"}),
            TriggerKind::Webhook(WebhookProof::Hmac { secret }) => json!({"webhook": "hmac", "secret": secret}),
            TriggerKind::When { check, .. } => json!({"when": check.value}),
        }
    }

    pub(super) fn read(decoder: &mut Decoder, fields: Fields<'_>, what: &str, span: &Span) -> Option<TriggerKind> {
        let given: Vec<&str> = KINDS.into_iter().filter(|key| fields.get(key).is_some()).collect();
        let [key] = given.as_slice() else {
            let mistake = match given.as_slice() {
                [] => Mistake::new("missing_key", span.clone(), format!("{what} does not say when it fires"))
                    .help("write `cron`, `every`, `after`, `files`, `webhook` or `when`"),
                [first, second, ..] => {
                    let place = fields.get(second).map_or(span.clone(), |node| node.span.clone());
                    Mistake::new("conflict", place, format!("{what} has both `{first}` and `{second}`"))
                        .help("keep one of them, and write another trigger for the other")
                }
                [_] => return None,
            };
            decoder.note(mistake);
            return None;
        };
        let kind = TriggerKind::of_key(decoder, fields, key)?;
        if !matches!(kind, TriggerKind::Cron { .. }) {
            kind.refuse(decoder, fields, "timezone", "`cron`");
        }
        if !matches!(kind, TriggerKind::When { .. }) {
            kind.refuse(decoder, fields, "cooldown", "`when`");
            kind.refuse(decoder, fields, "max_per_day", "`when`");
        }
        Some(kind)
    }

    /// Reads what stands under `key`, one of [`KINDS`].
    fn of_key(decoder: &mut Decoder, fields: Fields<'_>, key: &str) -> Option<TriggerKind> {
        let node = fields.get(key)?;
        match key {
            "cron" => {
                let line = read_line(decoder, node);
                let zone = fields.get("timezone").map_or(Some(Tz::UTC), |node| read_zone(decoder, node));
                Some(TriggerKind::Cron { line: line?, zone: zone? })
            }
            "every" => {
                let every = decoder.duration(node, "`every`")?;
                if every < SHORTEST {
                    let message = "`every` must be at least `1s`";
                    decoder.note(Mistake::new("out_of_range", node.span.clone(), message));
                }
                Some(TriggerKind::Every(every))
            }
            "after" => read_after(decoder, node),
            "files" => read_files(decoder, node),
            "webhook" => read_webhook(decoder, node).map(TriggerKind::Webhook),
            _ => {
                let check = decoder.expression(node, "`when`")?;
                check_condition(decoder, &check);
                let cooldown = fields.get("cooldown").and_then(|node| decoder.duration(node, "`cooldown`"));
                let max_per_day =
                    fields.get("max_per_day").and_then(|node| decoder.count(node, "`max_per_day`", 1..=1000));
                Some(TriggerKind::When { check, cooldown, max_per_day })
            }
        }
    }

    /// Notes that `key`, if it is given, means something only with `of`.
    pub(super) fn refuse(&self, decoder: &mut Decoder, fields: Fields<'_>, key: &str, of: &str) {
        if let Some(entry) = fields.entry(key) {
            let message = format!("`{key}` means nothing beside `{}`", self.word());
            decoder.note(Mistake::new("conflict", entry.key.span.clone(), message).help(format!("it goes with {of}")));
        }
    }
}

impl AfterOutcome {
    const WORDS: [(&'static str, AfterOutcome); 5] = [
        ("succeeded", AfterOutcome::Succeeded),
        ("failed", AfterOutcome::Failed),
        ("rejected", AfterOutcome::Rejected),
        ("cancelled", AfterOutcome::Cancelled),
        ("any", AfterOutcome::Any),
    ];

    /// The words for all of them.
    pub(in crate::manifest) fn words() -> impl Iterator<Item = &'static str> {
        Self::WORDS.iter().map(|(word, _)| *word)
    }

    /// The outcome as written: the state of a run, or `any`.
    pub fn word(self) -> &'static str {
        match self {
            AfterOutcome::Succeeded => "succeeded",
            AfterOutcome::Failed => "failed",
            AfterOutcome::Rejected => "rejected",
            AfterOutcome::Cancelled => "cancelled",
            AfterOutcome::Any => "any",
        }
    }
}

fn read_after(decoder: &mut Decoder, node: &Node) -> Option<TriggerKind> {
    let (name, outcome) = if matches!(node.value, Yaml::Map(_)) {
        let fields = decoder.fields(node, "`after`", &AFTER_KEYS);
        let outcome = fields.get("outcome").map(|node| decoder.word(node, "`outcome`", &AfterOutcome::WORDS));
        let Some(name) = fields.get("pipeline") else {
            decoder.missing("pipeline", "`after`", &node.span);
            return None;
        };
        (name, outcome.unwrap_or(Some(AfterOutcome::Succeeded)))
    } else {
        (node, Some(AfterOutcome::Succeeded))
    };
    let text = decoder.text(name, "`pipeline`")?;
    let pipeline = decoder.name::<PipelineName>(&text.value, &text.span)?.value;
    Some(TriggerKind::After { pipeline, outcome: outcome? })
}

fn read_files(decoder: &mut Decoder, node: &Node) -> Option<TriggerKind> {
    let (glob, settle) = if matches!(node.value, Yaml::Map(_)) {
        let fields = decoder.fields(node, "`files`", &FILES_KEYS);
        let settle = fields.get("settle").map(|node| decoder.duration(node, "`settle`"));
        let Some(glob) = fields.get("glob") else {
            decoder.missing("glob", "`files`", &node.span);
            return None;
        };
        (glob, settle.unwrap_or(Some(SETTLE)))
    } else {
        (node, Some(SETTLE))
    };
    let text = decoder.text(glob, "`glob`")?;
    check_glob(decoder, &text)?;
    Some(TriggerKind::Files { glob: text.value, settle: settle? })
}

fn check_glob(decoder: &mut Decoder, text: &Spanned<String>) -> Option<()> {
    let mut refuse = |message: String, help: &str| {
        decoder.note(Mistake::new("bad_glob", text.span.clone(), message).help(help));
        None
    };
    let path = match text.value.split_once("://") {
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") => {
            let help = "name objects of a store (`s3://`, `gs://`, `az://`), or use a webhook or a cron line";
            return refuse("what a web server has cannot be listed".to_owned(), help);
        }
        Some(_) => match url::Url::parse(&text.value) {
            Ok(url) => url.path().to_owned(),
            Err(error) => {
                return refuse(format!("`{}` is no URL: {error}", text.value), "write `s3://bucket/in/*.csv`");
            }
        },
        None => text.value.clone(),
    };
    if std::path::Path::new(&path).components().any(|part| part == std::path::Component::ParentDir) {
        let help = "name a folder below the manifest's, or write an absolute path";
        return refuse(format!("`{}` leads out of the manifest's folder", text.value), help);
    }
    match glob::Pattern::new(&path) {
        Ok(_) => Some(()),
        Err(error) => {
            let message = format!("`{}` is no pattern: {}", text.value, error.msg);
            refuse(message, "write `incoming/*.csv`; `**` stands for folders")
        }
    }
}

fn read_webhook(decoder: &mut Decoder, node: &Node) -> Option<WebhookProof> {
    if !matches!(node.value, Yaml::Map(_)) {
        let before = decoder.mistakes.len();
        let word = decoder.word(node, "`webhook`", &[("token", ())]);
        if let Some(mistake) = decoder.mistakes.get_mut(before) {
            mistake.help = Some("write `webhook: token` or `webhook: {hmac: NAME_OF_THE_SECRET}`".to_owned());
        }
        return word.map(|()| WebhookProof::Token);
    }
    let fields = decoder.fields(node, "`webhook`", &WEBHOOK_KEYS);
    let Some(hmac) = fields.get("hmac") else {
        decoder.missing("hmac", "`webhook`", &node.span);
        return None;
    };
    let secret = decoder.text(hmac, "`hmac`")?;
    crate::manifest::settings::check_variable(decoder, &secret.value, &secret.span);
    Some(WebhookProof::Hmac { secret: secret.value })
}

/// A condition reads the latest runs of pipelines: `runs.PIPELINE.state`, `.age_hours`, `.steps.STEP.metrics.NAME`.
fn check_condition(decoder: &mut Decoder, check: &Spanned<String>) {
    let parsed = match Expr::parse(&check.value) {
        Ok(parsed) => parsed,
        Err(error) => {
            decoder.note(Mistake::new("expression", check.span.clone(), error.message).maybe_help(error.help));
            return;
        }
    };
    let paths = parsed.paths();
    if paths.is_empty() {
        let message = "this condition reads nothing, so that it would be the same for ever";
        decoder.note(Mistake::new("expression", check.span.clone(), message).help(READS));
    }
    for path in paths {
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        let fits =
            matches!(parts.as_slice(), ["runs", _, "state" | "age_hours"] | ["runs", _, "steps", _, "metrics", _, ..]);
        if !fits {
            let message = format!("`{}` is nothing that a trigger's condition can read", path.join("."));
            decoder.note(Mistake::new("unknown_name", check.span.clone(), message).help(READS));
        }
    }
}

const READS: &str =
    "it reads `runs.PIPELINE.steps.STEP.metrics.NAME`, `runs.PIPELINE.state` and `runs.PIPELINE.age_hours`";
