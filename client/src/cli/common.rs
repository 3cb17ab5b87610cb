//! What several commands need: the client of a profile, files, the time.

use super::Failure;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use discreet_client::{
    AuthorityClient, Client, ClientBuilder, FolderStorage, PolicyStorage, Profile, ProfileFile, RelayFile,
    RelayIdentity, Timestamp,
};
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Most bytes of a file that is no statement: certificates, answers.
const MAX_FILE: u64 = 1 << 20;

/// Which directory, and what was seen of it.
#[derive(Args)]
pub(crate) struct Directory {
    /// The profile (TOML): discovery domain, directory key, relays
    #[arg(long, value_name = "FILE")]
    pub(crate) profile: PathBuf,
    /// Folder that remembers what was seen, to notice rollbacks and new holders. It tells whom you
    /// looked up
    /// [default: $XDG_STATE_HOME/discreet or ~/.local/state/discreet]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) state: Option<PathBuf>,
    /// Pay with tokens before their time, if there are no others. Your issuer and the provider together
    /// may then tell by the clock that it was you who asked
    #[arg(long)]
    pub(crate) fresh_tokens: bool,
    /// Connect from this address of this machine; default: as its routes say
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<IpAddr>,
}

impl Directory {
    /// A client that remembers whom it looked up.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let storage = FolderStorage::new(state(self.state.as_deref())?);
        Ok(self.builder()?.storage(storage).build()?)
    }

    /// The folder that remembers.
    pub(crate) fn folder(&self) -> Result<PathBuf, Failure> {
        state(self.state.as_deref())
    }

    /// A client for one's own identifier: nothing of that is remembered.
    pub(crate) fn own_client(&self) -> Result<Client, Failure> {
        let storage = PolicyStorage(FolderStorage::new(state(self.state.as_deref())?));
        Ok(self.builder()?.storage(storage).build()?)
    }

    fn builder(&self) -> Result<ClientBuilder, Failure> {
        let builder = builder(&self.profile)?;
        let builder = if self.fresh_tokens { builder.fresh_tokens() } else { builder };
        Ok(match self.bind {
            Some(address) => builder.local_address(address),
            None => builder,
        })
    }
}

/// As [`Directory::own_client`].
pub(crate) fn own_client(profile: &Path, folder: Option<&Path>) -> Result<Client, Failure> {
    let storage = PolicyStorage(FolderStorage::new(state(folder)?));
    Ok(builder(profile)?.storage(storage).build()?)
}

/// The profile in a file, checked and as it stands there.
pub(crate) fn profile(path: &Path) -> Result<(Profile, ProfileFile), Failure> {
    let refuse = |error| Failure::Profile { path: path.to_owned(), error };
    let file = Profile::parse(&String::from_utf8_lossy(&read(path)?)).map_err(refuse)?;
    Ok((Profile::check(&file).map_err(refuse)?, file))
}

fn builder(path: &Path) -> Result<ClientBuilder, Failure> {
    let (profile, stated) = profile(path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut builder = Client::builder(profile);
    if let Some(ca) = stated.ca {
        builder = builder.ca(read(&folder.join(ca))?);
    }
    for RelayFile { url, bearer, identity, .. } in stated.relays {
        if let Some(bearer) = bearer {
            builder = builder.bearer(&url, &token(&folder.join(bearer))?);
        }
        if let Some(RelayIdentity { certificate, key }) = identity {
            let certificate = read(&folder.join(certificate))?;
            builder = builder.identity(&url, certificate, read_own(&folder.join(key))?);
        }
    }
    let Some(issuer) = stated.issuer else { return Ok(builder) };
    if let Some(bearer) = issuer.bearer {
        builder = builder.issuer_bearer(&token(&folder.join(bearer))?);
    }
    if let Some(RelayIdentity { certificate, key }) = issuer.identity {
        builder = builder.issuer_identity(read(&folder.join(certificate))?, read_own(&folder.join(key))?);
    }
    Ok(builder)
}

/// The line of a file that nobody else may read.
fn token(path: &Path) -> Result<String, Failure> {
    Ok(String::from_utf8_lossy(&read_own(path)?).trim().to_owned())
}

/// The content of a file that nobody else may read.
fn read_own(path: &Path) -> Result<Vec<u8>, Failure> {
    let unread = |source| file(path, source);
    let own = std::fs::File::open(path).map_err(unread)?;
    // Of what was opened, whatever has the name by now.
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let mode = own.metadata().map_err(unread)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(Failure::Exposed { path: path.to_owned(), mode });
        }
    }
    read_open(path, own, MAX_FILE)
}

/// A client of the authority at `url`; `ca` names a PEM file, `bind` where to connect from.
pub(crate) fn authority(
    url: &str,
    ca: Option<&Path>,
    bind: Option<IpAddr>,
) -> Result<AuthorityClient, Failure> {
    let ca = match ca {
        Some(path) => {
            // The identity file keeps the path, and may be used from another folder.
            let path = std::path::absolute(path).map_err(|source| file(path, source))?;
            let pem = read(&path)?;
            Some((path, pem))
        }
        None => None,
    };
    Ok(AuthorityClient::new_from(url, ca, bind)?)
}

/// A file's content; `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    read_up_to(path, MAX_FILE)
}

/// As [`read`], of a file of at most so many bytes.
pub(crate) fn read_up_to(path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        return read_open(path, std::io::stdin().lock(), most);
    }
    read_open(path, std::fs::File::open(path).map_err(|source| file(path, source))?, most)
}

fn read_open(path: &Path, open: impl Read, most: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    match open.take(most + 1).read_to_end(&mut bytes) {
        Err(source) => Err(file(path, source)),
        Ok(_) if bytes.len() as u64 > most => Err(Failure::TooLong { path: path.to_owned() }),
        Ok(_) => Ok(bytes),
    }
}

/// A statement in a file: as it is, or in base64url.
pub(crate) fn statement(bytes: Vec<u8>) -> Option<Vec<u8>> {
    // A COSE_Sign1 structure is an array of four, whose first byte is no character of base64url.
    if bytes.first() == Some(&0x84) { Some(bytes) } else { base64(std::str::from_utf8(&bytes).ok()?) }
}

pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim().trim_end_matches('=')).ok()
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp::from_unix(since.map_or(0, |since| since.as_secs()))
}

fn file(path: &Path, source: std::io::Error) -> Failure {
    Failure::File { path: path.to_owned(), source }
}

fn state(folder: Option<&Path>) -> Result<PathBuf, Failure> {
    folder.map(Path::to_owned).or_else(default_state).ok_or(Failure::NoState)
}

/// XDG Base Directory Specification; relative values of the variable are to be ignored.
fn default_state() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    set("XDG_STATE_HOME")
        .or_else(|| Some(set("HOME")?.join(".local/state")))
        .map(|path| path.join("discreet"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn rejects_a_secret_that_others_may_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bearer");
        write(&path, "mF_9.B5f-4.1JqM\n").unwrap();
        for (mode, is_own) in [(0o600, true), (0o640, false), (0o604, false), (0o400, true)] {
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            match token(&path) {
                Ok(token) => assert!(is_own && token == "mF_9.B5f-4.1JqM", "{mode:o}"),
                Err(Failure::Exposed { mode: found, .. }) => assert!(!is_own && found == mode),
                Err(error) => panic!("{error}"),
            }
        }
        assert!(matches!(token(&folder.path().join("none")), Err(Failure::File { .. })));
    }
}
