//! Where an output of a step of a run lies.

use std::path::PathBuf;

use super::database::ask;
use super::{Settings, UsageError};
use crate::artifact::{ArtifactKind, ArtifactStore};
use crate::store::queries::OutputDetail;

/// The path of an output of a step: the one named, or the one called after the kind, or the first of the kind.
pub(super) fn path(
    settings: &Settings,
    run: &str,
    step: &str,
    output: Option<&str>,
    kind: ArtifactKind,
) -> anyhow::Result<PathBuf> {
    let detail = ask(settings, async |store| {
        let id = store.find_run(run).await?;
        Ok((id, store.step_detail(id, step).await?))
    })?;
    let (id, Some(detail)) = detail else {
        return Err(UsageError::new(format!("run {} has no step `{step}`", detail.0))
            .help(format!("`phaseline show {run}` lists its steps"))
            .into());
    };
    let of_kind = |found: &&OutputDetail| found.kind == kind.as_str();
    let called = |name: &str| detail.outputs.iter().find(|found| found.output == name);
    let found = match output {
        Some(output) => called(output),
        None => called(kind.as_str()).filter(of_kind).or_else(|| detail.outputs.iter().find(of_kind)),
    };
    let Some(found) = found else {
        let named: Vec<&str> = detail.outputs.iter().map(|output| output.output.as_str()).collect();
        let wanted = output.map_or_else(|| format!("{kind} among its outputs"), |output| format!("output `{output}`"));
        let has =
            if named.is_empty() { format!("it is {}", detail.state) } else { format!("it has {}", named.join(", ")) };
        return Err(UsageError::new(format!("step `{step}` of run {id} has no {wanted}")).help(has).into());
    };
    if found.kind != kind.as_str() {
        return Err(UsageError::new(format!(
            "output `{}` of step `{step}` is a {} and no {kind}",
            found.output, found.kind
        ))
        .into());
    }
    let artifact = ask(settings, async |store| store.artifact(&found.digest).await)?;
    Ok(ArtifactStore::open(&settings.artifacts)?.path(&artifact.artifact)?)
}
