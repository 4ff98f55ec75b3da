//! `compare: [with, without]`: what a step, or one transform of it, is worth. Everything from there down to the models is
//! planned a second time without it, and a step of kind `compare.ablation` puts the measures of the models side by side.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::instances;
use super::scope::Scope;
use super::work::work_of;
use crate::artifact::ArtifactKind;
use crate::id::{MAX_NAME_LENGTH, StepName};
use crate::manifest::{
    Entry, InputDecl, Manifest, Mistake, Node, Reference, Settings, Span, Spanned, StepDecl, Work, Yaml,
};
use crate::ml::transform;
use crate::step::{Mark, OutputPort, Ports, StepRegistry};

/// The kind that compares models trained with something and without it.
const KIND: &str = "compare.ablation";
/// The key beside a transform that asks for it.
const COMPARE: &str = "compare";
/// The param that lists transforms.
const TRANSFORMS: &str = "transforms";

/// The manifest with the steps that its `compare` keys stand for, and without those keys.
pub(super) fn written_out<'manifest>(
    manifest: &'manifest Manifest,
    scope: &Scope<'_>,
    registry: &StepRegistry,
    mistakes: &mut Vec<Mistake>,
) -> Cow<'manifest, Manifest> {
    if !manifest.steps.iter().any(asks) {
        return Cow::Borrowed(manifest);
    }
    let mut plain = manifest.clone();
    let subjects: Vec<Subject> =
        (0..plain.steps.len()).flat_map(|index| subjects(index, &mut plain.steps[index], mistakes)).collect();
    let ports = ports(&plain, scope, registry);
    let mut draft = Draft::new(&plain.steps, &ports);
    for subject in &subjects {
        match draft.compared(subject) {
            Ok(added) => draft.added.extend(added),
            Err(Refused::Told(mistake)) => mistakes.push(*mistake),
            Err(Refused::Elsewhere) => {}
        }
    }
    let added = draft.added;
    plain.steps.extend(added);
    plain.steps.sort_by_key(|step| step.phase);
    Cow::Owned(plain)
}

/// Whether there is a `compare` at a step or beside one of its transforms.
fn asks(step: &StepDecl) -> bool {
    let transforms = step.work.as_ref().and_then(|work| work.params.entry(TRANSFORMS));
    let items = match transforms.map(|entry| &entry.value.value) {
        Some(Yaml::List(items)) => items.as_slice(),
        _ => &[],
    };
    step.compare.is_some() || items.iter().any(|item| item.entry(COMPARE).is_some())
}

/// What is left out.
struct Subject {
    /// The step's place.
    step: usize,
    /// The place of the transform among those of the step; none for the step as a whole.
    transform: Option<usize>,
    /// What the names of further steps call it.
    name: String,
    /// Where `compare` is written.
    span: Span,
}

/// Why a subject is not compared.
enum Refused {
    Told(Box<Mistake>),
    /// What hinders it is reported by whoever plans the step itself.
    Elsewhere,
}

impl From<Mistake> for Refused {
    fn from(mistake: Mistake) -> Refused {
        Refused::Told(Box::new(mistake))
    }
}

/// What a step asks to compare; the keys are taken out of its params.
fn subjects(index: usize, step: &mut StepDecl, mistakes: &mut Vec<Mistake>) -> Vec<Subject> {
    let whole = step.compare.take().map(|span| Subject {
        step: index,
        transform: None,
        name: step.name.value.to_string(),
        span,
    });
    let mut subjects: Vec<Subject> = whole.into_iter().collect();
    for (place, entries) in step.work.iter_mut().flat_map(transforms) {
        let Some(at) = entries.iter().position(|entry| entry.key.value == COMPARE) else { continue };
        let compare = entries.remove(at);
        let named = entries.iter().find(|entry| transform::is_known(&entry.key.value));
        // A list item that names no transform is told by the kind.
        let Some(named) = named else { continue };
        match StepDecl::check_compare(&compare.value) {
            Some(mistake) => mistakes.push(mistake),
            None => subjects.push(Subject {
                step: index,
                transform: Some(place),
                name: named.key.value.clone(),
                span: compare.key.span,
            }),
        }
    }
    subjects
}

/// The transforms among the params of a step, each with its place.
fn transforms(work: &mut Work) -> impl Iterator<Item = (usize, &mut Vec<Entry>)> {
    let params: &mut [Entry] = match &mut work.params.value {
        Yaml::Map(entries) => entries,
        _ => &mut [],
    };
    let list = params.iter_mut().find(|entry| entry.key.value == TRANSFORMS).map(|entry| &mut entry.value.value);
    let items: &mut [Node] = match list {
        Some(Yaml::List(items)) => items,
        _ => &mut [],
    };
    items.iter_mut().enumerate().filter_map(|(place, item)| match &mut item.value {
        Yaml::Map(entries) => Some((place, entries)),
        _ => None,
    })
}

/// The ports of each declared step, where it is right.
fn ports(manifest: &Manifest, scope: &Scope<'_>, registry: &StepRegistry) -> Vec<Option<Ports>> {
    // Whoever plans the steps finds the same mistakes and tells them.
    let mut known = Vec::new();
    let instances = instances::expand(manifest, scope, &mut known);
    let first = |step: &StepDecl| instances.of(step.name.value.as_str()).first().copied();
    manifest
        .steps
        .iter()
        .map(|step| Some(work_of(&instances.all[first(step)?], scope, registry, &mut known)?.ports))
        .collect()
}

/// The steps as written, and what was added to them.
struct Draft<'steps> {
    steps: &'steps [StepDecl],
    ports: &'steps [Option<Ports>],
    /// For each step those that it reads from.
    sources: Vec<Vec<usize>>,
    /// For each step those that read from it.
    readers: Vec<Vec<usize>>,
    added: Vec<StepDecl>,
}

impl<'steps> Draft<'steps> {
    fn new(steps: &'steps [StepDecl], ports: &'steps [Option<Ports>]) -> Draft<'steps> {
        let places: BTreeMap<&str, usize> =
            steps.iter().enumerate().map(|(place, step)| (step.name.value.as_str(), place)).collect();
        let mut draft = Draft {
            steps,
            ports,
            sources: vec![Vec::new(); steps.len()],
            readers: vec![Vec::new(); steps.len()],
            added: Vec::new(),
        };
        for (reader, step) in steps.iter().enumerate() {
            let references = step.inputs.iter().flat_map(|input| &input.references);
            for source in references.filter_map(|reference| places.get(reference.step.as_str()).copied()) {
                draft.sources[reader].push(source);
                draft.readers[source].push(reader);
            }
        }
        draft
    }

    /// The steps that compare models with the subject and without it.
    fn compared(&self, subject: &Subject) -> Result<Vec<StepDecl>, Refused> {
        let step = &self.steps[subject.step];
        if self.ports[subject.step].is_none() {
            return Err(Refused::Elsewhere);
        }
        if subject.transform.is_none() {
            self.check_removable(subject)?;
        }
        let below = reached(&[subject.step], &self.readers);
        let models: Vec<usize> = below.iter().copied().filter(|place| self.is_measured_model(*place)).collect();
        if models.is_empty() {
            if below.iter().any(|place| self.ports[*place].is_none()) {
                return Err(Refused::Elsewhere);
            }
            let message = format!("no model that comes from step `{}` is measured on validation rows", step.name.value);
            let mistake = Mistake::new("nothing_to_compare", subject.span.clone(), message);
            return Err(mistake.help("bind `valid` at a training step that reads from it").into());
        }
        let above = reached(&models, &self.sources);
        let mut twins: BTreeSet<usize> = below.intersection(&above).chain(&models).copied().collect();
        if subject.transform.is_some() {
            twins.insert(subject.step);
        }
        let names = self.free_names(&subject.name, &twins, &models);
        let twins = twins.iter().map(|place| self.twin(subject, *place, &names));
        let comparisons = models.iter().map(|model| self.comparison(subject, *model, &names));
        Ok(twins.chain(comparisons).collect::<Result<_, Mistake>>()?)
    }

    /// Refuses to leave out a whole step that nothing can stand in for.
    fn check_removable(&self, subject: &Subject) -> Result<(), Mistake> {
        let step = &self.steps[subject.step];
        let ports = self.ports[subject.step].as_ref().expect("it is right");
        let kind = step.work.as_ref().map_or("", |work| work.kind.value.as_str());
        let refuse = |why: &str, help: &str| {
            let message = format!("step `{}` cannot be left out: {why}", step.name.value);
            Err(Mistake::new("not_removable", subject.span.clone(), message).help(help))
        };
        if ports.outputs.iter().any(|output| output.kind == ArtifactKind::Transform) {
            return refuse(
                "models need the numbers that it makes of columns",
                "write `compare: [with, without]` beside one of its transforms",
            );
        }
        let sets_aside = |output: &OutputPort| matches!(output.mark, Some(Mark::Test | Mark::Valid));
        if kind.starts_with("split.") || ports.outputs.iter().any(sets_aside) {
            return refuse("models are measured on what it sets aside", "compare two splits by a `matrix`");
        }
        Ok(())
    }

    fn is_measured_model(&self, index: usize) -> bool {
        let makes_model = |ports: &Ports| ports.outputs.iter().any(|output| output.kind == ArtifactKind::Model);
        self.ports[index].as_ref().is_some_and(makes_model)
            && self.steps[index].inputs.iter().any(|input| input.name.value.as_str() == "valid")
    }

    /// The names of the further steps; numbered where others are called so.
    fn free_names(&self, subject: &str, twins: &BTreeSet<usize>, models: &[usize]) -> Names {
        let of = |subject: &str| Names {
            twins: twins
                .iter()
                .map(|place| (*place, format!("{}_without_{subject}", self.steps[*place].name.value)))
                .collect(),
            comparisons: models
                .iter()
                .map(|model| match models {
                    [_] => (*model, format!("compare_{subject}")),
                    _ => (*model, format!("compare_{subject}_{}", self.steps[*model].name.value)),
                })
                .collect(),
        };
        let known: BTreeSet<&str> = self.steps.iter().chain(&self.added).map(|step| step.name.value.as_str()).collect();
        let is_free = |names: &Names| {
            names.twins.values().chain(names.comparisons.values()).all(|name| !known.contains(name.as_str()))
        };
        let numbered = (2_u32..).map(|number| of(&format!("{subject}_{number}")));
        std::iter::once(of(subject)).chain(numbered).find(is_free).expect("numbers do not run out")
    }

    /// The step at `place` as it is without the subject.
    fn twin(&self, subject: &Subject, place: usize, names: &Names) -> Result<StepDecl, Mistake> {
        let mut twin = self.steps[place].clone();
        twin.name.value = parsed(&names.twins[&place], &subject.span)?;
        let name_of = |step: &str| {
            names.twins.iter().find(|(place, _)| self.steps[**place].name.value.as_str() == step).map(|(_, name)| name)
        };
        if place == subject.step {
            let mut transforms = twin.work.iter_mut().flat_map(transforms);
            let switched = transforms.find(|(place, _)| Some(*place) == subject.transform);
            let (_, entries) = switched.expect("the transform was found before");
            entries.retain(|entry| entry.key.value != "when");
            let key = Spanned::new("when".to_owned(), subject.span.clone());
            entries.push(Entry { key, value: Node::new(Yaml::Bool(false), subject.span.clone()) });
        }
        for reference in twin.inputs.iter_mut().flat_map(|input| &mut input.references) {
            if let Some(name) = name_of(&reference.step) {
                reference.step.clone_from(name);
            } else if reference.step == self.steps[subject.step].name.value.as_str() {
                *reference = self.stand_in(subject, reference)?;
            }
        }
        for need in &mut twin.needs {
            if let Some(name) = name_of(&need.value) {
                need.value.clone_from(name);
            }
        }
        Ok(twin)
    }

    /// What `reference` to an output of the subject means where the subject is left out: the table whose rows the output
    /// has.
    fn stand_in(&self, subject: &Subject, reference: &Reference) -> Result<Reference, Mistake> {
        let step = &self.steps[subject.step];
        let ports = self.ports[subject.step].as_ref().expect("it is right");
        let output = match &reference.output {
            Some(output) => ports.output(output.as_str()),
            None => ports.outputs.first(),
        };
        let behind = output.and_then(|output| table_behind(step, output));
        let Some(behind) = behind else {
            let output = output.map_or("", |output| output.name.as_ref());
            let message = format!(
                "step `{}` cannot be left out: no single table stands behind its output `{output}`",
                step.name.value
            );
            let help = format!("write what reads from it a second time, and compare the models with `{KIND}`");
            return Err(Mistake::new("not_removable", subject.span.clone(), message).help(help));
        };
        let mut behind = Reference { span: reference.span.clone(), ..behind.clone() };
        if behind.keys.is_empty() {
            let source = self.steps.iter().find(|step| step.name.value.as_str() == behind.step);
            let has = |key: &str| source.is_some_and(|source| source.matrix.iter().any(|axis| axis.key.value == key));
            behind.keys = reference.keys.iter().filter(|(key, _)| has(key)).cloned().collect();
        }
        Ok(behind)
    }

    /// The step that says how far the model at `place` is from its twin.
    fn comparison(&self, subject: &Subject, place: usize, names: &Names) -> Result<StepDecl, Mistake> {
        let model = &self.steps[place];
        let span = &subject.span;
        let input = |input: &str, step: &str| InputDecl {
            name: Spanned::new(input.parse().expect("it is a name"), span.clone()),
            references: vec![Reference { step: step.to_owned(), keys: Vec::new(), output: None, span: span.clone() }],
        };
        Ok(StepDecl {
            name: Spanned::new(parsed(&names.comparisons[&place], span)?, span.clone()),
            phase: model.phase,
            work: Some(Work {
                kind: Spanned::new(KIND.to_owned(), span.clone()),
                params: Node::new(Yaml::Map(Vec::new()), span.clone()),
            }),
            inputs: vec![input("with", model.name.value.as_str()), input("without", &names.twins[&place])],
            needs: Vec::new(),
            when: None,
            matrix: Vec::new(),
            compare: None,
            settings: Settings::default(),
        })
    }
}

/// What further steps are called.
struct Names {
    /// By the place of the step that they stand beside.
    twins: BTreeMap<usize, String>,
    /// By the place of the model.
    comparisons: BTreeMap<usize, String>,
}

/// Everything that the edges lead to, from some places on.
fn reached(from: &[usize], edges: &[Vec<usize>]) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = from.to_vec();
    while let Some(place) = open.pop() {
        open.extend(edges[place].iter().copied().filter(|next| reached.insert(*next)));
    }
    reached
}

/// The only table whose rows an output of `step` has.
fn table_behind<'step>(step: &'step StepDecl, output: &OutputPort) -> Option<&'step Reference> {
    let from = output.rows_from.as_ref().or(output.from.as_ref());
    let is_carried =
        |input: &&InputDecl| from.is_none_or(|from| from.iter().any(|name| *name == input.name.value.as_str()));
    let mut references = step.inputs.iter().filter(is_carried).flat_map(|input| &input.references);
    let first = references.next().filter(|_| output.kind == ArtifactKind::Table)?;
    references.next().is_none().then_some(first)
}

fn parsed(name: &str, span: &Span) -> Result<StepName, Mistake> {
    name.parse().map_err(|_| {
        let message = format!("a step `{name}` has to be added, and a name has at most {MAX_NAME_LENGTH} characters");
        Mistake::new("bad_name", span.clone(), message).help("shorten the name of the step")
    })
}
