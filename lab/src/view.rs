//! What a party gets to see: a recorder at its door, and a reader of what was recorded.
//!
//! The recorder holds the party's certificate, ends TLS in its place and passes every byte on over
//! TLS of its own. What it keeps is therefore what the party receives inside TLS, and the address it
//! sees is the one the party would see; the party sees it, too, since the recorder connects from there.

use anyhow::{Context, Result};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::aws_lc_rs};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsConnector};

mod http2;
mod wire;

pub(crate) use http2::{Exchange, Message, exchanges};
pub(crate) use wire::Wire;

/// Bytes copied at once.
const CHUNK: usize = 16 * 1024;

/// One connection to a party, as the party sees it.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// The party's name.
    pub(crate) party: String,
    /// Who connected.
    pub(crate) peer: SocketAddr,
    /// What the party received inside TLS.
    pub(crate) received: Vec<u8>,
    /// What it sent.
    pub(crate) sent: Vec<u8>,
    /// When which of these bytes passed.
    pub(crate) chunks: Vec<Chunk>,
    /// What somebody on the link saw of it: TLS, in both directions.
    pub(crate) wire: Wire,
}

/// Bytes that passed at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk {
    /// When, since the recorder began.
    pub(crate) at: Duration,
    /// Whether the party received them, or sent them.
    pub(crate) received: bool,
    /// How many had passed in this direction, with these.
    pub(crate) end: usize,
}

/// Recorders at the doors of all parties.
#[derive(Clone)]
pub(crate) struct Recorder {
    begun: Instant,
    connections: Arc<Mutex<Vec<Connection>>>,
    tasks: Arc<Mutex<JoinSet<()>>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { begun: Instant::now(), connections: Arc::default(), tasks: Arc::default() }
    }
}

impl Recorder {
    /// The time since it began, as it stands beside what it records.
    pub(crate) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Closes all doors.
    pub(crate) async fn stop(&self) {
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        tasks.shutdown().await;
    }

    /// What was recorded so far, in the order in which connections were opened.
    pub(crate) fn connections(&self) -> Vec<Connection> {
        lock(&self.connections).clone()
    }

    /// Stands in front of `party` and returns where others shall connect.
    pub(crate) fn guard(
        &self,
        party: &str,
        addr: SocketAddr,
        certificate: &Path,
        key: &Path,
    ) -> Result<SocketAddr> {
        self.guard_at(None, party, addr, certificate, key)
    }

    /// As [`Recorder::guard`], at a door that is open already.
    pub(crate) fn guard_at(
        &self,
        door: Option<std::net::TcpListener>,
        party: &str,
        addr: SocketAddr,
        certificate: &Path,
        key: &Path,
    ) -> Result<SocketAddr> {
        let listener = match door {
            Some(door) => door,
            None => std::net::TcpListener::bind((addr.ip(), 0)).context("no port for a recorder")?,
        };
        listener.set_nonblocking(true)?;
        let here = listener.local_addr()?;
        let listener = TcpListener::from_std(listener)?;
        let acceptor = TlsAcceptor::from(server_config(certificate, key)?);
        let connector = TlsConnector::from(client_config(&certificate.with_file_name("ca.pem"))?);
        let (recorder, party) = (self.clone(), party.to_owned());
        lock(&self.tasks).spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let (recorder, party) = (recorder.clone(), party.clone());
                let (acceptor, connector) = (acceptor.clone(), connector.clone());
                let tasks = Arc::clone(&recorder.tasks);
                lock(&tasks).spawn(async move {
                    // A connection that ends badly ends the recording of it, no more.
                    let _ = recorder.pass(party, stream, peer, addr, &acceptor, &connector).await;
                });
            }
        });
        Ok(here)
    }

    async fn pass(
        &self,
        party: String,
        stream: TcpStream,
        peer: SocketAddr,
        addr: SocketAddr,
        acceptor: &TlsAcceptor,
        connector: &TlsConnector,
    ) -> Result<()> {
        stream.set_nodelay(true)?;
        let wire = Wire::default();
        let outer = acceptor.accept(wire.tap(stream)).await?;
        let inner = connect(peer.ip(), addr).await?;
        let inner = connector.connect(ServerName::from(addr.ip()), inner).await?;
        let index = {
            let mut connections = lock(&self.connections);
            let (received, sent, chunks) = Default::default();
            connections.push(Connection { party, peer, received, sent, chunks, wire });
            connections.len() - 1
        };
        let (outer_read, outer_write) = tokio::io::split(outer);
        let (inner_read, inner_write) = tokio::io::split(inner);
        let received = |bytes: &[u8]| self.keep(index, true, bytes);
        let sent = |bytes: &[u8]| self.keep(index, false, bytes);
        let (up, down) =
            tokio::join!(copy(outer_read, inner_write, received), copy(inner_read, outer_write, sent));
        up.and(down)
    }

    fn keep(&self, index: usize, received: bool, bytes: &[u8]) {
        let at = self.now();
        if let Some(connection) = lock(&self.connections).get_mut(index) {
            let kept = if received { &mut connection.received } else { &mut connection.sent };
            kept.extend(bytes);
            let end = kept.len();
            connection.chunks.push(Chunk { at, received, end });
        }
    }
}

/// A connection to `addr` from the address `from`, so that the party sees who came.
async fn connect(from: IpAddr, addr: SocketAddr) -> Result<TcpStream> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind((from, 0).into())?;
    let stream = socket.connect(addr).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    keep: impl Fn(&[u8]),
) -> Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        // Who goes without a word has gone, too: the other side is told, or it would wait.
        let count = from.read(&mut buffer).await.unwrap_or(0);
        let bytes = buffer.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(to.shutdown().await?);
        }
        keep(bytes);
        to.write_all(bytes).await?;
        to.flush().await?;
    }
}

fn server_config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>> {
    let chain = vec![CertificateDer::from_pem_file(certificate)?];
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn client_config(ca: &Path) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::tests::Certificates;
    use tokio::time::timeout;

    #[tokio::test]
    async fn a_client_that_ends_without_a_word_has_ended_for_the_party() {
        let folder = tempfile::tempdir().unwrap();
        let certificates = Certificates::new(folder.path()).unwrap();
        let (certificate, key) = certificates.server("party", &["127.0.0.1"]).unwrap();
        let party = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = party.local_addr().unwrap();
        let recorder = Recorder::default();
        let door = recorder.guard("party", address, &certificate, &key).unwrap();
        let acceptor = TlsAcceptor::from(server_config(&certificate, &key).unwrap());
        let connector = TlsConnector::from(client_config(&certificates.ca()).unwrap());
        let client = async {
            let stream = TcpStream::connect(door).await.unwrap();
            let mut stream = connector.connect(ServerName::from(door.ip()), stream).await.unwrap();
            stream.write_all(b"asked").await.unwrap();
            stream.flush().await.unwrap();
            // Dropped: TLS says no goodbye.
        };
        let server = async {
            let mut stream = acceptor.accept(party.accept().await.unwrap().0).await.unwrap();
            let mut heard = Vec::new();
            let _ = stream.read_to_end(&mut heard).await;
            heard
        };
        let both = async { tokio::join!(client, server).1 };
        let heard = timeout(Duration::from_secs(60), both).await.expect("the party is not told");
        assert_eq!(heard, b"asked");
        recorder.stop().await;
    }
}
