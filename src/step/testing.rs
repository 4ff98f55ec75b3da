//! A workbench for tests of step kinds: runs a step on small tables in a temporary store and shows what came out.
//!
//! For tests only: every function panics on what a test did not expect.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use serde_json::Value;

use super::{
    InputArtifact, Metric, Progress, Reporter, StepContext, StepError, StepOutcome, StepRegistry, Surroundings,
};
use crate::artifact::{ArtifactKind, ArtifactRef, ArtifactStore};
use crate::table::{TableReader, TableWriter};

/// A temporary folder with an artifact store, in which steps can run one after the other.
pub struct Workbench {
    folder: Arc<tempfile::TempDir>,
    store: ArtifactStore,
    registry: StepRegistry,
    cancelled: Arc<AtomicBool>,
    /// The seed that the next steps get.
    pub seed: u64,
    /// What the next steps find in [`Surroundings::record`].
    pub record: Value,
    /// How much memory the next steps may use.
    pub memory_bytes: Option<u64>,
}

impl Default for Workbench {
    fn default() -> Workbench {
        Workbench::new()
    }
}

impl Workbench {
    /// An empty workbench with the builtin kinds.
    pub fn new() -> Workbench {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        for name in ["scratch", "checkpoint", "state"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let store = ArtifactStore::open(folder.path().join("artifacts")).expect("a store");
        Workbench {
            folder,
            store,
            registry: StepRegistry::builtin(),
            cancelled: Arc::default(),
            seed: 7,
            record: Value::Null,
            memory_bytes: None,
        }
    }

    /// The folder that relative paths in params start from.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The store that inputs and outputs are in.
    pub fn store(&self) -> &ArtifactStore {
        &self.store
    }

    /// From now on every step sees that its run was cancelled.
    pub fn cancel(&self) {
        self.cancelled.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    /// Writes a file below [`Workbench::folder`] and gives its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder");
        std::fs::write(&path, content).expect("a file");
        path
    }

    /// A table artifact with the rows of `batch`.
    pub fn table(&self, batch: &RecordBatch) -> InputArtifact {
        let staged = self.store.stage(ArtifactKind::Table).expect("a staged table");
        let mut writer = TableWriter::create(staged.path(), &batch.schema()).expect("a writer");
        writer.write(batch).expect("a written batch");
        let rows = writer.close().expect("a closed table");
        let artifact = self.store.commit(staged, Some(rows)).expect("a committed table");
        InputArtifact { source: "test".to_owned(), artifact, metrics: Vec::new() }
    }

    /// Runs a step of the builtin kind `kind`. An input with several artifacts is named several times.
    ///
    /// # Errors
    /// What the step says; params that the kind refuses come back as an input error `params`.
    pub fn run(&self, kind: &str, params: Value, inputs: &[(&str, &InputArtifact)]) -> Result<Ran, StepError> {
        let step = self
            .registry
            .kind(kind)
            .expect("a known kind")
            .build(params)
            .map_err(|errors| StepError::input("params", errors.to_string()))?;
        let (mut context, lines) = self.context(inputs);
        step.run(&mut context)?;
        let log = lines.lock().expect("no reporter panicked").clone();
        Ok(Ran { outcome: context.into_outcome(), store: self.store.clone(), log, _folder: Arc::clone(&self.folder) })
    }

    /// The world that a step with these inputs sees, and the lines that it logs.
    pub fn context(&self, inputs: &[(&str, &InputArtifact)]) -> (StepContext, Arc<Mutex<Vec<String>>>) {
        let mut bound: BTreeMap<_, Vec<InputArtifact>> = BTreeMap::new();
        for (name, artifact) in inputs {
            bound.entry(name.parse().expect("a name")).or_default().push((*artifact).clone());
        }
        let folder = self.folder.path();
        let surroundings = Surroundings {
            inputs: bound,
            base_folder: folder.to_owned(),
            scratch: folder.join("scratch"),
            checkpoint: folder.join("checkpoint"),
            state_folder: folder.join("state"),
            seed: self.seed,
            threads: 2,
            memory_bytes: self.memory_bytes,
            record: self.record.clone(),
            env: BTreeMap::new(),
            withheld: Vec::new(),
        };
        let lines = Arc::new(Mutex::new(Vec::new()));
        let reporter = Box::new(Lines(Arc::clone(&lines)));
        (StepContext::new(surroundings, self.store.clone(), reporter, Arc::clone(&self.cancelled)), lines)
    }
}

/// What a step left behind.
pub struct Ran {
    /// Outputs, metrics, column edges and registrations.
    pub outcome: StepOutcome,
    /// The lines it logged.
    pub log: Vec<String>,
    store: ArtifactStore,
    /// Keeps the outputs for as long as they may be asked for.
    _folder: Arc<tempfile::TempDir>,
}

impl Ran {
    /// The artifact of an output.
    pub fn artifact(&self, output: &str) -> &ArtifactRef {
        let name = output.parse().expect("a name");
        self.outcome.outputs.get(&name).unwrap_or_else(|| panic!("there is no output `{output}`"))
    }

    /// Whether the step made this output.
    pub fn has(&self, output: &str) -> bool {
        self.outcome.outputs.contains_key(&output.parse().expect("a name"))
    }

    /// An output as the input of a next step, with the metrics of this one.
    pub fn input(&self, output: &str) -> InputArtifact {
        InputArtifact {
            source: format!("test.{output}"),
            artifact: self.artifact(output).clone(),
            metrics: self.outcome.metrics.clone(),
        }
    }

    /// The file or folder of an output.
    pub fn path(&self, output: &str) -> PathBuf {
        self.store.verified_path(self.artifact(output)).expect("a whole artifact")
    }

    /// All rows of an output table.
    pub fn table(&self, output: &str) -> RecordBatch {
        TableReader::open(&self.path(output)).expect("a table").read_all().expect("rows")
    }

    /// The content of an output report.
    pub fn report(&self, output: &str) -> Value {
        let text = std::fs::read(self.path(output)).expect("a report");
        serde_json::from_slice(&text).expect("JSON")
    }

    /// A metric over all rows, if it was reported and is defined.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let is_it = |metric: &&Metric| metric.name == name && metric.slice.is_none();
        self.outcome.metrics.iter().find(is_it)?.value
    }
}

/// A table of named columns, each made by [`ints`], [`floats`], [`texts`] or [`bools`].
pub fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.iter().map(|(name, array)| (*name, Arc::clone(array), true)))
        .expect("columns of one length")
}

/// A column of integers; `None` is null.
pub fn ints<V: Into<Option<i64>>>(values: impl IntoIterator<Item = V>) -> ArrayRef {
    Arc::new(values.into_iter().map(Into::into).collect::<Int64Array>())
}

/// A column of floats; `None` is null.
pub fn floats<V: Into<Option<f64>>>(values: impl IntoIterator<Item = V>) -> ArrayRef {
    Arc::new(values.into_iter().map(Into::into).collect::<Float64Array>())
}

/// A column of texts; `None` is null.
pub fn texts<'text, V: Into<Option<&'text str>>>(values: impl IntoIterator<Item = V>) -> ArrayRef {
    Arc::new(values.into_iter().map(Into::into).collect::<StringArray>())
}

/// A column of booleans; `None` is null.
pub fn bools<V: Into<Option<bool>>>(values: impl IntoIterator<Item = V>) -> ArrayRef {
    Arc::new(values.into_iter().map(Into::into).collect::<BooleanArray>())
}

/// A column by name.
pub fn column<'batch>(batch: &'batch RecordBatch, name: &str) -> &'batch ArrayRef {
    batch.column_by_name(name).unwrap_or_else(|| panic!("there is no column `{name}`"))
}

/// Names, types and rows as text, one line each; `~` is null.
pub fn show(batch: &RecordBatch) -> String {
    let schema = batch.schema();
    let types: Vec<String> =
        schema.fields().iter().map(|field| format!("{}:{}", field.name(), field.data_type())).collect();
    let columns: Vec<ArrayRef> =
        batch.columns().iter().map(|it| cast(it, &DataType::Utf8).expect("a column that has a text form")).collect();
    let cell = |column: &ArrayRef, row: usize| {
        if column.is_null(row) { "~".to_owned() } else { column.as_string::<i32>().value(row).to_owned() }
    };
    let row = |row: usize| columns.iter().map(|column| cell(column, row)).collect::<Vec<_>>().join(" ");
    std::iter::once(types.join(" ")).chain((0..batch.num_rows()).map(row)).collect::<Vec<_>>().join("\n")
}

struct Lines(Arc<Mutex<Vec<String>>>);

impl Reporter for Lines {
    fn progress(&mut self, _: &Progress) {}

    fn log(&mut self, line: &str) {
        self.0.lock().expect("no reporter panicked").push(line.to_owned());
    }

    fn print(&mut self, piece: &[u8]) {
        self.log(&String::from_utf8_lossy(piece));
    }

    fn printed(&mut self) -> String {
        self.0.lock().expect("no reporter panicked").last().cloned().unwrap_or_default()
    }

    fn conceal(&mut self, _: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_runs_and_a_failure_comes_back() {
        let bench = Workbench::new();
        assert!(bench.run("command", serde_json::json!({"run": "true"}), &[]).unwrap().outcome.outputs.is_empty());
        assert!(bench.run("command", serde_json::json!({"run": "false"}), &[]).is_err());
    }

    #[test]
    fn a_table_on_the_bench_has_its_rows() {
        let bench = Workbench::new();
        let rows = batch(&[("a", ints([1, 2])), ("b", texts(["x", "y"])), ("c", floats([Some(1.0), None]))]);
        assert_eq!(bench.table(&rows).artifact.rows, Some(2));
    }
}
