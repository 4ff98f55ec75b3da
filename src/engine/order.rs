//! Makes the work order of an attempt out of the run.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::scope::criteria;
use super::{EngineSettings, GateState, InputBinding, Run, Take};
use crate::artifact::DigestWriter;
use crate::id::{AttemptId, InputName, RunId, StepName};
use crate::phase::Phase;
use crate::plan::PlannedStep;
use crate::step::StepKind;
use crate::step::command::Command;
use crate::worker::{AttemptFolder, OrderedInput, WorkOrder};

/// Variables that hold secrets of Phaseline itself: a command that needs one names it among its `secrets`.
const OUR_SECRETS: [&str; 2] = ["PHASELINE_DATABASE_URL", "PHASELINE_TOKEN"];

/// The id of the `number`th attempt of a step. It follows from the run, so that a driver that crashed before it recorded
/// the attempt asks for the same reservation again, and two drivers of one run can never start two.
pub(super) fn attempt_id(run: RunId, step: &StepName, number: u32) -> AttemptId {
    let digest = DigestWriter::new("phaseline attempt 1")
        .bytes(run.to_string())
        .bytes(step.as_str())
        .number(u64::from(number))
        .finish();
    let bits = u128::from_str_radix(&digest.to_string()[..32], 16).expect("a digest is hexadecimal");
    // Version 8, variant 1: a UUID whose content is its maker's business.
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x8 << 76) | (0x2 << 62);
    AttemptId::from_u128(bits)
}

/// The memory of the next attempt, which may have grown, but not beyond what the machine has.
fn memory_for(run: &Run, step: usize, settings: &EngineSettings) -> Option<u64> {
    let planned = run.planned(step);
    let bytes = run.memory_bytes(step)?;
    if Some(bytes) == planned.resources.memory_bytes {
        return Some(bytes);
    }
    let planned_bytes = planned.resources.memory_bytes.unwrap_or(0);
    let capped = settings.limits.memory_bytes.map_or(bytes, |limit| bytes.min(limit).max(planned_bytes));
    let note = if capped < bytes { ", which is all that the machine has" } else { "" };
    tracing::info!(run.id = %run.id(), step = %planned.name, "the next attempt gets {capped} bytes of memory{note}");
    Some(capped)
}

/// The order for an attempt that was admitted.
pub(super) fn work_order(
    run: &Run,
    step: usize,
    attempt: AttemptId,
    number: u32,
    bindings: &[InputBinding],
    settings: &EngineSettings,
) -> WorkOrder {
    let planned = run.planned(step);
    let mut inputs: BTreeMap<InputName, Vec<OrderedInput>> = BTreeMap::new();
    for binding in bindings {
        let producer = run.step(&binding.source.step).and_then(|record| record.outcome());
        inputs.entry(binding.input.clone()).or_default().push(OrderedInput {
            source: binding.source.to_string(),
            artifact: binding.artifact.clone(),
            metrics: producer.map(|outcome| outcome.metrics.clone()).unwrap_or_default(),
        });
    }
    WorkOrder {
        run: run.id(),
        pipeline: run.plan().pipeline.clone(),
        step: planned.name.clone(),
        phase: planned.phase,
        attempt,
        number,
        kind: planned.kind.clone(),
        params: planned.params.clone(),
        inputs,
        seed: planned.seed,
        base_folder: run.plan().base_folder.clone(),
        artifacts: settings.artifacts.clone(),
        state_folder: settings.state_folder.clone(),
        checkpoint: AttemptFolder::checkpoint(&settings.state_folder, run.id(), &planned.name),
        threads: Take::of(planned, &settings.limits).cpus as usize,
        memory_bytes: memory_for(run, step, settings),
        env: planned.env.clone(),
        secrets: planned.secrets.clone(),
        withheld: withheld(run, planned),
        record: record(run, planned.phase),
    }
}

/// For a command, the secrets of other steps of the pipeline, and our own.
fn withheld(run: &Run, planned: &PlannedStep) -> Vec<String> {
    if planned.kind != Command::NAME {
        return Vec::new();
    }
    let others = run.plan().steps.values().flat_map(|step| step.secrets.iter().map(String::as_str));
    let names: BTreeSet<&str> = others.chain(OUR_SECRETS).collect();
    names.into_iter().filter(|name| !planned.secrets.iter().any(|own| own == name)).map(str::to_owned).collect()
}

/// The record for model cards and deployments: what the manifest says about purpose (`description`, `owner`,
/// `objectives`, `criteria`, `risks`), and what the run has found (`pipeline`, `manifest_digest`, `params`,
/// `sealed_criteria`, `measured_criteria`, `gates` by name; from deployment on also `run` and `environment`).
fn record(run: &Run, phase: Phase) -> Value {
    let mut record = match serde_json::to_value(&run.plan().record).expect("a record is plain data") {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    let gates: Map<String, Value> = run
        .gates()
        .map(|(gate, state)| {
            let mut fields = json!({
                "phase": gate.phase,
                "check": gate.check,
                "severity": gate.severity,
                "mitigates": gate.mitigates,
                "on_fail": gate.on_fail,
                "is_blocking": gate.is_blocking(),
                "verdict": Value::Null,
            });
            if let GateState::Evaluated { verdict, evidence, ruling } = state {
                fields["verdict"] = verdict.as_str().into();
                fields["evidence"] = json!(evidence);
                if let Some(ruling) = ruling {
                    fields["ruling"] = ruling.as_str().into();
                    fields["ruling_told"] = ruling.told().into();
                    fields["decision"] = json!(ruling.opens());
                }
            }
            (gate.name.to_string(), fields)
        })
        .collect();
    // A model card must be the same bytes when the same work is done again, so only what acts on the world knows the run.
    if phase >= Phase::Deployment {
        record.insert("run".to_owned(), run.id().to_string().into());
        record.insert("environment".to_owned(), run.environment.as_ref().clone());
    }
    record.insert("pipeline".to_owned(), run.plan().pipeline.to_string().into());
    record.insert("manifest_digest".to_owned(), run.plan().manifest_digest.to_string().into());
    record.insert("params".to_owned(), json!(run.plan().params));
    record.insert("sealed_criteria".to_owned(), json!(run.sealed()));
    record.insert("measured_criteria".to_owned(), criteria(run));
    record.insert("gates".to_owned(), gates.into());
    record.into()
}
