//! Speaking to an authority over HTTPS: enrolling, having a key attested, asking for a status.
//!
//! This is the one exchange that is not oblivious: the authority knows its own users anyway. It is
//! never spoken to during a lookup or a publication, which would tell it of them.

use crate::authority_answer::{self as answer, Enrolment, Issued};
use crate::error::RelayError;
use crate::exchange::{RelayResponse, problem_title};
use crate::https::{BuildError, Https, Settings};
use crate::identity::{Authority, Identity, Secret32};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use discreet_protocol::credential::CredentialId;
use discreet_protocol::policy::MEDIA_TYPE as COSE;
use http::{Request, Uri, header::CONTENT_TYPE};
use http_body_util::Full;
use serde_json::json;
use std::net::IpAddr;
use std::path::PathBuf;
use zeroize::{Zeroize, Zeroizing};

/// Most bytes of an answer: a credential and a status in base64url, or a problem document.
const MAX_ANSWER: usize = 65_536;
const JSON: &str = "application/json";

/// Why an authority did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The URL is none that can be used.
    #[error("an authority's URL must be https://host (http for loopback addresses only), without query")]
    Url,
    /// There is no HTTP client.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// It was not reached, or broke off.
    #[error("the authority {0}")]
    Exchange(RelayError),
    /// It refuses.
    #[error("the authority refuses ({status}){}", title.as_deref().map(|title| format!(": {title}")).unwrap_or_default())]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The problem document's title, reduced to plain characters.
        title: Option<String>,
    },
    /// It does not speak this protocol.
    #[error("the authority's answer cannot be read; is the URL that of an authority?")]
    Answer,
}

/// An HTTPS client of one authority; needs a tokio runtime.
pub struct AuthorityClient {
    url: String,
    ca: Option<PathBuf>,
    https: Https,
}

impl AuthorityClient {
    /// A client of the authority at `url`. `ca` (PEM, and the file it is from): the only certificates
    /// trusted for it, instead of the web's roots.
    ///
    /// # Errors
    ///
    /// When the URL or the certificates cannot be used.
    pub fn new(url: &str, ca: Option<(PathBuf, Vec<u8>)>) -> Result<Self, AuthorityError> {
        Self::new_from(url, ca, None)
    }

    /// As [`AuthorityClient::new`], connecting from a local address.
    ///
    /// # Errors
    ///
    /// As [`AuthorityClient::new`].
    pub fn new_from(
        url: &str,
        ca: Option<(PathBuf, Vec<u8>)>,
        local_address: Option<IpAddr>,
    ) -> Result<Self, AuthorityError> {
        let url = url.trim_end_matches('/').to_owned();
        check_url(&url).ok_or(AuthorityError::Url)?;
        let (path, pem) = ca.unzip();
        let https = Https::new(&Settings { ca: pem, local_address, ..Settings::default() }, None)?;
        Ok(Self { url, ca: path, https })
    }

    /// Its name and key: on a first contact as good as TLS; [`Identity::set_authority`] holds it to
    /// them afterwards, and a policy that names it confirms them.
    ///
    /// # Errors
    ///
    /// [`AuthorityError`].
    pub async fn describe(&self) -> Result<Authority, AuthorityError> {
        let response = self.get("/v1/authority").await?;
        let (name, key) = answer::description(&response.body).ok_or(AuthorityError::Answer)?;
        Ok(Authority { url: self.url.clone(), name, key, ca: self.ca.clone() })
    }

    /// Begins to prove that `identity`'s identifier is the user's.
    ///
    /// # Errors
    ///
    /// [`AuthorityError`].
    pub async fn enrol(&self, identity: &Identity) -> Result<Enrolment, AuthorityError> {
        let body = json!({ "identifier": identity.csi().uri() }).to_string();
        let mut response = self.post("/v1/enrolments", JSON, body.into()).await?;
        let begun = answer::enrolment(&response.body).ok_or(AuthorityError::Answer);
        response.body.zeroize();
        begun
    }

    /// Hands in what the user was sent, such as the code of an SMS.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::Refused`] when it is wrong.
    pub async fn answer(&self, ticket: &Secret32, answer: &str) -> Result<(), AuthorityError> {
        let ticket = Zeroizing::new(URL_SAFE_NO_PAD.encode(ticket.as_bytes()));
        let body = json!({ "ticket": ticket.as_str(), "answer": answer }).to_string();
        self.post("/v1/enrolments/answer", JSON, body.into()).await.map(drop)
    }

    /// A fresh challenge, for a key request.
    ///
    /// # Errors
    ///
    /// [`AuthorityError`].
    pub async fn challenge(&self) -> Result<Vec<u8>, AuthorityError> {
        let response = self.post("/v1/challenges", JSON, Bytes::new()).await?;
        answer::challenge(&response.body).ok_or(AuthorityError::Answer)
    }

    /// Hands in a key request ([`Identity::key_request`]).
    ///
    /// # Errors
    ///
    /// [`AuthorityError`].
    pub async fn attest(&self, request: Vec<u8>) -> Result<Issued, AuthorityError> {
        let response = self.post("/v1/credentials", COSE, request.into()).await?;
        answer::issued(response.status, &response.body).ok_or(AuthorityError::Answer)
    }

    /// The latest status or revocation of a credential; unverified, [`Identity::accept_status`]
    /// checks it.
    ///
    /// # Errors
    ///
    /// [`AuthorityError`].
    pub async fn status(&self, id: &CredentialId) -> Result<Vec<u8>, AuthorityError> {
        Ok(self.get(&format!("/v1/statuses/{}", hex::encode(id))).await?.body)
    }

    async fn get(&self, path: &str) -> Result<RelayResponse, AuthorityError> {
        self.exchange(Request::get(format!("{}{path}", self.url)).body(Full::default())).await
    }

    async fn post(
        &self,
        path: &str,
        content_type: &'static str,
        body: Bytes,
    ) -> Result<RelayResponse, AuthorityError> {
        let request = Request::post(format!("{}{path}", self.url));
        let request = if body.is_empty() { request } else { request.header(CONTENT_TYPE, content_type) };
        self.exchange(request.body(Full::new(body))).await
    }

    async fn exchange(
        &self,
        request: http::Result<Request<Full<Bytes>>>,
    ) -> Result<RelayResponse, AuthorityError> {
        let request = request.map_err(|_| AuthorityError::Url)?;
        let response = self.https.exchange(request, MAX_ANSWER).await.map_err(AuthorityError::Exchange)?;
        match response.status {
            200..300 => Ok(response),
            status => Err(AuthorityError::Refused { status, title: problem_title(&response) }),
        }
    }
}

/// The same rule as for relays: `http` on loopback only.
fn check_url(url: &str) -> Option<()> {
    let url: Uri = url.parse().ok()?;
    let host = url.host()?.trim_matches(['[', ']']);
    let loopback = host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    let encrypted = url.scheme_str() == Some("https") || (url.scheme_str() == Some("http") && loopback);
    let user = url.authority().is_some_and(|authority| authority.as_str().contains('@'));
    (encrypted && !user && url.query().is_none()).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_authority_without_tls() {
        for url in
            ["http://a.example", "ftp://a.example", "a.example", "https://u@a.example", "https://a/?x", ""]
        {
            assert!(matches!(AuthorityClient::new(url, None), Err(AuthorityError::Url)), "{url}");
        }
        for url in ["https://a.example", "https://a.example/", "http://127.0.0.1:1", "http://[::1]:1"] {
            assert!(AuthorityClient::new(url, None).is_ok(), "{url}");
        }
    }
}
