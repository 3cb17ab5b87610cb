//! Each operation: what it reads, whom it asks, what it writes back. Blocks.

use super::answer::{Refusal, content_of, json, no_content};
use crate::authority::issue::Issued;
use crate::authority::{Authority, AuthorityError};
use crate::metrics::Operation;
use crate::request::{Account, Answer, Code, Identifier, read, read_after, read_ticket};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use discreet_protocol::feed::FEED_TYPE;
use discreet_protocol::policy::MEDIA_TYPE;
use discreet_protocol::time::Timestamp;
use http::header::CONTENT_TYPE;
use http::{Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Before a credential's number.
pub(super) const STATUS_PREFIX: &str = "/v1/statuses/";

type Answered = Result<Response<Bytes>, Refusal>;

#[derive(Serialize)]
struct Described<'a> {
    name: &'a str,
    key: String,
}

#[derive(Serialize)]
struct Enrolled {
    ticket: String,
    code: String,
    say: String,
}

#[derive(Serialize)]
struct Waiting {
    code: String,
    identifier: String,
    since: u64,
}

#[derive(Serialize)]
struct Credential {
    credential: String,
    status: String,
}

#[derive(Serialize)]
struct Challenge {
    challenge: String,
}

#[derive(Serialize)]
struct TicketGiven {
    ticket: String,
}

#[derive(Serialize)]
struct Say {
    say: &'static str,
}

/// Does what was asked.
pub(super) fn perform(authority: &Authority, operation: Operation, request: &Request<Bytes>) -> Answered {
    let body = request.body();
    match operation {
        Operation::Describe => {
            let key = hex::encode(authority.key().to_bytes());
            json(StatusCode::OK, &Described { name: authority.name().as_str(), key })
        }
        Operation::Enrol => enrol(authority, &asked::<Identifier>(body)?.identifier),
        Operation::Answer => {
            let Answer { ticket, answer } = asked(body)?;
            let ticket = read_ticket(&ticket).ok_or(AuthorityError::Ticket)?;
            authority.answer(&ticket, &answer)?;
            Ok(no_content())
        }
        Operation::Challenge => {
            let challenge = URL_SAFE_NO_PAD.encode(authority.challenge()?);
            json(StatusCode::OK, &Challenge { challenge })
        }
        Operation::Issue => issue(authority, request),
        Operation::Feed => {
            let page = authority.page(read_after(request.uri().query()).ok_or(Refusal::After)?)?;
            Ok(content_of(FEED_TYPE, page.encode()))
        }
        Operation::Status => status(authority, request.uri().path()),
        Operation::Prove => {
            let Account { account, identifier, proved_at } = asked(body)?;
            let ticket = authority.prove(&account, &identifier, Timestamp::from_unix(proved_at))?;
            json(StatusCode::OK, &TicketGiven { ticket: URL_SAFE_NO_PAD.encode(ticket) })
        }
        Operation::Pending => pending(authority),
        Operation::Confirm => {
            let Code { code, account } = asked(body)?;
            authority.confirm(&code, &account)?;
            Ok(no_content())
        }
        Operation::Revoke => {
            authority.revoke(&asked::<Identifier>(body)?.identifier)?;
            Ok(no_content())
        }
    }
}

fn enrol(authority: &Authority, identifier: &str) -> Answered {
    let enrolled = authority.enrol(identifier)?;
    let ticket = URL_SAFE_NO_PAD.encode(enrolled.ticket);
    let code = enrolled.code.unwrap_or_default();
    json(StatusCode::OK, &Enrolled { ticket, code, say: enrolled.say })
}

fn issue(authority: &Authority, request: &Request<Bytes>) -> Answered {
    if request.headers().get(CONTENT_TYPE).is_none_or(|given| given != MEDIA_TYPE) {
        return Err(Refusal::MediaType);
    }
    match authority.issue(request.body())? {
        Issued::Credential(credential, status) => {
            let (credential, status) = (URL_SAFE_NO_PAD.encode(credential), URL_SAFE_NO_PAD.encode(status));
            json(StatusCode::OK, &Credential { credential, status })
        }
        Issued::Pending => {
            json(StatusCode::ACCEPTED, &Say { say: "The proof is not there yet. Ask again later." })
        }
    }
}

fn status(authority: &Authority, path: &str) -> Answered {
    let digits = path.strip_prefix(STATUS_PREFIX).unwrap_or_default();
    let mut id = [0; 16];
    hex::decode_to_slice(digits, &mut id).map_err(|_| Refusal::NoCredential)?;
    let standing = authority.standing(&id)?.ok_or(Refusal::NoCredential)?;
    Ok(content_of(MEDIA_TYPE, standing))
}

fn pending(authority: &Authority) -> Answered {
    let waiting = authority.waiting()?.into_iter();
    let waiting: Vec<_> = waiting
        .map(|one| Waiting { code: one.code, identifier: one.identifier, since: one.since.unix() })
        .collect();
    json(StatusCode::OK, &waiting)
}

fn asked<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    read(body).ok_or(Refusal::Json)
}
