//! Where an upstream is, and whom to trust for it.

use std::{
    net::IpAddr,
    num::NonZeroU64,
    path::{Path, PathBuf},
};

use http::{
    Uri,
    uri::{Authority, Scheme},
};
use serde::Deserialize;
use thiserror::Error;

use crate::config::resolve;

/// One server that requests are passed on to.
///
/// ```toml
/// [gateways.dp]
/// url = "https://gateway.dp.example"
/// ca = "ca.pem"
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// Its origin: `https://host` or `https://host:port`, no path. `http` only for loopback.
    pub url: Origin,
    /// PEM file of the certificate authorities to trust for it, and no others. Without it: the web's. Read
    /// again at SIGHUP.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// The certificate to show, where the upstream lets only known peers in. Read again at SIGHUP.
    #[serde(default)]
    pub identity: Option<Identity>,
    /// Seconds for one exchange, connecting included. Default 10.
    #[serde(default = "default_timeout")]
    pub timeout_secs: NonZeroU64,
}

/// A certificate and its key, to be shown to an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// PEM file with the certificate chain, the own one first.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// Below the 30 seconds a server gives its handler, so that the peer hears of it.
const DEFAULT_TIMEOUT: NonZeroU64 = NonZeroU64::new(10).unwrap();

fn default_timeout() -> NonZeroU64 {
    DEFAULT_TIMEOUT
}

impl UpstreamConfig {
    /// An upstream with the web's roots and the default timeout.
    pub fn new(url: Origin) -> Self {
        Self { url, ca: None, identity: None, timeout_secs: DEFAULT_TIMEOUT }
    }

    /// Takes relative paths from `folder`, the configuration file's.
    pub fn resolve_paths(&mut self, folder: &Path) {
        if let Some(ca) = &mut self.ca {
            resolve(folder, ca);
        }
        if let Some(Identity { certificate, key }) = &mut self.identity {
            resolve(folder, certificate);
            resolve(folder, key);
        }
    }
}

/// Scheme, host and port of a server (RFC 6454 §4): https, or http on loopback.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Origin {
    scheme: Scheme,
    authority: Authority,
}

/// Why a URL is not the origin of an upstream.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum OriginError {
    /// Not a URL with scheme and host.
    #[error("an upstream is a URL such as https://host or https://host:port")]
    NotAbsolute,
    /// The connection would not be protected (RFC 9458 §6).
    #[error("an upstream must be https; http is for loopback addresses only")]
    NotHttps,
    /// There is more than an origin.
    #[error("an upstream is scheme, host and port only, without path, query or user")]
    MoreThanOrigin,
}

impl Origin {
    /// `https`, or `http` on loopback.
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// Host and, if given, port.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }
}

impl TryFrom<String> for Origin {
    type Error = OriginError;

    fn try_from(text: String) -> Result<Self, OriginError> {
        text.parse()
    }
}

impl std::str::FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let parts = text.parse::<Uri>().map_err(|_| OriginError::NotAbsolute)?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(OriginError::NotAbsolute);
        };
        if authority.as_str().contains('@') || parts.path_and_query.is_some_and(|path| path != "/") {
            return Err(OriginError::MoreThanOrigin);
        }
        // RFC 9458 §6: HTTPS on both hops. Loopback does not leave the host.
        let protected = scheme == Scheme::HTTPS || (scheme == Scheme::HTTP && is_loopback(authority.host()));
        if !protected {
            return Err(OriginError::NotHttps);
        }
        Ok(Self { scheme, authority })
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c29_http_is_for_loopback_only() {
        for url in ["http://gateway.example", "http://192.0.2.1", "http://localhost", "ftp://127.0.0.1"] {
            assert_eq!(url.parse::<Origin>(), Err(OriginError::NotHttps), "{url}");
        }
        for url in ["https://gateway.example", "http://127.0.0.1:8080", "http://[::1]:80"] {
            assert!(url.parse::<Origin>().is_ok(), "{url}");
        }
    }

    #[test]
    fn an_origin_is_no_more_than_that() {
        for url in ["https://a.example/path", "https://a.example/?q", "https://user@a.example"] {
            assert_eq!(url.parse::<Origin>(), Err(OriginError::MoreThanOrigin), "{url}");
        }
        for url in ["", "gateway.example", "/path", "https://", "https:// a"] {
            assert_eq!(url.parse::<Origin>(), Err(OriginError::NotAbsolute), "{url}");
        }
        assert_eq!("https://a.example/".parse::<Origin>(), "https://a.example".parse());
    }

    #[test]
    fn an_unprotected_upstream_is_refused_with_its_reason() {
        let error = toml::from_str::<UpstreamConfig>("url = \"http://a.example\"").unwrap_err();
        assert_eq!(error.message(), "an upstream must be https; http is for loopback addresses only");
    }
}
