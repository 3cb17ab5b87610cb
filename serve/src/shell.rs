//! A running server: one way up, one way down.

use std::{future::Future, net::SocketAddr, sync::Arc};

use prometheus_client::registry::Registry;
use thiserror::Error;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    Admin, Clients, Inherited, Limits, Listen, Listening, Log, Reload, ReloadError,
    accept::{Ended, serve_listener},
    admin::{self, AdminHandler},
    background::Task,
    clients::Admission,
    exchange::{Handler, Server},
    limits::LimitsError,
    listen::{ListenError, loopback_only, nameable, stays_here},
    metrics::Metrics,
    open::open,
    peers::Tls,
    process,
    reload::Reloads,
    signal::{Signals, Told},
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
    /// What the process got from who started it.
    pub inherited: &'a Inherited,
    /// The role's metrics; the shell adds its own, under the registry's prefix.
    pub registry: Registry,
    /// What the role does besides answering.
    pub background: Vec<Task>,
    /// What the role reads anew at [`Shell::reload`], besides the shell's own certificates.
    pub reloads: Vec<Reload>,
}

/// Why a server did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// All clients would share one bucket.
    #[error("clients.rate: a Unix socket has no addresses; say with clients.behind what is in front of it")]
    NoAddresses,
    /// A limit makes no sense.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// The listener cannot be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The admin listener cannot be opened.
    #[error("the admin listener: {0}")]
    Admin(ListenError),
    /// One passed socket cannot be two listeners.
    #[error("listen and admin both take the passed socket systemd:{number}")]
    SameSocket {
        /// The configured number.
        number: usize,
    },
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
    listening: Listening,
    admin: Option<Listening>,
    reloads: Reloads,
    stop: watch::Sender<bool>,
    stop_admin: watch::Sender<bool>,
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
        Self::start_admitting(config, Admission::of_everybody(), handler).await
    }

    /// As [`Shell::start`], for a role that clients come to: bounds how often each of them may.
    ///
    /// # Errors
    ///
    /// As [`Shell::start`].
    pub async fn start_for_clients<H: Handler>(
        config: ShellConfig<'_>,
        clients: &Clients,
        handler: H,
    ) -> Result<Self, StartError> {
        Self::start_admitting(config, Admission::new(clients), handler).await
    }

    async fn start_admitting<H: Handler>(
        config: ShellConfig<'_>,
        admission: Admission,
        handler: H,
    ) -> Result<Self, StartError> {
        config.limits.check()?;
        differ(config.listen, config.admin)?;
        let (listener, listening, tls) = config.listen.open(config.inherited).await?;
        if matches!(listening, Listening::Unix(_)) && admission.counts_peers() {
            return Err(StartError::NoAddresses);
        }
        let (admin_listener, admin) = open_admin(config.admin, config.inherited).await?.unzip();
        let limits = config.log.within(|| config.inherited.fit(config.limits));
        let drain = limits.drain();

        let tls = tls.map(watch::Sender::new);
        let handshakes = tls.as_ref().map(watch::Sender::subscribe);
        let own = tls.map(|tls| reload_tls(config.listen.clone(), tls));
        let reloads = Reloads::new(own.into_iter().chain(config.reloads).collect());
        let metrics = Metrics::default();
        let mut registry = config.registry;
        metrics.register(&mut registry);
        reloads.register(&mut registry);
        let mut shell = Self {
            listening,
            admin,
            reloads,
            stop: watch::Sender::new(false),
            stop_admin: watch::Sender::new(false),
            serving: JoinSet::new(),
            serving_admin: JoinSet::new(),
            background: JoinSet::new(),
            log: config.log.clone(),
        };
        let server =
            Server::new(handler, limits, config.max_request_bytes, admission, metrics, shell.log.clone());
        let serving = serve_listener(listener, handshakes, Arc::new(server), shell.stop.subscribe());
        shell.serving.spawn(serving);
        if let Some(listener) = admin_listener {
            shell.spawn_admin(listener, registry);
        }
        for task in config.background {
            shell.background.spawn(shell.log.attach(task.run(shell.stop.subscribe(), drain)));
        }
        Ok(shell)
    }

    /// Looks at everything that can be wrong with listeners and limits, short of opening them.
    ///
    /// # Errors
    ///
    /// As [`Shell::start`] would.
    pub fn check(listen: &Listen, admin: &Admin, limits: &Limits) -> Result<(), StartError> {
        limits.check()?;
        differ(listen, admin)?;
        if let Admin::Enabled { address } = admin {
            nameable(address).and_then(|()| loopback_only(address)).map_err(StartError::Admin)?;
        }
        Ok(listen.check()?)
    }

    /// The TCP address the server listens on, with the port the system chose; `0.0.0.0:0` for a Unix socket.
    pub fn addr(&self) -> SocketAddr {
        self.listening.addr()
    }

    /// Where the server listens.
    pub fn listening(&self) -> &Listening {
        &self.listening
    }

    /// As [`Shell::addr`], of the admin listener, if there is one.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(Listening::addr)
    }

    /// Where health and metrics are answered, if anywhere.
    pub fn admin_listening(&self) -> Option<&Listening> {
        self.admin.as_ref()
    }

    /// Reads certificate, key and pinned peers anew, and whatever the role registered. New handshakes use
    /// them; open connections stay as they are, also those of a peer that is no longer pinned.
    ///
    /// It blocks for as long as the files take to read.
    ///
    /// # Errors
    ///
    /// Names the first thing that cannot be used. Each such keeps its old state and is logged; the others
    /// are taken up.
    pub fn reload(&self) -> Result<(), ReloadError> {
        self.log.within(|| self.reloads.run())
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

    /// Serves until `stop` resolves, then drains.
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

    /// As [`Shell::run_until`], told by signals: SIGTERM and SIGINT stop, SIGHUP reloads. The service manager
    /// hears of each step.
    ///
    /// # Errors
    ///
    /// As [`Shell::run_until`].
    pub async fn run(mut self, mut signals: Signals) -> Result<(), JoinError> {
        let log = self.log.clone();
        log.within(process::notify_ready);
        loop {
            tokio::select! {
                told = signals.next() => match told {
                    Told::Stop => break,
                    Told::Reload => {
                        log.within(process::notify_reloading);
                        // What failed is logged. Blocks nobody: `main`'s thread has nothing else to do.
                        let _ = self.reload();
                        log.within(process::notify_ready);
                    }
                },
                ended = last(&mut self.serving) => return ended.and(Err(JoinError::Panicked)),
                () = panicked(&mut self.background) => return Err(JoinError::Panicked),
            }
        }
        log.within(process::notify_stopping);
        self.shutdown();
        self.join().await
    }

    fn spawn_admin(&mut self, listener: Listener, registry: Registry) {
        let handler = AdminHandler { registry: Arc::new(registry), stop: self.stop.subscribe() };
        // Its own counters, which nobody reads: scraping is not traffic.
        let everybody = Admission::of_everybody();
        let server =
            Server::new(handler, admin::limits(), 0, everybody, Metrics::default(), self.log.clone());
        self.serving_admin.spawn(serve_listener(
            listener,
            None,
            Arc::new(server),
            self.stop_admin.subscribe(),
        ));
    }
}

async fn open_admin(
    admin: &Admin,
    inherited: &Inherited,
) -> Result<Option<(Listener, Listening)>, StartError> {
    let Admin::Enabled { address } = admin else { return Ok(None) };
    loopback_only(address).map_err(StartError::Admin)?;
    let (listener, listening) = open(address, inherited).await.map_err(StartError::Admin)?;
    stays_here(&listening).map_err(StartError::Admin)?;
    Ok(Some((listener, listening)))
}

/// One passed socket is one listener.
fn differ(listen: &Listen, admin: &Admin) -> Result<(), StartError> {
    let Admin::Enabled { address } = admin else { return Ok(()) };
    match address.passed() {
        Some(number) if listen.address().passed() == Some(number) => Err(StartError::SameSocket { number }),
        _ => Ok(()),
    }
}

/// Certificate, key and pinned peers, as `listen` names them, for new handshakes.
fn reload_tls(listen: Listen, tls: watch::Sender<Tls>) -> Reload {
    Reload::new("certificates", move || {
        if let Some(new) = listen.tls()? {
            tls.send_replace(new);
        }
        Ok::<_, ListenError>(())
    })
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
