//! Checkpoints: the state of a training after an epoch, from which a later attempt goes on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::state::TrainingState;
use crate::ml::tensors::{TensorError, Tensors};

const STATE: &str = "training.json";

/// A folder that keeps the last checkpoint of one training.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    folder: PathBuf,
    fingerprint: String,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    fingerprint: String,
    /// The file with the weights, which is complete before its name is written here.
    tensors: String,
    state: TrainingState,
}

impl Checkpoints {
    /// Checkpoints in `folder`. `fingerprint` says what is trained on what, so that nothing else is taken up.
    pub fn new(folder: &Path, fingerprint: String) -> Checkpoints {
        Checkpoints { folder: folder.to_owned(), fingerprint }
    }

    /// Writes a checkpoint and forgets the one before. A crash in between leaves one of the two.
    pub(super) fn save(&self, state: &TrainingState, tensors: &Tensors) -> Result<(), TensorError> {
        let name = format!("epoch-{}.safetensors", state.epoch);
        tensors.save(&self.folder.join(&name))?;
        let saved = Saved { fingerprint: self.fingerprint.clone(), tensors: name.clone(), state: state.clone() };
        let text = serde_json::to_vec(&saved).expect("a state is plain data");
        let path = self.folder.join(STATE);
        let staged = self.folder.join("training.json.new");
        let failed = |source| TensorError::Io { path: path.clone(), source };
        fs::write(&staged, text).and_then(|()| fs::rename(&staged, &path)).map_err(failed)?;
        self.forget(Some(&name)).map_err(failed)
    }

    /// The last checkpoint of this training; `None` when there is none, it is of another training, or it is damaged.
    pub(super) fn load(&self) -> Option<(TrainingState, Tensors)> {
        let text = fs::read(self.folder.join(STATE)).ok()?;
        let saved: Saved = serde_json::from_slice(&text).ok()?;
        let is_plain = Path::new(&saved.tensors).file_name().is_some_and(|name| name == saved.tensors.as_str());
        if saved.fingerprint != self.fingerprint || !is_plain {
            return None;
        }
        let tensors = Tensors::load(&self.folder.join(&saved.tensors)).ok()?;
        Some((saved.state, tensors))
    }

    /// Deletes the checkpoint, when the training has ended well.
    pub fn clear(&self) -> io::Result<()> {
        match fs::remove_file(self.folder.join(STATE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.forget(None)
    }

    /// Deletes the weights of all checkpoints but `kept`.
    fn forget(&self, kept: Option<&str>) -> io::Result<()> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Ok(()) };
        for entry in entries {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.starts_with("epoch-") && name.ends_with(".safetensors") && Some(name) != kept {
                fs::remove_file(self.folder.join(name))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(epoch: usize) -> (TrainingState, Tensors) {
        let mut tensors = Tensors::default();
        tensors.insert_f64("x", &[1], vec![epoch as f64]);
        (TrainingState { epoch, ..TrainingState::default() }, tensors)
    }

    #[test]
    fn only_the_last_checkpoint_of_the_same_training_is_taken_up() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path(), "a".to_owned());
        assert!(checkpoints.load().is_none());
        for epoch in [1, 2] {
            let (state, tensors) = state(epoch);
            checkpoints.save(&state, &tensors).unwrap();
        }
        assert_eq!(checkpoints.load(), Some(state(2)));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        assert!(Checkpoints::new(folder.path(), "b".to_owned()).load().is_none());
        checkpoints.clear().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_damaged_checkpoint_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path(), "a".to_owned());
        let (state, tensors) = state(1);
        checkpoints.save(&state, &tensors).unwrap();
        fs::write(folder.path().join("epoch-1.safetensors"), b"half").unwrap();
        assert!(checkpoints.load().is_none());
    }
}
