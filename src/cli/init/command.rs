//! Writes the files of a new project and says what to do next.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cli::sample::Sample;
use crate::cli::{Exit, UsageError, output};
use crate::step::StepRegistry;

/// Rows of sample data: enough to learn from, few enough to read.
const SAMPLE_ROWS: usize = 1500;
const SAMPLE_SEED: u64 = 1;

/// Where to start a project.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The folder, which is created if it does not exist.
    #[arg(default_value = ".", value_name = "DIR")]
    folder: PathBuf,
    /// Use a folder that is not empty; files that exist are kept as they are.
    #[arg(long)]
    force: bool,
}

pub(in crate::cli) fn run(args: &Args) -> anyhow::Result<Exit> {
    let written = write_project(&args.folder, args.force)?;
    for (path, fate) in &written {
        output::line(format!("{} {}", fate.word(), path.display()))?;
    }
    output::line("\nNext:")?;
    if args.folder != Path::new(".") {
        output::line(format!("  cd {}", shell_word(&args.folder)))?;
    }
    for (command, why) in NEXT {
        output::line(format!("  {command:<32} {why}"))?;
    }
    Ok(Exit::Succeeded)
}

const NEXT: [(&str, &str); 4] = [
    ("phaseline plan pipeline.yaml", "what would run, and why"),
    ("phaseline run pipeline.yaml", "from data to a deployed model"),
    ("phaseline models", "which version answers, and how good it is"),
    ("phaseline serve", "answer requests with it"),
];

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Created,
    Kept,
}

impl Fate {
    fn word(self) -> &'static str {
        match self {
            Fate::Created => "created",
            Fate::Kept => "kept   ",
        }
    }
}

/// The files of a project, by path.
fn files() -> Vec<(&'static str, String)> {
    vec![
        ("pipeline.yaml", include_str!("pipeline.yaml").to_owned()),
        ("data/customers.csv", Sample::Customers.text(SAMPLE_ROWS, SAMPLE_SEED)),
        ("schemas/pipeline.schema.json", schema()),
        (".gitignore", include_str!("gitignore").to_owned()),
    ]
}

/// For the editor, which finds it by the first line of the manifest.
fn schema() -> String {
    let schema = crate::manifest::schema(&StepRegistry::builtin());
    format!("{}\n", serde_json::to_string_pretty(&schema).expect("a schema is plain data"))
}

fn write_project(folder: &Path, force: bool) -> anyhow::Result<Vec<(PathBuf, Fate)>> {
    if !force && !is_empty(folder)? {
        return Err(UsageError::new(format!("`{}` is not empty", folder.display()))
            .help("name a new folder, or add `--force`, which keeps the files that exist")
            .into());
    }
    let mut written = Vec::new();
    for (name, text) in files() {
        let path = folder.join(name);
        let fate = write_new(&path, &text).with_context(|| format!("cannot write `{}`", path.display()))?;
        written.push((path, fate));
    }
    Ok(written)
}

fn is_empty(folder: &Path) -> anyhow::Result<bool> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(UsageError::new(format!("`{}` is a file", folder.display())).help("name a folder").into())
        }
        Err(error) => Err(error).with_context(|| format!("cannot read `{}`", folder.display())),
    }
}

/// Creates the file, or leaves the one that is there.
fn write_new(path: &Path, text: &str) -> io::Result<Fate> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| Fate::Created),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Fate::Kept),
        Err(error) => Err(error),
    }
}

fn shell_word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = text.chars().all(|char| char.is_ascii_alphanumeric() || "/._-+".contains(char));
    if is_plain { text.into_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_project_has_a_manifest_data_and_a_schema_for_the_editor() {
        let holder = tempfile::tempdir().unwrap();
        let folder = holder.path().join("new/project");
        let written = write_project(&folder, false).unwrap();
        assert!(written.iter().all(|(path, fate)| *fate == Fate::Created && path.is_file()));
        let manifest = fs::read_to_string(folder.join("pipeline.yaml")).unwrap();
        let schema = manifest.lines().next().unwrap().rsplit_once('=').unwrap().1;
        assert!(folder.join(schema).is_file());
    }

    #[test]
    fn a_folder_with_files_is_refused_and_with_force_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let mine = folder.path().join("pipeline.yaml");
        fs::write(&mine, "mine").unwrap();
        let refused = write_project(folder.path(), false).unwrap_err();
        assert!(refused.downcast_ref::<UsageError>().unwrap().help.as_ref().unwrap().contains("--force"));
        let written = write_project(folder.path(), true).unwrap();
        let kept: Vec<_> = written.iter().filter(|(_, fate)| *fate == Fate::Kept).collect();
        assert_eq!(kept.len(), 1);
        assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
    }

    #[test]
    fn a_file_is_not_taken_for_a_folder() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = write_project(file.path(), false).unwrap_err();
        assert!(refused.downcast_ref::<UsageError>().is_some());
    }

    #[test]
    fn a_folder_with_a_space_can_be_pasted_into_a_shell() {
        assert_eq!(shell_word(Path::new("my project")), "'my project'");
        assert_eq!(shell_word(Path::new("a/b-c.d")), "a/b-c.d");
    }
}
