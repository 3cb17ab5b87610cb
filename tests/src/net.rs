//! A whole network in one process: relays, one gateway with its directory, real TLS, real SQLite,
//! ports that the system chose. Dropping it stops everything.

use crate::leaks::Searched;
use crate::{Certificates, World};
use anyhow::{Context, Result};
use discreet_client::{Client, ClientBuilder, Profile};
use discreet_gateway::config::PublicKey;
use discreet_gateway::{DirectoryKey, Gateway};
use discreet_protocol::time::Timestamp;
use discreet_relay::Relay;
use discreet_resolver::directory::Directory;
use discreet_resolver::import::{LineError, Summary};
use discreet_resolver::rules::Rules;
use discreet_serve::log::{LogConfig, LogLevel};
use discreet_serve::{Admin, Clock, Environment, Listen, UpstreamConfig};
use files::{gateway_config, import_lines, open_directory, write_profile, write_provider};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub use files::provider;

mod files;

/// The gateway's name at the relays.
const NAME: &str = "dp";
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A running network.
pub struct Net {
    /// Everybody who signs.
    pub world: World,
    /// The time the gateway believes in.
    pub clock: Clock,
    /// The gateway; `None` once taken down.
    pub gateway: Option<Gateway>,
    /// The relays, in the profile's order.
    pub relays: Vec<Relay>,
    /// What the roles logged, at the most verbose level. When the network goes, it is searched for what
    /// none of them may write down.
    pub log: Searched,
    files: Files,
    restart: Restart,
    // The folder goes last, when nobody uses it any more.
    _temporary: Option<TempDir>,
}

/// Builds a [`Net`].
pub struct NetBuilder {
    relays: usize,
    lines: Vec<String>,
    more_rules: String,
    folder: Option<PathBuf>,
    clock: Option<Clock>,
    relay_address: Option<fn(usize) -> IpAddr>,
    relay_config: Box<dyn Fn(&mut discreet_relay::Config)>,
    gateway_address: IpAddr,
    signer: Option<Vec<String>>,
    front: Option<Front>,
}

/// Puts something in front of a role: gets the role's name, where the role listens, and its certificate; returns where the others shall connect.
type Front = Box<dyn Fn(&str, SocketAddr, &Path, &Path) -> SocketAddr>;

/// What the roles were started with, and listen on.
struct Restart {
    level: LogConfig,
    gateway: discreet_gateway::Config,
    relays: Vec<discreet_relay::Config>,
}

struct Files {
    folder: PathBuf,
    certificates: Certificates,
    urls: Vec<String>,
}

impl Net {
    /// Begins to build: two relays, nobody in the directory, the system's clock.
    pub fn builder() -> NetBuilder {
        NetBuilder {
            relays: 2,
            lines: Vec::new(),
            more_rules: String::new(),
            folder: None,
            clock: None,
            relay_address: None,
            relay_config: Box::new(|_| ()),
            gateway_address: LOOPBACK,
            signer: None,
            front: None,
        }
    }

    /// The folder with all files of the network.
    pub fn folder(&self) -> &Path {
        &self.files.folder
    }

    /// The certificate of the CA that all roles have theirs from.
    pub fn ca(&self) -> PathBuf {
        self.files.certificates.ca()
    }

    /// The relay resources, as a profile names them.
    pub fn relay_urls(&self) -> &[String] {
        &self.files.urls
    }

    /// The profile file that clients need.
    pub fn profile_path(&self) -> PathBuf {
        self.files.folder.join("profile.toml")
    }

    /// The profile.
    ///
    /// # Panics
    ///
    /// Never: the harness wrote it.
    pub fn profile(&self) -> Profile {
        let text = fs::read_to_string(self.profile_path()).expect("the harness wrote the profile");
        Profile::from_toml(&text).expect("the profile is good")
    }

    /// Begins to build a client of this network, with its clock.
    ///
    /// # Panics
    ///
    /// Never: the harness wrote the CA's certificate.
    pub fn client(&self) -> ClientBuilder {
        let clock = self.clock.clone();
        let ca = fs::read(self.ca()).expect("the harness wrote the certificate");
        Client::builder(self.profile()).ca(ca).clock(move || clock.now())
    }

    /// Opens rules and directory, as `discreet-resolver` does.
    ///
    /// # Errors
    ///
    /// As [`discreet_resolver::open`].
    pub fn directory(&self) -> Result<(Rules, Directory)> {
        open_directory(&self.files.folder)
    }

    /// Imports lines, as `discreet-resolver import` does.
    ///
    /// # Errors
    ///
    /// When the directory cannot be written.
    pub fn import(&self, lines: &[String]) -> Result<(Summary, Vec<(u64, LineError)>)> {
        import_lines(&self.files.folder, lines, Timestamp::from_unix(self.clock.now()))
    }

    /// Stops the gateway gracefully and starts it anew, on the same port. Nobody listens there meanwhile.
    ///
    /// # Errors
    ///
    /// When it does not start again.
    ///
    /// # Panics
    ///
    /// When one of its tasks panicked.
    pub async fn restart_gateway(&mut self) -> Result<()> {
        self.stop_gateway().await;
        self.gateway = Some(Gateway::bind_in(self.restart.gateway.clone(), self.environment()).await?);
        Ok(())
    }

    /// As [`Net::restart_gateway`], for the relay at `index`.
    ///
    /// # Errors
    ///
    /// As [`Net::restart_gateway`], and when there is no such relay.
    ///
    /// # Panics
    ///
    /// As [`Net::restart_gateway`].
    pub async fn restart_relay(&mut self, index: usize) -> Result<()> {
        let config = self.restart.relays.get(index).context("no such relay")?.clone();
        let relay = self.relays.remove(index);
        relay.shutdown();
        relay.join().await.expect("no task of the relay panicked");
        self.relays.insert(index, Relay::bind_in(config, self.environment()).await?);
        Ok(())
    }

    fn environment(&self) -> Environment {
        Environment::new(self.log.log(&self.restart.level), self.clock.clone())
    }

    /// Stops the gateway and waits until it has.
    ///
    /// # Panics
    ///
    /// When one of its tasks panicked.
    pub async fn stop_gateway(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            gateway.shutdown();
            gateway.join().await.expect("no task of the gateway panicked");
        }
    }
}

impl NetBuilder {
    /// How many relays, each of its own operator.
    pub fn relays(mut self, count: usize) -> Self {
        self.relays = count;
        self
    }

    /// Lines of the import format, to be in the directory.
    pub fn lines(mut self, lines: Vec<String>) -> Self {
        self.lines = lines;
        self
    }

    /// What the rules say besides: prices and issuers, as TOML.
    pub fn more_rules(mut self, toml: &str) -> Self {
        self.more_rules = toml.to_owned();
        self
    }

    /// A folder that stays, instead of a temporary one.
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// The time all believe in.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Loopback addresses to listen on, so that parties can be told apart.
    pub fn addresses(mut self, relay: fn(usize) -> IpAddr, gateway: IpAddr) -> Self {
        self.relay_address = Some(relay);
        self.gateway_address = gateway;
        self
    }

    /// Changes the configuration of every relay, whose gateway is `dp`.
    pub fn relay_config(mut self, adjust: impl Fn(&mut discreet_relay::Config) + 'static) -> Self {
        self.relay_config = Box::new(adjust);
        self
    }

    /// A command that signs the policy with the world's directory key.
    pub fn signer(mut self, command: Vec<String>) -> Self {
        self.signer = Some(command);
        self
    }

    /// Puts something in front of every role, such as a recorder. It is called with the role's
    /// name, its address, and the files of its certificate and key, and returns where the others
    /// shall connect.
    pub fn front(mut self, front: impl Fn(&str, SocketAddr, &Path, &Path) -> SocketAddr + 'static) -> Self {
        self.front = Some(Box::new(front));
        self
    }

    /// Starts the network of `world`.
    ///
    /// # Errors
    ///
    /// When files or ports cannot be had.
    pub async fn start(self, world: World) -> Result<Net> {
        let temporary = if self.folder.is_none() { Some(tempfile::tempdir()?) } else { None };
        let folder =
            self.folder.clone().or_else(|| temporary.as_ref().map(|folder| folder.path().to_owned()));
        let folder = folder.context("no folder")?;
        let clock = self.clock.clone().unwrap_or_else(|| Clock::manual(world.now.unix()));
        let log = Searched::default();
        let level = LogConfig { level: LogLevel::Debug, ..LogConfig::default() };
        let environment = || Environment::new(log.log(&level), clock.clone());

        write_provider(&folder, &world, &self.more_rules)?;
        import_lines(&folder, &self.lines, Timestamp::from_unix(clock.now()))?;
        let certificates = Certificates::new(&folder)?;
        let (certificate, key) =
            certificates.server("gateway", &[&self.gateway_address.to_string(), "localhost"])?;
        let mut config = gateway_config(&folder, self.listen(self.gateway_address, &certificate, &key));
        if let Some(command) = self.signer.clone() {
            let public_key = PublicKey(world.directory_key.verifying_key());
            config.directory_key = DirectoryKey::Signer { command, public_key };
        }
        let gateway = Gateway::bind_in(config.clone(), environment()).await?;
        config.listen = again(config.listen, gateway.addr());
        let mut restart = Restart { level: level.clone(), gateway: config, relays: Vec::new() };
        let gateway_addr = self.fronted("gateway", gateway.addr(), &certificate, &key);

        let mut relays = Vec::new();
        let mut urls = Vec::new();
        for index in 0..self.relays {
            let address = self.relay_address.map_or(LOOPBACK, |address| address(index));
            let name = format!("relay-{}", index + 1);
            let (certificate, key) = certificates.server(&name, &[&address.to_string(), "localhost"])?;
            let mut config = discreet_relay::Config::new(self.listen(address, &certificate, &key));
            let mut upstream = UpstreamConfig::new(format!("https://{gateway_addr}").parse()?);
            upstream.ca = Some(certificates.ca());
            config.gateways.insert(NAME.parse()?, upstream);
            config.admin = admin();
            (self.relay_config)(&mut config);
            let relay = Relay::bind_in(config.clone(), environment()).await?;
            config.listen = again(config.listen, relay.addr());
            restart.relays.push(config);
            urls.push(format!("https://{}/{NAME}", self.fronted(&name, relay.addr(), &certificate, &key)));
            relays.push(relay);
        }
        write_profile(&folder, &world, &urls)?;
        let files = Files { folder, certificates, urls };
        Ok(Net { world, clock, gateway: Some(gateway), relays, log, files, restart, _temporary: temporary })
    }

    fn listen(&self, ip: IpAddr, certificate: &Path, key: &Path) -> Listen {
        let address = SocketAddr::new(ip, 0).into();
        Listen::Tls { address, certificate: certificate.to_owned(), key: key.to_owned() }
    }

    fn fronted(&self, name: &str, addr: SocketAddr, certificate: &Path, key: &Path) -> SocketAddr {
        self.front.as_ref().map_or(addr, |front| front(name, addr, certificate, key))
    }
}

/// The same, on the port that the system chose.
fn again(listen: Listen, addr: SocketAddr) -> Listen {
    match listen {
        Listen::Tls { certificate, key, .. } => Listen::Tls { address: addr.into(), certificate, key },
        other => other,
    }
}

fn admin() -> Admin {
    Admin::Enabled { address: SocketAddr::new(LOOPBACK, 0).into() }
}
