//! A plain HTTP client and the client's half of OHTTP, for what `discreet_client` never says.

use bytes::Bytes;
use discreet_envelope::keys::{Aead, Kdf, Kem, KeyCollection, Suite};
use discreet_envelope::{message, padding};
use discreet_protocol::mapping::Tag;
use discreet_protocol::query::{IdentifierRequest, Subject};
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tests::Net;
use tests::world::phone;

pub(crate) const BOTH_VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

/// All four ways to seal a request to our gateway.
pub(crate) const SUITES: [(Kem, Aead); 4] = [
    (Kem::XWing, Aead::Aes128Gcm),
    (Kem::XWing, Aead::ChaCha20Poly1305),
    (Kem::X25519, Aead::Aes128Gcm),
    (Kem::X25519, Aead::ChaCha20Poly1305),
];

/// An HTTP client that trusts the network's CA and speaks one version of HTTP.
pub(crate) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    gateway: String,
}

impl Http {
    pub(crate) fn new(net: &Net, version: Version) -> Self {
        Self::to(&net.ca(), net.gateway.as_ref().unwrap().addr(), version)
    }

    /// A client of the gateway that listens at `gateway`, with connections of its own.
    pub(crate) fn to(ca: &Path, gateway: SocketAddr, version: Version) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca).unwrap() {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
        let builder = HttpsConnectorBuilder::new().with_tls_config(config).https_or_http();
        let connector = match version {
            Version::HTTP_2 => builder.enable_http2().build(),
            _ => builder.enable_http1().build(),
        };
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { client, gateway: format!("https://{gateway}") }
    }

    pub(crate) async fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        let response = self.client.request(request.map(Full::new)).await.unwrap();
        let (head, body) = response.into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }

    /// The gateway's resource at `path`.
    pub(crate) fn gateway(&self, path: &str) -> String {
        format!("{}{path}", self.gateway)
    }

    pub(crate) async fn get(&self, url: &str) -> Response<Bytes> {
        self.send(Request::get(url).body(Bytes::new()).unwrap()).await
    }

    /// POSTs an encapsulated request.
    pub(crate) async fn post(&self, url: &str, content: impl Into<Bytes>) -> Response<Bytes> {
        let request = Request::post(url).header("content-type", "message/ohttp-req");
        self.send(request.body(content.into()).unwrap()).await
    }

    /// POSTs an encapsulated request to the gateway itself, as a relay does.
    pub(crate) async fn post_gateway(&self, content: impl Into<Bytes>) -> Response<Bytes> {
        self.post(&self.gateway("/.well-known/ohttp-gateway"), content).await
    }

    /// The gateway's key collection.
    pub(crate) async fn keys(&self) -> Vec<u8> {
        self.get(&self.gateway("/.well-known/ohttp-gateway")).await.into_body().to_vec()
    }

    /// Sends a binary message sealed and padded as clients do, and returns the inner response.
    /// The outer one must be a 200 of 8192 bytes, whatever the inner one is.
    pub(crate) async fn inside(&self, keys: &[u8], message: Vec<u8>) -> Response<Bytes> {
        let (sealed, opener) = seal(keys, Kem::XWing, Aead::Aes128Gcm, message);
        let response = self.post_gateway(sealed).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "message/ohttp-res");
        assert_eq!(response.body().len(), 8192);
        message::decode_response(&opener.decapsulate(response.body()).unwrap()).unwrap()
    }
}

/// Pads and seals a binary message.
pub(crate) fn seal(keys: &[u8], kem: Kem, aead: Aead, message: Vec<u8>) -> (Vec<u8>, ohttp::ClientResponse) {
    let collection = KeyCollection::decode(keys).unwrap();
    let config = collection.configs().iter().find(|config| config.kem() == kem).unwrap();
    let single = config.to_single(Suite { kdf: Kdf::HkdfSha256, aead });
    let padded = padding::pad(message, padding::request_room(kem)).unwrap();
    ohttp::ClientRequest::from_encoded_config(&single).unwrap().encapsulate(&padded).unwrap()
}

/// The binary message of a lookup.
pub(crate) fn lookup(number: &str, tag: Option<&str>) -> Vec<u8> {
    let tag = tag.map(|tag| Tag::new(tag).unwrap());
    let query = IdentifierRequest { subject: Subject::Exact(phone(number)), tag }.encode().unwrap();
    lookup_of(query)
}

/// The binary message of a lookup with this content.
pub(crate) fn lookup_of(content: Vec<u8>) -> Vec<u8> {
    binary("POST", "https", "dp.example", "/v1/identifierQuery/dp.example", &[], &content)
}

/// A known-length binary request (RFC 9292 §3.1) that may say anything.
pub(crate) fn binary(
    method: &str,
    scheme: &str,
    authority: &str,
    path: &str,
    fields: &[(&str, &str)],
    content: &[u8],
) -> Vec<u8> {
    let mut section = Vec::new();
    for (name, value) in fields {
        section.extend(prefixed(name.as_bytes()));
        section.extend(prefixed(value.as_bytes()));
    }
    let control = [method, scheme, authority, path].map(|part| prefixed(part.as_bytes())).concat();
    [vec![0], control, prefixed(&section), prefixed(content), vec![0]].concat()
}

/// A length as two bytes of a variable-length integer (RFC 9000 §16), then the bytes.
fn prefixed(bytes: &[u8]) -> Vec<u8> {
    let length = 0x4000 | u16::try_from(bytes.len()).unwrap();
    [length.to_be_bytes().as_slice(), bytes].concat()
}
