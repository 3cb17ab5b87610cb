//! What becomes of an opened request: the embedded resolver's answer, or an error. All of it goes
//! back sealed (RFC 9458 §5.2), and all of it has one size.

use crate::date;
use crate::metrics::Outcome;
use bytes::Bytes;
use discreet_envelope::message;
use discreet_protocol::identifier::Domain;
use discreet_protocol::time::Timestamp;
use discreet_resolver::Resolver;
use discreet_serve::problem;
use http::{Request, Response, StatusCode, header, uri::Scheme};

/// The one target this gateway opens requests for: closed by default, there is no list to open.
pub(crate) struct Target {
    pub(crate) resolver: Resolver,
}

impl Target {
    /// Answers the Binary HTTP message of an opened request.
    pub(crate) fn answer(&self, message: &[u8], now: Timestamp) -> (Response<Bytes>, Outcome) {
        let Ok(request) = message::decode_request(message) else {
            return refuse(StatusCode::BAD_REQUEST, "the message is not valid Binary HTTP");
        };
        // RFC 9458 §5.1: there is nobody to send an interim response to.
        if request.headers().contains_key(header::EXPECT) {
            return refuse(StatusCode::EXPECTATION_FAILED, "expectations cannot be met here");
        }
        if let Some(refusal) = date::refusal(request.headers(), now) {
            return (refusal, Outcome::Refused);
        }
        if !is_target(&request, &self.resolver.rules().domain) {
            return refuse(StatusCode::FORBIDDEN, "this gateway has no such target");
        }
        (self.resolver.answer(request), Outcome::Answered)
    }
}

/// Whether the request is for the discovery domain, over https and on its own port.
fn is_target(request: &Request<Bytes>, domain: &Domain) -> bool {
    let uri = request.uri();
    let port = uri.port_u16().unwrap_or(443);
    uri.scheme() == Some(&Scheme::HTTPS)
        && port == 443
        && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        && uri.host().is_some_and(|host| host.eq_ignore_ascii_case(domain.as_str()))
}

fn refuse(status: StatusCode, title: &'static str) -> (Response<Bytes>, Outcome) {
    (problem(status, title), Outcome::Refused)
}
