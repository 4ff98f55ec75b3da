//! What a running step sees of the world: its inputs, a place for its outputs, and a way to report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::{ColumnEdge, Metric, Registration, StepError, StepOutcome};
use crate::artifact::{ArtifactKind, ArtifactRef, ArtifactStore, Staged};
use crate::id::{InputName, OutputName};
use crate::table::{Stored, TableReader, TableWriter};

/// How many warnings of a step are kept beside its log.
const MOST_WARNINGS: usize = 20;

/// One artifact that is bound to an input.
#[derive(Debug, Clone, PartialEq)]
pub struct InputArtifact {
    /// Where it comes from, as a reference: `split.train`.
    pub source: String,
    /// The artifact.
    pub artifact: ArtifactRef,
    /// The metrics of the step that made it.
    pub metrics: Vec<Metric>,
}

/// How far a step has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Units done.
    pub done: u64,
    /// Units in all, if known.
    pub total: Option<u64>,
    /// The unit: `rows`, `bytes`, `epochs`.
    pub unit: &'static str,
    /// A short remark, such as `valid.roc_auc 0.841`.
    pub note: String,
}

/// Receives what a step reports while it runs.
pub trait Reporter: Send {
    /// Called as often as the step likes; the receiver thins it out.
    fn progress(&mut self, progress: &Progress);
    /// A line for the attempt's log.
    fn log(&mut self, line: &str);
    /// A piece of what a program of the step printed, for the attempt's log.
    fn print(&mut self, piece: &[u8]);
    /// The program has ended: what it printed last, at most a few lines.
    fn printed(&mut self) -> String;
    /// Keeps `value` out of everything that is written from now on.
    fn conceal(&mut self, value: &str);
}

/// The fixed facts of an attempt, from its work order.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The artifacts bound to each input.
    pub inputs: BTreeMap<InputName, Vec<InputArtifact>>,
    /// The folder that relative paths in params start from: the manifest's.
    pub base_folder: PathBuf,
    /// An empty folder for temporary files, deleted after the attempt.
    pub scratch: PathBuf,
    /// A folder that survives a failed attempt; the next attempt of the step finds its content.
    pub checkpoint: PathBuf,
    /// The state folder, where endpoints keep their request logs.
    pub state_folder: PathBuf,
    /// The seed of everything random in the step.
    pub seed: u64,
    /// How many threads the step may use.
    pub threads: usize,
    /// How much memory the step may use, in bytes.
    pub memory_bytes: Option<u64>,
    /// What the manifest and the run say about purpose: pipeline, run id, objectives, criteria, risks, gate verdicts so far.
    pub record: Value,
    /// Environment variables for commands.
    pub env: BTreeMap<String, String>,
    /// Environment variables that commands do not get.
    pub withheld: Vec<String>,
}

/// The world of a running step.
pub struct StepContext {
    surroundings: Surroundings,
    store: ArtifactStore,
    reporter: Box<dyn Reporter>,
    cancelled: Arc<AtomicBool>,
    outcome: StepOutcome,
}

impl StepContext {
    /// A context for one attempt.
    pub fn new(
        surroundings: Surroundings,
        store: ArtifactStore,
        reporter: Box<dyn Reporter>,
        cancelled: Arc<AtomicBool>,
    ) -> StepContext {
        StepContext { surroundings, store, reporter, cancelled, outcome: StepOutcome::default() }
    }

    /// The fixed facts of the attempt.
    pub fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// The seed of everything random in the step.
    pub fn seed(&self) -> u64 {
        self.surroundings.seed
    }

    /// `path` as given in params: relative paths start from the manifest's folder.
    pub fn resolve(&self, path: impl AsRef<Path>) -> PathBuf {
        self.surroundings.base_folder.join(path)
    }

    /// The artifacts bound to `input`, in the order written; empty if there are none.
    pub fn inputs(&self, input: &str) -> &[InputArtifact] {
        input.parse::<InputName>().ok().and_then(|name| self.surroundings.inputs.get(&name)).map_or(&[], Vec::as_slice)
    }

    /// The one artifact bound to `input`.
    ///
    /// # Errors
    /// A bug if nothing is bound: the plan has checked required inputs.
    pub fn input(&self, input: &str) -> Result<&InputArtifact, StepError> {
        self.inputs(input).first().ok_or_else(|| StepError::bug(format!("input `{input}` is not bound")))
    }

    /// The local path of an artifact, after its bytes were verified against its digest.
    pub fn path(&self, artifact: &ArtifactRef) -> Result<PathBuf, StepError> {
        Ok(self.store.verified_path(artifact)?)
    }

    /// The table bound to `input`.
    pub fn table(&self, input: &str) -> Result<TableReader, StepError> {
        let table = TableReader::open(&self.path(&self.input(input)?.artifact)?)?;
        Ok(if self.surroundings().threads > 1 { table.reading_ahead() } else { table })
    }

    /// The table bound to `input`, if there is one.
    pub fn optional_table(&self, input: &str) -> Result<Option<TableReader>, StepError> {
        if self.inputs(input).is_empty() { Ok(None) } else { self.table(input).map(Some) }
    }

    /// A place to write an artifact of `kind`; hand it to [`StepContext::commit`].
    pub fn stage(&self, kind: ArtifactKind) -> Result<Staged, StepError> {
        Ok(self.store.stage(kind)?)
    }

    /// Publishes `staged` as output `output`. `rows` is recorded for tables.
    pub fn commit(&mut self, output: &str, staged: Staged, rows: Option<u64>) -> Result<ArtifactRef, StepError> {
        let artifact = self.store.commit(staged, rows)?;
        self.outcome.outputs.insert(output_name(output)?, artifact.clone());
        Ok(artifact)
    }

    /// A writer for the table that becomes output `output` by [`StepContext::finish_table`].
    pub fn create_table(&self, schema: &arrow::datatypes::SchemaRef) -> Result<StagedTable, StepError> {
        let staged = self.stage(ArtifactKind::Table)?;
        let writer = TableWriter::create(staged.path(), schema)?.with_threads(self.surroundings().threads);
        Ok(StagedTable { staged, writer })
    }

    /// As [`StepContext::create_table`], for a table that takes columns over from another one.
    pub fn create_table_with(
        &self,
        schema: &arrow::datatypes::SchemaRef,
        stored: Stored,
    ) -> Result<StagedTable, StepError> {
        let StagedTable { staged, writer } = self.create_table(schema)?;
        Ok(StagedTable { staged, writer: writer.taking(stored) })
    }

    /// Publishes a written table as output `output`.
    pub fn finish_table(&mut self, output: &str, table: StagedTable) -> Result<ArtifactRef, StepError> {
        let rows = table.writer.close()?;
        self.commit(output, table.staged, Some(rows))
    }

    /// Publishes `report` as output `output` in pretty JSON.
    pub fn commit_report(&mut self, output: &str, report: &Value) -> Result<ArtifactRef, StepError> {
        let staged = self.stage(ArtifactKind::Report)?;
        let text = serde_json::to_vec_pretty(report)
            .map_err(|error| StepError::bug("a report is not JSON").caused_by(error))?;
        std::fs::write(staged.path(), text)?;
        self.commit(output, staged, None)
    }

    /// Makes an input artifact an output as it is, without copying a byte.
    pub fn forward(&mut self, output: &str, artifact: &ArtifactRef) -> Result<(), StepError> {
        self.outcome.outputs.insert(output_name(output)?, artifact.clone());
        Ok(())
    }

    /// What was published as output `output` so far.
    pub fn made(&self, output: &str) -> Option<&ArtifactRef> {
        self.outcome.outputs.iter().find(|(name, _)| name.as_str() == output).map(|(_, artifact)| artifact)
    }

    /// Takes an output back, so that the step ends without it.
    pub fn withdraw(&mut self, output: &str) {
        self.outcome.outputs.retain(|name, _| name.as_str() != output);
    }

    /// Reports a measured value over all rows; a value that is not finite counts as undefined.
    pub fn metric(&mut self, name: impl Into<String>, value: f64) {
        self.outcome.metrics.push(Metric::new(name, value));
    }

    /// Reports a measured value with interval or slice.
    pub fn push_metric(&mut self, metric: Metric) {
        self.outcome.metrics.push(metric);
    }

    /// Says that `column` of `output` comes from `from_column` of the first table at `input`, by `transform`.
    ///
    /// # Errors
    /// When the step has no such output or input, which is a bug of it.
    pub fn column_from(
        &mut self,
        output: &str,
        column: &str,
        input: &str,
        from_column: &str,
        transform: &str,
    ) -> Result<(), StepError> {
        let output = output_name(output)?;
        let from = self.input(input)?.artifact.digest;
        let (column, from_column) = (column.to_owned(), from_column.to_owned());
        let transform = transform.to_owned();
        self.outcome.columns.push(ColumnEdge { output, column, from, from_column, transform });
        Ok(())
    }

    /// Asks the engine to register a model version when the step succeeds.
    pub fn register(&mut self, registration: Registration) {
        self.outcome.registrations.push(registration);
    }

    /// Says how far the step has come.
    pub fn progress(&mut self, progress: &Progress) {
        self.reporter.progress(progress);
    }

    /// Writes a line into the attempt's log.
    ///
    /// A line that begins with `warning: ` also goes to whoever looks at the end of the run.
    pub fn log(&mut self, line: impl AsRef<str>) {
        let line = line.as_ref();
        if let Some(warning) = line.strip_prefix("warning: ")
            && self.outcome.warnings.len() < MOST_WARNINGS
        {
            self.outcome.warnings.push(warning.to_owned());
        }
        self.reporter.log(line);
    }

    /// Writes a piece of what a program of the step printed into the attempt's log.
    pub fn print(&mut self, piece: &[u8]) {
        self.reporter.print(piece);
    }

    /// What the program printed last, when it has ended.
    pub fn printed(&mut self) -> String {
        self.reporter.printed()
    }

    /// Keeps a secret, or the secret parts of a URL, out of everything that is written about the attempt from now on.
    pub fn conceal(&mut self, secret: &str) {
        self.reporter.conceal(secret);
    }

    /// Fails when the run was cancelled; call it once per batch or epoch.
    pub fn check_cancelled(&self) -> Result<(), StepError> {
        if self.cancelled.load(Ordering::Relaxed) {
            Err(StepError::environment("cancelled", "the step was cancelled"))
        } else {
            Ok(())
        }
    }

    /// Everything reported and committed, when the step has ended.
    pub fn into_outcome(self) -> StepOutcome {
        self.outcome
    }
}

/// A table that is being written and is not yet an output.
pub struct StagedTable {
    staged: Staged,
    writer: TableWriter,
}

impl StagedTable {
    /// Appends a batch.
    pub fn write(&mut self, batch: &arrow::record_batch::RecordBatch) -> Result<(), StepError> {
        Ok(self.writer.write(batch)?)
    }

    /// The written table, which is nobody's output yet, and its number of rows.
    pub fn close(self) -> Result<(Staged, u64), StepError> {
        let rows = self.writer.close()?;
        Ok((self.staged, rows))
    }
}

fn output_name(output: &str) -> Result<OutputName, StepError> {
    output.parse().map_err(|error| StepError::bug("an output has a bad name").caused_by(error))
}
