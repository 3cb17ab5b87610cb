//! An authority's answers, read: bytes in, types out.
//!
//! Everything in them is a claim. What is signed is verified when an [`Identity`](crate::Identity)
//! accepts it; what is meant for people is cut, and cannot drive a terminal.

use crate::identity::{PendingEnrolment, read_ticket};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use discreet_protocol::VerifyingKey;
use discreet_protocol::enrolment::MAX_CHALLENGE;
use discreet_protocol::identifier::Domain;
use serde::Deserialize;

/// Most characters of a code or a sentence for the person that is shown.
pub const MAX_SAY: usize = 500;

/// A new enrolment: what stands for it, and what the person has to do.
pub type Enrolment = PendingEnrolment;

/// What an authority answers when asked to attest a key.
#[derive(Clone)]
pub enum Issued {
    /// It attests it.
    Credential {
        /// The credential statement; unverified, [`crate::Identity::accept`] checks it.
        credential: Vec<u8>,
        /// The status statement; likewise.
        status: Vec<u8>,
    },
    /// The proof is not there yet.
    Pending {
        /// What the person has to do, in the authority's words.
        say: String,
    },
}

/// Its name and key, the answer to `GET /v1/authority`; `None` if it is none.
pub fn description(body: &[u8]) -> Option<(Domain, VerifyingKey)> {
    #[derive(Deserialize)]
    struct About {
        name: String,
        key: String,
    }
    let about: About = read(body)?;
    let mut key = [0; 32];
    hex::decode_to_slice(&about.key, &mut key).ok()?;
    let key = VerifyingKey::from_bytes(&key).ok().filter(|key| !key.is_weak())?;
    Some((Domain::new(&about.name).ok()?, key))
}

/// The answer to `POST /v1/enrolments`; `None` if it is none. Its bytes are as secret as the ticket.
pub fn enrolment(body: &[u8]) -> Option<Enrolment> {
    #[derive(Deserialize)]
    struct Begun<'a> {
        /// Borrowed, so that nothing is left of it once the body is erased.
        ticket: &'a str,
        code: Option<String>,
        say: String,
    }
    let begun: Begun<'_> = read(body)?;
    let ticket = read_ticket(begun.ticket)?;
    Some(Enrolment { ticket, code: plain(&begun.code.unwrap_or_default()), say: plain(&begun.say) })
}

/// The answer to `POST /v1/challenges`; `None` if it is none.
pub fn challenge(body: &[u8]) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    struct Challenge {
        challenge: String,
    }
    let answer: Challenge = read(body)?;
    decode(&answer.challenge).filter(|challenge| challenge.len() <= MAX_CHALLENGE)
}

/// The answer to `POST /v1/credentials`; `None` if it is none.
pub fn issued(status: u16, body: &[u8]) -> Option<Issued> {
    #[derive(Deserialize)]
    struct Said {
        credential: Option<String>,
        status: Option<String>,
        say: Option<String>,
    }
    let said: Said = read(body)?;
    match (status, said.credential, said.status) {
        (202, ..) => Some(Issued::Pending { say: plain(&said.say.unwrap_or_default()) }),
        (200, Some(credential), Some(status)) => {
            Some(Issued::Credential { credential: decode(&credential)?, status: decode(&status)? })
        }
        _ => None,
    }
}

/// Fields that we do not know are no error here: an authority may say more than we read.
fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// What an authority says is shown on terminals: cut, and nothing that could drive one.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_SAY).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_authority_says_cannot_drive_a_terminal() {
        assert_eq!(plain("tell\u{1b}[2J them\r\n"), "tell[2J them");
        assert_eq!(plain(&"a".repeat(1000)).len(), 500);
    }

    #[test]
    fn rejects_a_challenge_over_its_bound() {
        let answer = |len| format!("{{\"challenge\":\"{}\"}}", URL_SAFE_NO_PAD.encode(vec![7; len]));
        assert_eq!(challenge(answer(64).as_bytes()), Some(vec![7; 64]));
        assert_eq!(challenge(answer(65).as_bytes()), None);
    }

    #[test]
    fn rejects_a_key_of_small_order() {
        let answer = |key: &str| format!("{{\"name\":\"a.example\",\"key\":\"{key}\"}}");
        // RFC 8032 §7.1, test 1.
        let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert!(description(answer(key).as_bytes()).is_some());
        assert!(description(answer(&format!("01{}", "00".repeat(31))).as_bytes()).is_none());
    }

    #[test]
    fn rejects_a_credential_without_its_status() {
        let whole = br#"{"credential":"AA","status":"AQ"}"#;
        let issued_whole = issued(200, whole);
        assert!(matches!(issued_whole, Some(Issued::Credential { status, .. }) if status == [1]));
        assert!(issued(200, br#"{"credential":"AA"}"#).is_none());
        assert!(issued(201, whole).is_none());
    }
}
