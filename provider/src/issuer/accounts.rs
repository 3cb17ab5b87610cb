//! Who may ask for tokens: users of the provider, each with an account.
//!
//! Two ways are built in: bearer tokens (RFC 6750) whose hashes lie in a file, and client certificates of the CA
//! that `listen.mutual_tls.issuer` names. A provider with accounts of its own brings an [`Accounts`].
//!
//! An account is a hash from here on; nothing behind this module knows a name, and nobody logs one.

use discreet_serve::Visitor;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// Bytes of a tokens' file: some 800,000 lines.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// Bytes of an account's name in it.
const MAX_NAME_BYTES: usize = 128;
/// Random bytes of a fresh token.
const TOKEN_BYTES: usize = 32;

type Hash = [u8; 32];

/// Whose quota it is. A hash of the name, which `Debug` does not show.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Account(Hash);

impl Account {
    /// The account `name` among those of `kind`, such as `"bearer"`. Equal names of equal kinds are one account.
    pub fn new(kind: &'static str, name: &[u8]) -> Self {
        let hash = Sha256::new_with_prefix(b"discreet account\0").chain_update(kind).chain_update(b"\0");
        Self(hash.chain_update(name).finalize().into())
    }

    /// What the counters know it by.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Account(…)")
    }
}

/// Why a request gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// It shows nothing of an account.
    #[error("this needs an account")]
    Nothing,
    /// What it shows is not known, or no longer.
    #[error("the account is not known")]
    Unknown,
    /// The accounts cannot be asked now.
    #[error("accounts cannot be looked up now; try again later")]
    Unavailable,
}

/// A provider's accounts. Its methods may block, and may be called at once.
pub trait Accounts: Send + Sync + 'static {
    /// Whose request this is, by its header fields and by who showed a certificate.
    ///
    /// # Errors
    ///
    /// When it is nobody's, or cannot be said now.
    fn account(&self, headers: &HeaderMap, visitor: Option<&Visitor>) -> Result<Account, NotAdmitted>;

    /// Takes up what has changed. Called at SIGHUP.
    ///
    /// # Errors
    ///
    /// When it cannot be used; all stays as it was.
    fn reload(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(())
    }
}

/// Accounts by client certificate: the certificate's subject, whoever renews it.
#[derive(Clone, Copy, Debug)]
pub struct Certificates;

impl Accounts for Certificates {
    fn account(&self, _: &HeaderMap, visitor: Option<&Visitor>) -> Result<Account, NotAdmitted> {
        let visitor = visitor.ok_or(NotAdmitted::Nothing)?;
        Ok(Account::new("certificate", visitor.subject()))
    }
}

/// Why a tokens' file cannot be used. No message repeats what is in it.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// It cannot be read.
    #[error("cannot read the accounts' file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Others than its owner may write it, or others than its group read it.
    #[error("the accounts' file {} has mode {mode:03o}, so others may use it; run chmod 640 on it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is too long.
    #[error("the accounts' file {} is longer than {MAX_FILE_BYTES} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// A line is none.
    #[error(
        "{} line {line}: expected 64 hex digits, a space and an account, as `discreet-provider issuer token` prints them",
        path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// A token is two accounts'.
    #[error(
        "{} lines {first} and {second} give the hash of one token to two accounts; take out the line that is wrong",
        path.display()
    )]
    Twice {
        /// The file.
        path: PathBuf,
        /// The one line, counted from 1.
        first: usize,
        /// The other.
        second: usize,
    },
    /// No name of an account.
    #[error("an account's name has 1 to {MAX_NAME_BYTES} printable bytes without blanks")]
    Name,
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Randomness,
}

/// Accounts by bearer token. A line of the file is the SHA-256 of a token and the account's name; so one account
/// may have several tokens, one for each device or a new one for a lost one, and still one quota.
pub struct Bearers {
    path: PathBuf,
    known: RwLock<Arc<HashMap<Hash, Account>>>,
}

impl Bearers {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, others may write it, or a line is malformed.
    pub fn read(path: &Path) -> Result<Self, AccountsError> {
        Ok(Self { path: path.to_owned(), known: RwLock::new(Arc::new(read(path)?)) })
    }
}

impl Accounts for Bearers {
    fn account(&self, headers: &HeaderMap, _: Option<&Visitor>) -> Result<Account, NotAdmitted> {
        let token = bearer(headers).ok_or(NotAdmitted::Nothing)?;
        let known = Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner));
        // Looked up by its hash, so that the time it takes tells nothing of a token.
        let hash: Hash = Sha256::digest(token).into();
        known.get(&hash).copied().ok_or(NotAdmitted::Unknown)
    }

    fn reload(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let known = Arc::new(read(&self.path)?);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(())
    }
}

impl fmt::Debug for Bearers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bearers({})", self.path.display())
    }
}

/// A fresh token for an account, and the line for the file.
pub struct FreshToken {
    /// What the account's user gets, and nobody else. It is not kept anywhere.
    pub token: String,
    /// What the accounts' file gets.
    pub line: String,
}

impl FreshToken {
    /// Draws one for the account `name`.
    ///
    /// # Errors
    ///
    /// When the name is none, or the system has no randomness.
    pub fn draw(name: &str) -> Result<Self, AccountsError> {
        if !is_name(name.as_bytes()) {
            return Err(AccountsError::Name);
        }
        let mut bytes = zeroize::Zeroizing::new([0; TOKEN_BYTES]);
        getrandom::fill(bytes.as_mut_slice()).map_err(|_| AccountsError::Randomness)?;
        let token = hex::encode(bytes.as_slice());
        let line = format!("{} {name}", hex::encode(Sha256::digest(token.as_bytes())));
        Ok(Self { token, line })
    }
}

impl fmt::Debug for FreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FreshToken(…)")
    }
}

/// The token of the only such field (RFC 6750 §2.1). The scheme's case does not matter (RFC 9110 §11.1).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let (Some(only), None) = (fields.next(), fields.next()) else { return None };
    let (scheme, token) = only.as_bytes().split_first_chunk::<7>()?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(token)
}

fn read(path: &Path) -> Result<HashMap<Hash, Account>, AccountsError> {
    let failed = |source| AccountsError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    // The open file is asked, not the path: nobody can swap the file in between.
    let mode = file.metadata().map_err(failed)?.mode() & 0o777;
    if mode & 0o027 != 0 {
        return Err(AccountsError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(AccountsError::TooLong { path: path.to_owned() });
    }
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).enumerate();
    let mut known: HashMap<Hash, (Account, usize)> = HashMap::new();
    for (at, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#")) {
        let path = || path.to_owned();
        let (hash, account) =
            entry(line).ok_or_else(|| AccountsError::Line { path: path(), line: at + 1 })?;
        let (held, first) = *known.entry(hash).or_insert((account, at + 1));
        if held != account {
            return Err(AccountsError::Twice { path: path(), first, second: at + 1 });
        }
    }
    Ok(known.into_iter().map(|(hash, (account, _))| (hash, account)).collect())
}

fn entry(line: &[u8]) -> Option<(Hash, Account)> {
    let (digits, name) = line.split_at_checked(64)?;
    let name = name.strip_prefix(b" ").filter(|name| is_name(name))?;
    let mut hash = [0; 32];
    hex::decode_to_slice(digits, &mut hash).ok()?;
    Some((hash, Account::new("bearer", name)))
}

fn is_name(name: &[u8]) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.iter().all(|byte| byte.is_ascii_graphic() || *byte >= 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        (folder, path)
    }

    fn asked(bearers: &Bearers, fields: &[&str]) -> Result<Account, NotAdmitted> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(AUTHORIZATION, field.parse().unwrap());
        }
        bearers.account(&headers, None)
    }

    #[test]
    fn a_token_is_its_accounts_and_two_tokens_of_an_account_are_one() {
        let [one, two, other] = ["ann", "ann", "ben"].map(|name| FreshToken::draw(name).unwrap());
        let (_folder, path) = file(&format!("# users\n{}\n{}\n\n{}\n", one.line, two.line, other.line));
        let bearers = Bearers::read(&path).unwrap();
        let of = |fresh: &FreshToken| asked(&bearers, &[&format!("Bearer {}", fresh.token)]).unwrap();
        assert!(of(&one) == of(&two) && of(&one) != of(&other));
        assert_eq!(format!("{bearers:?} {:?} {one:?}", of(&one)).matches('…').count(), 2);
    }

    /// The line for a token that somebody else hashed: `printf %s token | sha256sum`.
    #[test]
    fn a_line_is_the_hash_of_the_token_as_it_is_shown() {
        let (_folder, path) = file("3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0 ann\n");
        let bearers = Bearers::read(&path).unwrap();
        assert!(asked(&bearers, &["bearer  token"]).is_ok());
        assert_eq!(asked(&bearers, &["Bearer Token"]), Err(NotAdmitted::Unknown));
        for fields in
            [&["Basic token"][..], &["Bearer "], &["Bearer"], &[], &["Bearer token", "Bearer token"]]
        {
            assert_eq!(asked(&bearers, fields), Err(NotAdmitted::Nothing), "{fields:?}");
        }
    }

    #[test]
    fn whose_line_is_gone_is_unknown_after_a_reload_and_a_torn_file_changes_nothing() {
        let [one, two] = ["ann", "ben"].map(|name| FreshToken::draw(name).unwrap());
        let (_folder, path) = file(&format!("{}\n{}\n", one.line, two.line));
        let bearers = Bearers::read(&path).unwrap();
        let of = |fresh: &FreshToken| asked(&bearers, &[&format!("Bearer {}", fresh.token)]);
        std::fs::write(&path, &one.line[..64]).unwrap();
        assert!(bearers.reload().is_err());
        assert!(of(&one).is_ok() && of(&two).is_ok());
        std::fs::write(&path, &two.line).unwrap();
        bearers.reload().unwrap();
        assert_eq!(of(&one), Err(NotAdmitted::Unknown));
        assert!(of(&two).is_ok());
    }

    #[test]
    fn rejects_a_token_of_two_accounts_and_names_both_lines() {
        let (one, other) = ("00".repeat(32), "01".repeat(32));
        let (_folder, path) = file(&format!("{one} ann\n# more\n{other} ben\n{one} ben\n"));
        let error = Bearers::read(&path).unwrap_err();
        assert!(matches!(error, AccountsError::Twice { first: 1, second: 4, .. }), "{error}");
        assert!(error.to_string().contains("lines 1 and 4") && !error.to_string().contains(&one), "{error}");
        let (_folder, path) = file(&format!("{one} ann\n{one} ann\n"));
        assert!(Bearers::read(&path).is_ok(), "said twice, and true");
    }

    #[test]
    fn rejects_files_that_others_may_use_or_that_are_torn() {
        let hash = "00".repeat(32);
        for line in
            [&hash[..], &hash[1..], &format!("{hash} "), &format!("{hash} a b"), &format!("{hash}0 ann")]
        {
            let (_folder, path) = file(&format!("# first\n{line}\n"));
            let error = Bearers::read(&path).unwrap_err();
            assert!(matches!(error, AccountsError::Line { line: 2, .. }), "{line}: {error}");
            assert!(!error.to_string().contains(&hash[..8]), "{error}");
        }
        let (_folder, path) = file("");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        assert!(matches!(Bearers::read(&path), Err(AccountsError::Exposed { .. })));
        for name in ["", "a b", "a\n", &"a".repeat(129)] {
            assert!(matches!(FreshToken::draw(name), Err(AccountsError::Name)), "{name}");
        }
    }
}
