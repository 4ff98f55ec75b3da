//! Declared steps.

use super::decode::Decoder;
use super::node::{Entry, Node, Yaml};
use super::reference::InputDecl;
use super::rejected::Mistake;
use super::settings::{self, Settings};
use super::source::{Span, Spanned};
use crate::id::{StepName, is_name};
use crate::phase::Phase;

/// The kind that `run:` means.
pub const COMMAND: &str = "command";

/// A step as it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct StepDecl {
    /// Its name.
    pub name: Spanned<StepName>,
    /// The phase it is written in.
    pub phase: Phase,
    /// The kind and its params; none if they cannot be read.
    pub work: Option<Work>,
    /// What is bound to its inputs.
    pub inputs: Vec<InputDecl>,
    /// Steps that must end before it.
    pub needs: Vec<Spanned<String>>,
    /// Run only if this expression is true.
    pub when: Option<Spanned<String>>,
    /// One instance for each combination of values.
    pub matrix: Vec<Axis>,
    /// Where it asks to be compared: models are trained with it and without.
    pub compare: Option<Span>,
    /// How it is run.
    pub settings: Settings,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// The kind; may hold expressions.
    pub kind: Spanned<String>,
    /// The params, a map; for `run:` the keys beside it.
    pub params: Node,
}

/// One key of a `matrix`, or `item` for `foreach`.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// The key.
    pub key: Spanned<String>,
    /// Its values: a list, or an expression for one.
    pub values: Node,
}

impl StepDecl {
    /// Whether there is an instance for each combination of values.
    pub fn is_matrix(&self) -> bool {
        !self.matrix.is_empty()
    }
}

/// The keys of a step besides its settings.
pub(super) const KEYS: [&str; 11] =
    ["uses", "with", "run", "outputs", "files", "inputs", "needs", "when", "foreach", "matrix", "compare"];

/// The keys of a step that are params of a command.
const COMMAND_KEYS: [&str; 3] = ["run", "outputs", "files"];

impl StepDecl {
    pub(super) fn read(decoder: &mut Decoder, node: &Node, key: &Spanned<String>, phase: Phase) -> Option<StepDecl> {
        let what = format!("step `{}`", key.value);
        let name = decoder.name(&key.value, &key.span);
        let known: Vec<&str> = KEYS.iter().chain(&settings::KEYS).copied().collect();
        let fields = decoder.fields(node, &what, &known);
        let work = read_work(decoder, node, &what, &key.span);
        let inputs = fields.get("inputs").map_or_else(Vec::new, |node| InputDecl::read_all(decoder, node));
        let needs = fields.get("needs").map_or_else(Vec::new, |node| {
            Decoder::one_or_many(node).iter().filter_map(|item| decoder.text(item, "a step's name")).collect()
        });
        let when = fields.get("when").and_then(|node| decoder.expression(node, "`when`"));
        let matrix = read_matrix(decoder, fields.entry("matrix"), fields.entry("foreach"));
        let compare = fields.entry("compare").and_then(|entry| match StepDecl::check_compare(&entry.value) {
            Some(mistake) => {
                decoder.note(mistake);
                None
            }
            None => Some(entry.key.span.clone()),
        });
        let settings = Settings::read(decoder, node);
        Some(StepDecl { name: name?, phase, work, inputs, needs, when, matrix, compare, settings })
    }

    /// What is wrong with the value of `compare`, which has only one.
    pub fn check_compare(value: &Node) -> Option<Mistake> {
        let items = match &value.value {
            Yaml::List(items) => items.as_slice(),
            _ => &[],
        };
        let sides: Vec<_> = items.iter().map(Node::to_json).collect();
        let is_right = sides == ["with", "without"] || sides == ["without", "with"];
        let mistake =
            || Mistake::new("unknown_value", value.span.clone(), "`compare` knows two sides: with and without");
        (!is_right).then(|| mistake().help("write `compare: [with, without]`"))
    }
}

fn read_work(decoder: &mut Decoder, node: &Node, what: &str, at: &Span) -> Option<Work> {
    let get = |key: &str| node.entry(key);
    match (get("uses"), get("run")) {
        (Some(uses), None) => {
            for entry in COMMAND_KEYS.iter().skip(1).filter_map(|key| get(key)) {
                let message = format!("`{}` belongs to a `run` step", entry.key.value);
                let help = if entry.key.value == "outputs" {
                    "the outputs of a `uses` step follow from its kind"
                } else {
                    "name files under `with`"
                };
                decoder.note(Mistake::new("conflict", entry.key.span.clone(), message).help(help));
            }
            let kind = decoder.text(&uses.value, "`uses`")?;
            let params = match get("with").map(|entry| &entry.value) {
                Some(with) if matches!(with.value, Yaml::Map(_)) => with.clone(),
                Some(with) if with.value != Yaml::Null => {
                    decoder.wrong_type(with, "`with`", "a map");
                    return None;
                }
                _ => Node::new(Yaml::Map(Vec::new()), kind.span.clone()),
            };
            Some(Work { kind, params })
        }
        (None, Some(run)) => {
            if let Some(with) = get("with") {
                let message = "a `run` step takes no `with`";
                let help = "give values to the command line, as `${{ params.x }}`, or under `env`";
                decoder.note(Mistake::new("conflict", with.key.span.clone(), message).help(help));
            }
            let entries: Vec<Entry> = COMMAND_KEYS.iter().filter_map(|key| get(key)).cloned().collect();
            let kind = Spanned::new(COMMAND.to_owned(), run.key.span.clone());
            decoder.text(&run.value, "`run`")?;
            Some(Work { kind, params: Node::new(Yaml::Map(entries), run.key.span.clone()) })
        }
        (Some(_), Some(run)) => {
            let mistake = Mistake::new("conflict", run.key.span.clone(), format!("{what} has both `uses` and `run`"));
            decoder.note(mistake.help("keep one of them"));
            None
        }
        (None, None) => {
            let mistake = Mistake::new("missing_key", at.clone(), format!("{what} has neither `uses` nor `run`"));
            decoder.note(
                mistake.help("give it a kind, such as `uses: ingest.csv`, or a command: `run: python3 train.py`"),
            );
            None
        }
    }
}

fn read_matrix(decoder: &mut Decoder, matrix: Option<&Entry>, foreach: Option<&Entry>) -> Vec<Axis> {
    if let (Some(_), Some(foreach)) = (matrix, foreach) {
        let mistake = Mistake::new("conflict", foreach.key.span.clone(), "a step has either `matrix` or `foreach`");
        decoder.note(mistake.help("write `matrix: {item: […], …}`"));
    }
    let mut axes = Vec::new();
    if let Some(matrix) = matrix {
        for entry in decoder.map(&matrix.value, "`matrix`") {
            if !is_name(&entry.key.value) {
                let message = format!("`{}` is not a valid key of a matrix", entry.key.value);
                let help = "use lower-case letters, digits and `_`";
                decoder.note(Mistake::new("bad_name", entry.key.span.clone(), message).help(help));
            } else if check_values(decoder, &entry.value, &entry.key.value) {
                axes.push(Axis { key: entry.key.clone(), values: entry.value.clone() });
            }
        }
    } else if let Some(foreach) = foreach
        && check_values(decoder, &foreach.value, "foreach")
    {
        axes.push(Axis {
            key: Spanned::new("item".to_owned(), foreach.key.span.clone()),
            values: foreach.value.clone(),
        });
    }
    axes
}

fn check_values(decoder: &mut Decoder, node: &Node, key: &str) -> bool {
    match &node.value {
        Yaml::List(items) if items.is_empty() => {
            decoder.note(Mistake::new("empty", node.span.clone(), format!("`{key}` has no values")));
            false
        }
        Yaml::List(_) => true,
        Yaml::Text(text) if super::template::has_expression(text) => true,
        _ => {
            decoder.wrong_type(node, &format!("`{key}`"), "a list, or an expression for one");
            false
        }
    }
}
