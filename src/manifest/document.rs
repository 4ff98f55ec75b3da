//! The manifest as a whole.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;

use super::decode::{Decoder, Fields};
use super::files;
use super::gate::GateDecl;
use super::node::{Entry, Node, Yaml};
use super::notify::NotifyRule;
use super::param::ParamDecl;
use super::purpose::Purpose;
use super::rejected::{Mistake, Rejected};
use super::settings::{self, Settings};
use super::source::{Source, Span};
use super::step::StepDecl;
use super::trigger::{self, Trigger};
use super::yaml;
use crate::id::{ParamName, PipelineName};
use crate::phase::Phase;

/// The one version of the manifest's form.
const VERSION: u32 = 1;

/// A pipeline as it is written.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The text.
    pub source: Arc<Source>,
    /// The pipeline's name.
    pub pipeline: PipelineName,
    /// What it is.
    pub description: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Runs with a higher number get slots first.
    pub priority: i32,
    /// How often a phase begins again when a step of it has failed for good.
    pub phase_retries: BTreeMap<Phase, u32>,
    /// The parameters.
    pub params: IndexMap<ParamName, ParamDecl>,
    /// When it runs by itself.
    pub triggers: Vec<Trigger>,
    /// Who is told of what.
    pub notify: Vec<NotifyRule>,
    /// The settings of steps that do not say otherwise.
    pub defaults: Settings,
    /// What it is for.
    pub purpose: Purpose,
    /// The steps, by phase and then as written.
    pub steps: Vec<StepDecl>,
    /// The gates, by phase and then as written.
    pub gates: Vec<GateDecl>,
    /// What is wrong with it; what could be read is there nevertheless, so that a plan can add its own findings.
    mistakes: Vec<Mistake>,
}

/// The keys at the top level besides the phases.
pub(super) const KEYS: [&str; 9] =
    ["version", "pipeline", "owner", "description", "priority", "params", "triggers", "notify", "defaults"];
pub(super) const PRIORITIES: std::ops::RangeInclusive<i32> = -1000..=1000;
pub(super) const UNDERSTANDING_KEYS: [&str; 6] = ["objectives", "success_criteria", "risks", "retry", "steps", "gates"];
pub(super) const PHASE_KEYS: [&str; 3] = ["retry", "steps", "gates"];

/// Reads the manifest in a file, and the text files that it names.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path) -> Result<Manifest, Rejected> {
    let manifest = load_with_mistakes(path)?;
    Rejected::unless_empty(&manifest.source, manifest.mistakes.clone())?;
    Ok(manifest)
}

/// Reads a manifest that may be wrong, so that more can be found out about it.
///
/// # Errors
/// Nothing can be read at all.
pub fn load_with_mistakes(path: &Path) -> Result<Manifest, Rejected> {
    read_with_mistakes(Source::read(path)?)
}

/// The same for a text that was read before; the text files that it names are looked for in its folder.
///
/// # Errors
/// Nothing can be read at all.
pub fn read_with_mistakes(source: Arc<Source>) -> Result<Manifest, Rejected> {
    let mut manifest = parse_with_mistakes(source)?;
    let folder = manifest.source.folder.clone();
    for step in &mut manifest.steps {
        let before = manifest.mistakes.len();
        if let Some(work) = &mut step.work {
            files::resolve(&mut work.params, &folder, &mut manifest.mistakes);
        }
        if manifest.mistakes.len() > before {
            // A path in place of the text would be found wrong once more by the kind.
            step.work = None;
        }
    }
    Ok(manifest)
}

/// Reads a manifest from text. `file:` references in it stay as they are.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(source: Arc<Source>) -> Result<Manifest, Rejected> {
    let manifest = parse_with_mistakes(source)?;
    Rejected::unless_empty(&manifest.source, manifest.mistakes.clone())?;
    Ok(manifest)
}

fn parse_with_mistakes(source: Arc<Source>) -> Result<Manifest, Rejected> {
    let (root, mistakes) = yaml::read(&source.text);
    let mut decoder = Decoder { mistakes };
    let root = match root {
        Some(root) if matches!(root.value, Yaml::Map(_)) => root,
        root => {
            if decoder.mistakes.is_empty() {
                let place = root.map_or(0..0, |root| root.span);
                let mistake = Mistake::new("empty", place, "this is not a manifest: it has no keys");
                decoder.note(mistake.help("begin with `version: 1` and `pipeline: NAME`"));
            }
            Rejected::unless_empty(&source, decoder.mistakes)?;
            unreachable!("a mistake was noted");
        }
    };
    Ok(read(&mut decoder, &root, source))
}

fn read(decoder: &mut Decoder, root: &Node, source: Arc<Source>) -> Manifest {
    let phases = Phase::ALL.map(Phase::as_str);
    let known: Vec<&str> = KEYS.iter().chain(&phases).copied().collect();
    let fields = decoder.fields(root, "the manifest", &known);
    check_order(decoder, root);
    check_version(decoder, fields);
    let pipeline = match fields.entry("pipeline") {
        Some(entry) => decoder
            .text(&entry.value, "`pipeline`")
            .and_then(|text| decoder.name::<PipelineName>(&text.value, &text.span))
            .map(|name| name.value),
        None => {
            decoder.missing("pipeline", "the manifest", &(root.span.start..root.span.start));
            None
        }
    };
    let mut text =
        |key: &str| fields.get(key).and_then(|node| decoder.text(node, &format!("`{key}`"))).map(|text| text.value);
    let (description, owner) = (text("description"), text("owner"));
    let mut params = IndexMap::new();
    for entry in entries(decoder, fields, "params") {
        let name = decoder.name::<ParamName>(&entry.key.value, &entry.key.span);
        let declared = ParamDecl::read(decoder, &entry.value, &entry.key.value, &entry.key.span);
        if let (Some(name), Some(declared)) = (name, declared) {
            params.insert(name.value, declared);
        }
    }
    let mut triggers = Vec::new();
    for entry in entries(decoder, fields, "triggers") {
        triggers.extend(Trigger::read(decoder, &entry.value, &entry.key));
    }
    let mut notify = Vec::new();
    for item in fields.get("notify").map_or(&[][..], |node| decoder.list(node, "`notify`")) {
        notify.extend(NotifyRule::read(decoder, item));
    }
    let defaults = fields.get("defaults").map_or_else(Settings::default, |node| {
        decoder.fields(node, "`defaults`", &settings::KEYS);
        Settings::read(decoder, node)
    });
    let mut manifest = Manifest {
        source,
        // A stand-in that is never seen: a manifest with mistakes becomes no plan.
        pipeline: pipeline.unwrap_or_else(|| "unnamed".parse().expect("it is a name")),
        description,
        owner,
        priority: fields.get("priority").and_then(|node| read_priority(decoder, node)).unwrap_or(0),
        phase_retries: BTreeMap::new(),
        params,
        triggers,
        notify,
        defaults,
        purpose: Purpose::default(),
        steps: Vec::new(),
        gates: Vec::new(),
        mistakes: Vec::new(),
    };
    for phase in Phase::ALL {
        if let Some(node) = fields.get(phase.as_str()) {
            read_phase(decoder, node, phase, &mut manifest);
        }
    }
    check_unique(decoder, &manifest);
    trigger::check(decoder, &manifest);
    manifest.mistakes = std::mem::take(&mut decoder.mistakes);
    manifest
}

fn read_phase(decoder: &mut Decoder, node: &Node, phase: Phase, manifest: &mut Manifest) {
    let fields = phase_fields(decoder, node, phase);
    if let Some(node) = fields.get("objectives") {
        manifest.purpose.read_objectives(decoder, node);
    }
    if let Some(node) = fields.get("success_criteria") {
        manifest.purpose.read_criteria(decoder, node);
    }
    if let Some(node) = fields.get("risks") {
        manifest.purpose.read_risks(decoder, node);
    }
    if let Some(count) = fields.get("retry").and_then(|node| decoder.count(node, "`retry` of a phase", 0..=20)) {
        manifest.phase_retries.insert(phase, count);
    }
    for entry in entries(decoder, fields, "steps") {
        manifest.steps.extend(StepDecl::read(decoder, &entry.value, &entry.key, phase));
    }
    for entry in entries(decoder, fields, "gates") {
        manifest.gates.extend(GateDecl::read(decoder, &entry.value, &entry.key, phase));
    }
}

fn read_priority(decoder: &mut Decoder, node: &Node) -> Option<i32> {
    let priority = match &node.value {
        Yaml::Number(number) => number.as_i64().and_then(|number| i32::try_from(number).ok()),
        _ => None,
    };
    let priority = priority.filter(|priority| PRIORITIES.contains(priority));
    if priority.is_none() {
        let message = "`priority` must be a whole number from -1000 to 1000";
        decoder.note(Mistake::new("out_of_range", node.span.clone(), message));
    }
    priority
}

/// The keys of a phase; what only the first phase may state is refused in the others.
fn phase_fields<'node>(decoder: &mut Decoder, node: &'node Node, phase: Phase) -> Fields<'node> {
    let what = format!("`{phase}`");
    if phase == Phase::Understanding {
        return decoder.fields(node, &what, &UNDERSTANDING_KEYS);
    }
    let before = decoder.mistakes.len();
    let fields = decoder.fields(node, &what, &PHASE_KEYS);
    for key in UNDERSTANDING_KEYS.iter().filter(|key| !PHASE_KEYS.contains(key)) {
        let Some(entry) = fields.entry(key) else { continue };
        for mistake in decoder.mistakes[before..].iter_mut().filter(|mistake| mistake.span == entry.key.span) {
            mistake.help = Some("move it to `understanding`".to_owned());
        }
    }
    fields
}

/// The entries of the map under `key`, if it is given.
fn entries<'node>(decoder: &mut Decoder, fields: Fields<'node>, key: &str) -> &'node [Entry] {
    fields.get(key).map_or(&[], |node| decoder.map(node, &format!("`{key}`")))
}

fn check_version(decoder: &mut Decoder, fields: Fields<'_>) {
    match fields.entry("version") {
        Some(Entry { value, .. }) if value.to_json() == VERSION => {}
        Some(Entry { value, .. }) => {
            let message = format!("this program reads manifests of version {VERSION}");
            decoder.note(Mistake::new("unknown_version", value.span.clone(), message).help("write `version: 1`"));
        }
        None => {
            let mistake = Mistake::new("missing_key", 0..0, "the manifest has no `version`");
            decoder.note(mistake.help("begin with `version: 1`"));
        }
    }
}

/// Phases stand in the file as a run passes through them.
fn check_order(decoder: &mut Decoder, root: &Node) {
    let mut last: Option<Phase> = None;
    for entry in decoder.map(root, "the manifest") {
        let Ok(phase) = entry.key.value.parse::<Phase>() else { continue };
        if let Some(last) = last.filter(|last| *last > phase) {
            let message = format!("`{phase}` stands after `{last}`, but comes before it");
            decoder.note(
                Mistake::new("phase_order", entry.key.span.clone(), message)
                    .help("order the phases as a run passes through them"),
            );
        }
        last = last.max(Some(phase));
    }
}

/// Steps and gates have one name each in the whole file, so that the name alone says which one is meant.
fn check_unique(decoder: &mut Decoder, manifest: &Manifest) {
    let steps = manifest.steps.iter().map(|step| ("step", step.name.value.as_str(), &step.name.span));
    let gates = manifest.gates.iter().map(|gate| ("gate", gate.name.value.as_str(), &gate.name.span));
    let mut seen = BTreeMap::<(&str, &str), &Span>::new();
    for (what, name, span) in steps.chain(gates) {
        if let Some(first) = seen.insert((what, name), span) {
            let (line, _) = manifest.source.position(first.start);
            let message = format!("there is already a {what} `{name}` on line {line}");
            decoder.note(Mistake::new("duplicate_name", span.clone(), message).help("names are unique in the file"));
        }
    }
}

impl Manifest {
    /// What is wrong with the text, as far as reading it shows.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    /// The declared step of a name.
    pub fn step(&self, name: &str) -> Option<&StepDecl> {
        self.steps.iter().find(|step| step.name.value.as_str() == name)
    }
}
