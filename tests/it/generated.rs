//! What is generated into the tree is up to date. `PHASELINE_UPDATE=1` writes it anew.

use std::fs;
use std::path::Path;

use phaseline::step::{StepRegistry, reference};

/// Compares a file of the tree with what the code says now.
pub(crate) fn is_current(file: &str, now: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("PHASELINE_UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, now).unwrap();
    }
    let before = fs::read_to_string(&path).unwrap_or_default();
    assert!(before == now, "{file} is out of date: run the tests once with PHASELINE_UPDATE=1 and commit it");
}

#[test]
fn the_page_of_all_steps_is_current() {
    is_current("docs/steps.md", &reference(&StepRegistry::builtin()));
}

#[test]
fn the_page_of_all_checks_is_current() {
    is_current("docs/checks.md", &phaseline::step::understanding::validate::checks_reference());
}

#[test]
fn the_description_of_the_api_is_current() {
    let description = serde_json::to_string_pretty(&phaseline::api::openapi()).unwrap();
    is_current("docs/openapi.json", &format!("{description}\n"));
}
