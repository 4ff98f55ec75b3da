//! Expressions that are evaluated during a run: the checks of gates and the conditions of steps. Their names are checked
//! against the plan.

use super::bind::unknown_step;
use super::instances::{Instance, Instances};
use super::scope::{Scope, mistake, place};
use crate::expr::Expr;
use crate::manifest::{GateDecl, Manifest, Mistake, Span, Spanned, suggest};
use crate::phase::Phase;

/// What can be read of a step that has ended.
const STEP_FIELDS: [&str; 4] = ["metrics", "slices", "outputs", "state"];

/// Checks names in expressions of gates and steps.
pub(super) struct Conditions<'plan> {
    pub(super) manifest: &'plan Manifest,
    pub(super) instances: &'plan Instances<'plan>,
    pub(super) scope: &'plan Scope<'plan>,
}

impl Conditions<'_> {
    /// Checks the expression of a gate.
    pub(super) fn gate(&self, gate: &GateDecl, mistakes: &mut Vec<Mistake>) {
        let Some(parsed) = parse(&gate.check, mistakes) else { return };
        for (path, span) in parsed.spanned_paths() {
            mistakes.extend(self.check(&path, &place(&gate.check, &span), gate.phase, self.scope));
        }
        let risks = || self.manifest.purpose.risks.iter().map(|risk| risk.name.value.as_str());
        for risk in &gate.mitigates {
            if !risks().any(|known| known == risk.value) {
                let mistake =
                    Mistake::new("unknown_risk", risk.span.clone(), format!("there is no risk `{}`", risk.value));
                let none = "declare it under `understanding.risks`".to_owned();
                mistakes.push(mistake.maybe_help(suggest(&risk.value, risks()).or(Some(none))));
            }
        }
    }

    /// The condition of an instance with its matrix filled in, and the steps that it reads.
    pub(super) fn when(&self, instance: &Instance<'_>, mistakes: &mut Vec<Mistake>) -> Option<(String, Vec<usize>)> {
        let when = instance.declared.when.as_ref()?;
        let scope = instance.scope(self.scope);
        let parsed = parse(when, mistakes)?;
        let before = mistakes.len();
        let mut reads = Vec::new();
        for (path, span) in parsed.spanned_paths() {
            mistakes.extend(self.check(&path, &place(when, &span), instance.declared.phase, &scope));
            if let [root, step, ..] = path.as_slice()
                && root == "steps"
            {
                reads.extend(self.steps_named(step));
            }
        }
        if mistakes.len() > before {
            return None;
        }
        Some((fill_in(&parsed, &scope), reads))
    }

    /// The instance that `steps.NAME` means.
    fn steps_named(&self, name: &str) -> Option<usize> {
        self.instances.named(name)
    }

    fn check(&self, path: &[String], span: &Span, phase: Phase, scope: &Scope<'_>) -> Option<Mistake> {
        match path.first().map(String::as_str) {
            Some("steps") => self.check_step(path, span, phase),
            Some("criteria") => self.check_criterion(path, span),
            Some("run") => None,
            _ => scope.check(path, span),
        }
    }

    fn check_step(&self, path: &[String], span: &Span, phase: Phase) -> Option<Mistake> {
        let Some(name) = path.get(1) else {
            let mistake = Mistake::new("unknown_name", span.clone(), "`steps` alone means nothing here");
            return Some(mistake.help("write `steps.NAME.metrics.METRIC`"));
        };
        let base = name.split('[').next().unwrap_or(name);
        let Some(declared) = self.manifest.step(base) else { return Some(unknown_step(self.manifest, base, span)) };
        if declared.phase > phase {
            let message = format!("step `{base}` belongs to `{}`, which comes after `{phase}`", declared.phase);
            return Some(Mistake::new("later_phase", span.clone(), message).help("it has measured nothing by then"));
        }
        if self.steps_named(name).is_none() && !self.instances.of(base).is_empty() {
            let instances = self.instances.of(base).iter().map(|index| &self.instances.all[*index].name);
            let first = instances.clone().next().map_or(String::new(), ToString::to_string);
            let message = format!("step `{base}` has {} instances, and `{name}` is none of them", instances.count());
            return Some(
                Mistake::new("unknown_instance", span.clone(), message).help(format!("write `steps[\"{first}\"]…`")),
            );
        }
        let field = path.get(2)?;
        if STEP_FIELDS.contains(&field.as_str()) {
            return None;
        }
        let message = format!("a step has no `{field}`");
        let help = format!("metrics are read as `steps.{base}.metrics.{field}`");
        Some(Mistake::new("unknown_name", span.clone(), message).maybe_help(
            crate::manifest::nearest(field, STEP_FIELDS).map(|near| format!("did you mean `{near}`?")).or(Some(help)),
        ))
    }

    fn check_criterion(&self, path: &[String], span: &Span) -> Option<Mistake> {
        let criteria = &self.manifest.purpose.criteria;
        let unknown = |name: &str, known: Vec<&str>| {
            let none = "declare it under `understanding.success_criteria`".to_owned();
            Some(
                Mistake::new("unknown_criterion", span.clone(), format!("there is no success criterion `{name}`"))
                    .maybe_help(suggest(name, known).or(Some(none))),
            )
        };
        let kind = path.get(1)?;
        let of_kind: Vec<&str> = criteria
            .iter()
            .filter(|known| known.kind.value == *kind)
            .map(|known| known.metric.value.as_str())
            .collect();
        if of_kind.is_empty() {
            return unknown(kind, criteria.iter().map(|known| known.kind.value.as_str()).collect());
        }
        let metric = path.get(2)?;
        if metric == "met" || of_kind.contains(&metric.as_str()) {
            return None;
        }
        unknown(metric, of_kind.into_iter().chain(["met"]).collect())
    }
}

fn parse(text: &Spanned<String>, mistakes: &mut Vec<Mistake>) -> Option<Expr> {
    match Expr::parse(&text.value) {
        Ok(parsed) => Some(parsed),
        Err(error) => {
            mistakes.push(mistake(text, &error.span, error.message).maybe_help(error.help));
            None
        }
    }
}

/// The expression with the values of the matrix in place of their names, since a run knows only steps and params.
fn fill_in(parsed: &Expr, scope: &Scope<'_>) -> String {
    let mut text = parsed.text().to_owned();
    // Each reference is reported once, so that the text is read again until none is left.
    while let Ok(parsed) = Expr::parse(&text) {
        let found = parsed
            .spanned_paths()
            .into_iter()
            .find(|(path, _)| matches!(path.first().map(String::as_str), Some("matrix" | "item")));
        let Some((path, span)) = found else { break };
        let value = scope.get(&path).map_or_else(|| "null".to_owned(), ToString::to_string);
        text.replace_range(span, &value);
    }
    text
}
