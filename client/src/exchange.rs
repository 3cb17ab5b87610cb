//! One exchange without I/O: a query becomes the bytes for the relay, its answer becomes a
//! verified [`Answer`].

use crate::answer::{Answer, FoundMapping};
use crate::error::{DirectoryError, Error, GatewayError, RelayError};
use crate::policy::Session;
use crate::storage::Storage;
use crate::trust;
use bytes::Bytes;
use discreet_envelope::{OHTTP_RESPONSE, message, padding};
use discreet_protocol::identifier::Csi;
use discreet_protocol::mapping::Tag;
use discreet_protocol::policy::Policy;
use discreet_protocol::query::{IdentifierRequest, IdentifierResponse, ResponseCode, Subject, lookup_path};
use discreet_protocol::time::Timestamp;
use discreet_protocol::verify::{Verified, Verifier};
use http::Request;

/// Whom to look up, and for which purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The identifier.
    pub csi: Csi,
    /// The purpose; `None` is the same as `Default`.
    pub tag: Option<Tag>,
}

/// An HTTP response of a relay, from whichever HTTP stack.
#[derive(Clone, Debug)]
pub struct RelayResponse {
    /// The status code.
    pub status: u16,
    /// The `content-type` field.
    pub content_type: Option<String>,
    /// The content.
    pub body: Vec<u8>,
}

/// A lookup on its way: what opens and judges its answer. Consumed by that.
pub struct Pending {
    query: Query,
    policy: Policy,
    relay: String,
    response: ohttp::ClientResponse,
}

/// Seals `query`: the content of the POST, and what its answer is opened with. Each call uses a
/// fresh HPKE context (RFC 9458 §6.1).
pub(crate) fn seal(session: &Session, query: Query, relay: String) -> Result<(Vec<u8>, Pending), Error> {
    let domain = &session.policy.domain;
    let request = IdentifierRequest { subject: Subject::Exact(query.csi.clone()), tag: query.tag.clone() };
    let body = request.encode().ok_or(Error::Prepare("the query cannot be encoded"))?;
    let uri = format!("https://{domain}{}", lookup_path(domain));
    let request = Request::post(uri).body(Bytes::from(body));
    let request = request.map_err(|_| Error::Prepare("the request cannot be built"))?;
    let plain =
        message::encode_request(&request).map_err(|_| Error::Prepare("the request cannot be framed"))?;
    let padded = padding::pad(plain, padding::request_room(session.kem));
    let padded = padded.map_err(|_| Error::Prepare("the query does not fit"))?;
    let client = ohttp::ClientRequest::from_encoded_config(&session.key);
    let client = client.map_err(|_| Error::Prepare("the provider's key cannot be used"))?;
    let (sealed, response) =
        client.encapsulate(&padded).map_err(|_| Error::Prepare("the query cannot be sealed"))?;
    Ok((sealed, Pending { query, policy: session.policy.clone(), relay, response }))
}

impl Pending {
    /// Opens the relay's response and verifies everything in it, as of `now`.
    pub(crate) fn finish(
        self,
        response: &RelayResponse,
        storage: &dyn Storage,
        now: Timestamp,
    ) -> Result<Answer, Error> {
        check_outer(&self.relay, response)?;
        let opened = self.response.decapsulate(&response.body).map_err(|_| GatewayError::Decapsulate)?;
        let inner = message::decode_response(&opened).map_err(|_| GatewayError::Message)?;
        if inner.status() != 200 {
            return Err(DirectoryError::Status(inner.status().as_u16()).into());
        }
        let answer = IdentifierResponse::decode(inner.body()).map_err(DirectoryError::from)?;
        let verified = verify(&self.policy, &self.query, &answer, now)?;
        let judged = verified.iter().map(|one| trust::judge(storage, &self.policy.domain, one));
        let judged = judged.collect::<Result<Vec<_>, _>>()?;
        judged.iter().try_for_each(|judged| trust::remember(storage, judged))?;
        Ok(Answer {
            csi: self.query.csi,
            mappings: verified.into_iter().map(|one| FoundMapping::new(one, now)).collect(),
            notices: judged.into_iter().filter_map(|judged| judged.notice).collect(),
        })
    }
}

/// The unprotected part: what relay and network may have made of the answer.
fn check_outer(relay: &str, response: &RelayResponse) -> Result<(), Error> {
    let refuse = |error| Error::Relay { relay: relay.to_owned(), error };
    if response.status != 200 {
        return Err(match problem_type(response).as_deref() {
            // RFC 9458 §5.3. Anyone on the way may say so; it never makes the client use a key
            // that the signed policy does not name.
            Some("https://iana.org/assignments/http-problem-types#ohttp-key") => GatewayError::Key.into(),
            _ => refuse(RelayError::Status { status: response.status, title: problem_title(response) }),
        });
    }
    let media_type = response.content_type.as_deref().unwrap_or_default();
    if !media_type.eq_ignore_ascii_case(OHTTP_RESPONSE) {
        return Err(refuse(RelayError::MediaType));
    }
    if response.body.len() != padding::RESPONSE_CONTENT {
        return Err(GatewayError::Size.into());
    }
    Ok(())
}

/// Everything the directory says, held against the policy and the question.
fn verify(
    policy: &Policy,
    query: &Query,
    answer: &IdentifierResponse,
    now: Timestamp,
) -> Result<Vec<Verified>, Error> {
    match answer.code {
        ResponseCode::Success if !answer.mappings.is_empty() => {}
        ResponseCode::NotFound if answer.mappings.is_empty() && answer.uris.is_empty() => {}
        ResponseCode::Success | ResponseCode::NotFound => return Err(DirectoryError::Contradiction.into()),
        _ => return Err(DirectoryError::Unsupported.into()),
    }
    let verifier = Verifier { domain: &policy.domain, authorities: &policy.authorities, now };
    let mut verified: Vec<Verified> = Vec::new();
    for one in &answer.mappings {
        let found = verifier.verify(one.mapping(), one.status(), Some(&query.csi));
        let found = found.map_err(DirectoryError::from)?;
        let asked = query.tag.as_ref().is_some_and(|tag| *tag == found.mapping.tag);
        if !asked && !found.mapping.tag.is_default() {
            return Err(DirectoryError::Tag.into());
        }
        if verified.iter().any(|other| other.credential.authority == found.credential.authority) {
            return Err(DirectoryError::Contradiction.into());
        }
        verified.push(found);
    }
    let uris = verified.iter().flat_map(|one| one.mapping.reaches.iter().map(|reach| &reach.uri));
    if !uris.eq(answer.uris.iter()) {
        return Err(DirectoryError::Contradiction.into());
    }
    Ok(verified)
}

fn problem_type(response: &RelayResponse) -> Option<String> {
    problem_member(response, "type")
}

/// Anybody may have written the title, so it is cut and reduced to what cannot drive a terminal.
pub(crate) fn problem_title(response: &RelayResponse) -> Option<String> {
    let title = problem_member(response, "title")?;
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { Some(c) } else { None };
    Some(title.chars().filter_map(plain).take(120).collect())
}

fn problem_member(response: &RelayResponse, name: &str) -> Option<String> {
    if response.content_type.as_deref() != Some("application/problem+json") {
        return None;
    }
    let document: serde_json::Value = serde_json::from_slice(&response.body).ok()?;
    document.get(name)?.as_str().map(str::to_owned)
}
