//! What a process got from who started it: open sockets, and how many files it may open.

use std::{
    fmt, io,
    net::TcpListener,
    os::unix::net::UnixListener,
    sync::{Arc, Mutex, PoisonError},
};

use listenfd::ListenFd;
use rustix::{
    net::sockopt::socket_acceptconn,
    process::{Resource, getrlimit, setrlimit},
};

use crate::{Limits, listen::ListenError};

/// Files a server needs besides the connections it accepts: those to upstreams, databases, logs, timers. Where
/// they are few, a quarter of all.
const OTHER_FILES: u64 = 256;

/// What a process got from who started it. By default nothing: a test's roles inherit nothing.
#[derive(Clone, Default)]
pub struct Inherited {
    sockets: Arc<Mutex<Sockets>>,
    /// How many files may be open at once, as far as it is known.
    max_files: Option<u64>,
}

#[derive(Default)]
struct Sockets {
    passed: Option<ListenFd>,
    taken: usize,
}

/// A listening socket that was passed.
#[derive(Debug)]
pub(crate) enum Passed {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Inherited {
    /// Takes the sockets that systemd passed (`sd_listen_fds(3)`) and raises the soft limit of open files
    /// to the hard one, as systemd advises servers that do not use `select(2)`.
    ///
    /// They belong to the process, so only `main` calls this: once, and before any thread is started,
    /// because it changes the environment.
    pub fn take() -> Self {
        let sockets = Sockets { passed: Some(ListenFd::from_env()), taken: 0 };
        Self { sockets: Arc::new(Mutex::new(sockets)), max_files: raise_max_files() }
    }

    /// The passed socket `number`, counted from 0; it is given away once.
    pub(crate) fn socket(&self, number: usize) -> Result<Passed, ListenError> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let Sockets { passed, taken } = &mut *sockets;
        let missing = ListenError::NotPassed { number, passed: passed.as_ref().map_or(0, ListenFd::len) };
        let Some(passed) = passed else { return Err(missing) };
        let listener = match passed.take_tcp_listener(number) {
            Ok(listener) => listener.map(Passed::Tcp),
            Err(_) => {
                let listener = passed.take_unix_listener(number);
                listener.map_err(|_| ListenError::NotAStream { number })?.map(Passed::Unix)
            }
        };
        let listener = listener.ok_or(missing)?;
        *taken += 1;
        match listener.ready() {
            Ok(true) => Ok(listener),
            // Accept=yes passes connections.
            Ok(false) => Err(ListenError::NotListening { number }),
            Err(source) => Err(ListenError::Passed { number, source }),
        }
    }

    /// Says so if a socket was passed that nobody took: who connects there waits for ever.
    pub(crate) fn warn_of_unused(&self) {
        let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = sockets.passed.as_ref().map_or(0, ListenFd::len);
        if passed > sockets.taken {
            let taken = sockets.taken;
            tracing::warn!(
                passed,
                taken,
                "sockets were passed that the configuration does not name: systemd:N"
            );
        }
    }

    /// The bounds, with no more connections than there are files for: one that cannot be accepted waits in the
    /// kernel, where nobody makes room for it.
    pub(crate) fn fit(&self, limits: &Limits) -> Limits {
        let mut limits = limits.clone();
        let Some(max_files) = self.max_files else { return limits };
        let fitting =
            usize::try_from(max_files - OTHER_FILES.min(max_files / 4)).unwrap_or(usize::MAX).max(1);
        if limits.max_connections > fitting {
            let configured = limits.max_connections;
            tracing::warn!(
                configured,
                fitting,
                max_files,
                "limits.max_connections does not fit into the files this process may open: raise LimitNOFILE= \
                 (systemd) or `ulimit -n`, or lower it"
            );
            limits.max_connections = fitting;
        }
        limits
    }
}

impl fmt::Debug for Inherited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inherited {{ max_files: {:?} }}", self.max_files)
    }
}

impl Passed {
    /// Makes it fit for tokio. False: it does not listen.
    fn ready(&self) -> io::Result<bool> {
        Ok(match self {
            Self::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                socket_acceptconn(listener)?
            }
            Self::Unix(listener) => {
                listener.set_nonblocking(true)?;
                socket_acceptconn(listener)?
            }
        })
    }
}

/// `None` where there is no limit, or none to be learnt.
fn raise_max_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LogConfig, log::LogBuffer};

    #[test]
    fn connections_that_do_not_fit_are_cut_down_and_said() {
        let log = LogBuffer::default();
        let limits = Limits { max_connections: 5000, ..Limits::default() };
        let few = Inherited { max_files: Some(1024), ..Inherited::default() };
        let fitted = log.log(&LogConfig::default()).within(|| few.fit(&limits));
        assert_eq!(fitted.max_connections, 768);
        assert!(log.text().contains("configured=5000 fitting=768 max_files=1024"), "{}", log.text());
    }

    #[test]
    fn connections_that_fit_stay_and_nothing_is_said() {
        let log = LogBuffer::default();
        let limits = Limits { max_connections: 768, ..Limits::default() };
        for max_files in [Some(1024), None] {
            let inherited = Inherited { max_files, ..Inherited::default() };
            let fitted = log.log(&LogConfig::default()).within(|| inherited.fit(&limits));
            assert_eq!(fitted.max_connections, 768);
        }
        assert_eq!(log.text(), "");
    }

    #[test]
    fn the_last_connection_is_never_taken_away() {
        let none = Inherited { max_files: Some(1), ..Inherited::default() };
        assert_eq!(none.fit(&Limits::default()).max_connections, 1);
        let few = Inherited { max_files: Some(100), ..Inherited::default() };
        assert_eq!(few.fit(&Limits::default()).max_connections, 75, "a quarter is for other things");
    }

    #[test]
    fn who_inherits_nothing_has_no_socket() {
        let error = Inherited::default().socket(0).unwrap_err().to_string();
        assert!(error.starts_with("systemd:0 was not passed"), "{error}");
    }
}
