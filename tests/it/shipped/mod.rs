//! The pipelines that ship: each can be planned and run as it is, and so can a new project.

mod churn;
mod orders;
mod others;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use phaseline::plan::{self, Overrides, Plan};
use phaseline::step::StepRegistry;
use serde_json::Value;

use crate::harness::project::{Ended, Project};

/// The folder of the pipelines.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines")
}

fn shipped() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    found.sort();
    found
}

fn plan(path: &Path) -> Plan {
    let plan = plan::load(path, &StepRegistry::builtin(), &Overrides::none());
    plan.unwrap_or_else(|rejected| panic!("{}:\n{rejected:?}", path.display()))
}

#[test]
fn every_shipped_pipeline_can_be_planned() {
    let found = shipped();
    assert!(found.len() >= 4, "{found:?}");
    for path in found {
        assert!(!plan(&path).steps.is_empty());
    }
}

#[test]
fn the_churn_pipeline_passes_through_all_six_phases() {
    let plan = plan(&folder().join("churn.yaml"));
    let phases: BTreeSet<_> = plan.steps.values().map(|step| step.phase).collect();
    assert_eq!(phases.len(), 6);
}

#[test]
fn a_new_project_runs_as_it_is() {
    let project = Project::new();
    project.run(&["init", "demo"]).expect(0);
    assert!(!plan(&project.path().join("demo/pipeline.yaml")).steps.is_empty());
    let output = project.command(&["run", "pipeline.yaml", "--json"]).current_dir(project.path().join("demo")).output();
    let document = Ended(output.unwrap()).expect(0).json();
    assert_passed(&document);
    assert_between(&document, "report", "roc_auc", 0.75..0.95);
}

/// Runs a shipped pipeline and gives its document.
fn run(project: &Project, name: &str, arguments: &[&str]) -> Value {
    let path = folder().join(name);
    let mut all = vec!["run", path.to_str().unwrap(), "--json"];
    all.extend(arguments);
    project.run(&all).expect(0).json()
}

/// Everything went well, and every gate has passed.
#[track_caller]
fn assert_passed(document: &Value) {
    assert_eq!(document["outcome"], "succeeded", "{document:#}");
    for (gate, found) in document["gates"].as_object().unwrap() {
        assert_eq!(found["verdict"], "passed", "{gate}: {found}");
    }
}

#[track_caller]
fn assert_between(document: &Value, step: &str, metric: &str, range: std::ops::Range<f64>) {
    let value = document["steps"][step]["metrics"][metric].as_f64();
    assert!(value.is_some_and(|value| range.contains(&value)), "{step}.{metric} is {value:?}, outside {range:?}");
}

/// The steps that ended in a state.
fn in_state<'a>(document: &'a Value, state: &str) -> Vec<&'a str> {
    let steps = document["steps"].as_object().unwrap().iter();
    steps.filter(|(_, step)| step["state"] == state).map(|(name, _)| name.as_str()).collect()
}

/// The digest of each output of each step.
fn digests(document: &Value) -> BTreeMap<String, String> {
    let mut digests = BTreeMap::new();
    for (step, found) in document["steps"].as_object().unwrap() {
        for (output, artifact) in found["outputs"].as_object().unwrap() {
            digests.insert(format!("{step}.{output}"), artifact["digest"].as_str().unwrap().to_owned());
        }
    }
    digests
}
