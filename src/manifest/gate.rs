//! Declared quality gates.

use super::decode::Decoder;
use super::node::Node;
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

/// The keys of a gate.
pub(super) const KEYS: [&str; 4] = ["check", "severity", "mitigates", "on_fail"];

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
        let reactions = [
            ("stop", Reaction::Stop),
            ("warn", Reaction::Warn),
            ("approval", Reaction::Approval),
            ("notify", Reaction::Notify),
        ];
        let on_fail =
            fields.get("on_fail").map_or(Some(Reaction::Stop), |node| decoder.word(node, "`on_fail`", &reactions));
        let mitigates = fields.get("mitigates").map_or_else(Vec::new, |node| {
            Decoder::one_or_many(node).iter().filter_map(|item| decoder.text(item, "a risk")).collect()
        });
        Some(GateDecl { name: name?, phase, check: check?, severity: severity?, mitigates, on_fail: on_fail? })
    }
}
