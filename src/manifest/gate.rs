//! Declared quality gates.

use std::time::Duration;

use super::decode::Decoder;
use super::node::{Node, Yaml};
use super::purpose::Weight;
use super::source::Spanned;
use crate::id::GateName;
use crate::phase::Phase;

/// A condition at the end of a phase.
#[derive(Debug, Clone, PartialEq)]
pub struct GateDecl {
    /// Its name.
    pub name: Spanned<GateName>,
    /// The phase it is written in.
    pub phase: Phase,
    /// The expression, true if the gate passes.
    pub check: Spanned<String>,
    /// How bad it is if it does not pass.
    pub severity: Weight,
    /// The risks that it watches.
    pub mitigates: Vec<Spanned<String>>,
    /// What happens if it does not pass.
    pub on_fail: Reaction,
    /// How somebody is asked, with `on_fail: approval`.
    pub terms: Terms,
}

/// What happens when a gate does not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Reaction {
    Stop,
    Warn,
    Approval,
    Notify,
}

/// What whoever decides about a gate is told, and for how long they are asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    /// What they read.
    pub message: Option<String>,
    /// How long the question stands; then it counts as refused.
    pub expires: Option<Duration>,
}

/// The keys of a gate.
pub(super) const KEYS: [&str; 4] = ["check", "severity", "mitigates", "on_fail"];
/// The keys of an `approval`.
pub(super) const TERMS_KEYS: [&str; 2] = ["message", "expires"];

impl GateDecl {
    pub(super) fn read(decoder: &mut Decoder, node: &Node, key: &Spanned<String>, phase: Phase) -> Option<GateDecl> {
        let what = format!("gate `{}`", key.value);
        let name = decoder.name(&key.value, &key.span);
        let fields = decoder.fields(node, &what, &KEYS);
        let check = match fields.get("check") {
            Some(node) => decoder.expression(node, "`check`"),
            None => {
                decoder.missing("check", &what, &key.span);
                None
            }
        };
        let severity =
            fields.get("severity").map_or(Some(Weight::High), |node| decoder.word(node, "`severity`", &Weight::WORDS));
        let (on_fail, terms) =
            fields.get("on_fail").map_or((Some(Reaction::Stop), Terms::default()), |node| read_reaction(decoder, node));
        let mitigates = fields.get("mitigates").map_or_else(Vec::new, |node| {
            Decoder::one_or_many(node).iter().filter_map(|item| decoder.text(item, "a risk")).collect()
        });
        Some(GateDecl { name: name?, phase, check: check?, severity: severity?, mitigates, on_fail: on_fail?, terms })
    }
}

/// One word, or `approval` with what is asked.
fn read_reaction(decoder: &mut Decoder, node: &Node) -> (Option<Reaction>, Terms) {
    if matches!(node.value, Yaml::Map(_)) {
        let fields = decoder.fields(node, "`on_fail`", &["approval"]);
        let Some(node) = fields.entry("approval").map(|entry| &entry.value) else {
            decoder.missing("approval", "`on_fail`", &node.span);
            return (None, Terms::default());
        };
        let fields = decoder.fields(node, "`approval`", &TERMS_KEYS);
        let message = fields.get("message").and_then(|node| decoder.text(node, "`message`"));
        let expires = fields.get("expires").and_then(|node| decoder.duration(node, "`expires`"));
        return (Some(Reaction::Approval), Terms { message: message.map(|text| text.value), expires });
    }
    let reactions = [
        ("stop", Reaction::Stop),
        ("warn", Reaction::Warn),
        ("approval", Reaction::Approval),
        ("notify", Reaction::Notify),
    ];
    (decoder.word(node, "`on_fail`", &reactions), Terms::default())
}
