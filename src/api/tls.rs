//! TLS by rustls, with a certificate and key in PEM files that are read again on SIGHUP.

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

/// Why a certificate and key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds something else.
    #[error("cannot read a {what} in PEM form from `{path}`", path = path.display())]
    Pem {
        /// `certificate` or `private key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: pem::Error,
    },
    /// There is no certificate in the file.
    #[error("`{path}` has no certificate in it", path = .0.display())]
    NoCertificate(PathBuf),
    /// The key is of another certificate.
    #[error("the key in `{key}` is not the one of the certificate in `{cert}`", key = key.display(), cert = cert.display())]
    OtherKey {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The pair is of a kind that is not supported.
    #[error("the certificate in `{path}` cannot be used", path = path.display())]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: rustls::Error,
    },
}

/// A certificate and key. Cheap to clone; all clones change together.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    cert: PathBuf,
    key: PathBuf,
    config: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads the certificate, with the chain above it, and the key.
    pub fn load(cert: &Path, key: &Path) -> Result<Tls, TlsError> {
        let config = RwLock::new(Arc::new(read(cert, key)?));
        Ok(Tls(Arc::new(Inner { cert: cert.to_owned(), key: key.to_owned(), config })))
    }

    /// Reads both files again; connections from now on use what they hold.
    ///
    /// # Errors
    /// When they cannot be used: what was read before stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let config = Arc::new(read(&self.0.cert, &self.0.key)?);
        *self.0.config.write().expect("no holder of the lock panics") = config;
        Ok(())
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.0.config.read().expect("no holder of the lock panics"));
        TlsAcceptor::from(config).accept(stream).await
    }
}

fn read(cert: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let pem = |what, path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Pem { what, path, source }
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(cert)
        .map_err(pem("certificate", cert))?
        .collect::<Result<_, _>>()
        .map_err(pem("certificate", cert))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(cert.to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(pem("private key", key))?;
    let unusable = |source| TlsError::Unusable { path: cert.to_owned(), source };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::OtherKey { cert: cert.to_owned(), key: key.to_owned() },
            other => unusable(other),
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Reads the files again whenever the process gets SIGHUP; never ready.
pub(super) async fn reload_on_hangup(tls: Option<Tls>) {
    let Some(tls) = tls else { return std::future::pending().await };
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => {
            tracing::warn!(%error, "a new certificate needs a new start: SIGHUP cannot be listened for");
            return std::future::pending::<()>().await;
        }
    };
    while hangup.recv().await.is_some() {
        match tls.reload() {
            Ok(()) => tracing::info!("the certificate was read again"),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the certificate stays as it was");
            }
        }
    }
    std::future::pending::<()>().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (cert, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        (cert, key)
    }

    #[test]
    fn a_wrong_pair_is_named_with_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = pair(folder.path(), "one");
        let (_, other) = pair(folder.path(), "two");
        assert!(Tls::load(&cert, &key).is_ok());
        let told = |cert: &Path, key: &Path| Tls::load(cert, key).err().unwrap().to_string();
        assert!(told(&cert, &other).contains("is not the one of the certificate"), "{}", told(&cert, &other));
        assert!(told(&folder.path().join("none.pem"), &key).contains("cannot read a certificate"));
        assert!(told(&key, &key).contains("has no certificate in it"));
        assert!(told(&cert, &cert).contains("cannot read a private key"));
    }

    #[test]
    fn a_pair_that_cannot_be_read_again_leaves_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = pair(folder.path(), "one");
        let tls = Tls::load(&cert, &key).unwrap();
        let before = Arc::clone(&tls.0.config.read().unwrap());
        std::fs::write(&cert, "nothing").unwrap();
        assert!(tls.reload().is_err());
        assert!(Arc::ptr_eq(&before, &tls.0.config.read().unwrap()));
        pair(folder.path(), "one");
        tls.reload().unwrap();
        assert!(!Arc::ptr_eq(&before, &tls.0.config.read().unwrap()));
    }
}
