//! A running server: one way up, one way down.

use std::{fmt, future::Future, io, net::SocketAddr, pin::Pin, sync::Arc};

use prometheus_client::registry::Registry;
use thiserror::Error;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    Admin, Limits, Listen, Log,
    accept::{Ended, serve_listener},
    admin::{self, AdminHandler},
    connection::stopped,
    exchange::{Handler, Server},
    limits::LimitsError,
    listen::{ListenError, bind, loopback_only},
    metrics::Metrics,
    peers::Tls,
    socket::Listener,
};

/// What a role gives its shell.
#[derive(Debug)]
pub struct ShellConfig<'a> {
    /// Where to listen.
    pub listen: &'a Listen,
    /// Where to answer health and metrics.
    pub admin: &'a Admin,
    /// The bounds of the server.
    pub limits: &'a Limits,
    /// The largest request body in bytes. Over it: 413.
    pub max_request_bytes: usize,
    /// Where the shell and the handler log.
    pub log: &'a Log,
    /// The role's metrics; the shell adds its own, under the registry's prefix.
    pub registry: Registry,
    /// What the role does besides answering.
    pub background: Vec<Task>,
}

/// Work that goes on beside the answering: the shell owns it, gives it the role's log, and drops it
/// at a stop. It may end by itself; if it panics, the server ends with [`JoinError::Panicked`].
pub struct Task(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Task {
    /// Takes over `work`. Where it is dropped, at an `await`, nothing may be left half done.
    pub fn new(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(work))
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Task(…)")
    }
}

/// Why a server did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A limit makes no sense.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// The listener cannot be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The admin listener cannot be opened.
    #[error("the admin listener: {0}")]
    Admin(ListenError),
    /// The system does not tell which port it chose.
    #[error("the listener has no address: {0}")]
    NoAddress(io::Error),
}

/// Why a server did not end well.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum JoinError {
    /// A task of the shell panicked. A handler's panic is answered with 500 and does not count here.
    #[error("a task of the server panicked")]
    Panicked,
}

/// A running server. Dropping it stops everything at once; to be polite use [`Shell::shutdown`]
/// and [`Shell::join`].
#[derive(Debug)]
pub struct Shell {
    addr: SocketAddr,
    admin_addr: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    stop_admin: watch::Sender<bool>,
    /// What new handshakes use.
    tls: Option<watch::Sender<Tls>>,
    // Sets of one task, because dropping a set aborts and dropping a handle does not.
    serving: JoinSet<Ended>,
    serving_admin: JoinSet<Ended>,
    background: JoinSet<()>,
    log: Log,
}

impl Shell {
    /// Starts a server and returns once it listens.
    ///
    /// # Errors
    ///
    /// When a limit, address, certificate or key cannot be used. Nothing is left running.
    pub async fn start<H: Handler>(config: ShellConfig<'_>, handler: H) -> Result<Self, StartError> {
        config.limits.check()?;
        let (listener, tls) = config.listen.bind().await?;
        let admin = bind_admin(config.admin).await?;
        let addr = listener.local_addr().map_err(StartError::NoAddress)?;
        let admin_addr = admin
            .as_ref()
            .map(tokio::net::TcpListener::local_addr)
            .transpose()
            .map_err(StartError::NoAddress)?;

        let metrics = Metrics::default();
        let mut registry = config.registry;
        metrics.register(&mut registry);
        let mut shell = Self {
            addr,
            admin_addr,
            stop: watch::Sender::new(false),
            stop_admin: watch::Sender::new(false),
            tls: tls.map(watch::Sender::new),
            serving: JoinSet::new(),
            serving_admin: JoinSet::new(),
            background: JoinSet::new(),
            log: config.log.clone(),
        };
        let server =
            Server::new(handler, config.limits.clone(), config.max_request_bytes, metrics, shell.log.clone());
        let tls = shell.tls.as_ref().map(watch::Sender::subscribe);
        let listener = Listener::Tcp(listener);
        shell.serving.spawn(serve_listener(listener, tls, Arc::new(server), shell.stop.subscribe()));
        if let Some(listener) = admin {
            shell.spawn_admin(Listener::Tcp(listener), registry);
        }
        for task in config.background {
            shell.spawn_background(task);
        }
        Ok(shell)
    }

    /// Where the server listens, with the port the system chose.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where the admin listener listens, if there is one.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin_addr
    }

    /// Begins to drain: no new connection, `connection: close` or GOAWAY on open ones, `/health`
    /// answers 503. Calling it again changes nothing.
    pub fn shutdown(&self) {
        self.stop.send_replace(true);
    }

    /// Returns once all connections are closed, or cut off at the drain deadline, after a [`Shell::shutdown`].
    ///
    /// # Errors
    ///
    /// When a task of the shell panicked since the start.
    pub async fn join(mut self) -> Result<(), JoinError> {
        let served = last(&mut self.serving).await;
        self.stop_admin.send_replace(true);
        let admin = last(&mut self.serving_admin).await;
        let background = all_of(&mut self.background).await;
        if let Ok(Ended { cut_off: connections @ 1.., .. }) = served {
            self.log.within(|| tracing::warn!(connections, "cut off at the drain deadline"));
        }
        for ended in [served, admin] {
            if ended?.panicked > 0 {
                return Err(JoinError::Panicked);
            }
        }
        background
    }

    /// Serves until `stop` resolves, then drains. The story of every `main`.
    ///
    /// # Errors
    ///
    /// As [`Shell::join`]; at once, without waiting for `stop`, if the server itself ends or a
    /// background task panics.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>) -> Result<(), JoinError> {
        tokio::select! {
            () = stop => self.shutdown(),
            ended = last(&mut self.serving) => return ended.and(Err(JoinError::Panicked)),
            () = panicked(&mut self.background) => return Err(JoinError::Panicked),
        }
        self.join().await
    }

    fn spawn_background(&mut self, Task(work): Task) {
        let stop = self.stop.subscribe();
        self.background.spawn(self.log.attach(async move {
            tokio::select! {
                () = stopped(stop) => {}
                () = work => {}
            }
        }));
    }

    fn spawn_admin(&mut self, listener: Listener, registry: Registry) {
        let handler = AdminHandler { registry: Arc::new(registry), stop: self.stop.subscribe() };
        // Its own counters, which nobody reads: scraping is not traffic.
        let server = Server::new(handler, admin::limits(), 0, Metrics::default(), self.log.clone());
        self.serving_admin.spawn(serve_listener(
            listener,
            None,
            Arc::new(server),
            self.stop_admin.subscribe(),
        ));
    }
}

async fn bind_admin(admin: &Admin) -> Result<Option<tokio::net::TcpListener>, StartError> {
    match admin {
        Admin::Disabled => Ok(None),
        Admin::Enabled { address } => {
            loopback_only(*address).map_err(StartError::Admin)?;
            bind(*address).await.map(Some).map_err(StartError::Admin)
        }
    }
}

/// The end of the one task in `set`, or of none.
async fn last(set: &mut JoinSet<Ended>) -> Result<Ended, JoinError> {
    set.join_next().await.unwrap_or_else(|| Ok(Ended::default())).map_err(|_| JoinError::Panicked)
}

/// Waits for the end of all tasks in `set`, which have been told to stop.
async fn all_of(set: &mut JoinSet<()>) -> Result<(), JoinError> {
    let mut ended = Ok(());
    while let Some(task) = set.join_next().await {
        ended = ended.and(task.map_err(|_| JoinError::Panicked));
    }
    ended
}

/// Resolves once a task in `set` has panicked.
async fn panicked(set: &mut JoinSet<()>) {
    while let Some(task) = set.join_next().await {
        if task.is_err() {
            return;
        }
    }
    std::future::pending().await
}
