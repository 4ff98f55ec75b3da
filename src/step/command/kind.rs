//! The `command` kind behind `run:`.

use std::fs;
use std::io::PipeWriter;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::descendants;
use super::ending::{self, failure};
use super::events::EventFile;
use super::output::ProgramOutput;
use super::termination::Termination;
use crate::artifact::{ArtifactKind, Staged};
use crate::id::OutputName;
use crate::phase::Phase;
use crate::step::{Arity, Dependency, InputPort, OutputPort, ParamErrors, Ports, StepContext, StepError, StepKind};
use crate::table::TableReader;

/// How often a running program is looked at: short enough that a trivial command costs little.
const SHORTEST_POLL: Duration = Duration::from_micros(200);
const LONGEST_POLL: Duration = Duration::from_millis(100);

/// What an output of a command holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputKind {
    /// A Parquet file.
    Table,
    /// A folder with a model.
    Model,
    /// A JSON file.
    Report,
    /// Any file.
    File,
}

impl OutputKind {
    fn artifact(self) -> ArtifactKind {
        match self {
            OutputKind::Table => ArtifactKind::Table,
            OutputKind::Model => ArtifactKind::Model,
            OutputKind::Report => ArtifactKind::Report,
            OutputKind::File => ArtifactKind::File,
        }
    }
}

/// What a `run:` step runs. In a manifest these stand beside `run`, not under `with`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The command line, given to `sh -c` in the manifest's folder.
    pub run: String,
    /// The outputs that the program writes to `$PHASELINE_OUTPUT_<NAME>`, by name, with what they hold.
    #[serde(default)]
    pub outputs: IndexMap<String, OutputKind>,
    /// Files or globs that the program reads, relative to the manifest; their content enters the cache key.
    #[serde(default)]
    pub files: Vec<String>,
}

/// A step that runs a program.
pub struct Command {
    params: Params,
}

impl StepKind for Command {
    const NAME: &'static str = "command";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::DataEngineering;
    const SUMMARY: &'static str = "Runs any program, with inputs and outputs as paths in its environment.";
    const EXAMPLE: &'static str = "run: python3 score.py\nfiles: [score.py]\noutputs: {scores: table}\n";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        if params.run.trim().is_empty() {
            return Err(ParamErrors::one(["run"], "the command is empty"));
        }
        for name in params.outputs.keys() {
            name.parse::<OutputName>()
                .map_err(|error| ParamErrors::one(["outputs", name.as_str()], error.to_string()))?;
        }
        Ok(Command { params })
    }

    fn ports(&self) -> Ports {
        let mut any_input = InputPort { arity: Arity::Many, ..InputPort::one("input", ArtifactKind::Table) };
        any_input.accepts = ArtifactKind::ALL.to_vec();
        let outputs: Vec<OutputPort> =
            self.params.outputs.iter().map(|(name, kind)| OutputPort::new(name.clone(), kind.artifact())).collect();
        Ports { inputs: Vec::new(), free_inputs: Some(any_input), ..Ports::new([], outputs) }
    }

    fn dependencies(&self) -> Vec<Dependency> {
        self.params.files.iter().cloned().map(Dependency::Files).collect()
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let mut staged = Vec::new();
        for (name, kind) in &self.params.outputs {
            staged.push((name.as_str(), *kind, context.stage(kind.artifact())?));
        }
        let mut events = EventFile::create(context.surroundings().scratch.join("events.jsonl"))?;
        let (output, writer) = ProgramOutput::new()?;
        let mut command = self.prepare(context, &staged, events.path(), writer)?;
        descendants::adopt_orphans();
        let kills_before = ending::kills_for_memory();
        let termination = Termination::listen()?;
        let child = command.spawn().map_err(|error| StepError::from(error).help("`run` steps need `sh` on PATH"))?;
        // It holds the writing ends of the pipe, which must be the program's alone.
        drop(command);
        let ended = wait(child, output, &mut events, &termination, context);
        let said = context.printed();
        let status = ended?;
        if !status.success() {
            return Err(failure(status, &said, kills_before, context.surroundings().memory_bytes));
        }
        for (name, kind, staged) in staged {
            let rows = check_output(name, kind, staged.path())?;
            context.commit(name, staged, rows)?;
        }
        Ok(())
    }
}

impl Command {
    fn prepare(
        &self,
        context: &StepContext,
        staged: &[(&str, OutputKind, Staged)],
        events: &Path,
        output: PipeWriter,
    ) -> Result<std::process::Command, StepError> {
        let surroundings = context.surroundings();
        let mut command = std::process::Command::new("sh");
        for withheld in &surroundings.withheld {
            command.env_remove(withheld).env_remove(format!("{withheld}_FILE"));
        }
        command
            .args(["-c", &self.params.run])
            .current_dir(&surroundings.base_folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .env("PHASELINE_EVENTS", events)
            .env("PHASELINE_SEED", surroundings.seed.to_string())
            .env("PHASELINE_SCRATCH", &surroundings.scratch)
            .env("PHASELINE_CHECKPOINT", &surroundings.checkpoint)
            .env("PHASELINE_THREADS", surroundings.threads.to_string());
        for (name, bound) in &surroundings.inputs {
            let paths: Vec<String> = bound
                .iter()
                .map(|input| Ok(context.path(&input.artifact)?.to_string_lossy().into_owned()))
                .collect::<Result<_, StepError>>()?;
            command.env(format!("PHASELINE_INPUT_{}", name.as_str().to_uppercase()), paths.join("\n"));
        }
        for (name, _, staged) in staged {
            command.env(format!("PHASELINE_OUTPUT_{}", name.to_uppercase()), staged.path());
        }
        command.envs(&surroundings.env);
        Ok(command)
    }
}

/// Looks after a program until it has ended, with everything that it started.
fn wait(
    mut child: Child,
    mut output: ProgramOutput,
    events: &mut EventFile,
    termination: &Termination,
    context: &mut StepContext,
) -> Result<ExitStatus, StepError> {
    let mut pause = SHORTEST_POLL;
    let status = loop {
        let has_printed = output.print(context);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        events.follow(context)?;
        if !has_printed {
            output.wait(pause);
            pause = (pause * 2).min(LONGEST_POLL);
        }
    };
    // What it left running would hold the pipe open, and must not write into what comes after this attempt.
    descendants::end_all();
    while output.print(context) {}
    events.follow(context)?;
    if termination.is_asked() {
        return Err(StepError::environment("cancelled", "the command was asked to end"));
    }
    Ok(status)
}

/// Says what is wrong with an output, or how many rows it has.
fn check_output(name: &str, kind: OutputKind, path: &Path) -> Result<Option<u64>, StepError> {
    let variable = format!("$PHASELINE_OUTPUT_{}", name.to_uppercase());
    let is_missing = match kind {
        OutputKind::Model => fs::read_dir(path)?.next().is_none(),
        _ => !path.exists(),
    };
    if is_missing {
        return Err(StepError::input("output_missing", format!("the command did not write its output `{name}`"))
            .help(format!("write it to the path in {variable}")));
    }
    match kind {
        OutputKind::Table => match TableReader::open(path) {
            Ok(table) => Ok(Some(table.rows())),
            Err(error) => Err(StepError::input("output_format", format!("output `{name}` is not a Parquet file"))
                .caused_by(error)
                .help(format!("write Parquet to {variable}, or declare the output as `file`"))),
        },
        OutputKind::Report => {
            let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(&fs::read(path)?);
            is_json.map(|_| None).map_err(|error| {
                StepError::input("output_format", format!("output `{name}` is not JSON"))
                    .caused_by(error)
                    .help(format!("write JSON to {variable}, or declare the output as `file`"))
            })
        }
        OutputKind::Model | OutputKind::File => Ok(None),
    }
}
