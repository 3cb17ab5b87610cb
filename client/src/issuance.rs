//! Getting tokens without I/O: blind RSA as RFC 9578 §6 has it (RSABSSA-SHA384-PSS-Deterministic of RFC 9474).
//!
//! What is signed, for whom and under which key follows from the signed policy alone: no answer of a
//! gateway or a resolver ever drives issuance, and a key that the policy does not name is never used
//! (RFC 9576 §6.1: a key of one's own would be a name).

use crate::error::{DirectoryFault, Error, TokensError};
use crate::exchange::title_of;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use blind_rsa_signatures::{BlindSignature, BlindingResult, PublicKeySha384PSSDeterministic as PublicKey};
use discreet_protocol::identifier::Domain;
use discreet_protocol::policy::{Epoch, Policy};
use discreet_protocol::time::Timestamp;
use discreet_protocol::token::{
    ISSUER_DIRECTORY_TYPE, NK, TOKEN_RESPONSE_TYPE, TOKEN_TYPE, Token, TokenInput, TokenKey, TokenRequest,
    challenge_digest,
};
use http::Uri;
use rand::rngs::ChaCha20Rng;
use rand::{CryptoRng, SeedableRng};
use serde::Deserialize;
use std::time::{Duration, UNIX_EPOCH};
use zeroize::Zeroizing;

/// Most bytes of an issuer's directory, and of any answer of an issuer: a key takes some 500.
pub const MAX_ISSUER_ANSWER: usize = 16_384;
/// Most keys in an issuer's directory; a policy names at most four of an issuer.
const MAX_DIRECTORY_KEYS: usize = 16;
/// The most a `Retry-After` is believed: 30 days, in seconds.
const MAX_WAIT: u64 = 30 * 86_400;

/// An HTTP response of an issuer, from whichever HTTP stack.
#[derive(Clone, Debug)]
pub struct IssuerResponse {
    /// The status code.
    pub status: u16,
    /// The `content-type` field.
    pub content_type: Option<String>,
    /// The `retry-after` field.
    pub retry_after: Option<String>,
    /// The content.
    pub body: Vec<u8>,
}

/// An issuer whose directory has been held against the policy: tokens can be requested from it.
pub struct Issuance {
    url: String,
    key: TokenKey,
    public: PublicKey,
    challenge_digest: [u8; 32],
}

/// A token request on its way: what makes its answer a token. Consumed by that.
pub struct PendingToken {
    input: TokenInput,
    public: PublicKey,
    blinding: BlindingResult,
}

impl Issuance {
    /// Holds the directory of issuer `name`, fetched from `url`, against `policy`. Tokens are for
    /// the key of the policy that began last, and lives until `alive` at least: everybody's choice is the
    /// same, and the issuer has none.
    pub(crate) fn new(
        policy: &Policy,
        name: &Domain,
        url: &str,
        response: &IssuerResponse,
        (now, alive): (Timestamp, Timestamp),
    ) -> Result<Self, TokensError> {
        let issuer = policy.issuers.named(name).ok_or(TokensError::NotTaken)?;
        let current = issuer.keys.iter().filter(|epoch| epoch.is_current(now) && alive < epoch.until);
        let newest = current.max_by_key(|epoch| (epoch.from, epoch.until, epoch.key.id()));
        let key = &newest.ok_or(TokensError::NoKey)?.key;
        let directory = Directory::read(response)?;
        let usable = directory.usable(now).map_err(TokensError::Directory)?;
        let is_named = |key: &TokenKey| issuer.keys.iter().any(|Epoch { key: named, .. }| named == key);
        if !usable.contains(key) || !usable.iter().all(is_named) {
            return Err(TokensError::KeysDiffer);
        }
        let url = request_url(url, &directory.request_uri).ok_or(DirectoryFault::Elsewhere);
        Self::under(key, url.map_err(TokensError::Directory)?, challenge_digest(name, &policy.domain))
    }

    fn under(key: &TokenKey, url: String, challenge_digest: [u8; 32]) -> Result<Self, TokensError> {
        let public = PublicKey::from_der(&key.to_rsa_public_key());
        let public = public.map_err(|_| TokensError::Directory(DirectoryFault::Key))?;
        Ok(Self { url, key: key.clone(), public, challenge_digest })
    }

    /// Where to POST token requests, as [`discreet_protocol::token::TOKEN_REQUEST_TYPE`], with the
    /// user's credentials.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The content of one token request, and what makes its answer a token.
    ///
    /// # Errors
    ///
    /// When the system gives no randomness.
    pub fn request(&self) -> Result<(Vec<u8>, PendingToken), Error> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|_| Error::Prepare("the system gives no randomness"))?;
        self.request_with(&mut ChaCha20Rng::from_seed(*seed))
    }

    /// RFC 9578 §6.1.
    fn request_with(&self, random: &mut impl CryptoRng) -> Result<(Vec<u8>, PendingToken), Error> {
        let mut nonce = [0; 32];
        random.fill_bytes(&mut nonce);
        let input = TokenInput { nonce, challenge_digest: self.challenge_digest, key_id: *self.key.id() };
        let blinding = self.public.blind(random, input.encode());
        let blinding = blinding.map_err(|_| Error::Prepare("the token request cannot be blinded"))?;
        let blinded: Result<[u8; NK], _> = blinding.blind_message.0.as_slice().try_into();
        let blinded = blinded.map_err(|_| Error::Prepare("the token request cannot be blinded"))?;
        let request = TokenRequest { truncated_key_id: self.key.truncated_id(), blinded: blinded.into() };
        Ok((request.encode(), PendingToken { input, public: self.public.clone(), blinding }))
    }
}

impl PendingToken {
    /// Unblinds the issuer's answer and verifies what comes out (RFC 9578 §6.3).
    ///
    /// # Errors
    ///
    /// [`TokensError`]: it refuses, or its answer is no signature under the key.
    pub fn finish(self, response: &IssuerResponse, now: Timestamp) -> Result<Token, TokensError> {
        response.check(TOKEN_RESPONSE_TYPE, now)?;
        let signature = BlindSignature(response.body.clone());
        let signature = self.public.finalize(&signature, &self.blinding, self.input.encode());
        let authenticator = signature.ok().and_then(|signature| <[u8; NK]>::try_from(signature.0).ok());
        Ok(Token::new(&self.input, authenticator.ok_or(TokensError::Forged)?))
    }
}

impl IssuerResponse {
    fn check(&self, media_type: &str, now: Timestamp) -> Result<(), TokensError> {
        match self.status {
            200 if self.content_type.as_deref() == Some(media_type) => Ok(()),
            200 => Err(TokensError::Forged),
            401 | 403 => Err(TokensError::Account { status: self.status }),
            429 | 503 => Err(TokensError::Wait { again: self.again(now) }),
            status => {
                let title = title_of(self.content_type.as_deref(), &self.body);
                Err(TokensError::Refused { status, title })
            }
        }
    }

    /// `Retry-After`, in seconds or as a date (RFC 9110 §10.2.3).
    fn again(&self, now: Timestamp) -> Option<Timestamp> {
        let text = self.retry_after.as_deref()?;
        let latest = now.plus(MAX_WAIT);
        if let Ok(seconds) = text.parse::<u64>() {
            return Some(now.plus(seconds).min(latest));
        }
        let since = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH);
        Some(Timestamp::from_unix(since.unwrap_or(Duration::ZERO).as_secs()).min(latest))
    }
}

/// An issuer's directory (RFC 9578 §4). Members that it does not name are other people's.
#[derive(Deserialize)]
struct Directory {
    #[serde(rename = "issuer-request-uri")]
    request_uri: String,
    #[serde(rename = "token-keys")]
    keys: Vec<DirectoryKey>,
}

#[derive(Deserialize)]
struct DirectoryKey {
    #[serde(rename = "token-type")]
    token_type: u16,
    #[serde(rename = "token-key")]
    key: String,
    #[serde(rename = "not-before")]
    not_before: Option<u64>,
}

impl Directory {
    fn read(response: &IssuerResponse) -> Result<Self, TokensError> {
        if response.status != 200 || response.content_type.as_deref() != Some(ISSUER_DIRECTORY_TYPE) {
            return Err(TokensError::Directory(DirectoryFault::Answer));
        }
        let read: Option<Self> = serde_json::from_slice(&response.body).ok();
        let fits = |directory: &Self| directory.keys.len() <= MAX_DIRECTORY_KEYS;
        read.filter(fits).ok_or(TokensError::Directory(DirectoryFault::Content))
    }

    /// The keys of our type that have begun. One to come may not have reached the policy yet.
    fn usable(&self, now: Timestamp) -> Result<Vec<TokenKey>, DirectoryFault> {
        let begun = |key: &&DirectoryKey| {
            key.token_type == TOKEN_TYPE && key.not_before.is_none_or(|from| from <= now.unix())
        };
        self.keys.iter().filter(begun).map(DirectoryKey::decode).collect()
    }
}

impl DirectoryKey {
    fn decode(&self) -> Result<TokenKey, DirectoryFault> {
        let der = URL_SAFE_NO_PAD.decode(self.key.trim_end_matches('='));
        TokenKey::from_spki(&der.map_err(|_| DirectoryFault::Key)?).map_err(|_| DirectoryFault::Key)
    }
}

/// An absolute URL or a path (RFC 9578 §4), at the issuer's own scheme, host and port: credentials go there.
fn request_url(issuer: &str, stated: &str) -> Option<String> {
    let stated: Uri = stated.parse().ok()?;
    let issuer: Uri = issuer.parse().ok()?;
    let path = stated
        .path_and_query()
        .filter(|path| path.as_str().starts_with('/') && !path.as_str().starts_with("//"))?;
    let same = stated.scheme() == issuer.scheme() && stated.authority() == issuer.authority();
    let relative = stated.scheme().is_none() && stated.authority().is_none();
    (same || relative).then(|| Some(format!("{}://{}{path}", issuer.scheme_str()?, issuer.authority()?)))?
}

macro_rules! silent_debug {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}

silent_debug!(Issuance, PendingToken);

#[cfg(test)]
mod tests;
