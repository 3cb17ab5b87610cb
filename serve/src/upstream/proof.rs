//! What a failure proves: whether the request it belongs to may be sent once more.
//!
//! RFC 9458 §6.5 wants positive proof that nothing was processed. A reset, the end of the connection, a
//! timeout and a GOAWAY prove nothing: of the last, hyper does not tell whether our stream is above the
//! last one that the peer has taken (RFC 9113 §6.8).

use std::{error::Error as StdError, io};

use hyper_util::client::legacy;

use super::UpstreamError;

/// Why one attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// There was no connection to send anything on.
    Unreachable,
    /// There was a connection, and provably nothing was processed.
    Unprocessed,
    /// Nothing is proved, or nothing would change.
    Final(UpstreamError),
}

/// What a request that has no response head proves.
pub(super) fn judge(error: &legacy::Error) -> Failure {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<hyper::Error>());
    match (error.is_connect(), is_tls(error)) {
        (true, true) => Failure::Final(UpstreamError::Tls),
        (true, false) => Failure::Unreachable,
        (false, _) if cause.is_some_and(|cause| is_unsent(cause) || is_refused(cause)) => {
            Failure::Unprocessed
        }
        (false, _) => Failure::Final(UpstreamError::Protocol),
    }
}

/// hyper says "canceled" of a request that it still held in the queue of its connection, untouched, and
/// of nothing else; "closed" of a connection that ended before it could be given any.
fn is_unsent(error: &hyper::Error) -> bool {
    error.is_canceled() || error.is_closed()
}

/// RFC 9113 §8.7: the peer, not this side, closed the stream before any processing.
fn is_refused(error: &hyper::Error) -> bool {
    let reset = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    reset.is_some_and(|reset| {
        reset.is_reset() && reset.is_remote() && reset.reason() == Some(h2::Reason::REFUSED_STREAM)
    })
}

/// rustls hides its errors inside `io::Error`, whose `source` skips the error itself.
fn is_tls(error: &(dyn StdError + 'static)) -> bool {
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.is::<rustls::Error>()
        || inner.is_some_and(|inner| is_tls(inner))
        || error.source().is_some_and(is_tls)
}
