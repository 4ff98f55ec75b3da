//! What each instance does: its kind, its resolved params and its ports.

use serde_json::Value;

use super::instances::Instance;
use super::planned::ApprovalTerms;
use super::scope::Scope;
use super::shape;
use crate::manifest::{Mistake, Node, Yaml, has_expression};
use crate::phase::Phase;
use crate::step::{Approval, Dependency, Effect, ParamError, ParamErrors, Ports, StepRegistry};
use crate::units;

/// A step of a known kind with checked params.
pub(super) struct Work {
    pub(super) kind: &'static str,
    pub(super) kind_version: u32,
    pub(super) is_external: bool,
    pub(super) params: Value,
    pub(super) ports: Ports,
    pub(super) dependencies: Vec<Dependency>,
    /// Whether the kind may draw random numbers. A step that does not must not run again because a seed changed.
    pub(super) takes_seed: bool,
    /// What is asked, if it is an approval.
    pub(super) approval: Option<ApprovalTerms>,
}

/// Resolves and checks what an instance does; nothing if it is wrong.
pub(super) fn work_of(
    instance: &Instance<'_>,
    scope: &Scope<'_>,
    registry: &StepRegistry,
    mistakes: &mut Vec<Mistake>,
) -> Option<Work> {
    let written = instance.declared.work.as_ref()?;
    let scope = instance.scope(scope);
    let before = mistakes.len();
    let kind = if has_expression(&written.kind.value) {
        let node = Node::new(Yaml::Text(written.kind.value.clone()), written.kind.span.clone());
        match scope.resolve(&node, mistakes).to_json() {
            Value::String(kind) => kind,
            _ => return None,
        }
    } else {
        written.kind.value.clone()
    };
    let params = scope.resolve(&written.params, mistakes);
    let info = match registry.kind(&kind) {
        Ok(info) => info,
        Err(unknown) => {
            let help = match unknown.nearest {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => "`phaseline schema --kinds` lists the kinds".to_owned(),
            };
            let message = format!("there is no step kind `{kind}`");
            mistakes.push(Mistake::new("unknown_kind", written.kind.span.clone(), message).help(help));
            return None;
        }
    };
    if mistakes.len() > before {
        return None;
    }
    let schema = (info.schema)().to_value();
    let found = shape::check(&schema, &params, &format!("params of `{}`", instance.declared.name.value));
    let value = params.to_json();
    let built = info.build(value.clone());
    // A schema lists one word for each thing; a kind may know others, such as `utf8` for `utf-8`.
    let are_other_words = built.is_ok() && found.iter().all(|mistake| mistake.code == "unknown_value");
    if !found.is_empty() && !are_other_words {
        mistakes.extend(found);
        return None;
    }
    let step = match built {
        Ok(step) => step,
        Err(ParamErrors(errors)) => {
            mistakes.extend(errors.into_iter().map(|error| param_mistake(&params, error)));
            return None;
        }
    };
    let approval = if info.name == Approval::KIND { Some(terms(&params, mistakes)?) } else { None };
    Some(Work {
        approval,
        kind: info.name,
        kind_version: info.version,
        is_external: info.effect == Effect::External,
        params: value,
        ports: step.ports(),
        dependencies: step.dependencies(),
        takes_seed: schema.pointer("/properties/seed").is_some()
            || !matches!(info.phase, Phase::Understanding | Phase::Deployment),
    })
}

/// What an approval asks for, whose params were checked.
fn terms(params: &Node, mistakes: &mut Vec<Mistake>) -> Option<ApprovalTerms> {
    let text = |key: &str| match params.to_json().get(key) {
        Some(Value::String(text)) => Some(text.clone()),
        _ => None,
    };
    let expires = text("expires").map(|text| units::duration(&text).ok_or(text)).transpose();
    match expires {
        Ok(expires) => Some(ApprovalTerms { message: text("message"), expires }),
        Err(text) => {
            let message = format!("`expires`: `{text}` is not a length of time");
            let mistake = Mistake::new("bad_param", params.place(&["expires".to_owned()]), message);
            mistakes.push(mistake.help("write a number and a unit: `30m`, `2h` or `7d`"));
            None
        }
    }
}

fn param_mistake(params: &Node, error: ParamError) -> Mistake {
    let message = match error.path.as_slice() {
        [] => error.message,
        path => format!("`{}`: {}", path.join("."), error.message),
    };
    Mistake::new("bad_param", params.place(&error.path), message).maybe_help(error.help)
}
