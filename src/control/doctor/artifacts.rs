//! Recorded artifacts beside their bytes: a sample, or all of them.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::report::{Check, Finding};
use super::{Patient, words};
use crate::artifact::{ArtifactStore, Closeness, Condition, Digest, known_by};
use crate::store::{Store, StoreError, StoredArtifact};

/// How many artifacts are looked for that nobody needs in particular.
const SAMPLE: usize = 200;

/// What a look has shown.
#[derive(Default)]
struct Looked {
    findings: Vec<Finding>,
    count: usize,
    is_cut_short: bool,
}

pub(super) async fn check(store: &Store, patient: &Patient, deadline: Option<Instant>) -> Result<Check, StoreError> {
    let kept: Vec<StoredArtifact> =
        store.stored_artifacts().await?.into_iter().filter(|artifact| !artifact.is_collected).collect();
    let Ok(Some(artifacts)) = &patient.artifacts else {
        let message = format!("{} recorded", words::count(kept.len() as u64, "artifact"));
        let findings = if kept.is_empty() || patient.artifacts.is_err() {
            Vec::new()
        } else {
            let help = "`--artifacts` or `PHASELINE_ARTIFACTS` names where they are";
            vec![Finding::problem("artifacts", "the folder that should have them is not there", help)]
        };
        return Ok(Check::new("artifacts", message, findings));
    };
    // Without runs that are kept for their age: what pins and aliases hold.
    let needs = store.needs(0).await?;
    let needed: BTreeSet<Digest> = needs.pins.keys().chain(needs.models.keys()).copied().collect();
    let recorded = kept.len();
    let chosen = if patient.is_deep { kept } else { sample(kept, &needed) };
    let (artifacts, is_deep) = (artifacts.clone(), patient.is_deep);
    let looked = tokio::task::spawn_blocking(move || look(&artifacts, &chosen, &needed, is_deep, deadline));
    let looked = looked.await.unwrap_or_else(|_| Looked { is_cut_short: true, ..Looked::default() });
    let how = match (is_deep, looked.is_cut_short) {
        (true, false) => format!("the bytes of all {recorded} were compared"),
        (true, true) => format!("the bytes of {} of {recorded} were compared in the time there was", looked.count),
        (false, _) => format!("{} of {recorded} were looked for", looked.count),
    };
    Ok(Check::new("artifacts", how, looked.findings))
}

/// Those that are needed, and of the others some from everywhere, different ones each time.
fn sample(kept: Vec<StoredArtifact>, needed: &BTreeSet<Digest>) -> Vec<StoredArtifact> {
    let (mut chosen, others): (Vec<_>, Vec<_>) =
        kept.into_iter().partition(|artifact| needed.contains(&artifact.digest));
    let step = others.len().div_ceil(SAMPLE).max(1);
    let start = usize::try_from(uuid::Uuid::now_v7().as_u128() % step as u128).unwrap_or(0);
    chosen.extend(others.into_iter().skip(start).step_by(step));
    chosen
}

fn look(
    store: &ArtifactStore,
    chosen: &[StoredArtifact],
    needed: &BTreeSet<Digest>,
    is_deep: bool,
    deadline: Option<Instant>,
) -> Looked {
    let closeness = if is_deep { Closeness::Content } else { Closeness::Presence };
    let mut looked = Looked::default();
    for artifact in chosen {
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            looked.is_cut_short = true;
            break;
        }
        looked.count += 1;
        let place = format!("{} {}", artifact.kind, artifact.digest.short());
        let known = known_by(artifact.digest, artifact.kind, artifact.bytes);
        let what = match store.examine(&known, closeness) {
            Ok(Condition::Whole) => continue,
            Ok(Condition::Missing) => "its bytes are missing".to_owned(),
            Ok(Condition::Damaged(how)) => format!("its bytes are damaged: {how}"),
            Err(error) => {
                let help = "see that the disk or the object store is well; the others were not looked for";
                looked.findings.push(Finding::problem(place, words::error(&error), help));
                looked.is_cut_short = true;
                break;
            }
        };
        looked.findings.push(if needed.contains(&artifact.digest) {
            let message = format!("{what}, and a model that is named by an alias, or a pin, needs it");
            let help =
                "bring it back from a backup, or run the pipeline again with `--refresh` for the step that made it";
            Finding::problem(place, message, help)
        } else {
            Finding::warning(place, what, "nothing is to be done: a run that needs it makes it again")
        });
    }
    looked
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;
    use crate::artifact::ArtifactKind;

    fn stored(store: &ArtifactStore, content: &[u8]) -> StoredArtifact {
        let made = store.put(ArtifactKind::File, content).unwrap();
        let (digest, kind, bytes) = (made.digest, made.kind, made.bytes);
        StoredArtifact { digest, kind, bytes, created_at: String::new(), is_collected: false }
    }

    #[test]
    fn missing_bytes_weigh_more_where_a_model_needs_them() {
        let folder = tempfile::tempdir().unwrap();
        let store = ArtifactStore::open(folder.path()).unwrap();
        let all = [stored(&store, b"one"), stored(&store, b"two"), stored(&store, b"three")];
        for lost in &all[..2] {
            std::fs::remove_file(store.path(&known_by(lost.digest, lost.kind, lost.bytes)).unwrap()).unwrap();
        }
        let looked = look(&store, &all, &[all[0].digest].into(), false, None);
        let levels: Vec<Level> = looked.findings.iter().map(|finding| finding.level).collect();
        assert_eq!((levels, looked.count), (vec![Level::Problem, Level::Warning], 3));
        let late = look(&store, &all, &BTreeSet::new(), true, Some(Instant::now()));
        assert!(late.is_cut_short && late.count == 0);
    }

    #[test]
    fn a_sample_has_all_that_is_needed_and_some_of_the_others() {
        let artifact = |number: usize| StoredArtifact {
            digest: Digest::of(number.to_string()),
            kind: ArtifactKind::File,
            bytes: 1,
            created_at: String::new(),
            is_collected: false,
        };
        let needed = Digest::of("7");
        let chosen = sample((0..1000).map(artifact).collect(), &[needed].into());
        assert!(chosen.len() <= SAMPLE + 1 && chosen.len() >= SAMPLE / 2, "{}", chosen.len());
        assert_eq!(chosen.iter().filter(|artifact| artifact.digest == needed).count(), 1);
        assert_eq!(sample((0..3).map(artifact).collect(), &BTreeSet::new()).len(), 3);
    }
}
