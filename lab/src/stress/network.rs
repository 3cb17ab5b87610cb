//! A network of real processes on loopback: one gateway with its directory, two relays of two
//! operators. All its files lie in a temporary folder.

use super::process::{Process, Program, run};
use crate::generate;
use anyhow::{Context, Result};
use discreet_client::Profile;
use discreet_gateway::keyfile;
use discreet_gateway::ratchet::Ratchet;
use discreet_protocol::time::{DAY, Timestamp};
use discreet_serve::Clock;
use discreet_serve::secret::Secret32;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use tempfile::TempDir;
use tests::{Certificates, World, world};

/// What all keys and numbers come from.
pub(crate) const SEED: u64 = 1;
/// The gateway's name at the relays.
const NAME: &str = "dp";
/// Days the OHTTP keys have been in use: one more than must pass before they may be rotated.
const KEYS_AGE_DAYS: u64 = 2;
/// Days until they turn by themselves; none of them falls into a run.
const KEYS_EPOCH_DAYS: u32 = 30;

/// How the network is to be.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// How many mappings are in the directory.
    pub(crate) mappings: u64,
    /// The relays' `[limits]`, as lines of TOML; what is not in them has its default.
    pub(crate) relay_limits: String,
    /// Who opens the listening sockets.
    pub(crate) sockets: Sockets,
    /// What the rules say besides, as lines of TOML: issuers and prices.
    pub(crate) rules: String,
}

/// Who opens the listening sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sockets {
    /// Each server its own.
    Theirs,
    /// We do, as a service manager would: they outlive the servers.
    Ours,
}

/// A running network. Dropping it kills all of it.
pub(crate) struct Network {
    /// The gateway.
    pub(crate) gateway: Server,
    /// The relays; the first is the one under stress.
    pub(crate) relays: [Server; 2],
    /// What clients need to know.
    pub(crate) profile: Profile,
    /// The relay resources, as the profile names them.
    pub(crate) urls: [String; 2],
    /// The certificate all of them trust, PEM.
    pub(crate) ca: Vec<u8>,
    certificates: Certificates,
    // The folder goes last, when nobody uses it any more.
    folder: TempDir,
}

/// A server that can be replaced by the same again.
pub(crate) struct Server {
    /// The process of the moment.
    pub(crate) process: Process,
    program: Program,
    socket: Option<TcpListener>,
}

impl Network {
    /// Fills a directory and starts everything.
    pub(crate) async fn start(plan: &Plan) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let path = folder.path();
        let certificates = Certificates::new(path)?;
        for name in ["gateway", "relay-1", "relay-2"] {
            certificate(&certificates, name)?;
        }
        let directory_key = provider(path, plan).await?;
        let gateway = Server::start(path, "gateway", plan, gateway_config).await?;
        let origin = format!("https://{}", gateway.process.address());
        let relay = |name| Server::start(path, name, plan, |listen| relay_config(listen, plan, &origin));
        let relays = [relay("relay-1").await?, relay("relay-2").await?];
        let urls = relays.each_ref().map(|relay| format!("https://{}/{NAME}", relay.process.address()));
        let profile = Profile::from_toml(&profile(&directory_key, &urls)).context("the profile")?;
        let ca = fs::read(certificates.ca())?;
        Ok(Self { gateway, relays, profile, urls, ca, certificates, folder })
    }

    /// Begins the next epoch of the OHTTP keys, as an operator does.
    pub(crate) async fn rotate_keys(&self) -> Result<()> {
        let arguments = ["--config", "gateway.toml", "keys", "rotate"];
        run("discreet-gateway", &arguments, self.folder.path()).await.map(drop)
    }

    /// Puts a new certificate in the place of `server`'s and has it taken up.
    pub(crate) fn renew(&self, server: &Server) -> Result<()> {
        certificate(&self.certificates, &server.program.name)?;
        server.process.hang_up()
    }

    /// All that the servers of the moment complained about.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let all = [&self.gateway].into_iter().chain(&self.relays);
        all.flat_map(|server| server.process.complaints()).collect()
    }
}

impl Server {
    async fn start(
        folder: &Path,
        name: &str,
        plan: &Plan,
        config: impl FnOnce(&str) -> String,
    ) -> Result<Self> {
        let (socket, address) = match plan.sockets {
            Sockets::Theirs => (None, "127.0.0.1:0"),
            Sockets::Ours => (Some(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?), "systemd"),
        };
        let binary = if name == "gateway" { "discreet-gateway" } else { "discreet-relay" };
        let program = Program {
            name: name.to_owned(),
            binary,
            config: folder.join(format!("{name}.toml")),
            verb: None,
            says: None,
        };
        let listen = format!(
            "[listen.tls]\naddress = \"{address}\"\ncertificate = \"{name}.pem\"\nkey = \"{name}.key.pem\"\n\
             [log]\nformat = \"json\"\n"
        );
        fs::write(&program.config, config(&listen))?;
        let process = Process::start(&program, socket.as_ref()).await?;
        Ok(Self { process, program, socket })
    }

    /// A rolling restart: the next process takes up the socket, then the one before drains and ends.
    /// Returns what that one complained about.
    pub(crate) async fn restart(&mut self) -> Result<Vec<String>> {
        let next = Process::start(&self.program, self.socket.as_ref()).await?;
        std::mem::replace(&mut self.process, next).stop().await
    }

    /// The address clients connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.process.address()
    }
}

/// Rules, directory and keys; returns what clients pin.
async fn provider(folder: &Path, plan: &Plan) -> Result<String> {
    let world = World::new(SEED, Timestamp::from_unix(Clock::system().now()));
    let mut lines = generate::lines(&world, SEED, plan.mappings)?;
    lines.push(String::new());
    fs::write(folder.join("mappings.jsonl"), lines.join("\n"))?;
    fs::write(folder.join("rules.toml"), world.rules() + &plan.rules)?;
    let resolver = "rules = \"rules.toml\"\ndirectory = \"directory.db\"\npepper = \"pepper.key\"\n";
    fs::write(folder.join("resolver.toml"), resolver)?;
    run("discreet-resolver", &["init"], folder).await?;
    run("discreet-resolver", &["import", "mappings.jsonl"], folder).await?;
    let begun = world.now.start_of_day().minus(KEYS_AGE_DAYS * DAY);
    // No secret: the keys last as long as this run.
    let ratchet = Ratchet::new(Secret32::new([12; 32]), 0, begun, KEYS_EPOCH_DAYS);
    keyfile::create(&folder.join("ohttp.keys"), &ratchet)?;
    fs::write(
        folder.join("gateway.toml"),
        gateway_config("[listen.plaintext]\naddress = \"127.0.0.1:0\"\n"),
    )?;
    let key = run("discreet-gateway", &["--config", "gateway.toml", "init"], folder).await?;
    Ok(key.trim().to_owned())
}

fn certificate(certificates: &Certificates, name: &str) -> Result<()> {
    certificates.server(name, &["127.0.0.1", "localhost"]).map(drop)
}

fn gateway_config(listen: &str) -> String {
    format!(
        "ohttp_keys = \"ohttp.keys\"\ndirectory_key = \"directory.key\"\n\
         [resolver]\nembedded = \"resolver.toml\"\n{listen}"
    )
}

fn relay_config(listen: &str, plan: &Plan, origin: &str) -> String {
    let limits = &plan.relay_limits;
    format!("{listen}[limits]\n{limits}\n[gateways.{NAME}]\nurl = \"{origin}\"\nca = \"ca.pem\"\n")
}

fn profile(directory_key: &str, urls: &[String; 2]) -> String {
    let mut profile = format!("domain = \"{}\"\ndirectory_key = \"{directory_key}\"\n", world::DOMAIN);
    for (url, operator) in urls.iter().zip(["One Relays Ltd", "Two Relays Ltd"]) {
        profile.push_str(&format!("\n[[relays]]\nurl = \"{url}\"\noperator = \"{operator}\"\n"));
    }
    profile
}
