//! Tokens are requested side by side on one HTTP/2 connection, and not all at once.

use super::issuer::{NAME, directory, issuers, key, sign};
use crate::end_to_end::NOW;
use crate::refusals::fakes::{Provider, profile_text};
use crate::refusals::resend::{acceptor, whole};
use bytes::Bytes;
use discreet_client::{Client, Policy, Profile};
use discreet_protocol::policy::Prices;
use http::{Method, Request, Response};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tests::Certificates;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Relay and issuer at once: what is asked of either tells them apart.
#[derive(Clone)]
struct Server {
    tls: TlsAcceptor,
    policy: Response<Bytes>,
    /// Connections on which tokens were requested.
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn serve(self, socket: TcpStream) {
        let stream = self.tls.accept(socket).await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (mut waiting, mut issued) = (Vec::new(), false);
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            let (head, mut content) = request.into_parts();
            if head.method == Method::GET {
                let is_directory = head.uri.path().starts_with("/.well-known/");
                answer(&mut respond, if is_directory { directory(&[key()]) } else { self.policy.clone() });
                continue;
            }
            let content = tokio::select! {
                content = whole(&mut content) => content,
                _ = std::future::poll_fn(|context| connection.poll_closed(context)) => return,
            };
            if !issued {
                issued = true;
                self.connections.fetch_add(1, Ordering::Relaxed);
            }
            waiting.push((Request::from_parts(head, content), respond));
            // Sixteen are answered together: with fewer at once, the client would wait for ever.
            if waiting.len() < 16 {
                continue;
            }
            for (request, mut respond) in waiting.drain(..) {
                answer(&mut respond, sign(&request));
            }
        }
    }
}

fn answer(respond: &mut h2::server::SendResponse<Bytes>, response: Response<Bytes>) {
    let (head, content) = response.into_parts();
    let mut stream = respond.send_response(Response::from_parts(head, ()), false).unwrap();
    stream.send_data(content, true).unwrap();
}

#[tokio::test]
async fn sixteen_requests_at_a_time_share_one_connection() {
    let files = tempfile::tempdir().unwrap();
    let certificates = Certificates::new(files.path()).unwrap();
    let provider = Provider::new();
    let prices = Prices::new(1, 1, 1).unwrap();
    let policy = provider.serve(&Policy { issuers: issuers(), prices, ..provider.policy() });
    let server = Server { tls: acceptor(&certificates), policy, connections: Arc::default() };
    let (mut urls, mut serving) = (Vec::new(), JoinSet::new());
    for _ in 0..3 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        urls.push(format!("https://{}", listener.local_addr().unwrap()));
        let server = server.clone();
        serving.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                open.spawn(server.clone().serve(socket));
            }
        });
    }
    let issuer = urls.pop().unwrap();
    let relays: Vec<_> = urls.iter().map(|url| format!("{url}/dp")).collect();
    let text = profile_text(&relays) + &format!("[issuer]\nname = \"{NAME}\"\nurl = \"{issuer}\"\n");
    let builder = Client::builder(Profile::from_toml(&text).unwrap()).clock(|| NOW.unix());
    let client = builder.ca(std::fs::read(certificates.ca()).unwrap()).build().unwrap();
    let refill = client.refill_tokens(32, &|_| {}).await.unwrap();
    refill.outcome.unwrap();
    assert_eq!(refill.kept, 32);
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);
}
