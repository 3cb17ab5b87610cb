//! One sealed exchange without I/O: an operation and its content become the bytes for a relay, and
//! the relay's response becomes the directory's answer.
//!
//! Lookups, publications and withdrawals all pass here, so that they have one frame and one size. A
//! gateway that cannot do without a `Date` gets its own back, once (RFC 9458 §6.5.2).

use crate::error::{Error, GatewayError, RelayError};
use crate::policy::Session;
use crate::profile::Relay;
use bytes::Bytes;
use discreet_envelope::{OHTTP_KEY_PROBLEM, OHTTP_RESPONSE, message, padding};
use discreet_protocol::token::{NK, Token, TokenInput};
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE};
use http::{HeaderMap, HeaderValue, Request, Response};

/// RFC 9458 §6.5.2, registered for RFC 9457.
const DATE_PROBLEM: &str = "https://iana.org/assignments/http-problem-types#date";
/// Bytes that a `Date` takes in a binary message: two lengths of one byte each, the name, 29
/// characters of date. They are kept free, so that what fits once fits with a date, too.
const DATE_ROOM: usize = 1 + 4 + 1 + 29;

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

/// By whose rules and through which relay a request goes, and what may still be tried.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) session: Session,
    pub(crate) relay: Relay,
    /// The relay resource whose operator must not be used.
    pub(crate) avoid: Option<String>,
    /// Whether another relay may be drawn if nothing could be sent to this one.
    pub(crate) may_move: bool,
    /// The date that the gateway asked for; ours sends none of its own, for a clock's error tells
    /// clients apart (RFC 9458 §6.5.1 says SHOULD).
    pub(crate) date: Option<HeaderValue>,
    /// What the operation is paid with. The same go along wherever nothing was processed.
    pub(crate) tokens: Vec<Token>,
}

/// What opens the answer to one sealed request. Consumed by that.
pub(crate) struct Sealed {
    pub(crate) route: Route,
    response: ohttp::ClientResponse,
}

/// What an answer says once it is open.
pub(crate) enum Opened {
    /// What the directory said, whatever it is.
    Answer(Response<Bytes>),
    /// Nothing was processed: the request is to be sealed anew, for this route with its date.
    Again(Box<Route>),
}

/// Why a request cannot be sealed.
#[derive(Debug)]
pub(crate) enum SealError {
    /// Of so many bytes of content only so many fit.
    TooLarge { size: usize, room: usize },
    /// Something that does not happen with values of ours.
    Prepare(&'static str),
}

/// Whether a POST of `content` fits beside `price` tokens: found out before any is used.
pub(crate) fn check(route: &Route, path: &str, content: Vec<u8>, price: u8) -> Result<(), SealError> {
    let input = TokenInput { nonce: [0; 32], challenge_digest: [0; 32], key_id: [0; 32] };
    let tokens = vec![Token::new(&input, [0; NK]); price.into()];
    frame(route, path, content, &tokens).map(drop)
}

/// Seals a POST of `content` to `path` in the discovery domain: the content for the relay, and what
/// its answer is opened with. Each call uses a fresh HPKE context (RFC 9458 §6.1).
pub(crate) fn seal(route: Route, path: &str, content: Vec<u8>) -> Result<(Vec<u8>, Sealed), SealError> {
    let padded = frame(&route, path, content, &route.tokens)?;
    let client = ohttp::ClientRequest::from_encoded_config(&route.session.key);
    let client = client.map_err(|_| SealError::Prepare("the provider's key cannot be used"))?;
    let sealed = client.encapsulate(&padded);
    let (sealed, response) = sealed.map_err(|_| SealError::Prepare("the request cannot be sealed"))?;
    Ok((sealed, Sealed { route, response }))
}

/// The binary message, padded.
fn frame(route: &Route, path: &str, content: Vec<u8>, tokens: &[Token]) -> Result<Vec<u8>, SealError> {
    let size = content.len();
    let uri = format!("https://{}{path}", route.session.policy.domain);
    let request = Request::post(uri).body(Bytes::from(content));
    let mut request = request.map_err(|_| SealError::Prepare("the request cannot be built"))?;
    let kept_free = if route.date.is_some() { 0 } else { DATE_ROOM };
    if let Some(date) = &route.date {
        request.headers_mut().insert(DATE, date.clone());
    }
    for token in tokens {
        let field = HeaderValue::try_from(token.to_field());
        let field = field.map_err(|_| SealError::Prepare("a token cannot be written"))?;
        request.headers_mut().append(AUTHORIZATION, field);
    }
    let plain = message::encode_request(&request);
    let plain = plain.map_err(|_| SealError::Prepare("the request cannot be framed"))?;
    let room = padding::request_room(route.session.kem);
    let frame = plain.len().saturating_sub(size) + kept_free;
    if size + frame > room {
        return Err(SealError::TooLarge { size, room: room.saturating_sub(frame) });
    }
    padding::pad(plain, room).map_err(|_| SealError::Prepare("the request does not fit"))
}

impl Sealed {
    /// Opens the relay's response.
    pub(crate) fn open(self, response: &RelayResponse) -> Result<Opened, Error> {
        check_outer(&self.route.relay.host(), response)?;
        let opened = self.response.decapsulate(&response.body).map_err(|_| GatewayError::Decapsulate)?;
        let inner = message::decode_response(&opened).map_err(|_| GatewayError::Message)?;
        if !asks_for_date(&inner) {
            return Ok(Opened::Answer(inner));
        }
        if self.route.date.is_some() {
            return Err(GatewayError::DateRefused.into());
        }
        let date = Some(date(inner.headers()).ok_or(GatewayError::NoDate)?);
        Ok(Opened::Again(Box::new(Route { date, ..self.route })))
    }
}

/// RFC 9458 §6.5.2: the gateway has processed nothing, and says which date would do.
fn asks_for_date(inner: &Response<Bytes>) -> bool {
    let content_type = inner.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    inner.status() == 400
        && problem_member(content_type, inner.body(), "type").as_deref() == Some(DATE_PROBLEM)
}

/// The only `Date`, in the one form that is written (RFC 9110 §5.6.7): what goes back has room for a
/// time in whole seconds and for nothing else.
fn date(fields: &HeaderMap) -> Option<HeaderValue> {
    let mut dates = fields.get_all(DATE).iter();
    let time = httpdate::parse_http_date(dates.next()?.to_str().ok()?).ok()?;
    let is_only = dates.next().is_none();
    HeaderValue::try_from(httpdate::fmt_http_date(time)).ok().filter(|_| is_only)
}

/// The unprotected part: what relay and network may have made of the answer.
fn check_outer(relay: &str, response: &RelayResponse) -> Result<(), Error> {
    let refuse = |error| Error::Relay { relay: relay.to_owned(), error };
    if response.status != 200 {
        return Err(match problem_type(response).as_deref() {
            // RFC 9458 §5.3. Anyone on the way may say so; it never makes the client use a key
            // that the signed policy does not name.
            Some(OHTTP_KEY_PROBLEM) => GatewayError::Key.into(),
            _ => refuse(status_error(response)),
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

/// The title of a problem document in a response.
pub(crate) fn problem_title(response: &RelayResponse) -> Option<String> {
    title_of(response.content_type.as_deref(), &response.body)
}

/// What a response of another status than 200 says.
pub(crate) fn status_error(response: &RelayResponse) -> RelayError {
    let title = problem_title(response);
    match response.status {
        407 => RelayError::Token { title },
        status => RelayError::Status { status, title },
    }
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
