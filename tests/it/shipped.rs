//! The pipelines that ship: each can be checked and planned as it is, and so can a new project.

use std::path::{Path, PathBuf};

use phaseline::plan::{self, Overrides, Plan};
use phaseline::step::StepRegistry;

fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
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
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/churn.yaml");
    let plan = plan(&path);
    let phases: std::collections::BTreeSet<_> = plan.steps.values().map(|step| step.phase).collect();
    assert_eq!(phases.len(), 6);
}

#[test]
fn a_new_project_can_be_planned() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("new");
    let written = std::process::Command::new(env!("CARGO_BIN_EXE_phaseline"))
        .args(["init".as_ref(), project.as_os_str()])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    assert!(!plan(&project.join("pipeline.yaml")).steps.is_empty());
}
