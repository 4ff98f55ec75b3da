//! Names of columns that a table can have, whatever the source.

use std::collections::BTreeSet;

/// Why a column cannot be called `name`, to stand behind what names the column.
pub fn wrong_name(name: &str) -> Option<String> {
    if name.is_empty() {
        Some("has no name".to_owned())
    } else if name.chars().any(char::is_control) {
        Some(format!("has control characters in its name {name:?}"))
    } else {
        None
    }
}

/// What is wrong with the names that a manifest gives to columns.
pub fn wrong_columns(columns: &[String]) -> Option<String> {
    let mut known = BTreeSet::new();
    columns.iter().find_map(|name| {
        if name.is_empty() || !known.insert(name) {
            return Some("names of columns are neither empty nor given twice".to_owned());
        }
        wrong_name(name).map(|wrong| format!("a column {wrong}"))
    })
}

/// What is wrong with the names of the columns of `whose`: one that is empty, one that no terminal can show, or two alike.
pub fn check_names<'name>(whose: &str, names: impl IntoIterator<Item = &'name str>) -> Result<(), String> {
    let mut known = BTreeSet::new();
    for (name, number) in names.into_iter().zip(1..) {
        if let Some(wrong) = wrong_name(name) {
            return Err(format!("column {number} of {whose} {wrong}"));
        }
        if !known.insert(name) {
            return Err(format!("{whose} has two columns named `{name}`"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_there_once_and_can_be_shown() {
        let wrong = |names: &[&str]| check_names("`t.csv`", names.iter().copied()).unwrap_err();
        assert_eq!(check_names("`t.csv`", ["a", "Zürich", "a b"]), Ok(()));
        assert_eq!(wrong(&["a", "", "a"]), "column 2 of `t.csv` has no name");
        assert_eq!(wrong(&["a", "b", "a"]), "`t.csv` has two columns named `a`");
        assert_eq!(wrong(&["a\u{1b}[31m"]), "column 1 of `t.csv` has control characters in its name \"a\\u{1b}[31m\"");
    }
}
