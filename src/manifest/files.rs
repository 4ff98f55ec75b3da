//! `file:` references: texts beside the manifest, such as SQL or schemas, that stand in for a value under `with`.

use std::path::{Component, Path};

use super::node::{Node, Yaml};
use super::rejected::Mistake;
use super::source::{ReadError, read_limited};

/// Replaces each `file:PATH` in `node` by the text in the file, so that its content enters params and cache keys.
pub(super) fn resolve(node: &mut Node, folder: &Path, mistakes: &mut Vec<Mistake>) {
    match &mut node.value {
        Yaml::List(items) => items.iter_mut().for_each(|item| resolve(item, folder, mistakes)),
        Yaml::Map(entries) => entries.iter_mut().for_each(|entry| resolve(&mut entry.value, folder, mistakes)),
        Yaml::Text(text) => {
            // `file://…` is a URL, and a matter of the step.
            let Some(path) = text.strip_prefix("file:").filter(|path| !path.starts_with("//")) else { return };
            match read(path.trim(), folder) {
                Ok(content) => node.value = Yaml::Literal(content),
                Err((code, message, help)) => mistakes.push(Mistake::new(code, node.span.clone(), message).help(help)),
            }
        }
        Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::Literal(_) => {}
    }
}

fn read(path: &str, folder: &Path) -> Result<String, (&'static str, String, &'static str)> {
    let relative = Path::new(path);
    if path.is_empty() || !relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        let message = format!("`{path}` does not lie beside the manifest");
        return Err(("file_outside", message, "give a path below the manifest's folder, without `..`"));
    }
    read_limited(&folder.join(relative)).map_err(|error| match error {
        ReadError::Io(source) => {
            ("file_missing", format!("cannot read `{path}`: {source}"), "the path starts from the manifest's folder")
        }
        ReadError::TooLarge => {
            ("too_large", format!("`{path}` is larger than 1 MiB"), "`file:` is for queries and schemas, not for data")
        }
        ReadError::NotText { offset } => {
            ("not_utf8", format!("`{path}` is not UTF-8 text (byte {offset})"), "save the file as UTF-8")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_beside_the_manifest_stands_in_for_a_text() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("q.sql"), "select '${{ kept }}'").unwrap();
        let check = |text: &str| {
            let mut node = Node::new(Yaml::List(vec![Node::new(Yaml::Text(text.to_owned()), 0..1)]), 0..1);
            let mut mistakes = Vec::new();
            resolve(&mut node, folder.path(), &mut mistakes);
            match mistakes.first() {
                Some(mistake) => mistake.code.to_owned(),
                None => node.to_json()[0].as_str().unwrap().to_owned(),
            }
        };
        assert_eq!(check("file:q.sql"), "select '${{ kept }}'");
        assert_eq!(check("file:///data/x.csv"), "file:///data/x.csv", "a URL is left to the step");
        assert_eq!(check("file:none.sql"), "file_missing");
        assert_eq!(check("file:../q.sql"), "file_outside");
        assert_eq!(check("file:/etc/passwd"), "file_outside");
    }
}
