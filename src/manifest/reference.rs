//! References to outputs of other steps, as `inputs` holds them.

use super::decode::Decoder;
use super::node::{Node, Yaml};
use super::rejected::Mistake;
use super::source::{Span, Spanned};
use crate::id::{InputName, OutputName, is_name};

/// `step`, `step.output`, `step[key=value]` or `step[key=value].output`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The declared step.
    pub step: String,
    /// The instances of it: those with these values of its matrix; all if empty.
    pub keys: Vec<(String, String)>,
    /// The output; none for the default one.
    pub output: Option<OutputName>,
    /// Where it is written.
    pub span: Span,
}

/// What is bound to one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputDecl {
    /// The input.
    pub name: Spanned<InputName>,
    /// What it takes, in the order written.
    pub references: Vec<Reference>,
}

impl Reference {
    /// Reads a reference.
    pub(super) fn parse(text: &str, span: &Span) -> Option<Reference> {
        let (step, rest) = text.split_at(text.find(['[', '.']).unwrap_or(text.len()));
        let (keys, rest) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => ("", rest),
        };
        let keys = keys
            .split(',')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())))
            .collect::<Option<Vec<_>>>()?;
        let output = match rest.strip_prefix('.') {
            Some(output) => Some(output.parse().ok()?),
            None if rest.is_empty() => None,
            None => return None,
        };
        is_name(step).then(|| Reference { step: step.to_owned(), keys, output, span: span.clone() })
    }

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Reference> {
        let reference = match &node.value {
            Yaml::Text(text) => Reference::parse(text, &node.span),
            _ => None,
        };
        if reference.is_none() {
            let mistake = Mistake::new("bad_reference", node.span.clone(), "this is not a reference to an output")
                .help("write `step`, `step.output` or a list of them");
            decoder.note(mistake);
        }
        reference
    }
}

impl InputDecl {
    /// Reads the map under `inputs`.
    pub(super) fn read_all(decoder: &mut Decoder, node: &Node) -> Vec<InputDecl> {
        let mut inputs = Vec::new();
        for entry in decoder.map(node, "`inputs`") {
            let name = decoder.name(&entry.key.value, &entry.key.span);
            let items = Decoder::one_or_many(&entry.value);
            if items.is_empty() {
                let message = format!("input `{}` is given nothing", entry.key.value);
                decoder.note(
                    Mistake::new("empty", entry.key.span.clone(), message).help("name a step, or leave the input out"),
                );
            }
            let references = items.iter().filter_map(|item| Reference::read(decoder, item)).collect();
            if let Some(name) = name {
                inputs.push(InputDecl { name, references });
            }
        }
        inputs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_a_step_its_instances_and_an_output() {
        let check = |text: &str| {
            Reference::parse(text, &(0..0)).map(|reference| {
                let keys: Vec<String> = reference.keys.iter().map(|(key, value)| format!("{key}:{value}")).collect();
                format!(
                    "{}|{}|{}",
                    reference.step,
                    keys.join(";"),
                    reference.output.map_or(String::new(), |output| output.to_string())
                )
            })
        };
        assert_eq!(check("split").unwrap(), "split||");
        assert_eq!(check("split.train").unwrap(), "split||train");
        assert_eq!(check("train[model=mlp,rate=0.1].model").unwrap(), "train|model:mlp;rate:0.1|model");
        for bad in ["", "Split", "a.b.c", "a[", "a[x]", "a[x=1]b", ".b", "a b", "steps.a.b"] {
            assert_eq!(check(bad), None, "{bad}");
        }
    }
}
