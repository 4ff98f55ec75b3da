//! The house rules that a compiler does not check: layers, crates with one home, file sizes, module docs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules from the top down; each may use those after it. The map in `src/lib.rs` and `ARCHITECTURE.md` say why.
const LAYERS: &[&str] = &[
    "cli",
    "daemon",
    "api",
    "serve",
    "control",
    "store",
    "lineage",
    "engine",
    "executor",
    "worker",
    "plan",
    "manifest",
    "step",
    "ml",
    "artifact",
    "expr",
    "table",
    "telemetry",
    "fault",
    "phase",
    "units",
    "id",
];

/// Crates that only some modules may name, each with its homes.
const HOMES: &[(&str, &[&str])] = &[
    ("sqlx", &["src/store/", "src/step/understanding/ingest"]),
    ("axum", &["src/serve/", "src/api/"]),
    ("calamine", &["src/step/understanding/excel/"]),
    ("candle_core", &["src/ml/"]),
    ("candle_nn", &["src/ml/"]),
    ("tokenizers", &["src/ml/sentence/"]),
    ("clap", &["src/cli/"]),
    ("indicatif", &["src/cli/"]),
    ("petgraph", &["src/plan/"]),
    ("datafusion", &["src/bin/phaseline-sql", "src/step/data_engineering/sql"]),
    ("reqwest", &["src/step/understanding/", "src/cli/", "src/daemon/"]),
    ("utoipa", &["src/api/", "src/store/queries/", "src/store/requests.rs", "src/control/"]),
    ("croner", &["src/daemon/", "src/manifest/"]),
    ("lettre", &["src/daemon/"]),
    ("prometheus_client", &["src/telemetry/"]),
];

/// The longest file, tests included, in lines.
const LONGEST_FILE: usize = 500;

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    fn collect(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((path.clone(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    found.sort();
    found
        .into_iter()
        .map(|(path, text)| (path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_owned(), text))
        .collect()
}

/// The module of a file: the folder or file right below `src`.
fn module(path: &Path) -> Option<String> {
    let first = path.strip_prefix("src").ok()?.components().next()?;
    Some(Path::new(first.as_os_str()).file_stem()?.to_string_lossy().into_owned())
}

/// The lines outside unit tests, which may reach anywhere.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split("#[cfg(test)]").next().unwrap_or_default().lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// The files of `src` that are compiled into the program; what is declared under `#[cfg(test)]` may reach anywhere.
fn program() -> Vec<(PathBuf, String)> {
    let all = sources("src");
    let mut tests = Vec::new();
    for (path, text) in &all {
        let folder = if path.ends_with("mod.rs") || path.ends_with("lib.rs") || path.ends_with("main.rs") {
            path.parent().unwrap().to_owned()
        } else {
            path.with_extension("")
        };
        for declared in text.split("#[cfg(test)]\n").skip(1) {
            let line = declared.lines().next().unwrap_or_default().trim_start_matches("pub(crate) ");
            if let Some(name) = line.trim().strip_prefix("mod ").and_then(|line| line.strip_suffix(';')) {
                tests.push(folder.join(name));
            }
        }
    }
    all.into_iter()
        .filter(|(path, _)| !tests.iter().any(|test| path.starts_with(test) || path.with_extension("") == *test))
        .collect()
}

#[test]
fn arrows_point_down_only() {
    let rank: BTreeMap<&str, usize> = LAYERS.iter().enumerate().map(|(rank, module)| (*module, rank)).collect();
    let mut wrong = Vec::new();
    for (path, text) in program() {
        let Some(from) = module(&path).and_then(|module| rank.get(module.as_str()).copied()) else { continue };
        for line in code(&text) {
            for (at, _) in line.match_indices("crate::") {
                let name: String =
                    line[at + 7..].chars().take_while(|char| char.is_ascii_lowercase() || *char == '_').collect();
                if rank.get(name.as_str()).is_some_and(|to| *to < from) {
                    wrong.push(format!("{}: `{}`", path.display(), line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "these point up:\n{}", wrong.join("\n"));
}

#[test]
fn heavy_crates_stay_at_home() {
    let mut wrong = Vec::new();
    for (path, text) in program() {
        for (name, homes) in HOMES {
            let is_home = homes.iter().any(|home| path.starts_with(home) || path.to_string_lossy().starts_with(home));
            if !is_home && code(&text).any(|line| line.contains(&format!("{name}::"))) {
                wrong.push(format!("{} names `{name}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for_and_stays_short() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src").into_iter().chain(sources("tests")) {
        if !text.starts_with("//!") && !path.ends_with("tests.rs") {
            wrong.push(format!("{} does not begin with `//!`", path.display()));
        }
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            wrong.push(format!("{} has {lines} lines: split it", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_for_later() {
    let marks = ["todo!(", "unimplemented!(", concat!("TO", "DO"), concat!("FIX", "ME"), concat!("#[ign", "ore")];
    let mut wrong = Vec::new();
    for (path, text) in sources("src").into_iter().chain(sources("tests")) {
        if path.ends_with("tidy.rs") {
            continue;
        }
        for mark in marks {
            if text.contains(mark) {
                wrong.push(format!("{} holds `{mark}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
