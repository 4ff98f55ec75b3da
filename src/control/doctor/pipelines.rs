//! Manifests that daemons follow: those that do not load, and kept ones that this program cannot read.

use super::report::{Check, Finding};
use super::words;
use crate::control::Version;
use crate::store::{PipelineEntry, Store, StoreError};

pub(super) async fn check(store: &Store) -> Result<Check, StoreError> {
    let entries = store.pipelines().await?;
    let mut findings: Vec<Finding> = entries.iter().filter_map(judge).collect();
    let kept = store.kept_manifests().await?;
    let is_read =
        |entry: &PipelineEntry| kept.iter().any(|kept| Some(kept.pipeline.as_str()) == entry.pipeline.as_deref());
    let stored = entries.iter().filter(|entry| entry.manifest_digest.is_some() && entry.retired_at.is_none());
    let damaged: Vec<Finding> = stored.filter(|entry| !is_read(entry)).map(unreadable).collect();
    for kept in kept {
        let version = Version::new(kept.path.clone(), kept.text);
        let mistakes = match version.manifest() {
            Ok(manifest) => manifest.mistakes().first().map(|mistake| mistake.message.clone()),
            Err(rejected) => Some(rejected.to_string()),
        };
        if let Some(mistake) = mistakes {
            let message =
                format!("the last good version of `{}` does not load in this program: {mistake}", kept.pipeline);
            findings.push(Finding::problem(kept.path, message, "change the manifest as `phaseline check` says"));
        }
    }
    findings.extend(damaged);
    let loaded = entries.iter().filter(|entry| matches!(entry.state, "ready" | "broken_edit" | "paused")).count();
    let message = match loaded as u64 {
        0 => "none is loaded".to_owned(),
        count => format!("{} loaded", words::count(count, "pipeline")),
    };
    Ok(Check::new("pipelines", message, findings))
}

fn unreadable(entry: &PipelineEntry) -> Finding {
    let name = entry.pipeline.as_deref().unwrap_or_default();
    let message = format!("what is stored of the last good version of `{name}` cannot be read");
    Finding::problem(&entry.manifest_path, message, "restart a daemon: it loads the file anew")
}

fn judge(entry: &PipelineEntry) -> Option<Finding> {
    let report = entry.broken.as_deref().map(words::first_line).unwrap_or_default();
    let path = entry.manifest_path.as_str();
    let check = format!("`phaseline check {path}` shows all of it");
    match entry.state {
        "broken" => Some(Finding::problem(path, format!("it does not load: {report}"), check)),
        "duplicate" => {
            let message = format!("it does not count: {report}");
            Some(Finding::warning(path, message, "give its pipeline another name, or delete one of the two"))
        }
        _ if entry.broken.is_some() => Some(Finding::warning(
            path,
            format!("an edit is broken, and the last good version counts: {report}"),
            check,
        )),
        "paused" => {
            let by = entry.paused_by.as_deref().unwrap_or("somebody");
            let because =
                entry.paused_because.as_ref().map(|because| format!(" because {because}")).unwrap_or_default();
            let name = entry.pipeline.as_deref().unwrap_or_default();
            let message = format!("its triggers were paused by {by}{because}");
            Some(Finding::warning(name, message, format!("`phaseline resume {name}` lets them fire again")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn what_does_not_load_or_is_paused_is_told() {
        let entry = |state| PipelineEntry {
            pipeline: Some("churn".to_owned()),
            state,
            manifest_path: "/p/churn.yaml".to_owned(),
            manifest_digest: None,
            description: None,
            owner: None,
            loaded_at: String::new(),
            loaded_by: String::new(),
            broken: None,
            paused_at: None,
            paused_by: Some("ada".to_owned()),
            paused_because: Some("it is year's end".to_owned()),
            retired_at: None,
        };
        let broken = |state| PipelineEntry { broken: Some("error: no steps\n more".to_owned()), ..entry(state) };
        let told = |entry: PipelineEntry| judge(&entry).map(|finding| (finding.level, finding.message));
        assert_eq!(told(entry("ready")), None);
        assert_eq!(told(entry("retired")), None);
        assert_eq!(told(broken("broken")), Some((Level::Problem, "it does not load: error: no steps".to_owned())));
        assert_eq!(told(broken("broken_edit")).unwrap().0, Level::Warning);
        assert_eq!(told(broken("duplicate")).unwrap().0, Level::Warning);
        assert_eq!(told(entry("paused")).unwrap().1, "its triggers were paused by ada because it is year's end");
    }
}
