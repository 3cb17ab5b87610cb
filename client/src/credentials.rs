//! What a relay that serves its own users only is shown: a token, a certificate, or both.
//!
//! Each is shown to that relay and to no other, or two relays could tell that the same person uses both.
//! A relay that knows its users learns who asks and when, as it would by their addresses; nobody behind
//! it learns anything more.

use crate::https::{BuildError, Https, Identity, Settings};
use http::header::PROXY_AUTHORIZATION;
use http::{HeaderValue, Request};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Most characters of a token.
const MAX_TOKEN: usize = 1024;

/// What was told to the builder about one relay.
pub(crate) struct Credential {
    /// The relay resource, as the profile names it.
    pub(crate) relay: String,
    pub(crate) secret: Secret,
}

pub(crate) enum Secret {
    Bearer(Zeroizing<String>),
    Identity(Identity),
}

/// What each relay is shown, by its resource.
#[derive(Default)]
pub(crate) struct Credentials(BTreeMap<String, Shown>);

#[derive(Default)]
struct Shown {
    /// The value of `proxy-authorization` (RFC 6750 §2.1, RFC 9110 §11.7).
    bearer: Option<HeaderValue>,
    /// Connections on which a certificate is shown. They are nobody else's.
    https: Option<Https>,
}

impl Credentials {
    pub(crate) fn new(given: Vec<Credential>, settings: &Settings) -> Result<Self, BuildError> {
        let mut all = Self::default();
        for Credential { relay, secret } in given {
            let shown = all.0.entry(relay).or_default();
            match secret {
                Secret::Bearer(token) => shown.bearer = Some(bearer(&token)?),
                Secret::Identity(identity) => shown.https = Some(Https::new(settings, Some(&identity))?),
            }
        }
        Ok(all)
    }

    /// Adds what the relay of `url` wants to see, and says on which connections to send it.
    pub(crate) fn show<B>(&self, url: &str, request: &mut Request<B>) -> Option<&Https> {
        // All that fit are prefixes of the URL: the last in order is the longest.
        let (_, shown) = self.0.iter().rev().find(|(relay, _)| is_of(url, relay))?;
        if let Some(bearer) = &shown.bearer {
            request.headers_mut().insert(PROXY_AUTHORIZATION, bearer.clone());
        }
        shown.https.as_ref()
    }
}

/// Whether `url` is the relay resource itself or lies below it.
fn is_of(url: &str, relay: &str) -> bool {
    url.strip_prefix(relay).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The value of a field that shows `token`.
pub(crate) fn bearer(token: &str) -> Result<HeaderValue, BuildError> {
    // RFC 6750 §2.1.
    let b64token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || token.len() > MAX_TOKEN || !token.bytes().all(b64token) {
        return Err(BuildError::Token);
    }
    let field = Zeroizing::new(format!("Bearer {token}"));
    let mut value = HeaderValue::try_from(field.as_str()).map_err(|_| BuildError::Token)?;
    // Neither printed nor put into a table of HPACK, from which it could be guessed (RFC 7541 §7.1.3).
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(relay: &str, token: &str) -> Credential {
        Credential { relay: relay.to_owned(), secret: Secret::Bearer(token.to_owned().into()) }
    }

    fn shown(credentials: &Credentials, url: &str) -> Option<String> {
        let mut request = Request::new(());
        assert!(credentials.show(url, &mut request).is_none(), "no certificate");
        let value = request.headers().get("proxy-authorization")?;
        assert!(value.is_sensitive() && !format!("{request:?}").contains("mF_9"));
        Some(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_token_is_shown_to_its_relay_and_to_no_other() {
        // The token is the example of RFC 6750 §2.1.
        let given = vec![given("https://a.example/dp", "mF_9.B5f-4.1JqM")];
        let credentials = Credentials::new(given, &Settings::default()).unwrap();
        for url in ["https://a.example/dp", "https://a.example/dp/policy"] {
            assert_eq!(shown(&credentials, url).as_deref(), Some("Bearer mF_9.B5f-4.1JqM"), "{url}");
        }
        for url in
            ["https://b.example/dp", "https://a.example/dp2", "https://a.example/", "https://a.example"]
        {
            assert_eq!(shown(&credentials, url), None, "{url}");
        }
    }

    #[test]
    fn of_two_resources_that_fit_the_longer_counts() {
        let given = vec![given("https://a.example", "short"), given("https://a.example/dp", "long")];
        let credentials = Credentials::new(given, &Settings::default()).unwrap();
        assert_eq!(shown(&credentials, "https://a.example/dp/policy").as_deref(), Some("Bearer long"));
        assert_eq!(shown(&credentials, "https://a.example/other").as_deref(), Some("Bearer short"));
    }

    #[test]
    fn rejects_what_is_no_token() {
        for token in ["", "two words", "line\r\nx: y", "\u{e9}", "quo\"te", &"x".repeat(1025)] {
            let refused = Credentials::new(vec![given("https://a.example/dp", token)], &Settings::default());
            assert!(matches!(refused, Err(BuildError::Token)), "{token}");
        }
    }

    #[test]
    fn rejects_an_identity_that_is_none() {
        let identity = Identity { certificate: b"none".to_vec(), key: b"none".to_vec().into() };
        let given = Credential { relay: "https://a.example/dp".into(), secret: Secret::Identity(identity) };
        let refused = Credentials::new(vec![given], &Settings::default());
        assert!(matches!(refused, Err(BuildError::Identity)));
    }
}
