//! One exchange without I/O: a query becomes the bytes for the relay, its answer becomes a
//! verified [`Answer`].

use crate::answer::{Answer, FoundMapping, Notice};
use crate::error::{DirectoryError, Error, GatewayError, RelayError};
use crate::policy::Session;
use crate::storage::Storage;
use crate::trust::{self, Judged};
use bytes::Bytes;
use discreet_envelope::{OHTTP_KEY_PROBLEM, OHTTP_RESPONSE, message, padding};
use discreet_protocol::identifier::{Csi, MimiUri};
use discreet_protocol::mapping::Tag;
use discreet_protocol::policy::Policy;
use discreet_protocol::query::{
    IdentifierRequest, IdentifierResponse, ResponseCode, Subject, VerifiableMapping, lookup_path,
};
use discreet_protocol::time::Timestamp;
use discreet_protocol::verify::Verified;
use http::Request;
use std::collections::BTreeSet;

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
    question: Question,
    relay: String,
    response: ohttp::ClientResponse,
}

/// What was asked, and by whose rules the answer is judged.
struct Question {
    query: Query,
    policy: Policy,
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
    let question = Question { query, policy: session.policy.clone() };
    Ok((sealed, Pending { question, relay, response }))
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
        let found = self.question.judge(&answer, storage, now)?;
        let mut mappings = Vec::new();
        let mut notices: Vec<_> =
            found.refused.iter().map(|reason| Notice::Refused { reason: *reason }).collect();
        for (verified, judged) in found.standing {
            trust::remember(storage, &judged)?;
            notices.extend(judged.notice);
            mappings.push(FoundMapping::new(verified, now));
        }
        Ok(Answer { csi: self.question.query.csi, mappings, notices })
    }
}

impl Question {
    /// Everything the directory says, held against the policy, the question, and what was seen
    /// before. A mapping that is refused does not hide another authority's that stands; if none
    /// stands, the refusal is the answer.
    fn judge(
        &self,
        answer: &IdentifierResponse,
        storage: &dyn Storage,
        now: Timestamp,
    ) -> Result<Found, Error> {
        match answer.code {
            ResponseCode::Success if !answer.mappings.is_empty() => {}
            ResponseCode::NotFound if answer.mappings.is_empty() && answer.uris.is_empty() => {}
            ResponseCode::Success | ResponseCode::NotFound => {
                return Err(DirectoryError::Contradiction.into());
            }
            _ => return Err(DirectoryError::Unsupported.into()),
        }
        let mut found = Found { standing: Vec::new(), refused: Vec::new() };
        for one in &answer.mappings {
            let judged = self.verify(one, now).map_err(Error::from).and_then(|verified| {
                let judged = trust::judge(storage, &self.policy.domain, &verified)?;
                Ok((verified, judged))
            });
            match judged {
                Ok(judged) => found.standing.push(judged),
                Err(Error::Directory(reason)) => found.refused.push(reason),
                Err(error) => return Err(error),
            }
        }
        match found.refused.first() {
            Some(reason) if found.standing.is_empty() => Err((*reason).into()),
            Some(_) => found.without_repeats(),
            None => found.says(&answer.uris).and_then(Found::without_repeats),
        }
    }

    fn verify(&self, one: &VerifiableMapping, now: Timestamp) -> Result<Verified, DirectoryError> {
        let verifier = self.policy.verifier(now);
        let found = verifier.verify(one.mapping(), one.status(), Some(&self.query.csi))?;
        if found.mapping.serve_as_not_found {
            return Err(DirectoryError::Hidden);
        }
        let asked = self.query.tag.as_ref().is_some_and(|tag| *tag == found.mapping.tag);
        if asked || found.mapping.tag.is_default() { Ok(found) } else { Err(DirectoryError::Tag) }
    }
}

/// What stands of an answer, and why the rest does not.
struct Found {
    standing: Vec<(Verified, Judged)>,
    refused: Vec<DirectoryError>,
}

impl Found {
    /// The URIs beside the mappings must be those of the mappings.
    fn says(self, uris: &[MimiUri]) -> Result<Self, Error> {
        let reaches = self.standing.iter().flat_map(|(verified, _)| &verified.mapping.reaches);
        if reaches.map(|reach| &reach.uri).eq(uris) {
            Ok(self)
        } else {
            Err(DirectoryError::Contradiction.into())
        }
    }

    /// An identifier has one holder per authority.
    fn without_repeats(self) -> Result<Self, Error> {
        let authority = |(verified, _): &(Verified, Judged)| verified.credential.authority.clone();
        let authorities: BTreeSet<_> = self.standing.iter().map(authority).collect();
        if authorities.len() == self.standing.len() {
            Ok(self)
        } else {
            Err(DirectoryError::Contradiction.into())
        }
    }
}

/// The unprotected part: what relay and network may have made of the answer.
fn check_outer(relay: &str, response: &RelayResponse) -> Result<(), Error> {
    let refuse = |error| Error::Relay { relay: relay.to_owned(), error };
    if response.status != 200 {
        return Err(match problem_type(response).as_deref() {
            // RFC 9458 §5.3. Anyone on the way may say so; it never makes the client use a key
            // that the signed policy does not name.
            Some(OHTTP_KEY_PROBLEM) => GatewayError::Key.into(),
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
