//! TLS for listeners and upstreams: rustls with aws-lc-rs, TLS 1.2 and 1.3, no early data.
//!
//! The crypto provider is passed explicitly, so that no process-wide default is needed or set.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use thiserror::Error;

use crate::peers::Peers;

/// Why certificates or keys cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file holds no PEM certificate.
    #[error("{} holds no PEM certificate", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no PEM private key.
    #[error("{} holds no PEM private key", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key do not belong together, or one is of an unsupported kind.
    #[error("the key {} does not fit the certificate {}: {source}", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls said.
        source: Box<rustls::Error>,
    },
    /// A certificate of a CA bundle is not one.
    #[error("{} holds a certificate that cannot be trusted: {source}", path.display())]
    BadRoot {
        /// The file.
        path: PathBuf,
        /// What rustls said.
        source: Box<rustls::Error>,
    },
    /// rustls and its provider disagree. A fault of the build, not of the configuration.
    #[error("TLS is not available in this build: {0}")]
    Provider(Box<rustls::Error>),
}

/// Who gets through a listener's handshake.
pub(crate) enum Visitors {
    /// Everybody.
    Anybody,
    /// Those who show one of these certificates.
    Pinned(Arc<Peers>),
    /// Those who show a certificate of one CA.
    IssuedBy(Arc<dyn ClientCertVerifier>),
}

/// What a listener offers. HTTP/2 first, then HTTP/1.1, by ALPN (RFC 7301).
pub(crate) fn server_config(
    certificate: &Path,
    key: &Path,
    visitors: Visitors,
) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(certificate)?;
    let key_der = private_key(key)?;
    let builder = ServerConfig::builder_with_provider(provider());
    let builder = builder.with_safe_default_protocol_versions().map_err(unavailable)?;
    let known_only = !matches!(visitors, Visitors::Anybody);
    let builder = match visitors {
        Visitors::Anybody => builder.with_no_client_auth(),
        Visitors::Pinned(peers) => builder.with_client_cert_verifier(peers),
        Visitors::IssuedBy(issuer) => builder.with_client_cert_verifier(issuer),
    };
    let config = builder.with_single_cert(chain, key_der);
    let mut config = config.map_err(|source| mismatch(certificate, key, source))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // RFC 8470 §3: early data can be replayed. Zero is the default; it is stated because we rely on it.
    config.max_early_data_size = 0;
    if known_only {
        // A resumed session is not verified again: neither its certificate's dates nor its issuer.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(Arc::new(config))
}

/// Verifies that a certificate is a client's (RFC 5280 §4.2.1.12), valid now, and issued by the CA in `file`.
pub(crate) fn issued_by(file: &Path) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let roots = Arc::new(roots(file)?);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
    // Never: there are roots, and no revocation lists.
    verifier.map_err(|_| TlsError::NoCertificate { path: file.to_owned() })
}

/// What an upstream trusts: the CA bundle given, and only that, or the web's roots.
/// ALPN is left to the connector. With `identity`, a certificate and its key are shown.
pub(crate) fn client_config(
    ca: Option<&Path>,
    identity: Option<(&Path, &Path)>,
) -> Result<ClientConfig, TlsError> {
    let roots = match ca {
        None => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
        Some(path) => roots(path)?,
    };
    let builder = ClientConfig::builder_with_provider(provider());
    let builder = builder.with_safe_default_protocol_versions().map_err(unavailable)?;
    let builder = builder.with_root_certificates(roots);
    let mut config = match identity {
        Some((certificate, key)) => builder
            .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
            .map_err(|source| mismatch(certificate, key, source))?,
        None => builder.with_no_client_auth(),
    };
    // RFC 8470: a request in early data can be replayed by anyone on the path.
    config.enable_early_data = false;
    Ok(config)
}

fn roots(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots
            .add(certificate)
            .map_err(|source| TlsError::BadRoot { path: file.to_owned(), source: Box::new(source) })?;
    }
    Ok(roots)
}

fn mismatch(certificate: &Path, key: &Path, source: rustls::Error) -> TlsError {
    TlsError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned(), source: Box::new(source) }
}

fn unavailable(error: rustls::Error) -> TlsError {
    TlsError::Provider(Box::new(error))
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(TlsError::NoCertificate { path: path.to_owned() }),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = zeroize::Zeroizing::new(read(path)?);
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| TlsError::NoKey { path: path.to_owned() })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}
