//! The provider's HTTP interface.
//!
//! | request | by | answer |
//! |---|---|---|
//! | `GET /v1/authority` | anybody | `{"name", "key"}` |
//! | `POST /v1/enrolments` `{"identifier"}` | a user | `{"ticket", "code", "say"}`; the code is empty if it comes another way |
//! | `POST /v1/enrolments/answer` `{"ticket", "answer"}` | a user | 204 |
//! | `POST /v1/challenges` | a user | `{"challenge"}` |
//! | `POST /v1/credentials`, a `KeyRequest` | a user | `{"credential", "status"}`, or 202 `{"say"}` |
//! | `GET /v1/statuses?after=N` | resolvers | a page of the feed |
//! | `GET /v1/statuses/{cti}` | a user | a status or revocation |
//! | `POST /v1/proofs` `{"account", "identifier", "proved_at"}` | the operator | `{"ticket"}` |
//! | `GET /v1/enrolments` | the operator | `[{"code", "identifier", "since"}]` |
//! | `POST /v1/confirmations` `{"code", "account"}` | the operator | 204 |
//! | `POST /v1/revocations` `{"identifier"}` | the operator | 204 |
//!
//! | `GET /.well-known/private-token-issuer-directory` | anybody | the issuer's keys (RFC 9578 §4) |
//! | `POST /v1/tokens`, a `TokenRequest` | an account | a `TokenResponse`, 256 bytes (RFC 9578 §6) |
//!
//! The last two are the role `issuer`'s, the others the role `authority`'s; a role that is not enabled has none.
//! Errors are problem documents (RFC 9457) with sentences of ours; nothing that was sent is repeated.

mod answer;
mod operation;
mod tokens;

use crate::authority::Authority;
use crate::issuer::Issuer;
use crate::issuer::keys::TOKENS_PATH;
use crate::metrics::{Metrics, Operation, Outcome};
use crate::operator::Token;
use answer::{Refusal, not_allowed};
use bytes::Bytes;
use discreet_protocol::token::ISSUER_DIRECTORY_PATH;
use discreet_serve::{Handler, Workers, problem};
use http::{Method, Request, Response, StatusCode};
use std::sync::Arc;

/// Requests to the authority that are worked on at once; more wait. The database takes one writer at a time, and a way
/// of proving may take long.
const ATTESTED_AT_ONCE: usize = 64;

/// Answers requests.
pub(crate) struct ProviderHandler {
    authority: Option<Attesting>,
    issuer: Option<Arc<Issuer>>,
    workers: Workers,
    metrics: Metrics,
}

/// The role `authority`, and its operator's token.
#[derive(Clone)]
pub(crate) struct Attesting {
    pub(crate) authority: Arc<Authority>,
    pub(crate) token: Arc<Token>,
}

impl ProviderHandler {
    pub(crate) fn new(authority: Option<Attesting>, issuer: Option<Arc<Issuer>>, metrics: Metrics) -> Self {
        Self { authority, issuer, workers: Workers::new(ATTESTED_AT_ONCE), metrics }
    }
}

impl Handler for ProviderHandler {
    /// The issuer's accounts may go by certificates.
    const NAMES_VISITORS: bool = true;

    async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        match (&self.issuer, &self.authority, request.uri().path()) {
            (Some(issuer), _, TOKENS_PATH) => tokens::tokens(issuer, &self.metrics, &request).await,
            (Some(issuer), _, ISSUER_DIRECTORY_PATH) => tokens::directory(issuer, request.method()),
            (_, Some(attesting), _) => self.attest(attesting, request).await,
            _ => problem(StatusCode::NOT_FOUND, "no such resource"),
        }
    }
}

impl ProviderHandler {
    async fn attest(&self, attesting: &Attesting, request: Request<Bytes>) -> Response<Bytes> {
        let operation = match route(request.method(), request.uri().path()) {
            Ok(operation) => operation,
            Err(Some(methods)) => return not_allowed(methods),
            Err(None) => return problem(StatusCode::NOT_FOUND, "no such resource"),
        };
        let answered = if is_operators(operation) && !attesting.token.opens(request.headers()) {
            Err(Refusal::Unauthorized)
        } else {
            let authority = Arc::clone(&attesting.authority);
            // The database blocks, and so may a way of proving.
            let work = move || operation::perform(&authority, operation, &request);
            self.workers.run(work).await.unwrap_or(Err(Refusal::Internal))
        };
        let response = answered.unwrap_or_else(Refusal::into_response);
        let outcome = match response.status().as_u16() {
            ..400 => Outcome::Done,
            400..500 => Outcome::Refused,
            500.. => Outcome::Failed,
        };
        self.metrics.count(operation, outcome);
        response
    }
}

/// Which operation a request asks for; the methods of the resource if it has others.
fn route(method: &Method, path: &str) -> Result<Operation, Option<&'static str>> {
    let get = matches!(*method, Method::GET | Method::HEAD);
    let post = *method == Method::POST;
    match path {
        "/v1/authority" if get => Ok(Operation::Describe),
        "/v1/enrolments" if post => Ok(Operation::Enrol),
        "/v1/enrolments" if get => Ok(Operation::Pending),
        "/v1/enrolments/answer" if post => Ok(Operation::Answer),
        "/v1/challenges" if post => Ok(Operation::Challenge),
        "/v1/credentials" if post => Ok(Operation::Issue),
        "/v1/statuses" if get => Ok(Operation::Feed),
        "/v1/proofs" if post => Ok(Operation::Prove),
        "/v1/confirmations" if post => Ok(Operation::Confirm),
        "/v1/revocations" if post => Ok(Operation::Revoke),
        "/v1/authority" | "/v1/statuses" => Err(Some("GET, HEAD")),
        "/v1/enrolments" => Err(Some("GET, HEAD, POST")),
        "/v1/enrolments/answer"
        | "/v1/challenges"
        | "/v1/credentials"
        | "/v1/proofs"
        | "/v1/confirmations"
        | "/v1/revocations" => Err(Some("POST")),
        _ if path.starts_with(operation::STATUS_PREFIX) => {
            if get {
                Ok(Operation::Status)
            } else {
                Err(Some("GET, HEAD"))
            }
        }
        _ => Err(None),
    }
}

fn is_operators(operation: Operation) -> bool {
    matches!(operation, Operation::Prove | Operation::Pending | Operation::Confirm | Operation::Revoke)
}
