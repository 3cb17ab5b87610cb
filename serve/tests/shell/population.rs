//! Listeners for all whose certificate a CA issued: they get in, and the handler learns nobody's name.

use bytes::Bytes;
use discreet_serve::{
    Handler, Listen, StartError, UpstreamError, Visitor, listen::ListenError, upstream::Identity,
};
use http::{Request, Response};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, date_time_ymd};

use crate::support::{Config, Echo, Pki, get, loopback};

fn params() -> CertificateParams {
    CertificateParams::new(vec!["alice.example".to_owned()]).unwrap()
}

fn params_for(usage: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = params();
    params.extended_key_usages = vec![usage];
    params
}

#[tokio::test]
async fn whoever_the_ca_knows_gets_in_and_stays_nameless() {
    let pki = Pki::new();
    let for_clients = params_for(ExtendedKeyUsagePurpose::ClientAuth);
    let users = [pki.user("alice", params()), pki.user("bob", for_clients)];
    let config = Config { listen: pki.listen_to_users(), ..Config::default() };
    let shell = config.start(Echo::default()).await.unwrap();
    for user in &users {
        let answer = pki.upstream_as(user, shell.addr()).send(get("/"), 100).await.unwrap();
        assert_eq!(answer.body(), "HTTP/2.0", "a known peer would be named");
    }
}

/// Answers with the subject of the client's certificate.
struct Accounting;

impl Handler for Accounting {
    const NAMES_VISITORS: bool = true;

    async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let subject = request.extensions().get::<Visitor>().map(|visitor| visitor.subject().to_vec());
        Response::new(subject.unwrap_or_default().into())
    }
}

#[tokio::test]
async fn a_handler_that_asks_is_told_the_subject_of_a_certificate_and_nothing_if_it_has_none() {
    let pki = Pki::new();
    let config = Config { listen: pki.listen_to_users(), ..Config::default() };
    let shell = config.start(Accounting).await.unwrap();
    let (mut named, mut nameless) = (params(), params());
    named.distinguished_name = DistinguishedName::new();
    named.distinguished_name.push(DnType::CommonName, "ann");
    nameless.distinguished_name = DistinguishedName::new();
    for (user, subject) in [(pki.user("alice", named), true), (pki.user("bob", nameless), false)] {
        let answer = pki.upstream_as(&user, shell.addr()).send(get("/"), 100).await.unwrap();
        // A `Name` in DER (RFC 5280 §4.1.2.4): a set of id-at-commonName, 2.5.4.3, and a UTF8String.
        let expected: &[u8] = if subject { b"\x31\x0c\x30\x0a\x06\x03\x55\x04\x03\x0c\x03ann" } else { b"" };
        assert!(answer.body().ends_with(expected) && answer.body().is_empty() != subject, "{answer:?}");
    }
    let debug = format!("{:?}", Visitor::new(b"ann"));
    assert_eq!(debug, "Visitor(…)");
}

/// What a listener for the users of one CA does with somebody.
async fn refused(pki: &Pki, visitor: Option<&Identity>) {
    let echo = Echo::default();
    let config = Config { listen: pki.listen_to_users(), ..Config::default() };
    let shell = config.start(echo.clone()).await.unwrap();
    let upstream = match visitor {
        Some(visitor) => pki.upstream_as(visitor, shell.addr()),
        None => pki.upstream(shell.addr()),
    };
    let refused = upstream.send(get("/"), 100).await.unwrap_err();
    assert!(matches!(refused, UpstreamError::Tls | UpstreamError::Protocol), "{refused}");
    assert_eq!(echo.hits(), 0);
}

#[tokio::test]
async fn rejects_who_shows_nothing_to_the_cas_listener() {
    refused(&Pki::new(), None).await;
}

#[tokio::test]
async fn rejects_a_certificate_that_nobody_issued() {
    let pki = Pki::new();
    refused(&pki, Some(&pki.identity("alice"))).await;
}

#[tokio::test]
async fn rejects_a_certificate_of_another_ca() {
    let (pki, other) = (Pki::new(), Pki::new());
    refused(&pki, Some(&other.user("alice", params()))).await;
}

#[tokio::test]
async fn rejects_a_certificate_that_has_expired() {
    let pki = Pki::new();
    let mut old = params();
    old.not_after = date_time_ymd(2001, 1, 1);
    refused(&pki, Some(&pki.user("alice", old))).await;
}

#[tokio::test]
async fn rejects_a_certificate_for_servers_only() {
    let pki = Pki::new();
    let server = params_for(ExtendedKeyUsagePurpose::ServerAuth);
    refused(&pki, Some(&pki.user("alice", server))).await;
}

fn mutual(pki: &Pki, peers: &[&str], issuer: Option<&str>) -> Listen {
    Listen::MutualTls {
        address: loopback(),
        certificate: pki.certificate(),
        key: pki.key(),
        peers: peers.iter().map(Into::into).collect(),
        issuer: issuer.map(Into::into),
    }
}

#[tokio::test]
async fn refuses_a_listener_with_peers_and_issuer() {
    let listen = mutual(&Pki::new(), &["a.pem"], Some("ca.pem"));
    let error = Config { listen, ..Config::default() }.start(Echo::default()).await.unwrap_err();
    assert!(matches!(error, StartError::Listen(ListenError::PeersAndIssuer)), "{error}");
}

#[tokio::test]
async fn refuses_a_listener_for_nobody() {
    let listen = mutual(&Pki::new(), &[], None);
    let error = Config { listen, ..Config::default() }.start(Echo::default()).await.unwrap_err();
    assert!(matches!(error, StartError::Listen(ListenError::Nobody)), "{error}");
}

#[tokio::test]
async fn an_issuer_that_is_no_certificate_is_named() {
    let pki = Pki::new();
    let key = pki.key();
    let listen = mutual(&pki, &[], key.to_str());
    let error = Config { listen, ..Config::default() }.start(Echo::default()).await.unwrap_err();
    assert!(error.to_string().ends_with("server.key holds no PEM certificate"), "{error}");
}
