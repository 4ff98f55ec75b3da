//! One way to report everything that is wrong with a manifest, a setting or a plan.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use super::render;
use super::source::{Source, Span};

/// How many mistakes one report shows; a file with more is broken in another way.
const MAX_MISTAKES: usize = 100;

/// One mistake of the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The stable code, such as `unknown_key`.
    pub code: &'static str,
    /// What is wrong: lower case, without final stop.
    pub message: String,
    /// Where.
    pub span: Span,
    /// The remedy, if there is one.
    pub help: Option<String>,
}

impl Mistake {
    /// A mistake without a remedy.
    pub fn new(code: &'static str, span: Span, message: impl Into<String>) -> Mistake {
        Mistake { code, message: message.into(), span, help: None }
    }

    /// The same mistake with a remedy.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Mistake {
        Mistake { help: Some(help.into()), ..self }
    }

    /// The same mistake with a remedy, if there is one.
    #[must_use]
    pub fn maybe_help(self, help: Option<String>) -> Mistake {
        Mistake { help, ..self }
    }
}

/// Whether a report is written for a terminal that shows colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    Never,
    /// With ANSI colours.
    Always,
}

/// What was refused, with all mistakes, by source and then in the order of the text; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    parts: Vec<(Arc<Source>, Vec<Mistake>)>,
}

impl Rejected {
    /// A source refused for one mistake.
    pub fn one(source: &Arc<Source>, mistake: Mistake) -> Rejected {
        Rejected { parts: vec![(Arc::clone(source), vec![mistake])] }
    }

    /// Refuses `source` if there are mistakes.
    ///
    /// # Errors
    /// The mistakes, sorted by place, each once.
    pub fn unless_empty(source: &Arc<Source>, mut mistakes: Vec<Mistake>) -> Result<(), Rejected> {
        if mistakes.is_empty() {
            return Ok(());
        }
        mistakes.sort_by_key(|mistake| mistake.span.start);
        let mut seen = BTreeSet::new();
        mistakes.retain(|mistake| seen.insert((mistake.code, mistake.span.start, mistake.message.clone())));
        if mistakes.len() > MAX_MISTAKES {
            let more = mistakes.len() - MAX_MISTAKES;
            let span = mistakes[MAX_MISTAKES].span.clone();
            mistakes.truncate(MAX_MISTAKES);
            mistakes.push(Mistake::new("too_many", span, format!("there are {more} more mistakes from here on")));
        }
        Err(Rejected { parts: vec![(Arc::clone(source), mistakes)] })
    }

    /// Both refusals in one report.
    #[must_use]
    pub fn and(mut self, other: Rejected) -> Rejected {
        self.parts.extend(other.parts);
        self
    }

    /// The mistakes.
    pub fn mistakes(&self) -> Vec<&Mistake> {
        self.parts.iter().flat_map(|(_, mistakes)| mistakes).collect()
    }

    /// The report for people: for each mistake its code, place, source line, a caret and the remedy.
    pub fn render(&self, colour: Colour) -> String {
        let reports: Vec<String> =
            self.parts.iter().map(|(source, mistakes)| render::report(source, mistakes, colour)).collect();
        reports.join("\n\n")
    }

    /// The mistakes as `{code, message, file, line, column, help}`.
    pub fn to_json(&self) -> Vec<Value> {
        self.parts
            .iter()
            .flat_map(|(source, mistakes)| mistakes.iter().map(move |mistake| (source, mistake)))
            .map(|(source, mistake)| {
                let (line, column) = source.position(mistake.span.start);
                json!({
                    "code": mistake.code,
                    "message": mistake.message,
                    "file": source.name,
                    "line": line,
                    "column": column,
                    "help": mistake.help,
                })
            })
            .collect()
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(Colour::Never))
    }
}

impl std::error::Error for Rejected {}
