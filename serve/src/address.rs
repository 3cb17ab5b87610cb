//! What a listener's `address = "…"` may say.

use std::{
    fmt,
    net::SocketAddr,
    os::unix::net::SocketAddr as UnixAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::Deserialize;
use thiserror::Error;

use crate::config::resolve;

/// Where a server listens.
///
/// | written | means |
/// |---|---|
/// | `"[::]:8443"`, `"127.0.0.1:0"` | TCP; port 0 lets the system choose |
/// | `"unix:relay.sock"` | a Unix socket at this path, relative to the configuration file's folder; mode 0660 |
/// | `"systemd"`, `"systemd:1"` | the first, or second, socket that systemd passed (`sd_listen_fds(3)`) |
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Address {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A Unix stream socket, made at this path. One that a dead process left there is replaced; one that
    /// answers, or a file of another kind, is not.
    Unix(PathBuf),
    /// A listening stream socket that was passed at the start, counted from 0. Its TCP address or path is
    /// the business of who passed it.
    Systemd(usize),
}

/// A text that is no address.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AddressError {
    /// Nothing we know.
    #[error("an address is IP:PORT, unix:PATH, systemd or systemd:N")]
    Unknown,
    /// A path that no socket can have.
    #[error("the path of a Unix socket has 1 to 107 bytes")]
    Path,
    /// Not the number of a passed socket.
    #[error("systemd:N counts the passed sockets from 0")]
    Number,
}

impl Address {
    /// Takes a relative path from `folder`, the configuration file's.
    pub fn resolve_path(&mut self, folder: &Path) {
        if let Self::Unix(path) = self {
            resolve(folder, path);
        }
    }

    /// The number of the passed socket, if it is one.
    pub(crate) fn passed(&self) -> Option<usize> {
        if let Self::Systemd(number) = self { Some(*number) } else { None }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            let fits = !path.is_empty() && UnixAddr::from_pathname(path).is_ok();
            return if fits { Ok(Self::Unix(path.into())) } else { Err(AddressError::Path) };
        }
        if text == "systemd" {
            return Ok(Self::Systemd(0));
        }
        if let Some(number) = text.strip_prefix("systemd:") {
            return number.parse().map(Self::Systemd).map_err(|_| AddressError::Number);
        }
        text.parse().map(Self::Tcp).map_err(|_| AddressError::Unknown)
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd(number) => write!(f, "systemd:{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_table_says_and_writes_it_back() {
        for (text, address, written) in [
            ("127.0.0.1:80", Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 80))), "127.0.0.1:80"),
            ("unix:run/a.sock", Address::Unix("run/a.sock".into()), "unix:run/a.sock"),
            ("systemd", Address::Systemd(0), "systemd:0"),
            ("systemd:3", Address::Systemd(3), "systemd:3"),
        ] {
            let read: Address = text.parse().unwrap();
            assert_eq!((read.to_string().as_str(), read), (written, address));
        }
        assert!("[::]:8443".parse::<Address>().is_ok());
    }

    #[test]
    fn rejects_what_is_no_address() {
        for text in ["", "127.0.0.1", "localhost:80", "tcp:127.0.0.1:80", "/run/a.sock", "systemd1"] {
            assert_eq!(text.parse::<Address>(), Err(AddressError::Unknown), "{text}");
        }
    }

    #[test]
    fn rejects_a_path_that_no_socket_can_have() {
        let long = format!("unix:/{}", "a".repeat(107));
        for text in ["unix:", "unix:a\0b", &long] {
            assert_eq!(text.parse::<Address>(), Err(AddressError::Path), "{text}");
        }
        assert!(long[..long.len() - 1].parse::<Address>().is_ok(), "107 bytes fit");
    }

    #[test]
    fn rejects_a_passed_socket_without_number() {
        for text in ["systemd:", "systemd:-1", "systemd:one"] {
            assert_eq!(text.parse::<Address>(), Err(AddressError::Number), "{text}");
        }
    }

    #[test]
    fn a_relative_socket_is_taken_from_the_folder_of_the_configuration() {
        let mut address: Address = "unix:relay.sock".parse().unwrap();
        address.resolve_path(Path::new("/etc/discreet"));
        assert_eq!(address, Address::Unix("/etc/discreet/relay.sock".into()));
    }
}
