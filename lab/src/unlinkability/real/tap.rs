//! A tap at a party's door: ends TLS in its place, passes every byte on, and writes down when whole requests
//! and answers went by (HTTP/2 frames, RFC 9113 §4.1). It keeps no content, only a hash to tell requests by.

use anyhow::{Context, Result};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::aws_lc_rs};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Bytes copied at once.
const CHUNK: usize = 16 * 1024;
/// RFC 9113 §3.4: what a client sends first.
const PREFACE: usize = 24;
/// RFC 9113 §4.1: length, type, flags, stream.
const FRAME_HEADER: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;

/// One exchange that went by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passed {
    /// Whose door, in the order in which doors were opened.
    pub(super) door: usize,
    /// Who connected.
    pub(super) peer: IpAddr,
    /// When the last byte of the request came, in milliseconds.
    pub(super) at: u64,
    /// What was in it.
    pub(super) hash: u64,
    /// Bytes of its content.
    pub(super) up: u16,
    /// When the last byte of the answer went, and bytes of its content.
    pub(super) answer: Option<(u64, u16)>,
}

/// All doors. Dropping it closes them.
#[derive(Clone, Debug)]
pub(super) struct Tap {
    start: Instant,
    passed: Arc<Mutex<Vec<Passed>>>,
    tasks: Arc<Mutex<JoinSet<()>>>,
}

impl Tap {
    /// Times count from `start`.
    pub(super) fn new(start: Instant) -> Self {
        Self { start, passed: Arc::default(), tasks: Arc::default() }
    }

    /// What went by, in no order.
    pub(super) fn passed(&self) -> Vec<Passed> {
        lock(&self.passed).clone()
    }

    /// Stands at the door of a role and returns where others shall connect.
    pub(super) fn guard(
        &self,
        door: usize,
        addr: SocketAddr,
        certificate: &Path,
        key: &Path,
    ) -> Result<SocketAddr> {
        let listener = std::net::TcpListener::bind((addr.ip(), 0)).context("no port for a tap")?;
        listener.set_nonblocking(true)?;
        let here = listener.local_addr()?;
        let listener = TcpListener::from_std(listener)?;
        let acceptor = TlsAcceptor::from(server_config(certificate, key)?);
        let connector = TlsConnector::from(client_config(&certificate.with_file_name("ca.pem"))?);
        let tap = self.clone();
        lock(&self.tasks).spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let (to_pass, acceptor, connector) = (tap.clone(), acceptor.clone(), connector.clone());
                lock(&tap.tasks).spawn(async move {
                    // A connection that ends badly is not watched further, no more.
                    let _ = to_pass.pass(door, stream, peer.ip(), addr, &acceptor, &connector).await;
                });
            }
        });
        Ok(here)
    }

    async fn pass(
        &self,
        door: usize,
        stream: TcpStream,
        peer: IpAddr,
        addr: SocketAddr,
        acceptor: &TlsAcceptor,
        connector: &TlsConnector,
    ) -> Result<()> {
        stream.set_nodelay(true)?;
        let outer = acceptor.accept(stream).await?;
        let inner = TcpStream::connect(addr).await?;
        inner.set_nodelay(true)?;
        let inner = connector.connect(ServerName::from(addr.ip()), inner).await?;
        let (outer_read, outer_write) = tokio::io::split(outer);
        let (inner_read, inner_write) = tokio::io::split(inner);
        // Where the exchange of each stream of this connection is in `passed`.
        let places: Mutex<HashMap<u32, usize>> = Mutex::default();
        let request = |stream: u32, hash: u64, bytes: usize| {
            // Keys and policies are fetched without content: they are no lookups.
            if bytes > 0 {
                let mut passed = lock(&self.passed);
                lock(&places).insert(stream, passed.len());
                passed.push(Passed { door, peer, at: self.now(), hash, up: size(bytes), answer: None });
            }
        };
        let answer = |stream: u32, _: u64, bytes: usize| {
            if let Some(place) = lock(&places).remove(&stream)
                && let Some(passed) = lock(&self.passed).get_mut(place)
            {
                passed.answer = Some((self.now(), size(bytes)));
            }
        };
        let (up, down) = tokio::join!(
            copy(outer_read, inner_write, Frames::after(PREFACE), request),
            copy(inner_read, outer_write, Frames::after(0), answer)
        );
        up.and(down)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn size(bytes: usize) -> u16 {
    u16::try_from(bytes).unwrap_or(u16::MAX)
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut frames: Frames,
    ended: impl Fn(u32, u64, usize),
) -> Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = from.read(&mut buffer).await?;
        let bytes = buffer.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(to.shutdown().await?);
        }
        frames.read(bytes, &ended);
        to.write_all(bytes).await?;
        to.flush().await?;
    }
}

/// Reads frames as they come: each stream's content, and when it ends.
struct Frames {
    skip: usize,
    pending: Vec<u8>,
    streams: HashMap<u32, (DefaultHasher, usize)>,
}

impl Frames {
    fn after(skip: usize) -> Self {
        Self { skip, pending: Vec::new(), streams: HashMap::new() }
    }

    fn read(&mut self, bytes: &[u8], ended: impl Fn(u32, u64, usize)) {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        self.pending.extend(bytes.get(skipped..).unwrap_or_default());
        let mut done = 0;
        while let Some((header, behind)) = self.pending[done..].split_first_chunk::<FRAME_HEADER>() {
            let [l1, l2, l3, kind, flags, s1, s2, s3, s4] = *header;
            let length = u32::from_be_bytes([0, l1, l2, l3]) as usize;
            let Some(content) = behind.get(..length) else { break };
            let stream = u32::from_be_bytes([s1 & 0x7f, s2, s3, s4]);
            if kind == DATA {
                let (hasher, bytes) = self.streams.entry(stream).or_default();
                hasher.write(content);
                *bytes += length;
            }
            if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
                let (hasher, bytes) = self.streams.remove(&stream).unwrap_or_default();
                ended(stream, hasher.finish(), bytes);
            }
            done += FRAME_HEADER + length;
        }
        self.pending.drain(..done);
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

    /// A frame, by RFC 9113 §4.1.
    fn frame(kind: u8, flags: u8, stream: u8, content: &[u8]) -> Vec<u8> {
        let mut frame = vec![0, 0, content.len() as u8, kind, flags, 0, 0, 0, stream];
        frame.extend(content);
        frame
    }

    #[test]
    fn streams_end_once_however_their_bytes_are_cut() {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(4, 0, 0, &[]));
        bytes.extend(frame(HEADERS, 4, 1, b"head"));
        bytes.extend(frame(DATA, 0, 1, b"one "));
        bytes.extend(frame(HEADERS, 5, 3, b"no content"));
        bytes.extend(frame(DATA, 1, 1, b"two"));
        for cut in [1, 2, 7, bytes.len()] {
            let (mut frames, ended) = (Frames::after(PREFACE), Mutex::new(Vec::new()));
            for part in bytes.chunks(cut) {
                frames.read(part, |stream, _, bytes| lock(&ended).push((stream, bytes)));
            }
            assert_eq!(*lock(&ended), [(3, 0), (1, 7)]);
        }
    }
}
