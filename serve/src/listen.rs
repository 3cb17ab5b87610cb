//! Where a server listens, and the rule that plaintext stays on this host.

use std::{
    io,
    net::SocketAddr,
    os::unix::net::SocketAddr as UnixAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;
use thiserror::Error;

use crate::{
    Address,
    config::resolve,
    inherited::Inherited,
    open::{Listening, open},
    peers::{Peers, Tls},
    socket::Listener,
    tls::{TlsError, Visitors, issued_by, server_config},
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
        /// IP address and port, `unix:PATH`, or `systemd`.
        address: Address,
        /// PEM file with the certificate chain, the server's own first. Read again at SIGHUP.
        certificate: PathBuf,
        /// PEM file with the private key. Read again at SIGHUP.
        key: PathBuf,
    },
    /// HTTPS for some only, who show a certificate: either `peers` or `issuer` says whose.
    MutualTls {
        /// IP address and port, `unix:PATH`, or `systemd`.
        address: Address,
        /// PEM file with the certificate chain, the server's own first. Read again at SIGHUP.
        certificate: PathBuf,
        /// PEM file with the private key. Read again at SIGHUP.
        key: PathBuf,
        /// PEM files with one certificate each: who may connect, such as the relays that a gateway expects.
        /// The certificates themselves count, whoever issued them; a peer goes by its file's name. The files
        /// are read again at SIGHUP: who is no longer in them cannot connect anew, and a connection that is
        /// open stays open. The list itself is read at the start only.
        #[serde(default)]
        peers: Vec<PathBuf>,
        /// PEM file with a CA's certificate: who has a certificate of it may connect, such as the users of
        /// the messaging provider that runs a relay. The server learns no more of them than that, except for a
        /// provider's issuer of tokens, which goes by the certificate's subject. Read
        /// again at SIGHUP. There are no revocation lists: issue for short times.
        #[serde(default)]
        issuer: Option<PathBuf>,
    },
    /// HTTP without TLS, for a balancer, interop or benchmarks on this host.
    Plaintext {
        /// Loopback address and port, `unix:PATH`, or `systemd` if it passes such a one.
        address: Address,
    },
}

/// Why a listener cannot be opened.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Plaintext would leave this host.
    #[error(
        "{address} is not a loopback address: without TLS a server listens on loopback or a Unix socket only"
    )]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// Another process has the port or socket.
    #[error("{address} is in use by another process")]
    InUse {
        /// The configured address.
        address: Address,
    },
    /// The address cannot be bound for another reason.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The configured address.
        address: Address,
        /// What the operating system said.
        source: io::Error,
    },
    /// There is a file at the socket's path, and we do not remove what we did not make.
    #[error("{} is not a socket: choose another path, or remove it", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// systemd passed fewer sockets, or this one is taken already.
    #[error("systemd:{number} was not passed, or is taken: the process got {passed} sockets, counted from 0")]
    NotPassed {
        /// The configured number.
        number: usize,
        /// How many there are.
        passed: usize,
    },
    /// A datagram socket, a FIFO, a file.
    #[error("systemd:{number} is not a stream socket: the socket unit needs ListenStream=")]
    NotAStream {
        /// The configured number.
        number: usize,
    },
    /// A connection instead of a listener.
    #[error("systemd:{number} does not listen: the socket unit needs Accept=no")]
    NotListening {
        /// The configured number.
        number: usize,
    },
    /// The passed socket cannot be used for another reason.
    #[error("systemd:{number} cannot be used: {source}")]
    Passed {
        /// The configured number.
        number: usize,
        /// What the operating system said.
        source: io::Error,
    },
    /// Nobody could connect.
    #[error("mutual_tls needs peers = [\"…\"] or issuer = \"…\": who may connect")]
    Nobody,
    /// Two rules for who may connect.
    #[error("mutual_tls takes either peers or issuer, not both")]
    PeersAndIssuer,
    /// Certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Listen {
    /// Takes relative paths from `folder`, the configuration file's.
    pub fn resolve_paths(&mut self, folder: &Path) {
        match self {
            Self::Tls { address, certificate, key } => {
                address.resolve_path(folder);
                [certificate, key].into_iter().for_each(|path| resolve(folder, path));
            }
            Self::MutualTls { address, certificate, key, peers, issuer } => {
                address.resolve_path(folder);
                let paths = [certificate, key].into_iter().chain(peers).chain(issuer);
                paths.for_each(|path| resolve(folder, path));
            }
            Self::Plaintext { address } => address.resolve_path(folder),
        }
    }

    /// Looks at everything that can be wrong short of opening the port.
    ///
    /// # Errors
    ///
    /// As [`crate::Shell::start`] would, except that the port may still be in use.
    pub fn check(&self) -> Result<(), ListenError> {
        nameable(self.address())?;
        self.tls().map(|_| ())
    }

    /// Whether who connects is known by name: [`crate::Peer`].
    pub fn names_peers(&self) -> bool {
        matches!(self, Self::MutualTls { peers, .. } if !peers.is_empty())
    }

    /// Where it is to listen.
    pub fn address(&self) -> &Address {
        match self {
            Self::Tls { address, .. } | Self::MutualTls { address, .. } | Self::Plaintext { address } => {
                address
            }
        }
    }

    pub(crate) async fn open(
        &self,
        inherited: &Inherited,
    ) -> Result<(Listener, Listening, Option<Tls>), ListenError> {
        let tls = self.tls()?;
        let (listener, listening) = open(self.address(), inherited).await?;
        if tls.is_none() {
            // What was passed is known only now.
            stays_here(&listening)?;
        }
        Ok((listener, listening, tls))
    }

    /// What handshakes use, read from the files as they are now; `None` without TLS.
    pub(crate) fn tls(&self) -> Result<Option<Tls>, ListenError> {
        let (certificate, key, visitors) = match self {
            Self::Plaintext { address } => return loopback_only(address).map(|()| None),
            Self::Tls { certificate, key, .. } => (certificate, key, Visitors::Anybody),
            Self::MutualTls { certificate, key, peers, issuer, .. } => {
                (certificate, key, visitors(peers, issuer.as_deref())?)
            }
        };
        let peers = if let Visitors::Pinned(peers) = &visitors { Some(Arc::clone(peers)) } else { None };
        Ok(Some(Tls { acceptor: server_config(certificate, key, visitors)?.into(), peers }))
    }
}

fn visitors(peers: &[PathBuf], issuer: Option<&Path>) -> Result<Visitors, ListenError> {
    match (peers, issuer) {
        ([], None) => Err(ListenError::Nobody),
        ([_, ..], Some(_)) => Err(ListenError::PeersAndIssuer),
        (peers, None) => Ok(Visitors::Pinned(Arc::new(Peers::read(peers)?))),
        ([], Some(issuer)) => Ok(Visitors::IssuedBy(issued_by(issuer)?)),
    }
}

/// Refuses a socket whose path, taken from the configuration's folder, is longer than a socket's can be.
pub(crate) fn nameable(address: &Address) -> Result<(), ListenError> {
    let Address::Unix(path) = address else { return Ok(()) };
    let named = UnixAddr::from_pathname(path);
    named.map(|_| ()).map_err(|source| ListenError::Bind { address: address.clone(), source })
}

/// Refuses an address that others can reach, as far as the configuration tells.
pub(crate) fn loopback_only(address: &Address) -> Result<(), ListenError> {
    match address {
        Address::Tcp(address) => stays_here(&Listening::Tcp(*address)),
        Address::Unix(_) | Address::Systemd(_) => Ok(()),
    }
}

/// Refuses a listener that others can reach.
pub(crate) fn stays_here(listening: &Listening) -> Result<(), ListenError> {
    match listening {
        Listening::Tcp(address) if !address.ip().to_canonical().is_loopback() => {
            Err(ListenError::NotLoopback { address: *address })
        }
        Listening::Tcp(_) | Listening::Unix(_) => Ok(()),
    }
}
