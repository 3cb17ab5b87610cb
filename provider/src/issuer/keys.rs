//! The issuer's keys over time: one signs, the next is announced, older ones are redeemable still.
//!
//! A folder holds them, one file each, whose name says when: `2026-12-01_2027-03-31.der` begins on the first of
//! these days (UTC), and its tokens are taken until the second begins. A key signs from its beginning to that of
//! its successor, for all users alike. Private keys are used in [`super::key`] only.

use super::key::{KeyError, KeyUseError, PrivateKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use discreet_protocol::identifier::Domain;
use discreet_protocol::policy::MAX_TOKEN_KEYS;
use discreet_protocol::time::{CLOCK_TOLERANCE, DAY, Timestamp};
use discreet_protocol::token::{NK, TOKEN_TYPE, TokenRequest};
use serde::Serialize;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

mod files;

use files::{day, erase_expired, files};

/// For how many days a next key is announced before it begins: discovery providers must put it into their rules,
/// and the signed policy must reach the clients.
pub const NOTICE_DAYS: u64 = 7;
/// Where tokens are asked for.
pub const TOKENS_PATH: &str = "/v1/tokens";

/// Why the issuer's keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The folder cannot be used.
    #[error("cannot use the folder of the issuer's keys {}: {source}; `discreet-provider init` makes that of a new provider", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file with another name than a key has.
    #[error("{} is no key's file: it is named by two days, at least 7 apart, like 2026-12-01_2027-03-31.der", path.display())]
    Name {
        /// The file.
        path: PathBuf,
    },
    /// There is no key whose tokens are still taken.
    #[error("{} holds no key whose time is not over; `discreet-provider issuer keys rotate` makes one", path.display())]
    None {
        /// The folder.
        path: PathBuf,
    },
    /// More than a policy can name.
    #[error("{} holds more than {MAX_TOKEN_KEYS} keys whose time is not over; take out the oldest", path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
    },
    /// A token request names a key by one byte, which is the same for two.
    #[error("{} and another key have the same truncated id; take out the one that has not begun, and make another", path.display())]
    SameTruncatedId {
        /// One of the two.
        path: PathBuf,
    },
    /// There is a next key already.
    #[error("the next key is there already: {}", path.display())]
    Announced {
        /// Its file.
        path: PathBuf,
    },
    /// Key lives that nobody could keep.
    #[error("issuer.key_days must be 7 to 365, and issuer.redeem_days 7 to as many as key_days")]
    Lives,
}

/// For how long keys are used.
#[derive(Clone, Copy, Debug)]
pub struct Lives {
    /// Days for which a key signs.
    key_days: u64,
    /// Days for which its tokens are taken afterwards.
    redeem_days: u64,
}

impl Lives {
    /// Keys that sign for `key_days`, and whose tokens are taken for `redeem_days` more. So at most three are alive.
    ///
    /// # Errors
    ///
    /// When they are out of bounds.
    pub fn new(key_days: u16, redeem_days: u16) -> Result<Self, KeysError> {
        let fine = (7..=365).contains(&key_days) && (7..=key_days).contains(&redeem_days);
        fine.then_some(Self { key_days: key_days.into(), redeem_days: redeem_days.into() })
            .ok_or(KeysError::Lives)
    }

    fn whole(self) -> u64 {
        (self.key_days + self.redeem_days) * DAY
    }
}

/// A key, and when it is used.
#[derive(Debug)]
struct Epoch {
    key: PrivateKey,
    from: Timestamp,
    until: Timestamp,
    path: PathBuf,
}

/// The keys of an issuer.
#[derive(Debug)]
pub struct Keys {
    /// The latest first.
    epochs: Vec<Epoch>,
}

/// A next key was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// Its file.
    pub path: PathBuf,
    /// How many older files are left although they are over, because by the clock all were.
    pub kept: usize,
}

/// Nothing is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The request names a key that is none of ours, or does not sign now.
    #[error("the request names a key that does not sign now; the directory says which does")]
    Key,
    /// What the key says.
    #[error(transparent)]
    Use(#[from] KeyUseError),
}

/// What an issuer's directory is (RFC 9578 §4).
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Directory {
    issuer_request_uri: &'static str,
    token_keys: Vec<DirectoryKey>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct DirectoryKey {
    token_type: u16,
    token_key: String,
    not_before: u64,
}

impl Keys {
    /// Reads the keys in `folder` whose tokens are taken at `now` or later.
    ///
    /// # Errors
    ///
    /// When there is none, or one cannot be used, or two cannot be told apart in a request.
    pub fn open(folder: &Path, now: Timestamp) -> Result<Self, KeysError> {
        let keys = Self::read(folder, now)?;
        if keys.epochs.is_empty() { Err(KeysError::None { path: folder.to_owned() }) } else { Ok(keys) }
    }

    /// Makes the next key. It begins when the last has signed for its time, but no sooner than [`NOTICE_DAYS`] from
    /// `now`; or today, if no key is left, or with `at_once`, as when one was stolen. Files whose time is over are
    /// erased, unless by `now` the time of all is: a clock that is wrong must not erase keys that are in use.
    ///
    /// # Errors
    ///
    /// When there is a next key already, or it cannot be written.
    pub fn rotate(folder: &Path, lives: Lives, now: Timestamp, at_once: bool) -> Result<Rotated, KeysError> {
        let kept = erase_expired(folder, now)?;
        let keys = Self::read(folder, now)?;
        let today = now.start_of_day();
        let from = match keys.epochs.first() {
            Some(last) if !at_once => {
                if last.from > now {
                    return Err(KeysError::Announced { path: last.path.clone() });
                }
                last.from.plus(lives.key_days * DAY).max(today.plus(NOTICE_DAYS * DAY))
            }
            _ => today,
        };
        if keys.epochs.len() >= MAX_TOKEN_KEYS {
            return Err(KeysError::TooMany { path: folder.to_owned() });
        }
        let taken: Vec<_> = keys.epochs.iter().map(|epoch| epoch.key.public().truncated_id()).collect();
        let key = draw_apart(&taken, PrivateKey::draw)?;
        let path = folder.join(files::name(from, keys.end(from, lives)));
        key.create(&path)?;
        Ok(Rotated { path, kept })
    }

    /// Signs what a request asks for (RFC 9578 §6.2).
    ///
    /// # Errors
    ///
    /// When the key it names does not sign at `now`, or the blinded message is none of it.
    pub fn sign(&self, request: &TokenRequest, now: Timestamp) -> Result<Box<[u8; NK]>, SignError> {
        Ok(self.named(request.truncated_key_id, now)?.sign(&request.blinded)?)
    }

    /// Whether [`Keys::sign`] would sign, without a use of the private key.
    ///
    /// # Errors
    ///
    /// As [`Keys::sign`], but for faults.
    pub fn check(&self, request: &TokenRequest, now: Timestamp) -> Result<(), SignError> {
        if self.named(request.truncated_key_id, now)?.takes(&request.blinded) {
            Ok(())
        } else {
            Err(KeyUseError::OutOfRange.into())
        }
    }

    /// The public key that signs at `now`, if one has begun.
    pub fn signing(&self, now: Timestamp) -> Option<&discreet_protocol::token::TokenKey> {
        let current = self.epochs.iter().find(|epoch| epoch.from <= now && now < epoch.until)?;
        Some(current.key.public())
    }

    /// Whether a next key is announced, or the last one has more than `days` days to sign.
    pub fn is_provided(&self, lives: Lives, now: Timestamp, days: u64) -> bool {
        let last = self.epochs.first();
        last.is_some_and(|last| now.plus(days * DAY) < last.from.plus(lives.key_days * DAY))
    }

    /// The directory: the same bytes for everybody (RFC 9578 §4). Clients use the first key that has begun.
    ///
    /// # Errors
    ///
    /// Never: its parts are numbers and text.
    pub fn directory(&self, now: Timestamp) -> Result<String, serde_json::Error> {
        let token_keys = self.alive(now).map(|epoch| DirectoryKey {
            token_type: TOKEN_TYPE,
            token_key: URL_SAFE.encode(epoch.key.public().to_spki()),
            not_before: epoch.from.unix(),
        });
        serde_json::to_string(&Directory {
            issuer_request_uri: TOKENS_PATH,
            token_keys: token_keys.collect(),
        })
    }

    /// The lines that name the issuer in a discovery provider's rules.
    pub fn rules(&self, name: &Domain, now: Timestamp) -> String {
        let mut lines = format!(
            "[[issuers]]\nname = \"{name}\"\n\
             redemptions_per_day = 10000000   # tokens taken per day (UTC): the data owner decides\n\
             not_found_per_day = 500000       # and answers \"not found\"\n"
        );
        for epoch in self.alive(now) {
            let key = URL_SAFE.encode(epoch.key.public().to_spki());
            let (from, until) = (day(epoch.from), day(epoch.until));
            // Never: writing into a string has no failing case.
            let _ = writeln!(lines, "[[issuers.keys]]\nkey = \"{key}\"\nfrom = {from}\nuntil = {until}");
        }
        lines
    }

    /// A line for each key: its file, and what it is for at `now`.
    pub fn summary(&self, now: Timestamp) -> Vec<String> {
        let signing = self.signing(now).map(|key| *key.id());
        let line = |epoch: &Epoch| {
            let state = if signing == Some(*epoch.key.public().id()) {
                "signs"
            } else if epoch.from > now {
                "announced"
            } else {
                "redeemable"
            };
            let file = epoch.path.file_name().unwrap_or_default().to_string_lossy();
            format!("{file}: {state}, truncated id {:02x}", epoch.key.public().truncated_id())
        };
        self.alive(now).map(line).collect()
    }

    /// Until when the tokens of a key that begins at `from` are taken: a day longer than those of any other that
    /// begins then, as at once on another's first day. So each has a name of its own, and the latest made stands first.
    fn end(&self, from: Timestamp, lives: Lives) -> Timestamp {
        let same_day = self.epochs.iter().filter(|epoch| epoch.from == from);
        same_day.map(|epoch| epoch.until.plus(DAY)).fold(from.plus(lives.whole()), Ord::max)
    }

    fn alive(&self, now: Timestamp) -> impl Iterator<Item = &Epoch> {
        self.epochs.iter().filter(move |epoch| now < epoch.until)
    }

    /// The key that a request names, if it signs at `now`: from its beginning to its successor's, and for
    /// [`CLOCK_TOLERANCE`] around both, since clocks of clients differ.
    fn named(&self, truncated_id: u8, now: Timestamp) -> Result<&PrivateKey, SignError> {
        let mut until = None;
        for epoch in &self.epochs {
            let end =
                until.map_or(epoch.until, |next: Timestamp| next.plus(CLOCK_TOLERANCE).min(epoch.until));
            until = Some(epoch.from);
            if epoch.key.public().truncated_id() == truncated_id {
                let signs = epoch.from <= now.plus(CLOCK_TOLERANCE) && now < end;
                return signs.then_some(&epoch.key).ok_or(SignError::Key);
            }
        }
        Err(SignError::Key)
    }

    fn read(folder: &Path, now: Timestamp) -> Result<Self, KeysError> {
        let mut epochs = Vec::new();
        for (path, (from, until)) in files(folder)? {
            if now < until {
                epochs.push(Epoch { key: PrivateKey::read(&path)?, from, until, path });
            }
            if epochs.len() > MAX_TOKEN_KEYS {
                return Err(KeysError::TooMany { path: folder.to_owned() });
            }
        }
        epochs.sort_by(|one, other| other.from.cmp(&one.from).then(other.until.cmp(&one.until)));
        let mut seen = Vec::new();
        for Epoch { key, path, .. } in &epochs {
            if seen.contains(&key.public().truncated_id()) {
                return Err(KeysError::SameTruncatedId { path: path.clone() });
            }
            seen.push(key.public().truncated_id());
        }
        Ok(Self { epochs })
    }
}

/// A key whose truncated id is none of `taken`: of others, requests could not tell it apart.
fn draw_apart(
    taken: &[u8],
    mut draw: impl FnMut() -> Result<PrivateKey, KeyError>,
) -> Result<PrivateKey, KeyError> {
    loop {
        let key = draw()?;
        if !taken.contains(&key.public().truncated_id()) {
            return Ok(key);
        }
    }
}

#[cfg(test)]
mod tests;
