//! One sealed exchange without I/O: an operation and its content become the bytes for a relay, and
//! the relay's response becomes the directory's answer.
//!
//! Lookups, publications and withdrawals all pass here, so that they have one frame and one size.

use crate::error::{Error, GatewayError, RelayError};
use crate::policy::Session;
use bytes::Bytes;
use discreet_envelope::{OHTTP_KEY_PROBLEM, OHTTP_RESPONSE, message, padding};
use http::{Request, Response};

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

/// What opens the answer to one sealed request. Consumed by that.
pub(crate) struct Sealed {
    relay: String,
    response: ohttp::ClientResponse,
}

/// Why a request cannot be sealed.
#[derive(Debug)]
pub(crate) enum SealError {
    /// Of so many bytes of content only so many fit.
    TooLarge { size: usize, room: usize },
    /// Something that does not happen with values of ours.
    Prepare(&'static str),
}

/// Seals a POST of `content` to `path` in the discovery domain: the content for the relay, and what
/// its answer is opened with. Each call uses a fresh HPKE context (RFC 9458 §6.1).
pub(crate) fn seal(
    session: &Session,
    path: &str,
    content: Vec<u8>,
    relay: String,
) -> Result<(Vec<u8>, Sealed), SealError> {
    let size = content.len();
    let uri = format!("https://{}{path}", session.policy.domain);
    let request = Request::post(uri).body(Bytes::from(content));
    let request = request.map_err(|_| SealError::Prepare("the request cannot be built"))?;
    let plain = message::encode_request(&request);
    let plain = plain.map_err(|_| SealError::Prepare("the request cannot be framed"))?;
    let padded = padding::pad(plain, padding::request_room(session.kem)).map_err(|error| {
        let frame = error.message.saturating_sub(size);
        SealError::TooLarge { size, room: error.room.saturating_sub(frame) }
    })?;
    let client = ohttp::ClientRequest::from_encoded_config(&session.key);
    let client = client.map_err(|_| SealError::Prepare("the provider's key cannot be used"))?;
    let sealed = client.encapsulate(&padded);
    let (sealed, response) = sealed.map_err(|_| SealError::Prepare("the request cannot be sealed"))?;
    Ok((sealed, Sealed { relay, response }))
}

impl Sealed {
    /// Opens the relay's response: what the directory said, whatever it is.
    pub(crate) fn open(self, response: &RelayResponse) -> Result<Response<Bytes>, Error> {
        check_outer(&self.relay, response)?;
        let opened = self.response.decapsulate(&response.body).map_err(|_| GatewayError::Decapsulate)?;
        message::decode_response(&opened).map_err(|_| GatewayError::Message.into())
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
    problem_member(response.content_type.as_deref(), &response.body, "type")
}

/// The title of a problem document in a relay's response.
pub(crate) fn problem_title(response: &RelayResponse) -> Option<String> {
    title_of(response.content_type.as_deref(), &response.body)
}

/// The title of a problem document (RFC 9457). Anybody may have written it, so it is cut and reduced
/// to what cannot drive a terminal.
pub(crate) fn title_of(content_type: Option<&str>, content: &[u8]) -> Option<String> {
    let title = problem_member(content_type, content, "title")?;
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { Some(c) } else { None };
    Some(title.chars().filter_map(plain).take(120).collect())
}

fn problem_member(content_type: Option<&str>, content: &[u8], name: &str) -> Option<String> {
    if content_type != Some("application/problem+json") {
        return None;
    }
    let document: serde_json::Value = serde_json::from_slice(content).ok()?;
    document.get(name)?.as_str().map(str::to_owned)
}
