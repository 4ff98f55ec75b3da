//! Manifests that are right become plans, and those that are wrong are told everything at once.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use phaseline::manifest::Colour;
use phaseline::plan::{self, Overrides, Plan};
use phaseline::step::StepRegistry;
use proptest::prelude::*;

use crate::generated::is_current;

fn fixtures(folder: &str) -> Vec<PathBuf> {
    // Relative, so that reports name the same files everywhere: tests run in the folder of the package.
    let mut files: Vec<PathBuf> = fs::read_dir(Path::new("tests/fixtures/manifests").join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn snapshots(folder: &str, render: impl Fn(&Path) -> String) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/manifests").join(folder));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for file in fixtures(folder) {
            insta::assert_snapshot!(file.file_stem().unwrap().to_str().unwrap(), render(&file));
        }
    });
}

#[test]
fn a_manifest_that_is_wrong_is_told_everything_at_once() {
    let registry = StepRegistry::builtin();
    snapshots("bad", |file| match plan::load(file, &registry, &Overrides::none()) {
        Ok(_) => panic!("{} should be refused", file.display()),
        Err(rejected) => rejected.render(Colour::Never),
    });
}

#[test]
fn a_manifest_that_is_right_becomes_a_plan() {
    let registry = StepRegistry::builtin();
    snapshots("good", |file| match plan::load(file, &registry, &Overrides::none()) {
        Ok(plan) => describe(&plan),
        Err(rejected) => panic!("{rejected}"),
    });
}

/// A plan in a few lines, without what changes whenever a kind changes.
fn describe(plan: &Plan) -> String {
    let mut text = format!("{} {}\n", plan.pipeline, serde_json::to_string(&plan.params).unwrap());
    for step in plan.steps.values() {
        writeln!(text, "{}/{} = {}", step.phase, step.name, step.kind).unwrap();
        for (input, bindings) in &step.inputs {
            let bindings: Vec<String> = bindings.iter().map(ToString::to_string).collect();
            writeln!(text, "  {input} <- {}", bindings.join(", ")).unwrap();
        }
        let needs: Vec<&str> = step.needs.iter().map(phaseline::id::StepName::as_str).collect();
        for (what, value) in [("needs", needs.join(", ")), ("when", step.when.clone().unwrap_or_default())] {
            if !value.is_empty() {
                writeln!(text, "  {what} {value}").unwrap();
            }
        }
        if step.kind == "command" {
            writeln!(text, "  {}", step.params).unwrap();
        }
        writeln!(text, "  seed {} timeout {:?} cache {:?} env {:?}", step.seed, step.timeout, step.cache, step.env)
            .unwrap();
        writeln!(text, "  {:?}\n  {:?} pool {:?}", step.retry, step.resources, step.pool).unwrap();
    }
    for gate in plan.gates.values() {
        writeln!(text, "{}/{}: {} ({:?}, {:?})", gate.phase, gate.name, gate.check, gate.severity, gate.on_fail)
            .unwrap();
    }
    text
}

#[test]
fn the_shipped_pipelines_are_right() {
    let registry = StepRegistry::builtin();
    for entry in fs::read_dir("pipelines").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            plan::load(&path, &registry, &Overrides::stand_ins()).unwrap_or_else(|rejected| panic!("{rejected}"));
        }
    }
}

#[test]
fn the_schema_for_editors_is_current() {
    let schema = phaseline::manifest::schema(&StepRegistry::builtin());
    let mut text = serde_json::to_string_pretty(&schema).unwrap();
    text.push('\n');
    is_current("schemas/pipeline.schema.json", &text);
}

#[test]
fn a_hundred_megabytes_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.yaml");
    fs::write(&path, "x".repeat(100 * 1024 * 1024)).unwrap();
    let rejected = plan::load(&path, &StepRegistry::builtin(), &Overrides::none()).unwrap_err();
    assert_eq!(rejected.mistakes()[0].code, "too_large");
}

/// A manifest of commands in which step `index` takes inputs from the steps listed.
fn chain(edges: &[Vec<usize>]) -> String {
    let mut text = "version: 1\npipeline: p\ndata_engineering:\n  steps:\n".to_owned();
    for (index, sources) in edges.iter().enumerate() {
        let inputs: Vec<String> = sources.iter().map(|source| format!("s{source}")).collect();
        let inputs =
            if inputs.is_empty() { String::new() } else { format!("inputs: {{x: [{}]}}, ", inputs.join(", ")) };
        writeln!(text, "    s{index}: {{run: 'true', {inputs}outputs: {{y: table}}}}").unwrap();
    }
    text
}

fn plan_of(text: &str) -> Result<Plan, phaseline::manifest::Rejected> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.yaml");
    fs::write(&path, text).unwrap();
    plan::load(&path, &StepRegistry::builtin(), &Overrides::none())
}

proptest! {
    #[test]
    fn a_plan_lists_each_step_after_what_it_needs_or_there_is_a_cycle(
        edges in prop::collection::vec(prop::collection::btree_set(0_usize..6, 0..3), 6)
    ) {
        let edges: Vec<Vec<usize>> = edges.into_iter().map(|sources| sources.into_iter().collect()).collect();
        match plan_of(&chain(&edges)) {
            Ok(plan) => {
                prop_assert_eq!(plan.steps.len(), 6);
                for (place, step) in plan.steps.values().enumerate() {
                    for binding in step.inputs.values().flatten() {
                        prop_assert!(plan.steps.get_index_of(&binding.step).unwrap() < place);
                    }
                }
            }
            Err(rejected) => prop_assert!(rejected.mistakes().iter().all(|mistake| mistake.code == "cycle")),
        }
    }

    #[test]
    fn no_damage_to_a_manifest_makes_it_panic(
        cuts in prop::collection::vec((0_usize..4000, 0_usize..40, "[a-z:{}\\[\\]\\n $&*\"'-]{0,6}"), 1..6)
    ) {
        let mut text = fs::read_to_string("tests/fixtures/manifests/good/design.yaml").unwrap();
        for (start, length, put) in cuts {
            let start = start.min(text.len());
            let end = (start + length).min(text.len());
            text.replace_range(start..end, &put);
        }
        if let Err(rejected) = plan_of(&text) {
            prop_assert!(!rejected.render(Colour::Never).is_empty());
        }
    }
}
