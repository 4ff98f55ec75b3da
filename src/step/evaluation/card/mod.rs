//! The model card (after Mitchell et al. 2019): what the model is for, what it was measured to do and what was promised.
//!
//! The content is built once, as sections of text, tables and plots, and rendered as Markdown and as one HTML page
//! that needs nothing from outside.

mod contents;
mod html;
mod markdown;
mod plots;
mod purpose;

use serde_json::Value;

use super::findings::Findings;
use plots::Plot;

/// A model card.
pub(super) struct Card {
    title: String,
    sections: Vec<Section>,
}

struct Section {
    title: &'static str,
    blocks: Vec<Block>,
}

enum Block {
    Text(String),
    Table {
        header: Vec<String>,
        rows: Vec<Vec<String>>,
    },
    /// Plots stand side by side; Markdown leaves them out.
    Plots(Vec<Plot>),
}

impl Block {
    fn table(header: &[&str], rows: Vec<Vec<String>>) -> Block {
        Block::Table { header: header.iter().map(|&name| name.to_owned()).collect(), rows }
    }
}

impl Card {
    /// The card of what was found; `record` is what the manifest and the run say about purpose, any part of which may be
    /// missing.
    pub(super) fn new(findings: &Findings, record: &Value) -> Card {
        let pipeline = record.get("pipeline").and_then(Value::as_str);
        let title = match pipeline {
            Some(pipeline) => format!("Model card: {pipeline}"),
            None => format!("Model card: {}", findings.model.target),
        };
        let mut sections = purpose::sections(findings, record);
        sections.extend(contents::sections(findings));
        Card { title, sections }
    }
}

/// A number for people: four significant digits, or `undefined`.
fn number(value: Option<f64>) -> String {
    let Some(value) = value else { return "undefined".to_owned() };
    let size = value.abs();
    let digits = match size {
        _ if size >= 1000.0 => 0,
        _ if size >= 10.0 => 2,
        _ if size >= 0.001 || size == 0.0 => 4,
        _ => return format!("{value:.2e}"),
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests;
