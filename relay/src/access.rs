//! Who may use the relay: everybody, or those who show a token.
//!
//! A token is shown in `Proxy-Authorization` (RFC 9110 §11.7), because it is meant for this hop: nothing of
//! it is passed on, as of no other field. The relay keeps SHA-256 hashes only, and looks a token up by its
//! hash, so that neither the file nor the time a look-up takes tells a token.

use std::{
    collections::HashSet,
    fmt,
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use aws_lc_rs::{
    digest::{SHA256, digest},
    error::Unspecified,
    rand,
};
use bytes::Bytes;
use discreet_serve::problem;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{PROXY_AUTHENTICATE, PROXY_AUTHORIZATION},
};
use thiserror::Error;

/// Bytes of a tokens' file: some 900,000 lines without comments.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// Random bytes of a fresh token.
const TOKEN_BYTES: usize = 32;

type Hash = [u8; 32];

/// Why a tokens' file cannot be used. No message repeats what is in it.
#[derive(Debug, Error)]
pub enum AccessError {
    /// It cannot be read.
    #[error("cannot read the tokens' file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Others than its owner may write it, or others than its group read it.
    #[error("the tokens' file {} has mode {mode:03o}, so others may use it; run chmod 640 on it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is too long.
    #[error("the tokens' file {} is longer than {MAX_FILE_BYTES} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// A line is none.
    #[error(
        "{} line {line}: expected 64 hex digits, as `discreet-relay token` prints them, and then a space and a comment if any",
        path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
}

/// Those who may use the relay.
#[derive(Debug)]
pub(crate) enum Doorkeeper {
    /// Everybody may.
    Anyone,
    /// Those who show a token.
    Bearers(Bearers),
}

/// The tokens of a file, as it was read the last time.
pub(crate) struct Bearers {
    path: PathBuf,
    known: RwLock<Arc<HashSet<Hash>>>,
}

impl fmt::Debug for Bearers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bearers({})", self.path.display())
    }
}

impl Doorkeeper {
    /// Reads what there is to read anew. When it cannot be used, all stays as it was.
    pub(crate) fn reload(&self) -> Result<(), AccessError> {
        match self {
            Self::Anyone => Ok(()),
            Self::Bearers(bearers) => bearers.reload(),
        }
    }
}

impl Bearers {
    pub(crate) fn read(path: &Path) -> Result<Self, AccessError> {
        Ok(Self { path: path.to_owned(), known: RwLock::new(Arc::new(read(path)?)) })
    }

    /// Reads the file anew. When it cannot be used, the tokens stay as they were.
    pub(crate) fn reload(&self) -> Result<(), AccessError> {
        let known = Arc::new(read(&self.path)?);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(())
    }

    fn knows(&self, token: &[u8]) -> bool {
        let known = Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner));
        digest(&SHA256, token).as_ref().try_into().is_ok_and(|hash: Hash| known.contains(&hash))
    }
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAdmitted {
    /// It shows no token.
    NoToken,
    /// It shows one that is not in the file.
    UnknownToken,
}

impl Doorkeeper {
    /// Whether a request with these fields is let in.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<(), NotAdmitted> {
        let Self::Bearers(bearers) = self else { return Ok(()) };
        let token = token(headers).ok_or(NotAdmitted::NoToken)?;
        if bearers.knows(token) { Ok(()) } else { Err(NotAdmitted::UnknownToken) }
    }
}

impl NotAdmitted {
    /// RFC 9110 §15.5.8; the challenges are those of RFC 6750 §3.
    pub(crate) fn answer(self) -> Response<Bytes> {
        let (title, challenge) = match self {
            Self::NoToken => ("a token is needed", "Bearer"),
            Self::UnknownToken => ("the token is not known", "Bearer error=\"invalid_token\""),
        };
        let mut response = problem(StatusCode::PROXY_AUTHENTICATION_REQUIRED, title);
        response.headers_mut().insert(PROXY_AUTHENTICATE, HeaderValue::from_static(challenge));
        response
    }
}

/// The token of the only such field (RFC 6750 §2.1). The scheme's case does not matter (RFC 9110 §11.1).
fn token(headers: &HeaderMap) -> Option<&[u8]> {
    let mut fields = headers.get_all(PROXY_AUTHORIZATION).iter();
    let (Some(only), None) = (fields.next(), fields.next()) else { return None };
    let (scheme, token) = only.as_bytes().split_first_chunk::<7>()?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(token)
}

fn read(path: &Path) -> Result<HashSet<Hash>, AccessError> {
    let failed = |source| AccessError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    // The open file is asked, not the path: nobody can swap the file in between.
    let mode = file.metadata().map_err(failed)?.mode() & 0o777;
    if mode & 0o027 != 0 {
        return Err(AccessError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(AccessError::TooLong { path: path.to_owned() });
    }
    let lines = text.split(|byte| *byte == b'\n').enumerate();
    let lines = lines.map(|(at, line)| (at, line.trim_ascii()));
    let hashes = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"));
    hashes
        .map(|(at, line)| hash(line).ok_or_else(|| AccessError::Line { path: path.to_owned(), line: at + 1 }))
        .collect()
}

/// A line is a hash, and a comment behind a space if any.
fn hash(line: &[u8]) -> Option<Hash> {
    let digits = line.split(u8::is_ascii_whitespace).next()?;
    let mut hash = [0; 32];
    hex::decode_to_slice(digits, &mut hash).ok().map(|()| hash)
}

/// A fresh token, and the line for the file.
#[derive(Clone, PartialEq, Eq)]
pub struct FreshToken {
    /// What its user gets, and nobody else. It is not kept anywhere.
    pub token: String,
    /// What the relay's tokens' file gets.
    pub line: String,
}

impl FreshToken {
    /// Draws one.
    ///
    /// # Errors
    ///
    /// When the system gives no randomness.
    pub fn draw() -> Result<Self, NoRandomness> {
        let mut bytes = [0; TOKEN_BYTES];
        rand::fill(&mut bytes).map_err(|Unspecified| NoRandomness)?;
        let token = hex::encode(bytes);
        let line = hex::encode(digest(&SHA256, token.as_bytes()));
        Ok(Self { token, line })
    }
}

impl fmt::Debug for FreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FreshToken(…)")
    }
}

/// The system gives no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the system gives no randomness")]
pub struct NoRandomness;

#[cfg(test)]
mod tests;
