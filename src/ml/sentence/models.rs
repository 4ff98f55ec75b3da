//! Sentence models that are open, so that those who use the same one share it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{SentenceEncoder, SentenceError};

/// Sentence models that are open, by folder and limit of tokens. Clones share them.
#[derive(Clone)]
pub struct Models {
    open: Arc<Mutex<Vec<Open>>>,
    memory_bytes: Option<u64>,
}

struct Open {
    folder: PathBuf,
    max_seq_length: Option<usize>,
    encoder: Arc<SentenceEncoder>,
}

impl Models {
    /// None yet. All of them together may take `memory_bytes`.
    pub fn within(memory_bytes: Option<u64>) -> Models {
        Models { open: Arc::default(), memory_bytes }
    }

    /// The model in `folder`, see [`SentenceEncoder::open`]; read the first time that it is asked for.
    pub fn open(&self, folder: &Path, max_seq_length: Option<usize>) -> Result<Arc<SentenceEncoder>, SentenceError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = open.iter().find(|open| open.folder == folder && open.max_seq_length == max_seq_length) {
            return Ok(Arc::clone(&known.encoder));
        }
        let taken = open.iter().map(|open| open.encoder.needed()).fold(0, u64::saturating_add);
        let left = self.memory_bytes.map(|limit| limit.saturating_sub(taken));
        let encoder = SentenceEncoder::open(folder, max_seq_length, left).map_err(|error| match error {
            SentenceError::Memory { needed, limit, .. } => {
                SentenceError::Memory { needed, limit: limit.saturating_add(taken), taken }
            }
            error => error,
        })?;
        let encoder = Arc::new(encoder);
        open.push(Open { folder: folder.to_owned(), max_seq_length, encoder: Arc::clone(&encoder) });
        Ok(encoder)
    }
}

impl fmt::Debug for Models {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Models")
    }
}
