//! Facts about this machine that somebody needs to know to reproduce a run.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

pub use crate::executor::owner::host;

/// What somebody needs to know to reproduce a run of a manifest in `folder`.
pub fn environment(folder: &Path) -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "host": host(),
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "device": "cpu",
        "git_commit": git_commit(folder),
    })
}

/// The commit of the repository that holds `folder`, with `+changes` if files differ from it; null outside of one.
fn git_commit(folder: &Path) -> Option<String> {
    let folder = std::path::absolute(folder).ok()?;
    if !folder.ancestors().any(|ancestor| ancestor.join(".git").exists()) {
        return None;
    }
    let describe = ["describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+changes"];
    let output = Command::new("git").arg("-C").arg(&folder).args(describe).output().ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !commit.is_empty()).then_some(commit)
}
