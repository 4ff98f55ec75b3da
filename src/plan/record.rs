//! What a manifest says about purpose and gates, in the types of the plan.

use super::planned::{ApprovalTerms, Criterion, Gate, OnFail, Record, Risk, Severity};
use crate::manifest::{GateDecl, Manifest, Mistake, Reaction, Weight};

use super::bind::unknown_step;

/// The record of a manifest; a criterion that names a step must name one that is there.
pub(super) fn record(manifest: &Manifest, mistakes: &mut Vec<Mistake>) -> Record {
    let mut record = Record {
        description: manifest.description.clone(),
        owner: manifest.owner.clone(),
        objectives: manifest.purpose.objectives.iter().cloned().collect(),
        ..Record::default()
    };
    for declared in &manifest.purpose.criteria {
        let step = declared.step.as_ref().and_then(|step| {
            let found = manifest.step(&step.value).map(|step| step.name.value.clone());
            if found.is_none() {
                mistakes.push(unknown_step(manifest, &step.value, &step.span));
            }
            found
        });
        let criterion = Criterion { min: declared.min, max: declared.max, unit: declared.unit.clone(), step };
        let of_kind = record.criteria.entry(declared.kind.value.clone()).or_default();
        of_kind.insert(declared.metric.value.clone(), criterion);
    }
    for declared in &manifest.purpose.risks {
        let risk = Risk { text: declared.text.clone(), severity: severity(declared.severity) };
        record.risks.insert(declared.name.value.clone(), risk);
    }
    record
}

/// The gate of a declaration whose names were checked.
pub(super) fn gate(declared: &GateDecl) -> Gate {
    Gate {
        name: declared.name.value.clone(),
        phase: declared.phase,
        check: declared.check.value.clone(),
        severity: severity(declared.severity),
        mitigates: declared.mitigates.iter().filter_map(|risk| risk.value.parse().ok()).collect(),
        on_fail: match declared.on_fail {
            Reaction::Stop => OnFail::Stop,
            Reaction::Warn => OnFail::Warn,
            Reaction::Approval => OnFail::Approval,
            Reaction::Notify => OnFail::Notify,
        },
        terms: ApprovalTerms { message: declared.terms.message.clone(), expires: declared.terms.expires },
    }
}

fn severity(weight: Weight) -> Severity {
    match weight {
        Weight::Low => Severity::Low,
        Weight::Medium => Severity::Medium,
        Weight::High => Severity::High,
        Weight::Critical => Severity::Critical,
    }
}
