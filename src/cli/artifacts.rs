//! `phaseline artifacts show DIGEST`.

use std::path::Path;

use anyhow::Context;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::{Value, json};

use super::database::{ask, short, time};
use super::{Exit, Settings, output, table_facts};
use crate::artifact::{ArtifactKind, ArtifactStore};
use crate::store::queries::ArtifactDetail;
use crate::table::{ColumnFacts, TableReader, column_facts};
use crate::units;

/// What to do with artifacts.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show what an artifact holds: of a table the columns, statistics and first rows.
    Show {
        /// The beginning of its digest, as `phaseline show RUN` lists it.
        digest: String,
        /// How many rows of a table to show.
        #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
        rows: usize,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    let Command::Show { digest, rows, json: is_json } = &args.command;
    let detail = ask(settings, async |store| store.artifact(digest).await)?;
    let path = ArtifactStore::open(&settings.artifacts)?.path(&detail.artifact)?;
    let content = Content::read(&detail, &path, *rows)?;
    if *is_json {
        let mut document = serde_json::to_value(&detail)?;
        document["path"] = json!(path);
        document["content"] = content.json();
        output::json(&document)?;
    } else {
        output::write(format!("{}{}", heading(&detail, &path), content.text()).as_bytes())?;
    }
    Ok(Exit::Succeeded)
}

fn heading(detail: &ArtifactDetail, path: &Path) -> String {
    let artifact = &detail.artifact;
    let rows = artifact.rows.map_or_else(String::new, |rows| format!(", {rows} rows"));
    let output = detail.output.as_ref().map_or_else(String::new, |output| format!(".{output}"));
    format!(
        "{}\n  {}{rows}, {}\n  made by {}{output} of {} in {}, {} UTC\n  at {}\n\n",
        artifact.digest,
        artifact.kind,
        units::size(artifact.bytes),
        detail.step,
        detail.pipeline,
        detail.run,
        time(&detail.created_at),
        path.display()
    )
}

/// What an artifact holds, as far as it is shown.
enum Content {
    Table { columns: Vec<ColumnFacts>, head: Vec<Vec<String>> },
    Folder { files: Vec<(String, u64)> },
    Document(Value),
    Text(String),
    Bytes,
}

impl Content {
    fn read(detail: &ArtifactDetail, path: &Path, rows: usize) -> anyhow::Result<Content> {
        let damaged = || format!("the artifact {} cannot be read", short(&detail.artifact.digest.to_string()));
        Ok(match detail.artifact.kind {
            ArtifactKind::Table => {
                let table = TableReader::open(path).with_context(damaged)?;
                Content::Table {
                    columns: column_facts(&table).with_context(damaged)?,
                    head: head(&table, rows).with_context(damaged)?,
                }
            }
            ArtifactKind::Model | ArtifactKind::Transform => {
                let mut files = Vec::new();
                list_files(path, "", &mut files).with_context(damaged)?;
                files.sort();
                Content::Folder { files }
            }
            ArtifactKind::Report => {
                let text = std::fs::read(path).with_context(damaged)?;
                Content::Document(serde_json::from_slice(&text).with_context(damaged)?)
            }
            ArtifactKind::File => match String::from_utf8(std::fs::read(path).with_context(damaged)?) {
                Ok(text) if !text.contains('\0') => Content::Text(text),
                _ => Content::Bytes,
            },
        })
    }

    fn text(&self) -> String {
        match self {
            Content::Table { columns, head } => {
                let facts: Vec<Vec<String>> = columns.iter().map(table_facts::cells).collect();
                let header: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
                format!("{}\n{}", output::table(&table_facts::HEADER, &facts), output::table(&header, head))
            }
            Content::Folder { files } => {
                let rows: Vec<Vec<String>> =
                    files.iter().map(|(name, bytes)| vec![name.clone(), units::size(*bytes)]).collect();
                output::table(&["file", "size"], &rows)
            }
            Content::Document(document) => format!("{document:#}\n"),
            Content::Text(text) => text.clone(),
            Content::Bytes => "(not text)\n".to_owned(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Content::Table { columns, head } => json!({
                "columns": columns.iter().map(table_facts::json).collect::<Vec<_>>(),
                "head": head,
            }),
            Content::Folder { files } => {
                let files = files.iter().map(|(name, bytes)| json!({"file": name, "bytes": bytes}));
                json!({"files": files.collect::<Vec<_>>()})
            }
            Content::Document(document) => document.clone(),
            Content::Text(text) => json!(text),
            Content::Bytes => Value::Null,
        }
    }
}

/// The first `rows` rows as text.
fn head(table: &TableReader, rows: usize) -> anyhow::Result<Vec<Vec<String>>> {
    let mut head = Vec::new();
    let options = FormatOptions::default();
    for batch in table.batches()? {
        let batch = batch?;
        let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            if head.len() == rows {
                return Ok(head);
            }
            head.push(columns.iter().map(|column| column.value(row).to_string().replace('\n', "\\n")).collect());
        }
    }
    Ok(head)
}

fn list_files(folder: &Path, prefix: &str, files: &mut Vec<(String, u64)>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            list_files(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.push((name, entry.metadata()?.len()));
        }
    }
    Ok(())
}
