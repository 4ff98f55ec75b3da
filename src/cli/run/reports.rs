//! Reports that people open: laid out under readable names in the run's folder, as links to their artifacts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::artifact::{ArtifactKind, ArtifactStore};
use crate::engine::Run;
use crate::worker::AttemptFolder;

/// Lays out the HTML and Markdown outputs of a run and says what each is called and where it lies. What cannot be
/// laid out is left out: the artifacts are there all the same.
pub(super) fn lay_out(run: &Run, store: &ArtifactStore, state: &Path) -> Vec<(String, PathBuf)> {
    let folder = AttemptFolder::run_folder(state, run.id()).join("reports");
    let mut reports = Vec::new();
    for (planned, record) in run.steps() {
        let Some(outcome) = record.outcome() else { continue };
        for (output, artifact) in &outcome.outputs {
            let Some((title, extension)) = title(output.as_str()) else { continue };
            if artifact.kind != ArtifactKind::File {
                continue;
            }
            let Ok(source) = store.path(artifact) else { continue };
            let target = folder.join(format!("{}-{}.{extension}", planned.name, title.replace(' ', "-")));
            if link(&source, &target).is_ok() {
                reports.push((title.to_owned(), target));
            }
        }
    }
    reports
}

/// What an output of this name is to a reader.
fn title(output: &str) -> Option<(&'static str, &'static str)> {
    match output {
        "card_html" => Some(("model card", "html")),
        "card_md" => Some(("model card", "md")),
        "html" => Some(("report", "html")),
        _ => None,
    }
}

fn link(source: &Path, target: &Path) -> io::Result<()> {
    fs::create_dir_all(target.parent().ok_or_else(|| io::Error::other("no folder"))?)?;
    match fs::remove_file(target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::hard_link(source, target).or_else(|_| fs::copy(source, target).map(drop))
}
