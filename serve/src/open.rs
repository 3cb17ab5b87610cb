//! Opening a listener: a port, a Unix socket, or one that was passed.

use std::{
    fmt, fs, io,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tokio::net::{TcpListener, UnixListener, UnixStream};

use crate::{
    Address,
    inherited::{Inherited, Passed},
    listen::ListenError,
    socket::Listener,
};

/// Owner and group may connect: a balancer gets the group.
const SOCKET_MODE: u32 = 0o660;

/// Where a server really listens, once it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listening {
    /// A TCP port, with the number the system chose.
    Tcp(SocketAddr),
    /// A Unix socket; a passed one may have no path.
    Unix(Option<PathBuf>),
}

impl Listening {
    /// The TCP address; of a Unix socket the unspecified one, `0.0.0.0:0`.
    pub fn addr(&self) -> SocketAddr {
        match self {
            Self::Tcp(address) => *address,
            Self::Unix(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        }
    }
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(Some(path)) => write!(f, "unix:{}", path.display()),
            Self::Unix(None) => f.write_str("unix"),
        }
    }
}

/// The file of a Unix socket that we made. It goes when this is dropped, unless another has taken its place.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    device_and_inode: (u64, u64),
}

/// Opens a listener at `address`.
pub(crate) async fn open(
    address: &Address,
    inherited: &Inherited,
) -> Result<(Listener, Listening), ListenError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { address: address.clone() },
        _ => ListenError::Bind { address: address.clone(), source },
    };
    let listener = match address {
        Address::Tcp(address) => Listener::Tcp(TcpListener::bind(address).await.map_err(failed)?),
        Address::Unix(path) => {
            make_way(path).await?;
            let listener = UnixListener::bind(path).map_err(failed)?;
            Listener::Unix { _file: Some(SocketFile::made_at(path).map_err(failed)?), listener }
        }
        Address::Systemd(number) => match inherited.socket(*number)? {
            Passed::Tcp(listener) => Listener::Tcp(TcpListener::from_std(listener).map_err(failed)?),
            Passed::Unix(listener) => {
                Listener::Unix { _file: None, listener: UnixListener::from_std(listener).map_err(failed)? }
            }
        },
    };
    let listening = listener.listening().map_err(failed)?;
    Ok((listener, listening))
}

/// Removes a socket that nobody listens on any more, and nothing else.
async fn make_way(path: &Path) -> Result<(), ListenError> {
    let address = || Address::Unix(path.to_owned());
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(ListenError::Bind { address: address(), source }),
        Ok(file) if !file.file_type().is_socket() => {
            return Err(ListenError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|source| ListenError::Bind { address: address(), source })
        }
        // A full queue: somebody is there, and busy.
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
            Err(ListenError::Bind { address: address(), source: error })
        }
        Ok(_) | Err(_) => Err(ListenError::InUse { address: address() }),
    }
}

impl SocketFile {
    fn made_at(path: &Path) -> io::Result<Self> {
        let file = Self { path: path.to_owned(), device_and_inode: identity(path)? };
        fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))?;
        Ok(file)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.device_and_inode) {
            // What cannot be removed is found stale by who comes next.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}
