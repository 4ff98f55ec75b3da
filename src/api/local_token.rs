//! The token of this machine: made when a daemon first starts, kept in the state folder, read by the command line.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use chrono::Utc;

use crate::store::{NewToken, Rights, Role, Standing, Store, StoreError, is_token};

/// The file in the state folder.
const FILE: &str = "daemon.token";

/// Why there is no token for this machine.
#[derive(Debug, thiserror::Error)]
pub enum LocalTokenError {
    /// The file cannot be read or written.
    #[error("cannot keep the token of this machine in `{path}`", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The database did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The admin token in the state folder, if a daemon has made one and this user may read it.
pub fn local_token(state_folder: &Path) -> Option<String> {
    let text = fs::read_to_string(state_folder.join(FILE)).ok()?;
    Some(text.trim().to_owned()).filter(|text| is_token(text))
}

/// Makes sure that the state folder has an admin token which counts, and that only its owner can read it.
pub async fn ensure_local_token(store: &Store, state_folder: &Path, host: &str) -> Result<(), LocalTokenError> {
    let path = state_folder.join(FILE);
    let failed = |source| LocalTokenError::File { path: path.clone(), source };
    if let Some(secret) = local_token(state_folder)
        && let Some(token) = store.token_of(&secret).await?
        && token.standing(Utc::now()) == Standing::Good
        && token.rights == Rights::Role(Role::Admin)
    {
        return fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed);
    }
    let new = NewToken {
        name: format!("local@{host}"),
        rights: Rights::Role(Role::Admin),
        created_by: format!("the daemon on {host}"),
        expires_at: None,
    };
    let (_, secret) = store.create_token(new).await?;
    write(&path, secret.reveal()).map_err(failed)
}

/// Whoever reads the file sees a whole token, or the one before.
fn write(path: &Path, secret: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let staged = path.with_extension(format!("token.{}", std::process::id()));
    match fs::remove_file(&staged) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staged)?;
    file.write_all(format!("{secret}\n").as_bytes())?;
    file.sync_all()?;
    fs::rename(&staged, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreUrl;

    #[tokio::test]
    async fn the_first_start_makes_a_token_that_only_its_owner_can_read_and_later_ones_keep_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreUrl::in_state_folder(folder.path())).await.unwrap();
        assert_eq!(local_token(folder.path()), None);
        ensure_local_token(&store, folder.path(), "here").await.unwrap();
        let secret = local_token(folder.path()).unwrap();
        let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        ensure_local_token(&store, folder.path(), "here").await.unwrap();
        assert_eq!(local_token(folder.path()).unwrap(), secret);
        let token = store.token_of(&secret).await.unwrap().unwrap();
        store.revoke_token(&token.id).await.unwrap();
        ensure_local_token(&store, folder.path(), "here").await.unwrap();
        assert_ne!(local_token(folder.path()).unwrap(), secret, "a revoked one is made anew");
    }
}
