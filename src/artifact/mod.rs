//! Immutable outputs of steps, addressed by content.
//!
//! Main type: [`ArtifactStore`]. Bytes are staged, hashed, synced and renamed into place; only then does a reference
//! exist. This module never interprets content: reading a table or a model is the business of `table` and `ml`.

mod collect;
mod digest;
mod error;
mod examine;
mod reference;
mod remote;
mod store;

pub use collect::{Blob, Freed, Mode, known_by};
pub use digest::{Digest, DigestWriter, InvalidDigest};
pub use error::ArtifactError;
pub use examine::{Closeness, Condition};
pub use reference::{ArtifactKind, ArtifactRef};
pub use remote::redacted;
pub use store::{ArtifactStore, Staged};
