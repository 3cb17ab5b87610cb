//! Where a server listens, and the rule that plaintext stays on this host.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;
use thiserror::Error;
use tokio::net::TcpListener;

use crate::{
    config::resolve,
    peers::{Peers, Tls},
    tls::{TlsError, server_config},
};

/// A server's listener.
///
/// ```toml
/// [listen.tls]
/// address = "[::]:8443"
/// certificate = "relay.pem"
/// key = "relay.key"
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Listen {
    /// HTTPS: HTTP/2 and HTTP/1.1 over TLS 1.3 or 1.2.
    Tls {
        /// Address and port; port 0 lets the system choose.
        address: SocketAddr,
        /// PEM file with the certificate chain, the server's own first.
        certificate: PathBuf,
        /// PEM file with the private key.
        key: PathBuf,
    },
    /// HTTPS for known peers only: relays that a gateway expects, gateways that a resolver answers.
    MutualTls {
        /// Address and port; port 0 lets the system choose.
        address: SocketAddr,
        /// PEM file with the certificate chain, the server's own first.
        certificate: PathBuf,
        /// PEM file with the private key.
        key: PathBuf,
        /// PEM files with one certificate each: who may connect. The certificates themselves count,
        /// whoever issued them; a peer goes by its file's name.
        peers: Vec<PathBuf>,
    },
    /// HTTP without TLS, for a balancer, interop or benchmarks on this host. Loopback only.
    Plaintext {
        /// Loopback address and port; port 0 lets the system choose.
        address: SocketAddr,
    },
}

/// Why a listener cannot be opened.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Plaintext would leave this host.
    #[error("{address} is not a loopback address: without TLS a server listens on loopback only")]
    NotLoopback {
        /// The configured address.
        address: SocketAddr,
    },
    /// Another process has the port.
    #[error("{address} is in use by another process")]
    InUse {
        /// The configured address.
        address: SocketAddr,
    },
    /// The address cannot be bound for another reason.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The configured address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// Certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Listen {
    /// Takes relative paths from `folder`, the configuration file's.
    pub fn resolve_paths(&mut self, folder: &Path) {
        if let Self::MutualTls { peers, .. } = self {
            peers.iter_mut().for_each(|peer| resolve(folder, peer));
        }
        if let Self::Tls { certificate, key, .. } | Self::MutualTls { certificate, key, .. } = self {
            resolve(folder, certificate);
            resolve(folder, key);
        }
    }

    /// Looks at everything that can be wrong short of opening the port.
    ///
    /// # Errors
    ///
    /// As [`crate::Shell::start`] would, except that the port may still be in use.
    pub fn check(&self) -> Result<(), ListenError> {
        self.acceptor().map(|_| ())
    }

    pub(crate) async fn bind(&self) -> Result<(TcpListener, Option<Tls>), ListenError> {
        let acceptor = self.acceptor()?;
        Ok((bind(self.address()).await?, acceptor))
    }

    fn address(&self) -> SocketAddr {
        match self {
            Self::Tls { address, .. } | Self::MutualTls { address, .. } | Self::Plaintext { address } => {
                *address
            }
        }
    }

    fn acceptor(&self) -> Result<Option<Tls>, ListenError> {
        Ok(Some(match self {
            Self::Tls { certificate, key, .. } => {
                Tls { acceptor: server_config(certificate, key, None)?.into(), peers: None }
            }
            Self::MutualTls { certificate, key, peers, .. } => {
                let peers = Arc::new(Peers::read(peers)?);
                let config = server_config(certificate, key, Some(Arc::clone(&peers)))?;
                Tls { acceptor: config.into(), peers: Some(peers) }
            }
            Self::Plaintext { address } => return loopback_only(*address).map(|()| None),
        }))
    }
}

/// Refuses an address that others can reach.
pub(crate) fn loopback_only(address: SocketAddr) -> Result<(), ListenError> {
    if address.ip().to_canonical().is_loopback() { Ok(()) } else { Err(ListenError::NotLoopback { address }) }
}

pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { address },
        _ => ListenError::Bind { address, source },
    })
}
