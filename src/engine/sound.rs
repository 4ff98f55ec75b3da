//! Whether a stored plan hangs together: the planner makes no other, and the engine counts on it.

use crate::plan::Plan;

/// What is wrong with a plan, if anything is: each step comes after everything it needs, under its own name.
pub(super) fn flaw(plan: &Plan) -> Option<String> {
    for (place, (key, step)) in plan.steps.iter().enumerate() {
        if *key != step.name {
            return Some(format!("its plan has step `{}` under the name `{key}`", step.name));
        }
        let earlier = |name| plan.steps.get_full(name).filter(|(found, ..)| *found < place).map(|(.., step)| step);
        for binding in step.inputs.values().flatten() {
            match earlier(&binding.step) {
                None => return Some(format!("its plan has no step `{}` before `{key}`, which reads it", binding.step)),
                Some(producer) if !producer.outputs.contains_key(&binding.output) => {
                    return Some(format!("step `{key}` of its plan reads `{binding}`, which nothing makes"));
                }
                Some(_) => {}
            }
        }
        if let Some(needed) = step.needs.iter().find(|needed| earlier(needed).is_none()) {
            return Some(format!("its plan has no step `{needed}` before `{key}`, which needs it"));
        }
    }
    let misnamed = plan.gates.iter().find(|(key, gate)| **key != gate.name);
    misnamed.map(|(key, gate)| format!("its plan has gate `{}` under the name `{key}`", gate.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::{diamond, name};

    #[test]
    fn a_plan_whose_parts_do_not_fit_is_told_from_one_that_hangs_together() {
        let check = |expected: Option<&str>, spoil: &dyn Fn(&mut Plan)| {
            let mut plan = diamond();
            spoil(&mut plan);
            assert_eq!(flaw(&plan).as_deref(), expected);
        };
        check(None, &|_| {});
        check(Some("its plan has step `gone` under the name `left`"), &|plan| plan.steps[1].name = name("gone"));
        check(Some("its plan has no step `load` before `left`, which reads it"), &|plan| {
            plan.steps.shift_remove(&name("load"));
        });
        check(Some("its plan has no step `join` before `load`, which needs it"), &|plan| {
            plan.steps[0].needs.insert(name("join"));
        });
        check(Some("its plan has no step `left` before `left`, which needs it"), &|plan| {
            plan.steps[1].needs.insert(name("left"));
        });
        check(Some("step `left` of its plan reads `load.out`, which nothing makes"), &|plan| {
            plan.steps[0].outputs.clear();
        });
        check(Some("its plan has gate `other` under the name `good`"), &|plan| {
            plan.gates[0].name = "other".parse().unwrap();
        });
    }
}
