//! A relay that has provably not processed a lookup gets the same bytes once more (RFC 9458 §6.5).

use super::fakes::{NUMBER, Provider, found, profile};
use crate::end_to_end::{NOW, ask};
use bytes::Bytes;
use discreet_client::{Answer, Client, Error, Outcome, RelayError};
use h2::Reason;
use http::{Method, Request, Response};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::sync::{Arc, Mutex};
use tests::Certificates;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What two relays do to lookups, in the order in which they arrive at either; then they answer.
struct Refusing {
    client: Client,
    /// The contents of all lookups, with the number of the relay.
    received: Arc<Mutex<Vec<(usize, Bytes)>>>,
    _files: tempfile::TempDir,
    _serving: JoinSet<()>,
}

impl Refusing {
    async fn start(fates: &[Reason]) -> Self {
        let files = tempfile::tempdir().unwrap();
        let certificates = Certificates::new(files.path()).unwrap();
        let relay = Relay {
            tls: acceptor(&certificates),
            provider: Provider::new(),
            fates: Arc::new(Mutex::new(fates.iter().rev().copied().collect())),
            received: Arc::default(),
        };
        let (mut urls, mut serving) = (Vec::new(), JoinSet::new());
        for number in 0..2 {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            urls.push(format!("https://{}/dp", listener.local_addr().unwrap()));
            let relay = relay.clone();
            serving.spawn(async move {
                let mut open = JoinSet::new();
                loop {
                    let (socket, _) = listener.accept().await.unwrap();
                    open.spawn(relay.clone().serve(socket, number));
                }
            });
        }
        let builder = Client::builder(profile(&urls)).ca(std::fs::read(certificates.ca()).unwrap());
        let client = builder.clock(|| NOW.unix()).build().unwrap();
        Self { client, received: relay.received, _files: files, _serving: serving }
    }

    async fn look_up(&self) -> (Result<Answer, Error>, Vec<(usize, Bytes)>) {
        let answer = self.client.lookup(ask(NUMBER)).await;
        (answer, self.received.lock().unwrap().clone())
    }
}

#[derive(Clone)]
struct Relay {
    tls: TlsAcceptor,
    provider: Provider,
    fates: Arc<Mutex<Vec<Reason>>>,
    received: Arc<Mutex<Vec<(usize, Bytes)>>>,
}

impl Relay {
    async fn serve(self, socket: TcpStream, number: usize) {
        let stream = self.tls.accept(socket).await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            let (head, mut content) = request.into_parts();
            let is_lookup = head.method == Method::POST;
            // What was sent arrives only while the connection is driven.
            let content = tokio::select! {
                content = whole(&mut content) => content,
                _ = std::future::poll_fn(|context| connection.poll_closed(context)) => return,
            };
            if is_lookup {
                self.received.lock().unwrap().push((number, content.clone()));
                if let Some(reason) = self.fates.lock().unwrap().pop() {
                    respond.send_reset(reason);
                    continue;
                }
            }
            let response = if is_lookup { self.answer(content) } else { self.policy() };
            let (head, content) = response.into_parts();
            let mut stream = respond.send_response(Response::from_parts(head, ()), false).unwrap();
            stream.send_data(content, true).unwrap();
        }
    }

    fn policy(&self) -> Response<Bytes> {
        self.provider.serve(&self.provider.policy())
    }

    fn answer(&self, content: Bytes) -> Response<Bytes> {
        let inner = found(&[self.provider.person()]).encode().unwrap();
        self.provider.seal(&Request::new(content), &Response::new(Bytes::from(inner)))
    }
}

pub(crate) async fn whole(content: &mut h2::RecvStream) -> Bytes {
    let mut all = Vec::new();
    while let Some(part) = content.data().await {
        all.extend_from_slice(&part.unwrap());
    }
    all.into()
}

pub(crate) fn acceptor(certificates: &Certificates) -> TlsAcceptor {
    let (certificate, key) = certificates.server("relay", &["127.0.0.1"]).unwrap();
    let chain = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth();
    let mut config = config.with_single_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

fn assert_broken(answer: Result<Answer, Error>) {
    let Err(Error::Relay { error: RelayError::Broken, .. }) = answer else { panic!("{answer:?}") };
}

#[tokio::test]
async fn c33_a_lookup_that_a_relay_refuses_goes_to_the_same_relay_once_more_unchanged() {
    let relays = Refusing::start(&[Reason::REFUSED_STREAM]).await;
    let (answer, received) = relays.look_up().await;
    assert_eq!(answer.unwrap().outcome(), Outcome::OneService);
    assert_eq!(received.len(), 2);
    assert!(received[0] == received[1], "the same relay, the same bytes");
}

#[tokio::test]
async fn c33_a_lookup_refused_twice_goes_nowhere_else() {
    let relays = Refusing::start(&[Reason::REFUSED_STREAM; 2]).await;
    let (answer, received) = relays.look_up().await;
    assert_broken(answer);
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].0, received[1].0);
}

#[tokio::test]
async fn c33_a_lookup_reset_for_another_reason_is_not_sent_again() {
    for reason in [Reason::NO_ERROR, Reason::INTERNAL_ERROR, Reason::CANCEL, Reason::ENHANCE_YOUR_CALM] {
        let relays = Refusing::start(&[reason]).await;
        let (answer, received) = relays.look_up().await;
        assert_broken(answer);
        assert_eq!(received.len(), 1, "{reason:?}");
    }
}
