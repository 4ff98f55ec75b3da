//! What the pipeline is for, as the phase of understanding states it: objectives, success criteria and risks.

use super::decode::Decoder;
use super::node::{Node, Yaml};
use super::rejected::Mistake;
use super::source::Spanned;
use crate::id::RiskName;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Weight {
    Low,
    Medium,
    High,
    Critical,
}

impl Weight {
    pub(super) const WORDS: [(&'static str, Weight); 4] =
        [("low", Weight::Low), ("medium", Weight::Medium), ("high", Weight::High), ("critical", Weight::Critical)];
}

/// Objectives, criteria and risks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Purpose {
    /// Objectives by kind.
    pub objectives: Vec<(String, String)>,
    /// Success criteria.
    pub criteria: Vec<CriterionDecl>,
    /// The risk register.
    pub risks: Vec<RiskDecl>,
}

/// The range that a metric must be in.
#[derive(Debug, Clone, PartialEq)]
pub struct CriterionDecl {
    /// The kind: `ml`, `business` or `economic`.
    pub kind: Spanned<String>,
    /// The metric.
    pub metric: Spanned<String>,
    /// Lowest accepted value.
    pub min: Option<f64>,
    /// Highest accepted value.
    pub max: Option<f64>,
    /// The unit, for people.
    pub unit: Option<String>,
    /// The step that measures it.
    pub step: Option<Spanned<String>>,
}

/// Something that may go wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct RiskDecl {
    /// Its name.
    pub name: Spanned<RiskName>,
    /// What may go wrong.
    pub text: String,
    /// How bad it would be.
    pub severity: Weight,
}

/// The kinds of objectives and success criteria.
pub(super) const KINDS: [&str; 3] = ["business", "ml", "economic"];
pub(super) const CRITERION_KEYS: [&str; 4] = ["min", "max", "unit", "step"];
pub(super) const RISK_KEYS: [&str; 2] = ["text", "severity"];

impl Purpose {
    pub(super) fn read_objectives(&mut self, decoder: &mut Decoder, node: &Node) {
        decoder.fields(node, "`objectives`", &KINDS);
        for entry in decoder.map(node, "`objectives`") {
            if let Some(text) = decoder.text(&entry.value, "an objective") {
                self.objectives.push((entry.key.value.clone(), text.value));
            }
        }
    }

    pub(super) fn read_criteria(&mut self, decoder: &mut Decoder, node: &Node) {
        decoder.fields(node, "`success_criteria`", &KINDS);
        for kind in decoder.map(node, "`success_criteria`") {
            for entry in decoder.map(&kind.value, &format!("`{}`", kind.key.value)) {
                let what = format!("criterion `{}`", entry.key.value);
                let is_map = matches!(entry.value.value, Yaml::Map(_) | Yaml::Null);
                let fields = decoder.fields(&entry.value, &what, &CRITERION_KEYS);
                let criterion = CriterionDecl {
                    kind: kind.key.clone(),
                    metric: entry.key.clone(),
                    min: fields.get("min").and_then(|node| decoder.number(node, "`min`")),
                    max: fields.get("max").and_then(|node| decoder.number(node, "`max`")),
                    unit: fields.get("unit").and_then(|node| decoder.text(node, "`unit`")).map(|text| text.value),
                    step: fields.get("step").and_then(|node| decoder.text(node, "`step`")),
                };
                if fields.get("min").is_none() && fields.get("max").is_none() && is_map {
                    let mistake = Mistake::new("missing_key", entry.key.span.clone(), format!("{what} has no limit"));
                    decoder.note(mistake.help("give it `min`, `max` or both"));
                }
                self.criteria.push(criterion);
            }
        }
    }

    pub(super) fn read_risks(&mut self, decoder: &mut Decoder, node: &Node) {
        for entry in decoder.map(node, "`risks`") {
            let what = format!("risk `{}`", entry.key.value);
            let name = decoder.name(&entry.key.value, &entry.key.span);
            let fields = decoder.fields(&entry.value, &what, &RISK_KEYS);
            let text = match fields.get("text") {
                Some(node) => decoder.text(node, "`text`").map(|text| text.value),
                None => {
                    decoder.missing("text", &what, &entry.key.span);
                    None
                }
            };
            let severity = fields
                .get("severity")
                .map_or(Some(Weight::Medium), |node| decoder.word(node, "`severity`", &Weight::WORDS));
            if let (Some(name), Some(text), Some(severity)) = (name, text, severity) {
                self.risks.push(RiskDecl { name, text, severity });
            }
        }
    }
}
