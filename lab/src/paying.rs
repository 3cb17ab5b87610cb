//! Lookups that pay with tokens of the laboratory's own making, sealed by hand: what no client would send can be sent,
//! and what is refused is seen.

use crate::stress::link::Link;
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use discreet_client::Csi;
use discreet_envelope::keys::{Aead, Kdf, KeyCollection, Suite};
use discreet_envelope::{OHTTP_REQUEST, message, padding};
use discreet_protocol::query::{IdentifierRequest, IdentifierResponse, ResponseCode, Subject, lookup_path};
use discreet_protocol::token::Token;
use http::Request;
use tests::world::{DOMAIN, domain};

/// Bytes of every answer, whatever is in it.
const ANSWER: usize = 8192;

/// Seals lookups for one gateway, as one client among many does: the first suite there is.
pub(crate) struct Payer {
    config: Vec<u8>,
    room: usize,
    url: String,
}

/// What a lookup came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The directory has the number.
    Found,
    /// It says that it does not.
    NotFound,
    /// It says nothing, for this reason: the status inside.
    Refused(u16),
}

impl Payer {
    /// Fetches the gateway's keys through the relay resource `url`.
    pub(crate) async fn new(link: &mut Link, url: &str) -> Result<Self> {
        let keys = link.get(url).await?.body;
        let collection = KeyCollection::decode(&keys).context("the gateway's keys")?;
        let config = collection.configs().first().context("a gateway without keys")?;
        let room = padding::request_room(config.kem());
        let config = config.to_single(Suite { kdf: Kdf::HkdfSha256, aead: Aead::Aes128Gcm });
        Ok(Self { config, room, url: url.to_owned() })
    }

    /// Asks about `csi` and pays with `tokens`. The answer has the one size, or this fails.
    pub(crate) async fn ask(&self, link: &mut Link, csi: &Csi, tokens: &[Token]) -> Result<Asked> {
        let padded = padding::pad(message::encode_request(&request(csi, tokens)?)?, self.room)?;
        let sealed = ohttp::ClientRequest::from_encoded_config(&self.config)?.encapsulate(&padded);
        let (sealed, opener) = sealed?;
        let answer = link.post(&self.url, OHTTP_REQUEST, sealed).await?;
        ensure!(answer.status == 200 && answer.body.len() == ANSWER, "an answer that tells by its outside");
        let answer = message::decode_response(&opener.decapsulate(&answer.body)?)?;
        if answer.status() != 200 {
            return Ok(Asked::Refused(answer.status().as_u16()));
        }
        match IdentifierResponse::decode(answer.body()).context("no answer to a lookup")?.code {
            ResponseCode::NotFound => Ok(Asked::NotFound),
            _ => Ok(Asked::Found),
        }
    }
}

/// A lookup before it is sealed, or as a resolver gets it.
pub(crate) fn request(csi: &Csi, tokens: &[Token]) -> Result<Request<Bytes>> {
    let query = IdentifierRequest { subject: Subject::Exact(csi.clone()), tag: None };
    let query = query.encode().context("a query that cannot be written")?;
    paid(tokens, Bytes::from(query))
}

/// A lookup with this content.
pub(crate) fn paid(tokens: &[Token], content: Bytes) -> Result<Request<Bytes>> {
    let request = Request::post(format!("https://{DOMAIN}{}", lookup_path(&domain(DOMAIN))));
    let request =
        tokens.iter().fold(request, |request, token| request.header("authorization", token.to_field()));
    Ok(request.body(content)?)
}
