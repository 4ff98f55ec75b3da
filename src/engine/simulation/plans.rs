//! The plans of the simulation.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::engine::testing::{gate, name, plan, step};
use crate::phase::Phase;
use crate::plan::{ApprovalTerms, OnFail, Plan, PlannedStep};

/// Mostly small, sometimes up to 60 steps, with chains, fans, instances of a matrix, approvals and phases that begin
/// again.
pub(super) fn some_plan(rng: &mut ChaCha8Rng) -> Plan {
    let count = if rng.random_bool(0.08) { rng.random_range(15..=60) } else { rng.random_range(1..12) };
    let mut phase = 0;
    let mut steps = Vec::new();
    // Those that make something, and approvals.
    let (mut makers, mut approvals): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    while steps.len() < count {
        if phase < 5 && rng.random_bool(0.1) {
            phase += 1;
        }
        let share = 2.0 / (steps.len() as f64 + 2.0);
        let mut some =
            |names: &[String]| -> Vec<String> { names.iter().filter(|_| rng.random_bool(share)).cloned().collect() };
        let (from, needs) = (some(&makers), some(&approvals));
        let number = steps.len();
        if number > 0 && rng.random_bool(0.06) {
            let approval = approval(&format!("a{number}"), Phase::ALL[phase], from.iter().chain(&needs), rng);
            approvals.push(approval.name.to_string());
            steps.push(approval);
            continue;
        }
        let instances = if rng.random_bool(0.15) { rng.random_range(2..6) } else { 1 };
        for instance in 0..instances {
            let from: Vec<&str> = from.iter().map(String::as_str).collect();
            let mut step = work(&format!("s{number}_{instance}"), Phase::ALL[phase], &from, rng);
            step.needs = needs.iter().map(|needed| name(needed)).collect();
            if !makers.is_empty() && rng.random_bool(0.08) {
                let earlier = &makers[rng.random_range(0..makers.len())];
                step.when = Some(format!("steps.{earlier}.metrics.m > 0.2"));
            }
            steps.push(step);
        }
        makers.extend((0..instances).map(|instance| format!("s{number}_{instance}")));
    }
    let gates = (0..rng.random_range(0..3)).filter(|_| !makers.is_empty()).map(|number| {
        let on_fail = [OnFail::Stop, OnFail::Warn, OnFail::Approval, OnFail::Approval][rng.random_range(0..4)];
        let check = format!("steps.{}.metrics.m > 0.25", makers[rng.random_range(0..makers.len())]);
        let gate_phase = Phase::ALL[rng.random_range(0..=phase)];
        let mut gate = gate(&format!("g{number}"), gate_phase, &check, on_fail);
        gate.terms = terms(rng);
        gate
    });
    let gates = gates.collect();
    let mut plan = plan(steps, gates);
    for phase in Phase::ALL {
        if rng.random_bool(0.25) {
            plan.phase_retries.insert(phase, rng.random_range(1..3));
        }
    }
    plan
}

fn work(name: &str, phase: Phase, from: &[&str], rng: &mut ChaCha8Rng) -> PlannedStep {
    let mut seconds = |chance: f64, least: u64, most: u64| {
        rng.random_bool(chance).then(|| Duration::from_secs(rng.random_range(least..most)))
    };
    let mut step = step(name, phase, from);
    step.timeout = seconds(0.4, 7, 20);
    step.queue_timeout = seconds(0.1, 15, 90);
    step.total_timeout = seconds(0.15, 20, 200);
    step.retry.attempts = rng.random_range(1..4);
    step.retry.initial = Duration::from_secs(rng.random_range(1..5));
    step.retry.max = Duration::from_secs(20);
    step.resources.cpus = rng.random_range(1..4);
    step.resources.memory_bytes = rng.random_bool(0.3).then(|| rng.random_range(10..80));
    step.pool = [None, None, Some("narrow"), Some("wide")][rng.random_range(0..4)].map(str::to_owned);
    step
}

fn approval<'names>(
    approval: &str,
    phase: Phase,
    needs: impl Iterator<Item = &'names String>,
    rng: &mut ChaCha8Rng,
) -> PlannedStep {
    let mut step = step(approval, phase, &[]);
    step.outputs.clear();
    step.needs = needs.map(|needed| name(needed)).collect::<BTreeSet<_>>();
    step.approval = Some(terms(rng));
    step
}

fn terms(rng: &mut ChaCha8Rng) -> ApprovalTerms {
    let expires = rng.random_bool(0.4).then(|| Duration::from_secs(rng.random_range(5..200)));
    ApprovalTerms { expires, ..ApprovalTerms::default() }
}
