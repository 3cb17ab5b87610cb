//! Listeners that let known peers in, and nobody else.

use discreet_serve::UpstreamError;

use crate::support::{Config, Echo, Pki, get};

#[tokio::test]
async fn a_known_peer_gets_in_and_goes_by_its_files_name() {
    let pki = Pki::new();
    let (one, other) = (pki.identity("relay-1"), pki.identity("relay-2"));
    let listen = pki.listen_to(&[&one, &other]);
    let shell = Config { listen, ..Config::default() }.start(Echo::default()).await.unwrap();
    for (identity, name) in [(&one, "HTTP/2.0 by relay-1"), (&other, "HTTP/2.0 by relay-2")] {
        let answer = pki.upstream_as(identity, shell.addr()).send(get("/"), 100).await.unwrap();
        assert_eq!(answer.body(), name);
    }
}

#[tokio::test]
async fn rejects_a_stranger_and_who_shows_nothing() {
    let pki = Pki::new();
    let (known, stranger) = (pki.identity("relay"), pki.identity("stranger"));
    let echo = Echo::default();
    let listen = pki.listen_to(&[&known]);
    let shell = Config { listen, ..Config::default() }.start(echo.clone()).await.unwrap();
    for upstream in [pki.upstream(shell.addr()), pki.upstream_as(&stranger, shell.addr())] {
        // In TLS 1.3 the refusal may come with the handshake or with the first bytes after it.
        let refused = upstream.send(get("/"), 100).await.unwrap_err();
        assert!(matches!(refused, UpstreamError::Tls | UpstreamError::Protocol), "{refused}");
    }
    assert_eq!(echo.hits(), 0);
}

/// The certificate alone is public: the handshake asks for its key.
#[tokio::test]
async fn rejects_the_certificate_of_a_known_peer_with_another_key() {
    let pki = Pki::new();
    let (known, thief) = (pki.identity("relay"), pki.identity("thief"));
    let stolen = discreet_serve::upstream::Identity { key: thief.key, ..known.clone() };
    let mut config = discreet_serve::UpstreamConfig::new("https://127.0.0.1:1".parse().unwrap());
    config.identity = Some(stolen);
    assert!(discreet_serve::Upstream::new(&config).is_err());
}

#[tokio::test]
async fn a_listener_for_everybody_names_nobody() {
    let pki = Pki::new();
    let known = pki.identity("relay");
    let shell = Config { listen: pki.listen(), ..Config::default() }.start(Echo::default()).await.unwrap();
    let answer = pki.upstream_as(&known, shell.addr()).send(get("/"), 100).await.unwrap();
    assert_eq!(answer.body(), "HTTP/2.0");
}

#[tokio::test]
async fn a_file_without_certificate_is_named() {
    let pki = Pki::new();
    let mut known = pki.identity("relay");
    known.certificate = pki.key();
    let listen = pki.listen_to(&[&known]);
    let error = Config { listen, ..Config::default() }.start(Echo::default()).await.unwrap_err();
    assert!(error.to_string().ends_with("server.key holds no PEM certificate"), "{error}");
}
