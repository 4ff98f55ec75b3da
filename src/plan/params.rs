//! Values of the pipeline's params: what was given from outside, or else the defaults.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::id::ParamName;
use crate::manifest::{Manifest, Mistake, Node, ParamDecl, ParamType, Rejected, Source, Span, Spanned, suggest};

/// Values given to params from outside the manifest.
#[derive(Debug, Clone)]
pub struct Overrides {
    source: Arc<Source>,
    given: Vec<(Spanned<String>, Spanned<Given>)>,
    stand_ins: bool,
    /// Where relative paths among the settings start from; the manifest's folder unless told.
    folder: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq)]
enum Given {
    /// Text that takes the declared type.
    Text(String),
    /// A value that must have the declared type.
    Value(Value),
}

impl Overrides {
    /// Nothing given: the defaults count.
    pub fn none() -> Overrides {
        Overrides { source: Source::new("--set", ""), given: Vec::new(), stand_ins: false, folder: None }
    }

    /// Nothing given, and a stand-in for each param that has no default, so that a manifest can be checked without it.
    pub fn stand_ins() -> Overrides {
        Overrides { stand_ins: true, ..Overrides::none() }
    }

    /// Settings such as `epochs=50`.
    ///
    /// # Errors
    /// A setting has no `=`, or two name the same param.
    pub fn from_settings<'setting>(settings: impl IntoIterator<Item = &'setting str>) -> Result<Overrides, Rejected> {
        let settings: Vec<String> = settings.into_iter().map(|setting| setting.replace('\n', " ")).collect();
        let source = Source::new("--set", settings.join("\n"));
        let (mut given, mut mistakes, mut offset) = (Vec::<(Spanned<String>, _)>::new(), Vec::new(), 0);
        for setting in &settings {
            let end = offset + setting.len();
            match setting.split_once('=') {
                Some((name, value)) => {
                    let span = offset..offset + name.len();
                    if given.iter().any(|(known, _)| known.value == name.trim()) {
                        let message = format!("param `{}` is set twice", name.trim());
                        mistakes.push(Mistake::new("duplicate_key", span.clone(), message));
                    }
                    let value = Spanned::new(Given::Text(value.to_owned()), span.end + 1..end);
                    given.push((Spanned::new(name.trim().to_owned(), span), value));
                }
                None => mistakes.push(
                    Mistake::new("bad_setting", offset..end, format!("`{setting}` is not a setting"))
                        .help("write `--set name=value`"),
                ),
            }
            offset = end + 1;
        }
        Rejected::unless_empty(&source, mistakes)?;
        Ok(Overrides { source, given, stand_ins: false, folder: None })
    }

    /// The same settings, with relative paths that start from `folder`, as a shell completes them.
    #[must_use]
    pub fn with_paths_from(self, folder: impl Into<PathBuf>) -> Overrides {
        Overrides { folder: Some(folder.into()), ..self }
    }

    /// The same values, and for params that are not among them `values`.
    #[must_use]
    pub fn or_values(mut self, values: impl IntoIterator<Item = (String, Value)>) -> Overrides {
        let is_given = |name: &str, given: &[(Spanned<String>, _)]| given.iter().any(|(known, _)| known.value == name);
        let values: Vec<_> = values.into_iter().filter(|(name, _)| !is_given(name, &self.given)).collect();
        let mut text = self.source.text.clone();
        if !text.is_empty() && !text.ends_with('\n') && !values.is_empty() {
            text.push('\n');
        }
        append(values, &mut text, &mut self.given);
        Overrides { source: Source::new(&self.source.name, text), ..self }
    }

    /// A path as steps are to read it: relative to the manifest's folder where it lies in there.
    fn path(&self, given: &str, manifest_folder: &Path) -> Option<String> {
        let folder = self.folder.as_ref()?;
        if given.contains("://") || Path::new(given).is_absolute() {
            return None;
        }
        let (path, manifest_folder) = (plain(&folder.join(given)), plain(&folder.join(manifest_folder)));
        Some(path.strip_prefix(&manifest_folder).unwrap_or(&path).to_str()?.to_owned())
    }

    /// Typed values, such as those of a request.
    pub fn from_values(values: impl IntoIterator<Item = (String, Value)>) -> Overrides {
        let (mut text, mut given) = (String::new(), Vec::new());
        append(values, &mut text, &mut given);
        Overrides { source: Source::new("params", text), given, stand_ins: false, folder: None }
    }
}

/// Writes typed values below a text of settings, and notes where.
fn append(
    values: impl IntoIterator<Item = (String, Value)>,
    text: &mut String,
    given: &mut Vec<(Spanned<String>, Spanned<Given>)>,
) {
    for (name, value) in values {
        let start = text.len();
        text.push_str(&name.replace('\n', " "));
        let span = start..text.len();
        text.push('=');
        let value_start = text.len();
        text.push_str(&value.to_string());
        given.push((Spanned::new(name, span), Spanned::new(Given::Value(value), value_start..text.len())));
        text.push('\n');
    }
}

/// The values of all params, and what is wrong with those that were given.
pub(super) fn values(
    manifest: &Manifest,
    overrides: &Overrides,
    mistakes: &mut Vec<Mistake>,
) -> (BTreeMap<ParamName, Value>, Result<(), Rejected>) {
    let (mut values, mut refused) = (BTreeMap::new(), Vec::new());
    for (name, given) in &overrides.given {
        let Some((declared_name, declared)) = manifest.params.iter().find(|(known, _)| known.as_str() == name.value)
        else {
            let known = manifest.params.keys().map(ParamName::as_str);
            let message = format!("pipeline `{}` has no param `{}`", manifest.pipeline, name.value);
            refused.push(
                Mistake::new("unknown_param", name.span.clone(), message).maybe_help(suggest(&name.value, known)),
            );
            continue;
        };
        let accepted = match &given.value {
            Given::Text(text) if declared.param_type == ParamType::Path => {
                let path = overrides.path(text, &manifest.source.folder);
                declared.accept_text(&name.value, path.as_deref().unwrap_or(text), &given.span)
            }
            Given::Text(text) => declared.accept_text(&name.value, text, &given.span),
            Given::Value(value) => declared.accept(&name.value, &Node::from_json(value, &given.span)),
        };
        match accepted {
            Ok(value) => drop(values.insert(declared_name.clone(), value)),
            Err(mistake) => {
                refused.push(mistake);
                // Something, so that what depends on the value is not reported as well.
                values.insert(declared_name.clone(), declared.default.clone().unwrap_or_else(|| stand_in(declared)));
            }
        }
    }
    for (name, declared) in &manifest.params {
        if values.contains_key(name) {
            continue;
        }
        let value = declared.default.clone().unwrap_or_else(|| {
            if declared.is_required && !overrides.stand_ins {
                mistakes.push(missing(name, &declared.span));
            }
            stand_in(declared)
        });
        values.insert(name.clone(), value);
    }
    (values, Rejected::unless_empty(&overrides.source, refused))
}

/// The path without `.` and, as far as names can tell, without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(plain.components().next_back(), Some(Component::Normal(_))) => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

fn missing(name: &ParamName, span: &Span) -> Mistake {
    Mistake::new("missing_param", span.clone(), format!("param `{name}` has no default and is not given"))
        .help(format!("add `--set {name}=…`, or give it a default"))
}

/// A value of the declared type, for checks in which the value itself plays no part.
fn stand_in(declared: &ParamDecl) -> Value {
    let lowest = declared.min.or(declared.max).unwrap_or(1.0);
    match declared.param_type {
        _ if !declared.choices.is_empty() => declared.choices[0].clone(),
        ParamType::String | ParamType::Path | ParamType::Choice => json!("value"),
        #[expect(clippy::cast_possible_truncation, reason = "a stand-in need not be exact")]
        ParamType::Int => json!(lowest.ceil() as i64),
        ParamType::Float => json!(lowest),
        ParamType::Bool => json!(false),
        ParamType::List => json!([]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(settings: &[&str]) -> Result<String, String> {
        let text =
            "version: 1\npipeline: p\nparams:\n  epochs: {type: int, default: 4, min: 1}\n  name: {type: string}\n";
        let manifest = crate::manifest::parse(Source::new("p.yaml", text)).unwrap();
        let overrides = Overrides::from_settings(settings.iter().copied()).map_err(|rejected| rejected.to_string())?;
        let mut mistakes = Vec::new();
        let (values, refused) = values(&manifest, &overrides, &mut mistakes);
        refused.map_err(|rejected| rejected.to_string())?;
        match mistakes.first() {
            Some(mistake) => Err(mistake.message.clone()),
            None => Ok(json!(values).to_string()),
        }
    }

    #[test]
    fn a_given_value_counts_before_the_default() {
        assert_eq!(check(&["name=x"]).unwrap(), r#"{"epochs":4,"name":"x"}"#);
        assert_eq!(check(&["name=a=b", "epochs=9"]).unwrap(), r#"{"epochs":9,"name":"a=b"}"#);
        assert_eq!(check(&[]).unwrap_err(), "param `name` has no default and is not given");
    }

    #[test]
    fn values_from_before_count_where_nothing_else_is_given() {
        let manifest = crate::manifest::parse(Source::new(
            "p.yaml",
            "version: 1\npipeline: p\nparams:\n  epochs: {type: int, default: 4, min: 1}\n  name: {type: string}\n",
        ))
        .unwrap();
        let check = |settings: &[&str], before: Value| {
            let before = before.as_object().unwrap().clone();
            let overrides = Overrides::from_settings(settings.iter().copied()).unwrap().or_values(before);
            let (values, refused) = values(&manifest, &overrides, &mut Vec::new());
            refused.map(|()| json!(values).to_string()).map_err(|rejected| rejected.to_string())
        };
        assert_eq!(check(&["epochs=9"], json!({"epochs": 5, "name": "x"})).unwrap(), r#"{"epochs":9,"name":"x"}"#);
        let refused = check(&["name=x"], json!({"epochs": "many"})).unwrap_err();
        assert!(refused.contains("2 | epochs=\"many\""), "{refused}");
    }

    #[test]
    fn a_relative_path_among_settings_starts_from_the_given_folder() {
        let overrides = Overrides::from_settings([]).unwrap().with_paths_from("/home/ada");
        let check = |given, manifest_folder| overrides.path(given, Path::new(manifest_folder));
        assert_eq!(check("export.csv", "/work").as_deref(), Some("/home/ada/export.csv"));
        assert_eq!(check("../export.csv", "/work").as_deref(), Some("/home/export.csv"));
        // In the manifest's folder a path reads as in the manifest, so that results are reused.
        assert_eq!(check("pipelines/data/x.csv", "pipelines").as_deref(), Some("data/x.csv"));
        assert_eq!(check("./x.csv", "").as_deref(), Some("x.csv"));
        assert_eq!((check("/tmp/x.csv", "/work"), check("s3://bucket/x.csv", "/work")), (None, None));
    }

    #[test]
    fn a_wrong_setting_shows_its_place_on_the_command_line() {
        insta::assert_snapshot!(check(&["name=x", "epochs=0"]).unwrap_err(), @r"
        error[out_of_range]: param `epochs` is 0, but must be at least 1
         --> --set:2:8
          |
        2 | epochs=0
          |        ^
        ");
        insta::assert_snapshot!(check(&["epoch=3", "name=x"]).unwrap_err(), @r"
        error[unknown_param]: pipeline `p` has no param `epoch`
         --> --set:1:1
          |
        1 | epoch=3
          | ^^^^^
          |
          = help: did you mean `epochs`?
        ");
        assert!(check(&["epochs"]).unwrap_err().contains("bad_setting"));
        assert!(check(&["name=x", "name=y"]).unwrap_err().contains("duplicate_key"));
    }
}
