//! Ends TLS in front of every role and passes HTTP/2 on unread: keeps the frames (RFC 9113 §4.1) of each
//! stream, and counts the bytes outside TLS.

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::aws_lc_rs};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::{TlsAcceptor, TlsConnector};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;
/// RFC 9113 §3.4: what a client sends first.
const PREFACE: usize = 24;

/// Everything that was said on all hops. Runs on a thread of its own, as the recorder does.
pub(crate) struct Tap {
    connections: Arc<Mutex<Vec<Arc<Connection>>>>,
    runtime: Option<Runtime>,
}

/// One direction's frames of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Half {
    /// Length of each DATA frame, and whether it ends the stream.
    pub(crate) data: Vec<(usize, bool)>,
    /// Length of each HEADERS frame.
    pub(crate) headers: Vec<usize>,
}

/// One request with its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    pub(crate) up: Half,
    pub(crate) down: Half,
}

#[derive(Default)]
struct Connection {
    role: String,
    /// Inside TLS.
    up: Mutex<Vec<u8>>,
    down: Mutex<Vec<u8>>,
    /// Bytes outside TLS, up and down.
    wire: [Arc<AtomicUsize>; 2],
}

impl Tap {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Self { connections: Arc::default(), runtime: Some(runtime.unwrap()) }
    }

    /// For [`tests::NetBuilder::front`].
    pub(crate) fn front(&self) -> impl Fn(&str, SocketAddr, &Path, &Path) -> SocketAddr + 'static {
        let handle = self.runtime.as_ref().unwrap().handle().clone();
        let connections = Arc::clone(&self.connections);
        move |role, behind, certificate, key| {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            let here = listener.local_addr().unwrap();
            let acceptor = TlsAcceptor::from(server_config(certificate, key));
            let connector = TlsConnector::from(client_config(&certificate.with_file_name("ca.pem")));
            let (role, connections) = (role.to_owned(), Arc::clone(&connections));
            handle.spawn(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    let connection = Arc::new(Connection { role: role.clone(), ..Connection::default() });
                    connections.lock().unwrap().push(Arc::clone(&connection));
                    let (acceptor, connector) = (acceptor.clone(), connector.clone());
                    // A connection that ends badly fails the request on it, and so the test.
                    tokio::spawn(
                        async move { pass(&connection, stream, behind, &acceptor, &connector).await },
                    );
                }
            });
            here
        }
    }

    /// The streams of a role that carried content up: the operations. Connection by connection.
    pub(crate) fn operations(&self, role: &str) -> Vec<Stream> {
        let streams = self.of(role).into_iter().flat_map(|connection| connection.streams());
        streams.filter(|stream| !stream.up.data.is_empty()).collect()
    }

    /// How many connections a role got.
    pub(crate) fn connections(&self, role: &str) -> usize {
        self.of(role).len()
    }

    /// Bytes that a role received and sent so far, TLS included.
    pub(crate) fn wire(&self, role: &str) -> [usize; 2] {
        let sum = |at: usize| self.of(role).iter().map(|c| c.wire[at].load(Ordering::SeqCst)).sum();
        [sum(0), sum(1)]
    }

    fn of(&self, role: &str) -> Vec<Arc<Connection>> {
        let connections = self.connections.lock().unwrap();
        connections.iter().filter(|connection| connection.role.starts_with(role)).cloned().collect()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Connection {
    fn streams(&self) -> Vec<Stream> {
        let mut streams: BTreeMap<u32, Stream> = BTreeMap::new();
        let (up, down) = (self.up.lock().unwrap(), self.down.lock().unwrap());
        note(up.get(PREFACE..).unwrap_or_default(), |id, half| half(&mut streams.entry(id).or_default().up));
        note(&down, |id, half| half(&mut streams.entry(id).or_default().down));
        streams.into_values().collect()
    }
}

/// Tells `keep` what each frame of a stream adds to its half.
fn note(mut rest: &[u8], mut keep: impl FnMut(u32, &dyn Fn(&mut Half))) {
    while let Some((&[l1, l2, l3, kind, flags, s1, s2, s3, s4], behind)) = rest.split_first_chunk() {
        let length = u32::from_be_bytes([0, l1, l2, l3]) as usize;
        rest = behind.get(length..).unwrap_or_default();
        let id = u32::from_be_bytes([s1 & 0x7f, s2, s3, s4]);
        match kind {
            DATA => keep(id, &|half| half.data.push((length, flags & END_STREAM != 0))),
            HEADERS => keep(id, &|half| half.headers.push(length)),
            _ => {}
        }
    }
}

async fn pass(
    connection: &Connection,
    stream: TcpStream,
    behind: SocketAddr,
    acceptor: &TlsAcceptor,
    connector: &TlsConnector,
) -> io::Result<()> {
    let [wire_up, wire_down] = &connection.wire;
    let outer = acceptor.accept(Counted::new(stream, wire_up)?).await?;
    let inner = Counted::new(TcpStream::connect(behind).await?, wire_down)?;
    let inner = connector.connect(ServerName::from(behind.ip()), inner).await?;
    let (outer_read, outer_write) = tokio::io::split(outer);
    let (inner_read, inner_write) = tokio::io::split(inner);
    let (up, down) = tokio::join!(
        copy(outer_read, inner_write, &connection.up),
        copy(inner_read, outer_write, &connection.down)
    );
    up.and(down)
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    keep: &Mutex<Vec<u8>>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16_384];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        keep.lock().unwrap().extend(&buffer[..count]);
        to.write_all(&buffer[..count]).await?;
        to.flush().await?;
    }
}

fn server_config(certificate: &Path, key: &Path) -> Arc<ServerConfig> {
    let chain = vec![CertificateDer::from_pem_file(certificate).unwrap()];
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

fn client_config(ca: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// A socket that counts what is read from it.
struct Counted {
    socket: TcpStream,
    read: Arc<AtomicUsize>,
}

impl Counted {
    fn new(socket: TcpStream, read: &Arc<AtomicUsize>) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        Ok(Self { socket, read: Arc::clone(read) })
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(context, buffer);
        self.read.fetch_add(buffer.filled().len() - before, Ordering::SeqCst);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
