//! Whether the gates so far allow a deployment.

use serde_json::Value;

use crate::phase::Phase;
use crate::step::StepError;

/// What a gate of the run has said.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Gate<'record> {
    name: &'record str,
    verdict: &'record str,
    on_fail: &'record str,
    /// What somebody has decided about it.
    ruling: Option<&'record str>,
}

impl Gate<'_> {
    fn is_blocking(&self) -> bool {
        matches!(self.on_fail, "stop" | "approval")
    }

    fn has_passed(&self) -> bool {
        self.verdict == "passed"
    }

    /// Whether it lets a model out: it passed, or somebody has taken that on.
    fn is_open(&self) -> bool {
        self.has_passed() || matches!(self.ruling, Some("approved" | "waived"))
    }
}

/// The gates that did not pass and do not block, for the log.
///
/// # Errors
/// When a blocking gate has not passed, or when there is no gate at all and `ungated` is false.
pub(super) fn check(record: &Value, ungated: bool) -> Result<Vec<String>, StepError> {
    let gates = gates(record);
    let open: Vec<String> = gates
        .iter()
        .filter(|gate| gate.is_blocking() && !gate.is_open())
        .map(|gate| format!("`{}` ({})", gate.name, gate.verdict))
        .collect();
    if !open.is_empty() {
        let message = format!("the model is not deployed: these gates have not passed: {}", open.join(", "));
        return Err(StepError::input("gate_not_passed", message)
            .help("look at the evidence of each gate with `phaseline show`; only a gate that passed, was approved or waived lets a model out"));
    }
    if gates.is_empty() && !ungated {
        return Err(StepError::input("no_gates", "the model is not deployed: no gate has judged it")
            .help("add a gate to `evaluation`, such as `criteria: {check: criteria.ml.met}`, or say `ungated: true`"));
    }
    let warn = |gate: &Gate| match gate.ruling.filter(|_| gate.is_blocking()) {
        Some(ruling) => format!("gate `{}` is {} and was {ruling}", gate.name, gate.verdict),
        None => format!("gate `{}` is {} and does not block", gate.name, gate.verdict),
    };
    Ok(gates.iter().filter(|gate| !gate.has_passed()).map(warn).collect())
}

fn gates(record: &Value) -> Vec<Gate<'_>> {
    let Some(gates) = record.get("gates").and_then(Value::as_object) else { return Vec::new() };
    gates
        .iter()
        .filter(|(_, gate)| is_earlier(gate))
        .map(|(name, gate)| Gate {
            name,
            // What is not said counts for the worse.
            verdict: text(gate, "verdict").unwrap_or("not_evaluable"),
            on_fail: text(gate, "on_fail").unwrap_or("stop"),
            ruling: text(gate, "ruling"),
        })
        .collect()
}

/// Whether the gate stands at the end of a phase before the deployment; those of later phases are not due yet.
fn is_earlier(gate: &Value) -> bool {
    let phase = gate.get("phase").and_then(|phase| serde_json::from_value::<Phase>(phase.clone()).ok());
    phase.is_none_or(|phase| phase < Phase::Deployment)
}

fn text<'record>(gate: &'record Value, key: &str) -> Option<&'record str> {
    gate.get(key).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(gates: &Value, ungated: bool, expected: &str) {
        let found = match super::check(&json!({"gates": gates}), ungated) {
            Ok(warnings) if warnings.is_empty() => "deployed".to_owned(),
            Ok(warnings) => warnings.join("; "),
            Err(error) => error.code().to_owned(),
        };
        assert_eq!(found, expected, "{gates}");
    }

    #[test]
    fn every_blocking_gate_must_have_passed() {
        check(&json!({"a": {"verdict": "passed", "on_fail": "stop"}}), false, "deployed");
        check(&json!({"a": {"verdict": "failed", "on_fail": "stop"}}), false, "gate_not_passed");
        check(&json!({"a": {"verdict": "not_evaluable", "on_fail": "approval"}}), true, "gate_not_passed");
        check(&json!({"a": {"verdict": "failed"}}), false, "gate_not_passed");
        check(&json!({"a": {"on_fail": "stop"}}), false, "gate_not_passed");
    }

    #[test]
    fn an_approval_or_a_waiver_opens_a_gate_and_a_refusal_does_not() {
        let gate = |ruling: &str| json!({"a": {"verdict": "failed", "on_fail": "approval", "ruling": ruling}});
        check(&gate("approved"), false, "gate `a` is failed and was approved");
        check(&gate("waived"), false, "gate `a` is failed and was waived");
        check(&gate("refused"), false, "gate_not_passed");
        check(&gate("awaited"), false, "gate_not_passed");
    }

    #[test]
    fn a_gate_that_only_warns_is_written_into_the_log() {
        check(&json!({"a": {"verdict": "failed", "on_fail": "warn"}}), false, "gate `a` is failed and does not block");
    }

    #[test]
    fn gates_of_later_phases_are_not_due_yet() {
        let later = json!({"verdict": null, "on_fail": "stop", "phase": "monitoring"});
        let earlier = json!({"verdict": "passed", "on_fail": "stop", "phase": "evaluation"});
        check(&json!({"stable": later, "criteria": earlier}), false, "deployed");
        check(&json!({"stable": later}), false, "no_gates");
        let open = json!({"verdict": null, "on_fail": "stop", "phase": "evaluation"});
        check(&json!({"criteria": open}), false, "gate_not_passed");
    }

    #[test]
    fn without_any_gate_only_an_explicit_word_deploys() {
        check(&json!({}), false, "no_gates");
        check(&json!({}), true, "deployed");
        check(&Value::Null, false, "no_gates");
    }
}
