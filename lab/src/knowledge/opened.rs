//! What the gateway's own keys open of what it had: the requests, and the records of those who were asked
//! about. And the tokens, which nobody knew before the run: as they were issued, and as they were spent.

use super::person::{Person, What};
use super::record::{Party, Record};
use super::spelling::Canary;
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use discreet_gateway::{Keyring, keyfile};
use discreet_protocol::time::Timestamp;
use discreet_serve::Clock;
use std::path::Path;

/// In front of a token (RFC 9577 §2.2.1).
const TOKEN: &[u8] = b"PrivateToken token=";
/// Where the parts of a token are (RFC 9577 §2.2): nonce, digest of the challenge, key id, authenticator.
const NONCE: std::ops::Range<usize> = 2..34;
const CHALLENGE: std::ops::Range<usize> = 34..66;
const KEY: std::ops::Range<usize> = 66..98;
const AUTHENTICATOR: std::ops::Range<usize> = 98..130;

/// Where the blinded message is in a request for a token (RFC 9578 §6.1), and how much of it and of the answer
/// is searched for.
const BLINDED: std::ops::Range<usize> = 3..35;
const SIGNATURE: std::ops::Range<usize> = 0..32;

/// Finds the tokens that were issued to `people`: each of them came from an address of its own.
pub(super) fn issued(people: &mut [Person], record: &Record) -> Result<()> {
    for person in people {
        for (peer, exchange) in record.exchanges_from(Party::Issuer(person.issuer()))? {
            let is_token = exchange.line().starts_with("POST") && exchange.response.field(":status") == "200";
            if is_token && peer == person.address {
                for (bytes, range) in
                    [(&exchange.request.body, BLINDED), (&exchange.response.body, SIGNATURE)]
                {
                    let bytes = bytes.get(range).context("a token that is too short")?.to_vec();
                    person.found.push((What::Issued, Canary::Bytes(bytes)));
                }
            }
        }
    }
    Ok(())
}

/// Adds to the record what the keys in `folder` open.
pub(super) fn open(people: &mut [Person], record: &mut Record, folder: &Path) -> Result<()> {
    let ratchet = keyfile::read(&folder.join("ohttp.keys")).context("the gateway's keys")?;
    let now = Timestamp::from_unix(Clock::system().now());
    let keys = Keyring::at(&ratchet, now).context("the gateway's keys")?;
    let mut config: discreet_resolver::Config = discreet_serve::config::load(&folder.join("resolver.toml"))?;
    config.resolve(folder);
    let (_, directory) = discreet_resolver::open(&config)?;
    for exchange in record.exchanges(Party::Gateway)? {
        let Ok(opened) = keys.open(&exchange.request.body) else { continue };
        let asked = |person: &&mut Person| contains(&opened.message, person.asked.value().as_bytes());
        if let Some(person) = people.iter_mut().find(asked) {
            person.found.extend(tokens(&opened.message));
            for entry in directory.record(&person.asked)?.value.entries {
                record.keep(Party::Gateway, "its directory, opened", entry.statement);
            }
        }
        record.keep(Party::Gateway, "a request, opened", opened.message);
    }
    Ok(())
}

/// What is unique in the tokens of an opened request, and what names the issuer.
fn tokens(message: &[u8]) -> Vec<(What, Canary)> {
    let starts = message.windows(TOKEN.len()).enumerate().filter(|(_, window)| *window == TOKEN);
    let texts = starts.filter_map(|(at, _)| {
        let rest = message.get(at + TOKEN.len()..)?;
        let rest = rest.strip_prefix(b"\"").unwrap_or(rest);
        let end = rest.iter().position(|byte| !(byte.is_ascii_alphanumeric() || b"-_=".contains(byte)))?;
        URL_SAFE.decode(rest.get(..end)?).ok()
    });
    let parts = texts.flat_map(|token| {
        let part = |what, range: std::ops::Range<usize>| {
            (what, Canary::Bytes(token.get(range).unwrap_or_default().to_vec()))
        };
        let spent = [part(What::Spent, NONCE), part(What::Spent, AUTHENTICATOR)];
        let issuer = [part(What::Provider, CHALLENGE), part(What::Provider, KEY)];
        spent.into_iter().chain(issuer).collect::<Vec<_>>()
    });
    parts.collect()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_token_are_told_apart() {
        let token: Vec<u8> = (0..=255).chain(0..98).collect();
        let message = format!("\x0dauthorizationPrivateToken token=\"{}\"\0", URL_SAFE.encode(&token));
        let found = tokens(message.as_bytes());
        let of = |range: std::ops::Range<usize>| Canary::Bytes(token[range].to_vec());
        let nonce = (What::Spent, of(NONCE));
        assert!(found.contains(&nonce) && found.contains(&(What::Provider, of(CHALLENGE))));
        assert_eq!(found.len(), 4);
    }
}
