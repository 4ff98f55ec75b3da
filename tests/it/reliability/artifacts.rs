//! Artifacts that were damaged on disk: never used, made again.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::oracle::rows;
use super::workload::{expected, lay_out};
use super::{Chance, conclude, trials};
use crate::harness::project::Project;
use phaseline::store::{Store, StoreUrl};

const DAMAGES: [&str; 8] = ["truncate", "flip", "swap", "delete", "empty", "link", "fifo", "folder"];

fn damage(kind: &str, path: &Path, other: &Path, chance: &mut Chance) {
    let content = fs::read(path).unwrap();
    let mut permissions = fs::metadata(path).unwrap().permissions();
    #[expect(clippy::permissions_set_readonly_false, reason = "the file is about to be damaged")]
    permissions.set_readonly(false);
    fs::set_permissions(path, permissions).unwrap();
    let place = usize::try_from(chance.below(content.len() as u64)).unwrap();
    match kind {
        "truncate" => fs::write(path, &content[..place]).unwrap(),
        "flip" => {
            let mut flipped = content;
            flipped[place] ^= 1 << chance.below(8);
            fs::write(path, flipped).unwrap();
        }
        "swap" => fs::write(path, fs::read(other).unwrap()).unwrap(),
        "empty" => fs::write(path, b"").unwrap(),
        _ => {
            fs::remove_file(path).unwrap();
            match kind {
                "link" => symlink("/etc/passwd", path).unwrap(),
                "fifo" => {
                    let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
                    assert!(made.success());
                }
                "folder" => fs::create_dir(path).unwrap(),
                _ => assert_eq!(kind, "delete"),
            }
        }
    }
}

#[tokio::test]
async fn a_damaged_artifact_is_noticed_before_it_is_used_and_made_again_on_sqlite() {
    let project = Project::new();
    lay_out(&project);
    let salt = "damage";
    let run = |arguments: &[&str]| {
        let mut all = vec!["run", "pipelines/work.yaml", "--set", "salt=damage", "--json"];
        all.extend(arguments);
        project.run(&all).expect(0).json()["run"].as_str().unwrap().to_owned()
    };
    let first = run(&[]);
    let state = project.path().join(".phaseline");
    let store = Store::open(&StoreUrl::in_state_folder(&state)).await.unwrap();
    let blob = |digest: &str| -> PathBuf { state.join("artifacts/blobs").join(&digest[..2]).join(digest) };
    let digest_of = async |run: &str, step: &str| -> String {
        let query = format!("select digest from lineage_outputs where run_id = '{run}' and step = '{step}'");
        rows(&store, &query).await[0]["digest"].as_str().unwrap().to_owned()
    };
    let victim = digest_of(&first, "join_left").await;
    let other = digest_of(&first, "source").await;
    let mut chance = Chance::new("damaged artifacts");
    for trial in 0..trials(2 * DAMAGES.len()) {
        let kind = DAMAGES[trial % DAMAGES.len()];
        damage(kind, &blob(&victim), &blob(&other), &mut chance);
        let healed = run(&["--from", "join"]);
        let last = blob(&digest_of(&healed, "last").await);
        assert_eq!(fs::read_to_string(last).unwrap(), expected("last", salt), "after {kind}");
        assert_eq!(fs::read_to_string(blob(&victim)).unwrap(), expected("join_left", salt), "after {kind}");
    }
    conclude("damaged_artifacts", "sqlite", trials(2 * DAMAGES.len()), &[]);
}
