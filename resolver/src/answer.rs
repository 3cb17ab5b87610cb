//! The resources of a resolver, and what each request comes to as HTTP.
//!
//! Errors are problem documents (RFC 9457): sentences of ours, which repeat nothing of the request.

use crate::directory::DirectoryError;
use crate::metrics::{Operation, Outcome, Redeemed};
use crate::publish::PublishError;
use crate::tokens::{Paid, RedeemError};
use crate::{InForce, Resolver};
use bytes::Bytes;
use discreet_protocol::query::{
    IdentifierRequest, IdentifierResponse, ResponseCode, Subject, lookup_path, publish_path, withdraw_path,
};
use discreet_protocol::time::{DAY, Timestamp};
use discreet_serve::problem;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use std::sync::Arc;

/// A request, and all that its answer is made of.
pub(crate) struct Taken {
    in_force: Arc<InForce>,
    /// `None`: there is no such resource.
    operation: Option<Operation>,
    request: Request<Bytes>,
}

impl Resolver {
    /// Answers one request: the one call between a gateway and a resolver.
    ///
    /// A lookup that finds nothing does the work of one that finds a mapping.
    pub fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.take(request).answer()
    }

    pub(crate) fn take(&self, request: Request<Bytes>) -> Taken {
        let in_force = self.in_force();
        let operation = in_force.operation(request.uri().path());
        Taken { in_force, operation, request }
    }
}

impl Taken {
    /// Whether answering writes nothing, and so waits for no more than pages of the directory: a lookup that
    /// is free, or a request for no operation.
    pub(crate) fn only_reads(&self) -> bool {
        match self.operation {
            Some(Operation::Lookup) => {
                self.in_force.redeemer.as_ref().is_none_or(|redeemer| redeemer.is_free(Operation::Lookup))
            }
            Some(Operation::Publish | Operation::Withdraw) => false,
            Some(Operation::None) | None => true,
        }
    }

    pub(crate) fn answer(self) -> Response<Bytes> {
        let Self { in_force, operation, request } = self;
        let Some(operation) = operation else {
            in_force.metrics.count(Operation::None, Outcome::Malformed);
            return problem(StatusCode::NOT_FOUND, "this resolver has no such resource");
        };
        let (response, outcome) = if request.method() == Method::POST {
            in_force.perform(operation, &request)
        } else {
            (not_allowed(), Outcome::Malformed)
        };
        in_force.metrics.count(operation, outcome);
        response
    }
}

impl InForce {
    fn operation(&self, path: &str) -> Option<Operation> {
        let domain = &self.rules.domain;
        // One after the other: most are lookups, and the others' paths need not be made for them.
        if path == lookup_path(domain) {
            Some(Operation::Lookup)
        } else if path == publish_path(domain) {
            Some(Operation::Publish)
        } else if path == withdraw_path(domain) {
            Some(Operation::Withdraw)
        } else {
            None
        }
    }

    /// Takes the price of an operation, if it has one, and does it.
    fn perform(&self, operation: Operation, request: &Request<Bytes>) -> (Response<Bytes>, Outcome) {
        let now = Timestamp::from_unix(self.clock.now());
        let paid = match self.redeem(operation, request.headers(), now) {
            Ok(paid) => paid,
            Err(error) => {
                if operation == Operation::Lookup {
                    // For nothing: or a relay could tell by the time that no answer was given.
                    drop(std::hint::black_box(self.lookup(request.body(), now, &mut false)));
                }
                return (self.unpaid(&error, now), Outcome::Unpaid);
            }
        };
        let content = request.body();
        let mut absent = false;
        let answered = match operation {
            Operation::Lookup | Operation::None => self.lookup(content, now, &mut absent),
            Operation::Publish => self.changed(self.publish(content, now)),
            Operation::Withdraw => self.changed(self.withdraw(content, now)),
        };
        if let (Some(redeemer), Operation::Lookup, false) = (&self.redeemer, operation, absent) {
            redeemer.count_found(&paid, now);
        }
        answered
    }

    fn redeem(
        &self,
        operation: Operation,
        fields: &HeaderMap,
        now: Timestamp,
    ) -> Result<Paid<'_>, RedeemError> {
        let Some(redeemer) = &self.redeemer else { return Ok(Paid::Free) };
        let paid = redeemer.redeem(operation, fields, now);
        match &paid {
            Ok(Paid::Free) => {}
            Ok(Paid::By(_)) => self.metrics.redeemed(Redeemed::Accepted),
            Err(error) => self.metrics.redeemed(error.label()),
        }
        paid
    }

    fn unpaid(&self, error: &RedeemError, now: Timestamp) -> Response<Bytes> {
        if let RedeemError::Store(error) = error {
            self.log.within(|| tracing::error!(%error, "spent tokens cannot be written down"));
        }
        let mut response = refusal(error.status(), error);
        match error.status() {
            // RFC 9110 §11.6.1 wants the field. Without a challenge: the policy has the one there is.
            StatusCode::UNAUTHORIZED => {
                let scheme = HeaderValue::from_static("PrivateToken");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
            }
            StatusCode::TOO_MANY_REQUESTS => {
                let tomorrow = DAY - now.unix() % DAY;
                response.headers_mut().insert(header::RETRY_AFTER, tomorrow.into());
            }
            _ => {}
        }
        response
    }

    /// Sets `absent` if the answer is `notFound`.
    fn lookup(&self, content: &[u8], now: Timestamp, absent: &mut bool) -> (Response<Bytes>, Outcome) {
        let malformed = |title| (problem(StatusCode::BAD_REQUEST, title), Outcome::Malformed);
        let Ok(query) = IdentifierRequest::decode(content) else {
            return malformed("the query is not an IdentifierRequest");
        };
        let answer = match &query.subject {
            Subject::Exact(csi) => self.look_up(csi, query.tag.as_ref(), now),
            Subject::NotCanonical(_) => return malformed("the identifier is not in canonical form"),
            Subject::Unsupported => Ok(IdentifierResponse::empty(ResponseCode::UnsupportedField)),
        };
        *absent = answer.as_ref().is_ok_and(|answer| answer.code == ResponseCode::NotFound);
        match answer.map(|answer| (answer.encode(), answer.code)) {
            Ok((Some(body), code)) => (success(body), Outcome::of(code)),
            Ok((None, _)) => self.failed_lookup(&DirectoryError::Content),
            Err(error) => self.failed_lookup(&error),
        }
    }

    fn failed_lookup(&self, error: &DirectoryError) -> (Response<Bytes>, Outcome) {
        // The error names the directory's file and SQLite's reason, never the query.
        self.log.within(|| tracing::error!(%error, "a lookup failed"));
        let title = "the directory cannot answer now; try again later";
        (problem(StatusCode::INTERNAL_SERVER_ERROR, title), Outcome::Failed)
    }

    fn changed(&self, changed: Result<(), PublishError>) -> (Response<Bytes>, Outcome) {
        let Err(error) = changed else {
            let mut response = Response::default();
            *response.status_mut() = StatusCode::NO_CONTENT;
            return (response, Outcome::Answered);
        };
        if let PublishError::Directory(error) = &error {
            self.log.within(|| tracing::error!(%error, "the directory did not take a change in"));
        }
        (refusal(error.status(), &error), error.outcome())
    }
}

fn success(body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    let octets = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, octets);
    response
}

fn not_allowed() -> Response<Bytes> {
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "the operations of a resolver are POSTs");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}

/// A problem whose title is what `error` says.
fn refusal(status: StatusCode, error: &dyn std::error::Error) -> Response<Bytes> {
    let mut response = problem(status, "");
    let content = serde_json::json!({"status": status.as_u16(), "title": error.to_string()});
    *response.body_mut() = Bytes::from(content.to_string());
    response
}
