//! Which columns a transform works on: names, `@numeric` and its like, patterns, and exceptions from them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TransformError;
use super::frame::{Frame, Kind, missing};

/// Columns by name, by kind (`@numeric`, `@categorical`, `@datetime`, `@encoded`, `@all`), by pattern (`charge_*`) or
/// by regular expression (`/^charge_/`); one of these or a list of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Selector {
    /// One of them.
    One(String),
    /// Several of them.
    Many(Vec<String>),
}

/// One part of a selector, understood.
enum Part<'text> {
    Name(&'text str),
    Kinds(&'static [Kind]),
    Pattern(regex::Regex),
}

const ALL_KINDS: &[Kind] = &[Kind::Number, Kind::Category, Kind::Moment, Kind::Encoded];

impl Selector {
    /// The parts as written.
    pub fn parts(&self) -> &[String] {
        match self {
            Selector::One(part) => std::slice::from_ref(part),
            Selector::Many(parts) => parts,
        }
    }

    /// What is wrong with the text itself, before any table is known.
    pub fn check(&self) -> Result<(), String> {
        self.parts().iter().try_for_each(|part| Part::parse(part).map(drop))
    }

    /// Whether columns of the kinds `open` that are not known yet could be among the selected ones.
    pub(super) fn may_grow(&self, frame: &Frame, open: &[Kind]) -> bool {
        self.parts().iter().any(|text| match Part::parse(text) {
            Ok(Part::Name(name)) => !frame.has(name),
            Ok(Part::Kinds(kinds)) => open.iter().any(|kind| kinds.contains(kind)),
            Ok(Part::Pattern(_)) => !frame.has(text),
            Err(_) => false,
        })
    }

    /// The selected columns of `frame`, in the frame's order.
    ///
    /// # Errors
    /// When a name or a pattern finds nothing; a kind may find nothing.
    pub(super) fn select(&self, frame: &Frame) -> Result<Vec<String>, TransformError> {
        let mut parts = Vec::new();
        for text in self.parts() {
            // A column may well be called `a*`.
            if frame.has(text) {
                parts.push(Part::Name(text));
                continue;
            }
            let part = Part::parse(text).map_err(|message| TransformError::input("selector", message))?;
            match &part {
                Part::Name(name) => return Err(missing(name, frame.columns().map(|(name, _)| name))),
                Part::Pattern(pattern) if !frame.columns().any(|(name, _)| pattern.is_match(name)) => {
                    let names: Vec<&str> = frame.columns().map(|(name, _)| name).collect();
                    return Err(TransformError::input("column_missing", format!("no column matches `{text}`"))
                        .help(format!("there are: {}", names.join(", "))));
                }
                _ => parts.push(part),
            }
        }
        let is_selected = |name: &str, kind: Kind| {
            parts.iter().any(|part| match part {
                Part::Name(wanted) => *wanted == name,
                Part::Kinds(kinds) => kinds.contains(&kind),
                Part::Pattern(pattern) => pattern.is_match(name),
            })
        };
        let selected = frame.columns().filter(|(name, column)| is_selected(name, column.kind));
        Ok(selected.map(|(name, _)| name.to_owned()).collect())
    }
}

impl Part<'_> {
    fn parse(text: &str) -> Result<Part<'_>, String> {
        if let Some(kind) = text.strip_prefix('@') {
            return match kind {
                "numeric" => Ok(Part::Kinds(&[Kind::Number])),
                "categorical" => Ok(Part::Kinds(&[Kind::Category])),
                "datetime" => Ok(Part::Kinds(&[Kind::Moment])),
                "encoded" => Ok(Part::Kinds(&[Kind::Encoded])),
                "all" => Ok(Part::Kinds(ALL_KINDS)),
                _ => Err(format!(
                    "there is no selector `{text}`; there are @numeric, @categorical, @datetime, @encoded and @all"
                )),
            };
        }
        if let Some(pattern) = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            return match regex::Regex::new(pattern) {
                Ok(pattern) => Ok(Part::Pattern(pattern)),
                Err(error) => Err(format!("`{text}` is not a regular expression: {error}")),
            };
        }
        if text.contains(['*', '?']) {
            let escaped = regex::escape(text).replace(r"\*", ".*").replace(r"\?", ".");
            let pattern = regex::Regex::new(&format!("(?s)^{escaped}$")).map_err(|error| error.to_string())?;
            return Ok(Part::Pattern(pattern));
        }
        Ok(Part::Name(text))
    }
}

#[cfg(test)]
mod tests {
    use super::super::ColumnType;
    use super::super::frame::Column;
    use super::*;

    fn frame() -> Frame {
        let mut frame = Frame::new(0);
        for (name, column_type) in [
            ("charge_total", ColumnType::Float),
            ("plan", ColumnType::Text),
            ("charge_month", ColumnType::Int),
            ("since", ColumnType::Date),
            ("is_new", ColumnType::Bool),
        ] {
            frame.set(name, Column { array: column_type.empty(), kind: Kind::of(column_type), categories: None });
        }
        frame
    }

    fn check(selector: &str, expected: &[&str]) {
        let selector: Selector = serde_json::from_str(selector).unwrap();
        assert_eq!(selector.select(&frame()).unwrap(), expected, "{selector:?}");
    }

    #[test]
    fn columns_are_selected_by_name_kind_and_pattern() {
        check(r#""plan""#, &["plan"]);
        check(r#"["since", "plan"]"#, &["plan", "since"]);
        check(r#""@numeric""#, &["charge_total", "charge_month"]);
        check(r#"["@categorical", "@datetime"]"#, &["plan", "since", "is_new"]);
        check(r#""charge_*""#, &["charge_total", "charge_month"]);
        check(r#""/th$|new/""#, &["charge_month", "is_new"]);
        check(r#""@encoded""#, &[]);
    }

    #[test]
    fn a_name_that_is_not_there_is_an_error_with_the_nearest_one() {
        let error = Selector::One("plam".to_owned()).select(&frame()).unwrap_err();
        assert_eq!(error.remedy(), Some("did you mean `plan`?"));
        assert!(Selector::One("fee_*".to_owned()).select(&frame()).is_err());
        assert!(Selector::One("@number".to_owned()).check().is_err());
        assert!(Selector::One("/(/".to_owned()).check().is_err());
    }
}
