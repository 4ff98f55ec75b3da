//! References to outputs become bindings: each name is known, each edge fits its ports, each input has what it needs.

use std::collections::BTreeMap;

use super::instances::{Instance, Instances};
use super::planned::Binding;
use super::work::Work;
use crate::id::InputName;
use crate::manifest::{InputDecl, Manifest, Mistake, Reference, Span, StepDecl, suggest};
use crate::step::{Arity, InputPort};

/// What is bound to the inputs of one instance.
pub(super) type Bindings = BTreeMap<InputName, Vec<Bound>>;

/// One output that is bound to an input.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    /// The place of the source among the instances.
    pub(super) source: usize,
    /// The output.
    pub(super) binding: Binding,
    /// Where the reference is written.
    pub(super) span: Span,
}

/// Everything that binding looks at.
pub(super) struct Binder<'plan> {
    pub(super) manifest: &'plan Manifest,
    pub(super) instances: &'plan Instances<'plan>,
    pub(super) work: &'plan [Option<Work>],
}

impl Binder<'_> {
    /// The declared step that is named at `span`, in the phase of `consumer` or an earlier one.
    pub(super) fn declared(
        &self,
        name: &str,
        span: &Span,
        consumer: &StepDecl,
        mistakes: &mut Vec<Mistake>,
    ) -> Option<&StepDecl> {
        let Some(declared) = self.manifest.step(name) else {
            mistakes.push(unknown_step(self.manifest, name, span));
            return None;
        };
        if declared.phase > consumer.phase {
            let message =
                format!("step `{name}` belongs to `{}`, which comes after `{}`", declared.phase, consumer.phase);
            let help =
                format!("move `{}` to `{}`, or `{name}` to an earlier phase", consumer.name.value, declared.phase);
            mistakes.push(Mistake::new("later_phase", span.clone(), message).help(help));
            return None;
        }
        Some(declared)
    }

    /// Binds the inputs of one instance.
    pub(super) fn bind(&self, index: usize, mistakes: &mut Vec<Mistake>) -> Bindings {
        let instance = &self.instances.all[index];
        let work = self.work[index].as_ref();
        let mut bindings = Bindings::new();
        for input in &instance.declared.inputs {
            let port = match work.map(|work| (work, work.ports.input(input.name.value.as_str()))) {
                Some((work, None)) => {
                    mistakes.push(unknown_input(instance, work, input));
                    None
                }
                Some((_, port)) => port,
                None => None,
            };
            let mut bound = Vec::new();
            for reference in &input.references {
                bound.extend(self.resolve(instance, input, reference, port, mistakes));
            }
            if let Some(port) = port {
                check_arity(instance, input, port, &bound, mistakes);
            }
            bindings.insert(input.name.value.clone(), bound);
        }
        if let Some(work) = work {
            for port in work.ports.inputs.iter().filter(|port| port.arity != Arity::Optional) {
                if !bindings.keys().any(|name| name.as_str() == port.name) {
                    let message = format!("step `{}` needs input `{}`", instance.declared.name.value, port.name);
                    let help = format!("add `inputs: {{{}: STEP}}`; it takes {}", port.name, accepted(port));
                    mistakes
                        .push(Mistake::new("missing_input", instance.declared.name.span.clone(), message).help(help));
                }
            }
        }
        bindings
    }

    fn resolve(
        &self,
        consumer: &Instance<'_>,
        input: &InputDecl,
        reference: &Reference,
        port: Option<&InputPort>,
        mistakes: &mut Vec<Mistake>,
    ) -> Vec<Bound> {
        if self.declared(&reference.step, &reference.span, consumer.declared, mistakes).is_none() {
            return Vec::new();
        }
        let sources = self.instances.select(reference, consumer);
        if sources.is_empty() && !self.instances.of(&reference.step).is_empty() {
            mistakes.push(self.no_instance(reference, consumer));
        }
        let mut bound = Vec::new();
        for source in sources {
            let Some(work) = &self.work[source] else { continue };
            let output = match &reference.output {
                Some(output) => work.ports.output(output.as_str()),
                None => work.ports.outputs.first(),
            };
            let Some(output) = output else {
                mistakes.push(unknown_output(reference, work));
                continue;
            };
            if let Some(port) = port.filter(|port| !port.accepts.contains(&output.kind)) {
                let message = format!(
                    "input `{}` of step `{}` takes {}, but `{}.{}` is a {}",
                    input.name.value,
                    consumer.declared.name.value,
                    accepted(port),
                    reference.step,
                    output.name,
                    output.kind
                );
                let fitting: Vec<String> = work
                    .ports
                    .outputs
                    .iter()
                    .filter(|output| port.accepts.contains(&output.kind))
                    .map(|output| format!("`{}.{}`", reference.step, output.name))
                    .collect();
                let help = (!fitting.is_empty()).then(|| format!("write {}", fitting.join(" or ")));
                mistakes.push(Mistake::new("kind_mismatch", reference.span.clone(), message).maybe_help(help));
                continue;
            }
            let binding = Binding {
                step: self.instances.all[source].name.clone(),
                output: output.name.parse().expect("a port has a valid name"),
            };
            bound.push(Bound { source, binding, span: reference.span.clone() });
        }
        bound
    }

    fn no_instance(&self, reference: &Reference, consumer: &Instance<'_>) -> Mistake {
        let known = self.instances.of(&reference.step).iter().map(|index| self.instances.all[*index].name.as_str());
        let message = if reference.keys.is_empty() {
            format!("step `{}` has no instance with the values of `{}`", reference.step, consumer.name)
        } else {
            format!("step `{}` has no such instance", reference.step)
        };
        Mistake::new("unknown_instance", reference.span.clone(), message).maybe_help(suggest("", known))
    }
}

/// A step that is named and not there.
pub(super) fn unknown_step(manifest: &Manifest, name: &str, span: &Span) -> Mistake {
    let known = manifest.steps.iter().map(|step| step.name.value.as_str());
    Mistake::new("unknown_step", span.clone(), format!("there is no step `{name}`")).maybe_help(suggest(name, known))
}

fn unknown_input(instance: &Instance<'_>, work: &Work, input: &InputDecl) -> Mistake {
    let name = input.name.value.as_str();
    let help = suggest(name, work.ports.inputs.iter().map(|port| port.name.as_ref()));
    let message = format!("`{}` (step `{}`) has no input `{name}`", work.kind, instance.declared.name.value);
    Mistake::new("unknown_input", input.name.span.clone(), message)
        .maybe_help(help.or_else(|| Some("it takes no inputs".to_owned())))
}

fn unknown_output(reference: &Reference, work: &Work) -> Mistake {
    let message = match &reference.output {
        Some(output) => format!("step `{}` has no output `{output}`", reference.step),
        None => format!("step `{}` has no outputs", reference.step),
    };
    let known = work.ports.outputs.iter().map(|output| output.name.as_ref());
    let help = match &reference.output {
        Some(output) => suggest(output.as_str(), known),
        None => Some("use `needs` where only the order counts".to_owned()),
    };
    Mistake::new("unknown_output", reference.span.clone(), message).maybe_help(help)
}

fn check_arity(
    instance: &Instance<'_>,
    input: &InputDecl,
    port: &InputPort,
    bound: &[Bound],
    mistakes: &mut Vec<Mistake>,
) {
    if port.arity == Arity::Many || bound.len() < 2 {
        return;
    }
    let first = &bound[0];
    let is_fan_in = bound.iter().all(|other| other.span == first.span);
    let message = format!(
        "input `{}` of step `{}` takes one output, but is given {}",
        input.name.value,
        instance.declared.name.value,
        bound.len()
    );
    let help = if is_fan_in {
        format!(
            "`{}` has {} instances: name one of them, such as `{}`, or give this step the same `matrix`",
            first.binding.step.base(),
            bound.len(),
            first.binding.step
        )
    } else {
        "keep one of them".to_owned()
    };
    let span = if is_fan_in { first.span.clone() } else { bound[1].span.clone() };
    mistakes.push(Mistake::new("arity", span, message).help(help));
}

fn accepted(port: &InputPort) -> String {
    let kinds: Vec<String> = port.accepts.iter().map(|kind| format!("a {kind}")).collect();
    let many = if port.arity == Arity::Many { " (one or more)" } else { "" };
    format!("{}{many}", kinds.join(" or "))
}
