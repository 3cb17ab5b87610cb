//! Known peers: certificates pinned one by one, so that nobody else's CA can let a stranger in.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use tokio_rustls::TlsAcceptor;
use webpki::EndEntityCert;

use crate::tls::{TlsError, certificates, provider};

/// A peer that showed its certificate: another role's server, never a client. A handler finds it
/// among the extensions of a request.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Peer(Arc<str>);

impl Peer {
    /// A peer by this name.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// Its name: that of its certificate's file, without extension.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peer({})", self.0)
    }
}

/// Who showed a certificate of the CA that `listen.mutual_tls.issuer` names: a client, by nothing but its
/// certificate's subject. A handler finds it among the extensions of a request, if it asks for it
/// ([`Handler::NAMES_VISITORS`](crate::Handler::NAMES_VISITORS)) and the certificate has a subject. It is there for
/// roles that know their clients by name anyway; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Visitor(Arc<[u8]>);

impl Visitor {
    /// A visitor whose certificate has this subject.
    pub fn new(subject: &[u8]) -> Self {
        Self(subject.into())
    }

    /// The certificate's subject: the content of a `Name` in DER (RFC 5280 §4.1.2.6). It stays when a certificate
    /// is renewed.
    pub fn subject(&self) -> &[u8] {
        &self.0
    }

    /// Who shows this certificate, which the handshake has verified; nobody, if it names no subject.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let certificate = EndEntityCert::try_from(certificate).ok()?;
        Some(certificate.subject()).filter(|subject| !subject.is_empty()).map(Self::new)
    }
}

impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Visitor(…)")
    }
}

/// A TLS listener's half of the handshake, and who may connect; `None`: everybody.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) peers: Option<Arc<Peers>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(…)")
    }
}

/// The certificates that may connect.
#[derive(Debug)]
pub(crate) struct Peers {
    known: Vec<(CertificateDer<'static>, Peer)>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Peers {
    pub(crate) fn read(files: &[PathBuf]) -> Result<Self, TlsError> {
        let known = files.iter().map(|file| {
            let mut chain = certificates(file)?;
            // The first is the peer's own; what follows are its issuers.
            let own = if chain.is_empty() { None } else { Some(chain.swap_remove(0)) };
            let own = own.ok_or_else(|| TlsError::NoCertificate { path: file.clone() })?;
            Ok((own, Peer::new(&stem(file))))
        });
        let known = known.collect::<Result<_, TlsError>>()?;
        Ok(Self { known, algorithms: provider().signature_verification_algorithms })
    }

    /// Whose certificate this is.
    pub(crate) fn whose(&self, certificate: &CertificateDer<'_>) -> Option<&Peer> {
        self.known.iter().find(|(known, _)| known == certificate).map(|(_, peer)| peer)
    }
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The handshake proves possession of the key; that the certificate is one of ours is all there is
/// to ask beside it. Its dates do not count: a pin is withdrawn by taking it out of the list.
impl ClientCertVerifier for Peers {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.whose(end_entity) {
            Some(_) => Ok(ClientCertVerified::assertion()),
            None => Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
