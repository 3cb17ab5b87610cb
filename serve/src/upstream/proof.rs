//! What a failure proves: whether the request it belongs to may be sent once more.
//!
//! RFC 9458 §6.5 wants positive proof that nothing was processed. A reset, the end of the connection and a
//! timeout prove nothing. The proofs, as hyper and h2 tell them (each was looked up in their sources):
//!
//! - The request is handed back untouched, or its connection ended before it was given any.
//! - The peer has refused the stream (RFC 9113 §8.7).
//! - The peer's GOAWAY names an earlier stream as the last one it takes (RFC 9113 §6.8). Streams up to that
//!   one end with an I/O error instead.
//! - A GOAWAY came while the stream was being opened, and hyper has dropped the request with its whole content.

use std::{error::Error as StdError, io};

use hyper_util::client::legacy::{self, connect::Connected};

use super::UpstreamError;

/// Why one attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// There was no connection to send anything on.
    Unreachable,
    /// There was a connection, and the request stayed here.
    Unsent,
    /// It was sent, in whole or in part, and provably not processed.
    Unprocessed,
    /// Nothing is proved, or nothing would change.
    Final(UpstreamError),
}

/// What hyper says of a request whose stream it has given up before its content.
const DROPPED: &str = "runtime dropped the dispatch task";

/// What the failure of a request without a response proves. `harmless_alone`: its head is, without the
/// content that it has, or because the method is safe (RFC 9110 §9.2.1).
pub(super) fn judge(error: &legacy::Error, harmless_alone: bool) -> Failure {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<hyper::Error>());
    let is_http2 = error.connect_info().is_some_and(Connected::is_negotiated_h2);
    let is_unprocessed = |cause: &hyper::Error| {
        is_rejected(cause, harmless_alone) || (is_http2 && harmless_alone && is_dropped(cause))
    };
    match (error.is_connect(), is_tls(error)) {
        (true, true) => Failure::Final(UpstreamError::Tls),
        (true, false) => Failure::Unreachable,
        (false, _) if cause.is_some_and(is_unsent) => Failure::Unsent,
        (false, _) if cause.is_some_and(is_unprocessed) => Failure::Unprocessed,
        (false, _) => Failure::Final(UpstreamError::Protocol),
    }
}

/// hyper says "canceled" of a request that it still held in the queue of its connection, untouched, and
/// of nothing else; "closed" of a connection that ended before it could be given any.
fn is_unsent(error: &hyper::Error) -> bool {
    error.is_canceled() || error.is_closed()
}

/// The peer, not this side, has refused the stream, or goes away without having taken it. The latter is
/// also said of a stream that was just opened, before its content went out.
fn is_rejected(error: &hyper::Error, harmless_alone: bool) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| {
        let refused = cause.is_reset() && cause.reason() == Some(h2::Reason::REFUSED_STREAM);
        cause.is_remote() && (refused || (cause.is_go_away() && harmless_alone))
    })
}

/// Over HTTP/2 only: a request is dropped unanswered while its stream is being opened, before its content is
/// handed on; or with the task that would wait for the answer, and then nobody is left to send it again.
fn is_dropped(error: &hyper::Error) -> bool {
    error.is_user() && error.source().is_some_and(|cause| cause.to_string() == DROPPED)
}

/// rustls hides its errors inside `io::Error`, whose `source` skips the error itself.
fn is_tls(error: &(dyn StdError + 'static)) -> bool {
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.is::<rustls::Error>()
        || inner.is_some_and(|inner| is_tls(inner))
        || error.source().is_some_and(is_tls)
}
