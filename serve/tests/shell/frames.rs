//! A server that speaks HTTP/2 frame by frame (RFC 9113 §4.1), to do what no server of hyper's does.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use discreet_serve::upstream::Upstream;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::support::Pki;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
/// END_STREAM and END_HEADERS.
const WHOLE: u8 = 0x5;
const END_STREAM: u8 = 0x1;

/// What becomes of a request that has arrived whole.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    /// 200, without content.
    Answered,
    /// RST_STREAM with this error code.
    Reset(u32),
    /// The head of an answer, and then RST_STREAM with this error code.
    AnsweredInPart(u32),
    /// GOAWAY that names this stream as the last one taken, and the end of the connection.
    GoAway(u32),
    /// The end of the connection.
    Eof,
}

/// Counts the requests that arrive whole, on however many connections.
pub(crate) struct Frames {
    address: SocketAddr,
    received: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl Frames {
    /// The n-th request meets the n-th fate; after them all are answered.
    pub(crate) async fn start(pki: &Pki, fates: &[Fate]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tls, received) = (acceptor(pki), Arc::new(AtomicUsize::new(0)));
        let fates = Arc::new(Mutex::new(VecDeque::from(fates.to_vec())));
        let mut serving = JoinSet::new();
        let counted = Arc::clone(&received);
        serving.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (tls, fates, counted) = (tls.clone(), Arc::clone(&fates), Arc::clone(&counted));
                open.spawn(async move {
                    let mut stream = tls.accept(socket).await.unwrap();
                    // Ends with the connection, whoever closes it.
                    while let Some(id) = request(&mut stream).await {
                        counted.fetch_add(1, Ordering::SeqCst);
                        let fate = fates.lock().unwrap().pop_front().unwrap_or(Fate::Answered);
                        if !meet(&mut stream, id, fate).await {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, received, _serving: serving }
    }

    pub(crate) fn upstream(&self, pki: &Pki) -> Upstream {
        pki.upstream(self.address)
    }

    pub(crate) fn received(&self) -> usize {
        self.received.load(Ordering::SeqCst)
    }
}

fn acceptor(pki: &Pki) -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(pki.certificate()).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(pki.key()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = config.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// The stream of the next whole request. Begins a connection where there is none yet.
async fn request(stream: &mut TlsStream<TcpStream>) -> Option<u32> {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        if PREFACE.starts_with(&head) {
            stream.read_exact(&mut [0; PREFACE.len() - 9]).await.ok()?;
            frame(stream, SETTINGS, 0, 0, &[]).await?;
            continue;
        }
        let [a, b, c, kind, flags, id @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload).await.ok()?;
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            return Some(u32::from_be_bytes(id));
        }
    }
}

/// Whether the connection goes on.
async fn meet(stream: &mut TlsStream<TcpStream>, id: u32, fate: Fate) -> bool {
    // HPACK: `:status: 200` is entry 8 of the static table (RFC 7541, Appendix A).
    const OK: &[u8] = &[0x88];
    let written = match fate {
        Fate::Answered => frame(stream, HEADERS, WHOLE, id, OK).await,
        Fate::Reset(code) => frame(stream, RST_STREAM, 0, id, &code.to_be_bytes()).await,
        Fate::AnsweredInPart(code) => {
            frame(stream, HEADERS, WHOLE - END_STREAM, id, OK).await;
            frame(stream, RST_STREAM, 0, id, &code.to_be_bytes()).await
        }
        Fate::GoAway(last) => {
            frame(stream, GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat()).await;
            None
        }
        Fate::Eof => None,
    };
    written.is_some()
}

async fn frame(
    stream: &mut TlsStream<TcpStream>,
    kind: u8,
    flags: u8,
    id: u32,
    payload: &[u8],
) -> Option<()> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[..], &[kind, flags], &id.to_be_bytes()].concat();
    stream.write_all(&[&head, payload].concat()).await.ok()?;
    stream.flush().await.ok()
}
