//! `phaseline infer-schema`: a schema contract from a file or a table of a run, or how that differs from one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Map, Value, json};

use super::{Exit, Settings, UsageError, output, step_output};
use crate::artifact::{ArtifactKind, ArtifactStore};
use crate::step::understanding::contract::{Contract, Difference, Inferring, Typing, differences, infer, write};
use crate::step::understanding::csv::ColumnType;
use crate::step::understanding::{ExactArrow, ExactParquet, IngestArrow, IngestParquet};
use crate::step::{Progress, Reporter, StepContext, StepError, StepKind, StepRegistry, Surroundings};
use crate::table::TableReader;

/// What to look at.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A CSV, JSON, Parquet, Arrow or Excel file, or a pattern in quotes; with STEP, a run: its id, the beginning of it, or `latest`.
    #[arg(value_name = "FILE|RUN")]
    source: String,
    /// A step of the run whose table is looked at.
    #[arg(value_name = "STEP")]
    step: Option<String>,
    /// The output of the step; `table`, or else its first one, if left out.
    #[arg(long, value_name = "NAME", requires = "step")]
    output: Option<String>,
    /// Compare the data with this contract instead; ends with exit code 1 if they differ.
    #[arg(long, value_name = "CONTRACT")]
    check: Option<PathBuf>,
    /// The name of the contract; made of the file's or the step's if left out.
    #[arg(long)]
    name: Option<String>,
    /// Make the least and the greatest value of each column a rule.
    #[arg(long)]
    ranges: bool,
    /// A param of the ingest step that reads the file, such as `delimiter=;`; several may be given.
    #[arg(long = "with", value_name = "PARAM=VALUE")]
    with: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    let contract = args.check.as_deref().map(read).transpose()?;
    let desk = Desk::new()?;
    let source = match &args.step {
        Some(step) => {
            let path = step_output::path(settings, &args.source, step, args.output.as_deref(), ArtifactKind::Table)?;
            Source { path, typing: Typing::Known, described: format!("step `{step}` of run {}", args.source) }
        }
        None => desk.ingest(args, contract.as_ref())?,
    };
    let table = TableReader::open(&source.path)?;
    let mut context = desk.context()?;
    match contract {
        Some(contract) => {
            let found = differences(&mut context, &table, &contract, source.typing).map_err(told)?;
            compared(args, &contract, &found, &source, table.rows())
        }
        None => {
            let how = Inferring { name: name(args), ranges: args.ranges };
            let contract = infer(&mut context, &table, &how).map_err(told)?;
            if args.json {
                output::json(&contract)?;
            } else {
                let remarks = [
                    format!("What held for the {} rows of {}. Loosen what may change.", table.rows(), source.described),
                    "Bind it with `contract: file:contracts/NAME.yaml` under `with` of an ingest step.".to_owned(),
                ];
                output::write(write(&contract, &remarks).map_err(told)?.as_bytes())?;
            }
            Ok(Exit::Succeeded)
        }
    }
}

/// A table to look at.
struct Source {
    path: PathBuf,
    typing: Typing,
    described: String,
}

fn read(path: &Path) -> anyhow::Result<Contract> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    Contract::parse(&text).map_err(|reason| {
        UsageError::new(format!("`{}` is no contract: {reason}", path.display()))
            .help("`phaseline infer-schema FILE` writes one")
            .into()
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn told(error: StepError) -> anyhow::Error {
    let told = UsageError::new(crate::worker::with_causes(&error));
    match error.remedy() {
        Some(remedy) => told.help(remedy).into(),
        None => told.into(),
    }
}

fn name(args: &Args) -> String {
    let stem = || Path::new(&args.source).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let found = args.name.clone().or_else(|| args.step.clone()).or_else(stem).unwrap_or_default();
    let plain: String =
        found.chars().map(|char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '_' }).collect();
    let plain = plain.trim_matches('_').to_owned();
    if plain.is_empty() { "table".to_owned() } else { plain }
}

fn compared(
    args: &Args,
    contract: &Contract,
    found: &[Difference],
    source: &Source,
    rows: u64,
) -> anyhow::Result<Exit> {
    if args.json {
        output::json(&json!({
            "contract": contract.name,
            "version": contract.version,
            "rows": rows,
            "success": found.is_empty(),
            "differences": found,
        }))?;
    } else if found.is_empty() {
        output::line(format!("{rows} rows of {} keep {contract}", source.described))?;
    } else {
        output::line(format!("{rows} rows of {} break {contract}:", source.described))?;
        for difference in found {
            output::line(format!("  - {}", difference.message))?;
        }
    }
    Ok(if found.is_empty() { Exit::Succeeded } else { Exit::Failed })
}

/// A place to run an ingest step without a run.
struct Desk {
    folder: tempfile::TempDir,
    store: ArtifactStore,
}

impl Desk {
    fn new() -> anyhow::Result<Desk> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let store = ArtifactStore::open(folder.path().join("artifacts"))?;
        for name in ["scratch", "checkpoint", "state"] {
            std::fs::create_dir(folder.path().join(name)).context("cannot make a temporary folder")?;
        }
        Ok(Desk { folder, store })
    }

    fn context(&self) -> anyhow::Result<StepContext> {
        let folder = self.folder.path();
        let surroundings = Surroundings {
            inputs: BTreeMap::new(),
            base_folder: std::env::current_dir().context("there is no current folder")?,
            scratch: folder.join("scratch"),
            checkpoint: folder.join("checkpoint"),
            state_folder: folder.join("state"),
            seed: 0,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: None,
            record: Value::Null,
            env: BTreeMap::new(),
            withheld: Vec::new(),
        };
        Ok(StepContext::new(surroundings, self.store.clone(), Box::new(Warnings), std::sync::Arc::default()))
    }

    /// The table of the file that is meant, read as an ingest step reads it.
    fn ingest(&self, args: &Args, contract: Option<&Contract>) -> anyhow::Result<Source> {
        let (kind, typing) = kind_of(&args.source)?;
        let mut params = params(args)?;
        let mut path = self.ingested(kind, params.clone())?;
        if let (Some(contract), Typing::Guessed) = (contract, typing) {
            // What the contract calls a text is none of numbers, whatever its values look like, and a double loses digits.
            let schema = TableReader::open(&path)?.schema().clone();
            let is_another = |name: &&str| {
                schema.field_with_name(name).is_ok_and(|found| *found.data_type() != ColumnType::Text.data_type())
            };
            let texts: Map<String, Value> = contract
                .texts()
                .chain(contract.decimals())
                .filter(is_another)
                .map(|name| (name.to_owned(), json!("text")))
                .collect();
            if !texts.is_empty() {
                let types = params.entry("types").or_insert_with(|| json!({}));
                if let Value::Object(types) = types {
                    for (name, text) in texts {
                        types.entry(name).or_insert(text);
                    }
                }
                path = self.ingested(kind, params)?;
            }
        }
        Ok(Source { path, typing, described: format!("`{}`", args.source) })
    }

    fn ingested(&self, kind: &str, params: Map<String, Value>) -> anyhow::Result<PathBuf> {
        // What is asked is which decimals there are, so none of them may become doubles.
        let registry = match kind {
            IngestParquet::NAME => StepRegistry::of::<ExactParquet>(),
            IngestArrow::NAME => StepRegistry::of::<ExactArrow>(),
            _ => StepRegistry::builtin(),
        };
        let step = registry.kind(kind)?.build(Value::Object(params)).map_err(|errors| {
            UsageError::new(errors.to_string())
                .help(format!("`--with` takes the params of `{kind}`; docs/steps.md lists them"))
        })?;
        let mut context = self.context()?;
        step.run(&mut context).map_err(told)?;
        let table = context.made("table").cloned().context("the step made no table")?;
        Ok(self.store.path(&table)?)
    }
}

/// The kind of step that reads a file, by the end of its name.
fn kind_of(source: &str) -> anyhow::Result<(&'static str, Typing)> {
    let name = source.to_ascii_lowercase();
    let name = name.trim_end_matches(".gz").trim_end_matches(".zst");
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    if ends(&[".csv", ".tsv", ".txt", ".data"]) {
        Ok(("ingest.csv", Typing::Guessed))
    } else if ends(&[".json", ".jsonl", ".ndjson"]) {
        Ok(("ingest.json", Typing::Guessed))
    } else if ends(&[".parquet"]) {
        Ok(("ingest.parquet", Typing::Known))
    } else if ends(&[".arrow", ".arrows", ".feather"]) {
        Ok(("ingest.arrow", Typing::Known))
    } else if ends(&[".xlsx", ".xlsb", ".xls", ".ods"]) {
        Ok(("ingest.excel", Typing::Guessed))
    } else {
        Err(UsageError::new(format!("`{source}` has an ending that tells no format"))
            .help("name a `.csv`, `.tsv`, `.json`, `.jsonl`, `.parquet`, `.arrow`, `.feather` or `.xlsx` file, or a run and one of its steps")
            .into())
    }
}

fn params(args: &Args) -> anyhow::Result<Map<String, Value>> {
    let mut params = Map::new();
    params.insert("path".to_owned(), json!(args.source));
    if args.source.to_ascii_lowercase().contains(".tsv") {
        params.insert("delimiter".to_owned(), json!("tab"));
    }
    for given in &args.with {
        let Some((name, text)) = given.split_once('=') else {
            return Err(UsageError::new(format!("`--with {given}` has no `=`"))
                .help("write `--with 'delimiter=;'`")
                .into());
        };
        // A value as in YAML, or else a text as it stands.
        let value = serde_saphyr::from_str::<Value>(text).unwrap_or_else(|_| json!(text));
        params.insert(name.trim().to_owned(), if value.is_null() { json!(text) } else { value });
    }
    Ok(params)
}

/// Shows what a step warns of, and nothing else.
struct Warnings;

impl Reporter for Warnings {
    fn progress(&mut self, _: &Progress) {}

    fn log(&mut self, line: &str) {
        if let Some(warning) = line.strip_prefix("warning: ") {
            tracing::warn!("{warning}");
        }
    }

    fn print(&mut self, _: &[u8]) {}

    fn printed(&mut self) -> String {
        String::new()
    }

    fn conceal(&mut self, _: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_told_by_the_end_of_the_name() {
        let kind = |source: &str| kind_of(source).map(|(kind, _)| kind).map_err(|error| error.to_string());
        assert_eq!(kind("data/A.CSV.gz"), Ok("ingest.csv"));
        assert_eq!(kind("x/*.jsonl"), Ok("ingest.json"));
        assert_eq!(kind("x.parquet"), Ok("ingest.parquet"));
        assert_eq!(kind("x.feather"), Ok("ingest.arrow"));
        assert_eq!(kind("x.xlsx"), Ok("ingest.excel"));
        assert!(kind("x.docx").unwrap_err().contains("tells no format"));
    }
}
