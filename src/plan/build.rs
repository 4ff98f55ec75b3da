//! Manifest and step kinds to a [`Plan`]: all mistakes of all steps at once, or an immutable graph that fits together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::bind::{Binder, Bindings};
use super::compare;
use super::conditions::Conditions;
use super::instances::{self, Instances};
use super::order::Graph;
use super::params::{self, Overrides};
use super::planned::{Plan, PlannedStep};
use super::scope::Scope;
use super::settings::{self, Resolved};
use super::work::{Work, work_of};
use super::{record, taint};
use crate::id::{ParamName, StepName};
use crate::manifest::{self, Manifest, Mistake, Reference, Rejected};
use crate::step::{Dependency, StepRegistry};

/// The plan of the manifest in a file.
///
/// # Errors
/// Everything that is wrong with the manifest, its values and its graph.
pub fn load(path: &Path, registry: &StepRegistry, overrides: &Overrides) -> Result<Plan, Rejected> {
    Plan::build(&manifest::load_with_mistakes(path)?, registry, overrides)
}

impl Plan {
    /// Resolves a manifest.
    ///
    /// # Errors
    /// Everything that is wrong with the manifest, the overrides and the graph.
    pub fn build(manifest: &Manifest, registry: &StepRegistry, overrides: &Overrides) -> Result<Plan, Rejected> {
        let mut mistakes = manifest.mistakes().to_vec();
        let (params, overridden) = params::values(manifest, overrides, &mut mistakes);
        let scope = Scope::new(
            &manifest.source,
            [("params", json!(params)), ("run", json!({"pipeline": manifest.pipeline.as_str()}))],
        );
        let manifest = &*compare::written_out(manifest, &scope, registry, &mut mistakes);
        let instances = instances::expand(manifest, &scope, &mut mistakes);
        let work: Vec<Option<Work>> =
            instances.all.iter().map(|instance| work_of(instance, &scope, registry, &mut mistakes)).collect();
        let graph = Draft { manifest, instances: &instances, work: &work, scope: &scope }.link(&mut mistakes);
        let settings: Vec<Resolved> = instances
            .all
            .iter()
            .map(|instance| {
                let own = &instance.declared.settings;
                let resolved = settings::resolve(&manifest.defaults, own, &instance.scope(&scope), &mut mistakes);
                // A default may grow what some steps do not declare.
                if own.retry.grow_memory.is_some() && resolved.resources.memory_bytes.is_none() {
                    let message = format!("step `{}` grows its memory and has none", instance.declared.name.value);
                    let mistake = Mistake::new("grow_nothing", instance.declared.name.span.clone(), message);
                    mistakes.push(mistake.help("say what it begins with: `resources: {memory: 2GiB}`"));
                }
                resolved
            })
            .collect();
        deploys_are_gated(manifest, &instances, &work, &mut mistakes);
        let record = record::record(manifest, &mut mistakes);
        let refused = Rejected::unless_empty(&manifest.source, mistakes);
        match (refused, overridden) {
            (Ok(()), Ok(())) => {}
            (Err(refused), Ok(())) | (Ok(()), Err(refused)) => return Err(refused),
            (Err(refused), Err(overridden)) => return Err(overridden.and(refused)),
        }
        let mut parts: Vec<_> = work.into_iter().zip(settings).map(Some).collect();
        let steps = graph
            .order
            .iter()
            .map(|&index| {
                let (work, settings) = parts[index].take().expect("each step is planned once");
                let work = work.expect("no mistake was found");
                let step = planned(&instances, index, work, settings, &graph, &params);
                (step.name.clone(), step)
            })
            .collect();
        Ok(Plan {
            pipeline: manifest.pipeline.clone(),
            manifest_digest: manifest.source.digest(),
            base_folder: manifest.source.folder.clone(),
            params,
            steps,
            gates: manifest.gates.iter().map(|gate| (gate.name.value.clone(), record::gate(gate))).collect(),
            priority: manifest.priority,
            phase_retries: manifest.phase_retries.clone(),
            record,
        })
    }
}

/// The instances and what they do, not yet linked.
struct Draft<'plan> {
    manifest: &'plan Manifest,
    instances: &'plan Instances<'plan>,
    work: &'plan [Option<Work>],
    scope: &'plan Scope<'plan>,
}

/// How the instances hang together, by their places.
struct Links {
    bindings: Vec<Bindings>,
    needs: Vec<BTreeSet<usize>>,
    when: Vec<Option<String>>,
    order: Vec<usize>,
}

impl Draft<'_> {
    fn link(&self, mistakes: &mut Vec<Mistake>) -> Links {
        let binder = Binder { manifest: self.manifest, instances: self.instances, work: self.work };
        let conditions = Conditions { manifest: self.manifest, instances: self.instances, scope: self.scope };
        for gate in &self.manifest.gates {
            conditions.gate(gate, mistakes);
        }
        let (mut bindings, mut needs, mut when) = (Vec::new(), Vec::new(), Vec::new());
        for (index, instance) in self.instances.all.iter().enumerate() {
            bindings.push(binder.bind(index, mistakes));
            let mut needed = BTreeSet::new();
            for need in &instance.declared.needs {
                let reference =
                    Reference { step: need.value.clone(), keys: Vec::new(), output: None, span: need.span.clone() };
                if binder.declared(&need.value, &need.span, instance.declared, mistakes).is_some() {
                    needed.extend(self.instances.select(&reference, instance));
                }
            }
            let condition = conditions.when(instance, mistakes);
            needed.extend(condition.iter().flat_map(|(_, reads)| reads));
            when.push(condition.map(|(text, _)| text));
            needs.push(needed);
        }
        let order = match self.cycles(mistakes) {
            Found::Cycles => Vec::new(),
            Found::None => {
                let bound = bindings.iter().enumerate().flat_map(|(index, bindings): (usize, &Bindings)| {
                    bindings.values().flatten().map(move |bound| (bound.source, index))
                });
                let needed =
                    needs.iter().enumerate().flat_map(|(index, needs)| needs.iter().map(move |need| (*need, index)));
                let graph = Graph::new(self.instances.all.len(), bound.chain(needed));
                let order = graph.sorted(|index| self.instances.all[index].declared.phase);
                taint::check(self.instances, self.work, &bindings, &order, mistakes);
                order
            }
        };
        Links { bindings, needs, when, order }
    }

    /// Looks for cycles among the declared steps, whose references count even where their kinds are wrong.
    fn cycles(&self, mistakes: &mut Vec<Mistake>) -> Found {
        let steps = &self.manifest.steps;
        let places: BTreeMap<&str, usize> =
            steps.iter().enumerate().map(|(index, step)| (step.name.value.as_str(), index)).collect();
        let mut edges = BTreeMap::new();
        for (index, step) in steps.iter().enumerate() {
            let references = step.inputs.iter().flat_map(|input| &input.references);
            let inputs = references.map(|reference| (reference.step.as_str(), &reference.span));
            let needs = step.needs.iter().map(|need| (need.value.as_str(), &need.span));
            let when = step.when.iter().flat_map(|when| {
                let paths = crate::expr::Expr::parse(&when.value).map(|parsed| parsed.paths()).unwrap_or_default();
                paths
                    .into_iter()
                    .filter(|path| path.len() > 1 && path[0] == "steps")
                    .map(|path| (path[1].clone(), &when.span))
            });
            for (name, span) in inputs.chain(needs) {
                if let Some(from) = places.get(name) {
                    edges.entry((*from, index)).or_insert(span);
                }
            }
            for (name, span) in when {
                if let Some(from) = places.get(name.split('[').next().unwrap_or(&name)) {
                    edges.entry((*from, index)).or_insert(span);
                }
            }
        }
        let cycles = Graph::new(steps.len(), edges.keys().copied()).cycles();
        for cycle in &cycles {
            let names: Vec<&str> = cycle.iter().map(|index| steps[*index].name.value.as_str()).collect();
            let span = edges[&(cycle[cycle.len() - 2], cycle[0])].clone();
            let message = format!("steps wait for each other: {}", names.join(" -> "));
            mistakes
                .push(Mistake::new("cycle", span, message).help("an arrow means: is needed by; take one of them away"));
        }
        if cycles.is_empty() { Found::None } else { Found::Cycles }
    }
}

/// Whether there are cycles.
enum Found {
    None,
    Cycles,
}

/// A model is not put to use unless something has judged it, or the manifest says that nothing need.
fn deploys_are_gated(
    manifest: &Manifest,
    instances: &Instances<'_>,
    work: &[Option<Work>],
    mistakes: &mut Vec<Mistake>,
) {
    for (instance, work) in instances.all.iter().zip(work) {
        let Some(work) = work.as_ref().filter(|work| work.kind.starts_with("deploy.")) else { continue };
        let is_gated = manifest.gates.iter().any(|gate| gate.phase < instance.declared.phase);
        if !is_gated && work.params.get("ungated") != Some(&Value::Bool(true)) {
            let message = format!("step `{}` deploys a model that no gate has judged", instance.declared.name.value);
            let help = "add a gate to an earlier phase, such as `gates: {criteria: {check: criteria.ml.met}}` under \
                        `evaluation`, or say `with: {ungated: true}`";
            mistakes.push(Mistake::new("ungated_deploy", instance.declared.name.span.clone(), message).help(help));
        }
    }
}

fn planned(
    instances: &Instances<'_>,
    index: usize,
    work: Work,
    settings: Resolved,
    links: &Links,
    params: &BTreeMap<ParamName, Value>,
) -> PlannedStep {
    let instance = &instances.all[index];
    let name_of = |index: &usize| -> StepName { instances.all[*index].name.clone() };
    let (mut files, mut unknowns) = (Vec::new(), Vec::new());
    for dependency in work.dependencies {
        match dependency {
            Dependency::Files(pattern) => files.push(pattern),
            Dependency::Unknown(reason) => unknowns.push(reason),
        }
    }
    let seed = work.params.get("seed").and_then(Value::as_u64);
    let run_seed = || params.iter().find(|(name, _)| name.as_str() == "seed").and_then(|(_, seed)| seed.as_u64());
    let inherited = if work.takes_seed { run_seed() } else { None };
    let inputs = links.bindings[index]
        .iter()
        .map(|(name, bound)| (name.clone(), bound.iter().map(|bound| bound.binding.clone()).collect()))
        .collect();
    let outputs: IndexMap<_, _> = work
        .ports
        .outputs
        .iter()
        .map(|output| (output.name.parse().expect("a port has a valid name"), output.kind))
        .collect();
    let carries = work.ports.outputs.iter().filter_map(|output| {
        let from = output.from.as_ref()?;
        let from = from.iter().map(|input| input.parse().expect("a port has a valid name")).collect();
        Some((output.name.parse().expect("a port has a valid name"), from))
    });
    let former = work.ports.former.iter().map(|output| output.parse().expect("a port has a valid name")).collect();
    PlannedStep {
        former,
        name: instance.name.clone(),
        phase: instance.declared.phase,
        kind: work.kind.to_owned(),
        kind_version: work.kind_version,
        is_external: work.is_external,
        params: work.params,
        inputs,
        outputs,
        carries: carries.collect(),
        needs: links.needs[index].iter().map(name_of).collect(),
        when: links.when[index].clone(),
        files,
        unknowns,
        cache: settings.cache,
        seed: seed.or(inherited).unwrap_or(0),
        env: settings.env,
        secrets: settings.secrets,
        retry: settings.retry,
        timeout: settings.timeout.run,
        queue_timeout: settings.timeout.queue,
        total_timeout: settings.timeout.total,
        approval: work.approval,
        resources: settings.resources,
        pool_slots: settings.pool.as_ref().map_or(1, |pool| pool.slots),
        pool: settings.pool.map(|pool| pool.name),
    }
}
