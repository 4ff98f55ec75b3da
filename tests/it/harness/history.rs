//! Builds plans and logs by hand, for tests of the store.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use indexmap::IndexMap;
use phaseline::artifact::{ArtifactKind, ArtifactRef, Digest};
use phaseline::engine::{CacheKey, Happening, InputBinding, KeyParts, NewRun, Origin, RunEvent};
use phaseline::id::{AttemptId, RunId, StepName};
use phaseline::phase::Phase;
use phaseline::plan::{
    Binding, CachePolicy, Gate, OnFail, Plan, PlannedStep, Record, Resources, RetryPolicy, Severity,
};
use phaseline::step::StepOutcome;
use serde_json::{Value, json};

/// The first moment of every made-up history.
pub(crate) fn dawn() -> DateTime<Utc> {
    "2026-03-02T08:00:00Z".parse().unwrap()
}

pub(crate) fn step_name(name: &str) -> StepName {
    name.parse().unwrap()
}

/// The artifact whose content is `content`.
pub(crate) fn artifact(kind: ArtifactKind, content: &str) -> ArtifactRef {
    let rows = (kind == ArtifactKind::Table).then_some(content.len() as u64 * 100);
    ArtifactRef { digest: Digest::of(content), kind, bytes: content.len() as u64 * 1000, rows }
}

pub(crate) fn table(content: &str) -> ArtifactRef {
    artifact(ArtifactKind::Table, content)
}

pub(crate) fn key(content: &str) -> CacheKey {
    CacheKey(Digest::of(content))
}

pub(crate) fn parts(kind: &str, params: Value) -> KeyParts {
    KeyParts {
        kind: kind.to_owned(),
        kind_version: 1,
        params,
        seed: 7,
        inputs: BTreeMap::new(),
        files: BTreeMap::new(),
        env: BTreeMap::new(),
        purpose: None,
    }
}

pub(crate) fn planned(name: &str, phase: Phase, kind: &str, params: Value) -> PlannedStep {
    PlannedStep {
        name: step_name(name),
        phase,
        kind: kind.to_owned(),
        kind_version: 1,
        is_external: false,
        params,
        inputs: BTreeMap::new(),
        former: Vec::new(),
        outputs: IndexMap::new(),
        carries: BTreeMap::new(),
        needs: BTreeSet::new(),
        when: None,
        files: vec![],
        unknowns: vec![],
        cache: CachePolicy::Reuse,
        seed: 7,
        env: BTreeMap::new(),
        secrets: vec![],
        retry: RetryPolicy::default(),
        timeout: None,
        queue_timeout: None,
        total_timeout: None,
        approval: None,
        resources: Resources::default(),
        pool: None,
        pool_slots: 1,
    }
}

pub(crate) fn gate(name: &str, phase: Phase, check: &str) -> Gate {
    Gate {
        name: name.parse().unwrap(),
        phase,
        check: check.to_owned(),
        severity: Severity::High,
        mitigates: vec!["bad_export".parse().unwrap()],
        on_fail: OnFail::Stop,
        terms: phaseline::plan::ApprovalTerms::default(),
    }
}

pub(crate) fn plan(pipeline: &str, params: &[(&str, Value)], steps: Vec<PlannedStep>, gates: Vec<Gate>) -> Plan {
    Plan {
        pipeline: pipeline.parse().unwrap(),
        manifest_digest: Digest::of(pipeline),
        base_folder: "/projects/churn".into(),
        params: params.iter().map(|(name, value)| (name.parse().unwrap(), value.clone())).collect(),
        steps: steps.into_iter().map(|step| (step.name.clone(), step)).collect(),
        gates: gates.into_iter().map(|gate| (gate.name.clone(), gate)).collect(),
        priority: 0,
        phase_retries: BTreeMap::new(),
        record: Record::default(),
    }
}

/// A plan of steps that do not matter.
pub(crate) fn small_plan(steps: &[&str]) -> Plan {
    let steps = steps.iter().map(|name| planned(name, Phase::DataEngineering, "command", json!({}))).collect();
    plan("churn", &[("epochs", json!(40))], steps, vec![gate("contract", Phase::Understanding, "1 < 2")])
}

pub(crate) fn new_run(id: RunId, plan: Plan, created_at: DateTime<Utc>) -> NewRun {
    NewRun {
        id,
        plan,
        manifest_text: "pipeline: churn\n".to_owned(),
        manifest_path: "pipelines/churn.yaml".to_owned(),
        created_at,
        requested_by: "cli".to_owned(),
        environment: json!({"git_commit": "0f3c9a1", "program_version": "0.1.0", "host": "alpha"}),
        options: json!({"only": null}),
        origin: Origin::default(),
    }
}

/// Numbers events and lets a second pass between them.
pub(crate) struct Log {
    next: u64,
    at: DateTime<Utc>,
}

impl Log {
    pub(crate) fn starting(at: DateTime<Utc>) -> Log {
        Log { next: 1, at }
    }

    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    pub(crate) fn events(&mut self, happenings: impl IntoIterator<Item = Happening>) -> Vec<RunEvent> {
        happenings
            .into_iter()
            .map(|what| {
                let event = RunEvent { seq: self.next, at: self.at, what };
                self.next += 1;
                self.at += TimeDelta::seconds(1);
                event
            })
            .collect()
    }
}

pub(crate) fn claimed(owner: &str) -> Happening {
    Happening::RunClaimed { owner: owner.to_owned(), epoch: 1 }
}

pub(crate) fn bound(input: &str, source: &str, artifact: &ArtifactRef) -> InputBinding {
    let (step, output) = source.split_once('.').unwrap();
    InputBinding {
        input: input.parse().unwrap(),
        source: Binding { step: step_name(step), output: output.parse().unwrap() },
        artifact: artifact.clone(),
    }
}

pub(crate) fn started(step: &str, attempt: AttemptId, key: Option<CacheKey>, inputs: Vec<InputBinding>) -> Happening {
    Happening::AttemptStarted {
        step: step_name(step),
        attempt,
        number: 1,
        key,
        parts: parts("command", json!({})),
        why: "never ran".to_owned(),
        inputs,
    }
}

pub(crate) fn succeeded(step: &str, attempt: AttemptId, outcome: StepOutcome) -> Happening {
    Happening::AttemptSucceeded { step: step_name(step), attempt, outcome, seconds: 1.5, peak_memory_bytes: 1 << 20 }
}

pub(crate) fn outcome(outputs: &[(&str, &ArtifactRef)]) -> StepOutcome {
    StepOutcome {
        outputs: outputs.iter().map(|(name, artifact)| (name.parse().unwrap(), (*artifact).clone())).collect(),
        ..StepOutcome::default()
    }
}
