//! Declared parameters of a pipeline, and the values that they take.

use serde_json::{Number, Value};

use super::decode::Decoder;
use super::nearest::suggest;
use super::node::{Node, Yaml};
use super::rejected::Mistake;
use super::source::Span;
use super::yaml;

/// What a parameter holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ParamType {
    String,
    Int,
    Float,
    Bool,
    Path,
    List,
    Choice,
}

impl ParamType {
    const WORDS: [(&'static str, ParamType); 7] = [
        ("string", ParamType::String),
        ("int", ParamType::Int),
        ("float", ParamType::Float),
        ("bool", ParamType::Bool),
        ("path", ParamType::Path),
        ("list", ParamType::List),
        ("choice", ParamType::Choice),
    ];

    /// The words for all types.
    pub(super) fn words() -> impl Iterator<Item = &'static str> {
        Self::WORDS.iter().map(|(word, _)| *word)
    }

    fn expected(self) -> &'static str {
        match self {
            ParamType::String => "text",
            ParamType::Path => "a path",
            ParamType::Int => "a whole number",
            ParamType::Float => "a number",
            ParamType::Bool => "true or false",
            ParamType::List => "a list",
            ParamType::Choice => "one of its choices",
        }
    }
}

/// A declared parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct ParamDecl {
    /// What it holds.
    pub param_type: ParamType,
    /// The value if none is given.
    pub default: Option<Value>,
    /// Whether it must be given, since no default is written.
    pub is_required: bool,
    /// Lowest accepted number.
    pub min: Option<f64>,
    /// Highest accepted number.
    pub max: Option<f64>,
    /// The accepted values of a choice.
    pub choices: Vec<Value>,
    /// What it is for.
    pub description: Option<String>,
    /// Where it is declared.
    pub span: Span,
}

/// The keys of a declared parameter.
pub(super) const KEYS: [&str; 6] = ["type", "default", "min", "max", "choices", "description"];

impl ParamDecl {
    pub(super) fn read(decoder: &mut Decoder, node: &Node, name: &str, span: &Span) -> Option<ParamDecl> {
        let what = format!("param `{name}`");
        let fields = decoder.fields(node, &what, &KEYS);
        let Some(type_node) = fields.get("type") else {
            decoder.missing("type", &what, span);
            return None;
        };
        let param_type = decoder.word(type_node, "`type`", &ParamType::WORDS)?;
        let is_number = matches!(param_type, ParamType::Int | ParamType::Float);
        let mut limit = |key| {
            let node: &Node = fields.get(key)?;
            if is_number {
                return decoder.number(node, &format!("`{key}`"));
            }
            let message = format!("`{key}` means nothing for a param of this type");
            decoder.note(
                Mistake::new("wrong_type", node.span.clone(), message).help("only `int` and `float` have a range"),
            );
            None
        };
        let (min, max) = (limit("min"), limit("max"));
        let choices = match (fields.get("choices"), param_type) {
            (Some(node), ParamType::List | ParamType::Bool) => {
                decoder.note(Mistake::new(
                    "wrong_type",
                    node.span.clone(),
                    "`choices` means nothing for a param of this type",
                ));
                Vec::new()
            }
            (Some(node), _) => decoder.list(node, "`choices`").iter().map(Node::to_json).collect(),
            (None, ParamType::Choice) => {
                decoder.missing("choices", &what, span);
                return None;
            }
            (None, _) => Vec::new(),
        };
        let description =
            fields.get("description").and_then(|node| decoder.text(node, "`description`")).map(|text| text.value);
        let is_required = fields.get("default").is_none();
        let mut declared =
            ParamDecl { param_type, default: None, is_required, min, max, choices, description, span: span.clone() };
        if let Some(node) = fields.get("default") {
            match declared.accept(name, node) {
                Ok(value) => declared.default = Some(value),
                Err(mistake) => decoder.note(mistake),
            }
        }
        Some(declared)
    }

    /// The value of this parameter that `node` gives.
    ///
    /// # Errors
    /// The value has another type or is out of range.
    pub fn accept(&self, name: &str, node: &Node) -> Result<Value, Mistake> {
        let wrong_type = || {
            let message = format!("param `{name}` must be {}, not {}", self.param_type.expected(), node.what());
            Mistake::new("wrong_type", node.span.clone(), message)
        };
        let value = match (self.param_type, &node.value) {
            (ParamType::String | ParamType::Path, Yaml::Text(_) | Yaml::Literal(_))
            | (ParamType::Bool, Yaml::Bool(_))
            | (ParamType::Choice, Yaml::Text(_) | Yaml::Literal(_) | Yaml::Number(_) | Yaml::Bool(_))
            | (ParamType::List, Yaml::List(_)) => node.to_json(),
            (ParamType::Int, Yaml::Number(number)) if !number.is_f64() => node.to_json(),
            (ParamType::Float, Yaml::Number(number)) => {
                Value::Number(number.as_f64().and_then(Number::from_f64).ok_or_else(wrong_type)?)
            }
            (ParamType::String | ParamType::Path, Yaml::Number(_) | Yaml::Bool(_)) => {
                return Err(wrong_type().help("put quotes around it"));
            }
            _ => return Err(wrong_type()),
        };
        self.check_range(name, &value, &node.span)?;
        Ok(value)
    }

    /// The value that `text` from the command line gives.
    ///
    /// # Errors
    /// The value has another type or is out of range.
    pub fn accept_text(&self, name: &str, text: &str, span: &Span) -> Result<Value, Mistake> {
        let yaml_value = match self.param_type {
            ParamType::String | ParamType::Path => None,
            ParamType::Choice => {
                let choice = self.choices.iter().find(|choice| match choice {
                    Value::String(choice) => choice == text,
                    other => yaml::read(text).0.is_some_and(|node| node.to_json() == **other),
                });
                return choice.cloned().ok_or_else(|| self.not_a_choice(name, text, span));
            }
            ParamType::Int | ParamType::Float | ParamType::Bool => yaml::read(text).0.map(|node| node.value),
            ParamType::List => match yaml::read(text) {
                (Some(Node { value: Yaml::List(items), .. }), mistakes) if mistakes.is_empty() => {
                    Some(Yaml::List(items))
                }
                _ => Some(Yaml::List(text.split(',').filter_map(|item| yaml::read(item.trim()).0).collect())),
            },
        };
        let value = yaml_value.unwrap_or_else(|| Yaml::Literal(text.to_owned()));
        self.accept(name, &Node::new(value, span.clone()))
    }

    fn check_range(&self, name: &str, value: &Value, span: &Span) -> Result<(), Mistake> {
        if let Some(number) = value.as_f64()
            && (self.min.is_some_and(|min| number < min) || self.max.is_some_and(|max| number > max))
        {
            let range = match (self.min, self.max) {
                (Some(min), Some(max)) => format!("from {min} to {max}"),
                (Some(min), None) => format!("at least {min}"),
                (None, Some(max)) => format!("at most {max}"),
                (None, None) => String::new(),
            };
            let message = format!("param `{name}` is {value}, but must be {range}");
            return Err(Mistake::new("out_of_range", span.clone(), message));
        }
        if !self.choices.is_empty() && !self.choices.contains(value) {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            return Err(self.not_a_choice(name, &text, span));
        }
        Ok(())
    }

    fn not_a_choice(&self, name: &str, text: &str, span: &Span) -> Mistake {
        let choices: Vec<String> = self
            .choices
            .iter()
            .map(|choice| choice.as_str().map_or_else(|| choice.to_string(), str::to_owned))
            .collect();
        Mistake::new("unknown_value", span.clone(), format!("`{text}` is not a choice of param `{name}`"))
            .maybe_help(suggest(text, choices.iter().map(String::as_str)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn declared(yaml_text: &str) -> Result<ParamDecl, Vec<&'static str>> {
        let mut decoder = Decoder::default();
        let node = yaml::read(yaml_text).0.unwrap();
        let read = ParamDecl::read(&mut decoder, &node, "p", &(0..1));
        let codes: Vec<&'static str> = decoder.mistakes.iter().map(|mistake| mistake.code).collect();
        if codes.is_empty() { Ok(read.unwrap()) } else { Err(codes) }
    }

    #[test]
    fn text_from_the_command_line_takes_the_declared_type() {
        let given = |decl: &str, text: &str| {
            declared(decl).unwrap().accept_text("p", text, &(0..0)).map_err(|mistake| mistake.code)
        };
        assert_eq!(given("{type: int, max: 9}", "7"), Ok(json!(7)));
        assert_eq!(given("{type: int, max: 9}", "10"), Err("out_of_range"));
        assert_eq!(given("{type: int}", "1.5"), Err("wrong_type"));
        assert_eq!(given("{type: float}", "1"), Ok(json!(1.0)));
        assert_eq!(given("{type: bool}", "true"), Ok(json!(true)));
        assert_eq!(given("{type: bool}", "yes"), Err("wrong_type"));
        assert_eq!(given("{type: string}", "007"), Ok(json!("007")));
        assert_eq!(given("{type: list}", "[1, two]"), Ok(json!([1, "two"])));
        assert_eq!(given("{type: list}", "a,b"), Ok(json!(["a", "b"])));
        assert_eq!(given("{type: choice, choices: [mlp, 3]}", "3"), Ok(json!(3)));
        assert_eq!(given("{type: choice, choices: [mlp, 3]}", "mpl"), Err("unknown_value"));
    }

    #[test]
    fn a_declaration_that_contradicts_itself_is_refused() {
        assert_eq!(declared("{default: 3}").unwrap_err(), ["missing_key"]);
        assert_eq!(declared("{type: integer}").unwrap_err(), ["unknown_value"]);
        assert_eq!(declared("{type: int, default: x, mn: 3}").unwrap_err(), ["unknown_key", "wrong_type"]);
        assert_eq!(declared("{type: string, default: 3, min: 3}").unwrap_err(), ["wrong_type", "wrong_type"]);
        assert_eq!(declared("{type: int, default: 0, min: 1}").unwrap_err(), ["out_of_range"]);
        assert_eq!(declared("{type: choice}").unwrap_err(), ["missing_key"]);
    }
}
