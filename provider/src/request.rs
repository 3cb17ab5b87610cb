//! What a provider is asked, read from the network: JSON objects with the named fields and no others.
//!
//! Only the form is judged here. Whether an identifier is one, or a code known, is the authority's to say.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use discreet_protocol::enrolment::Ticket;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// An enrolment or a revocation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identifier {
    /// The identifier's URI.
    pub identifier: String,
}

/// What a user was sent and hands in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// What stands for the enrolment, in base64url ([`read_ticket`]).
    pub ticket: String,
    /// The answer.
    pub answer: String,
}

/// The operator's word that an account holds an identifier.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The account, in the operator's own terms.
    pub account: String,
    /// The identifier's URI.
    pub identifier: String,
    /// When the operator saw the proof, in seconds since 1970.
    pub proved_at: u64,
}

/// The operator's confirmation of an enrolment that waits.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// The enrolment's code, as the user told it.
    pub code: String,
    /// The account that told it.
    pub account: String,
}

/// Reads the JSON object `body`; `None` if it is anything else.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    // serde would take an array for an object.
    let is_object = body.trim_ascii_start().starts_with(b"{");
    is_object.then(|| serde_json::from_slice(body).ok()).flatten()
}

/// Reads a ticket: 32 bytes in base64url, without padding.
pub fn read_ticket(text: &str) -> Option<Ticket> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// Where a page of the feed begins: the query `after=N`, or none for the start.
pub fn read_after(query: Option<&str>) -> Option<u64> {
    match query {
        None => Some(0),
        Some(query) => query.strip_prefix("after=")?.parse().ok(),
    }
}
