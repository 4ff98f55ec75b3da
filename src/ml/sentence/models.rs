//! Sentence models that are open, so that those who use the same one share it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{SentenceEncoder, SentenceError};

/// Sentence models that are open, by folder and limit of tokens. Clones share them.
#[derive(Clone, Default)]
pub struct Models(Arc<Mutex<Vec<Open>>>);

struct Open {
    folder: PathBuf,
    max_seq_length: Option<usize>,
    encoder: Arc<SentenceEncoder>,
}

impl Models {
    /// The model in `folder`, see [`SentenceEncoder::open`]; read the first time that it is asked for.
    pub fn open(
        &self,
        folder: &Path,
        max_seq_length: Option<usize>,
        memory_bytes: Option<u64>,
    ) -> Result<Arc<SentenceEncoder>, SentenceError> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = open.iter().find(|open| open.folder == folder && open.max_seq_length == max_seq_length) {
            return Ok(Arc::clone(&known.encoder));
        }
        let encoder = Arc::new(SentenceEncoder::open(folder, max_seq_length, memory_bytes)?);
        open.push(Open { folder: folder.to_owned(), max_seq_length, encoder: Arc::clone(&encoder) });
        Ok(encoder)
    }
}

impl fmt::Debug for Models {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Models")
    }
}
