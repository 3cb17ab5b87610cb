//! Our own programs for the benchmark: a directory of so many people, and gateways, relays and a resolver in
//! front of it, with TLS or without. All files lie in one temporary folder.

use super::cpu;
use super::load::{Link, Target, Wire};
use crate::generate;
use crate::stress::link::Connector;
use crate::stress::process::{Process, Program, beside, run};
use anyhow::{Context, Result, ensure};
use discreet_gateway::Keyring;
use discreet_gateway::keyfile;
use discreet_gateway::ratchet::Ratchet;
use discreet_protocol::VerifyingKey;
use discreet_protocol::identifier::Csi;
use discreet_protocol::policy::Policy;
use discreet_protocol::statement::open;
use discreet_protocol::time::Timestamp;
use discreet_serve::Clock;
use discreet_serve::secret::Secret32;
use rustls::ClientConfig;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tests::{Certificates, World, world};

/// What all keys and numbers come from.
const SEED: u64 = 1;
/// The gateway's name at the relays.
pub(crate) const NAME: &str = "dp";
/// Numbers that are in nobody's mapping.
const ABSENT: usize = 10_000;
/// Most people that are asked for: their numbers are kept in memory.
const ASKED: u64 = 1_000_000;
const HOSTS: [&str; 2] = ["127.0.0.1", "localhost"];

/// With TLS and HTTP/2, or without TLS and HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tls,
    Plain,
}

impl Transport {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tls => "TLS",
            Self::Plain => "plain",
        }
    }
}

/// A directory and what servers in front of it need.
pub(crate) struct System {
    directory_key: VerifyingKey,
    pub(crate) present: Vec<Csi>,
    pub(crate) absent: Vec<Csi>,
    /// What the import took.
    pub(crate) import: Import,
    /// When the epoch of the keys began.
    begun: Timestamp,
    pub(crate) certificates: Certificates,
    tls: Arc<ClientConfig>,
    // The folder goes last, when nobody uses it any more.
    folder: TempDir,
}

impl System {
    /// Makes `mappings` mappings and imports them. `prices` is what the rules say beside the authorities, for
    /// gateways that ask for tokens.
    pub(crate) async fn new(mappings: u64, prices: &str) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let path = folder.path();
        let certificates = Certificates::new(path)?;
        for name in ["gateway", "relay", "resolver", "client", "peer"] {
            certificates.server(name, &HOSTS)?;
        }
        let world = World::new(SEED, Timestamp::from_unix(Clock::system().now()));
        fs::write(path.join("free.toml"), world.rules())?;
        fs::write(
            path.join("priced.toml"),
            world.rules().replace("edition = 1\n", "edition = 2\n") + prices,
        )?;
        for rules in ["free", "priced"] {
            fs::write(path.join(format!("resolver-{rules}.toml")), resolver_config(rules))?;
        }
        let import = Import::run(&world, path, mappings).await?;
        let begun = world.now.start_of_day();
        keyfile::create(&path.join("ohttp.keys"), &ratchet(begun))?;
        fs::write(path.join("init.toml"), gateway_config("free", &listen(Transport::Plain, "gateway")))?;
        run("discreet-gateway", &["--config", "init.toml", "init"], path).await?;
        let key = fs::read_to_string(path.join("directory.key"))?;
        let mut seed = [0; 32];
        hex::decode_to_slice(key.trim(), &mut seed)?;
        let directory_key = discreet_protocol::SigningKey::from_bytes(&seed).verifying_key();
        let count = usize::try_from(mappings.min(ASKED))?;
        let mut numbers = generate::numbers(SEED, usize::try_from(mappings)? + ABSENT);
        let absent = numbers.split_off(usize::try_from(mappings)?);
        numbers.truncate(count);
        let tls = client_config(&certificates, None)?;
        Ok(Self { directory_key, present: numbers, absent, import, begun, certificates, tls, folder })
    }

    /// The keys of its gateways.
    pub(crate) fn keyring(&self) -> Result<Keyring> {
        let now = Timestamp::from_unix(Clock::system().now());
        Ok(Keyring::at(&ratchet(self.begun), now)?)
    }

    /// The folder with everything.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Bytes of the directory's file.
    pub(crate) fn file_bytes(&self) -> Result<u64> {
        Ok(fs::metadata(self.folder().join("directory.db"))?.len())
    }

    /// The files of a certificate and its key.
    pub(crate) fn identity(&self, name: &str) -> (PathBuf, PathBuf) {
        (self.folder().join(format!("{name}.pem")), self.folder().join(format!("{name}.key.pem")))
    }

    /// A gateway with the directory; `rules`: `free` or `priced`.
    pub(crate) async fn gateway(&self, transport: Transport, rules: &str) -> Result<Process> {
        let name = format!("gateway-{rules}-{}", transport.name());
        self.start(&name, "discreet-gateway", &gateway_config(rules, &listen(transport, "gateway"))).await
    }

    /// A relay in front of `upstream`, which is as its own listener: with TLS or without.
    pub(crate) async fn relay(&self, transport: Transport, upstream: SocketAddr) -> Result<Process> {
        let origin = match transport {
            Transport::Tls => format!("url = \"https://{upstream}\"\nca = \"ca.pem\"\n"),
            Transport::Plain => format!("url = \"http://{upstream}\"\n"),
        };
        let config = format!("{}[gateways.{NAME}]\n{origin}", listen(transport, "relay"));
        self.start(&format!("relay-{}-{}", transport.name(), upstream.port()), "discreet-relay", &config)
            .await
    }

    /// A resolver that answers whoever shows the certificate `client`, without OHTTP.
    pub(crate) async fn resolver(&self) -> Result<Process> {
        let config = resolver_config("free")
            + "[serve.listen.mutual_tls]\naddress = \"127.0.0.1:0\"\ncertificate = \"resolver.pem\"\n\
               key = \"resolver.key.pem\"\npeers = [\"client.pem\"]\n[serve.log]\nformat = \"json\"\n";
        self.start("resolver-serve", "discreet-resolver", &config).await
    }

    async fn start(&self, name: &str, binary: &'static str, config: &str) -> Result<Process> {
        let file = self.folder().join(format!("{name}.toml"));
        fs::write(&file, config)?;
        let verb = (binary == "discreet-resolver").then_some("serve");
        Process::start(&Program { name: name.to_owned(), binary, config: file, verb, says: None }, None).await
    }

    /// How to connect to one of ours.
    pub(crate) fn target(&self, transport: Transport, address: SocketAddr, path: &str) -> Target {
        let wire = match transport {
            Transport::Tls => Wire::Tls(Arc::clone(&self.tls)),
            Transport::Plain => Wire::Plain,
        };
        Target { address, wire, path: path.to_owned(), content_type: discreet_envelope::OHTTP_REQUEST }
    }

    /// As [`System::target`], showing the certificate `client`.
    pub(crate) fn known(&self, address: SocketAddr, path: &str) -> Result<Target> {
        let wire = Wire::Tls(client_config(&self.certificates, Some(self.identity("client")))?);
        Ok(Target { address, wire, path: path.to_owned(), content_type: "application/octet-stream" })
    }

    /// The policy that a gateway signs.
    pub(crate) async fn policy(&self, transport: Transport, gateway: SocketAddr) -> Result<Policy> {
        let target = self.target(transport, gateway, "/.well-known/discreet");
        let signed = Link::open(&target).await?.get(&target).await.context("the policy")?;
        open::<Policy>(&signed, &self.directory_key).context("the policy")
    }
}

/// No secret: the keys last as long as a run.
fn ratchet(begun: Timestamp) -> Ratchet {
    Ratchet::new(Secret32::new([12; 32]), 0, begun, 30)
}

/// What an import took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Import {
    /// Processor time.
    pub(crate) used: Duration,
    /// Until it ended, with the making of the mappings beside it.
    pub(crate) time: Duration,
    /// The most it had in memory, in bytes, files it read and wrote included.
    pub(crate) peak: u64,
}

/// How often it is looked what an import has used.
const LOOK: Duration = Duration::from_millis(50);

impl Import {
    /// Imports mappings as they are made: the lines of many would take more room on the disk than there is.
    async fn run(world: &World, folder: &Path, mappings: u64) -> Result<Self> {
        let config = "resolver-free.toml";
        run("discreet-resolver", &["--config", config, "init"], folder).await?;
        let mut command = Command::new(beside("discreet-resolver")?);
        command.args(["--config", config, "import", "-"]).current_dir(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let start = Instant::now();
        let mut child = command.spawn().context("cannot start discreet-resolver")?;
        let (world, lines) = (world.clone(), child.stdin.take().context("the import reads nothing")?);
        let written =
            tokio::task::spawn_blocking(move || generate::write_to(&world, SEED, mappings, lines, || ()));
        let (program, status) = (cpu::Program(child.id()), format!("/proc/{}/status", child.id()));
        let (mut used, mut peak) = (Duration::ZERO, 0);
        let ended = loop {
            // Gone once it has ended.
            used = used.max(program.used().unwrap_or_default());
            peak = peak.max(fs::read_to_string(&status).ok().and_then(|text| high_water(&text)).unwrap_or(0));
            match child.try_wait()? {
                Some(ended) => break ended,
                None => tokio::time::sleep(LOOK).await,
            }
        };
        ensure!(ended.success(), "discreet-resolver import: {ended}");
        written.await??;
        Ok(Self { used, time: start.elapsed(), peak })
    }
}

fn high_water(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

fn resolver_config(rules: &str) -> String {
    format!("rules = \"{rules}.toml\"\ndirectory = \"directory.db\"\npepper = \"pepper.key\"\n")
}

fn gateway_config(rules: &str, listen: &str) -> String {
    format!(
        "ohttp_keys = \"ohttp.keys\"\ndirectory_key = \"directory.key\"\n\
         [resolver]\nembedded = \"resolver-{rules}.toml\"\n{listen}"
    )
}

fn listen(transport: Transport, name: &str) -> String {
    let listen = match transport {
        Transport::Tls => {
            format!(
                "[listen.tls]\naddress = \"127.0.0.1:0\"\ncertificate = \"{name}.pem\"\nkey = \"{name}.key.pem\"\n"
            )
        }
        Transport::Plain => "[listen.plaintext]\naddress = \"127.0.0.1:0\"\n".to_owned(),
    };
    listen + "[log]\nformat = \"json\"\n"
}

/// HTTP/2 over TLS, whole handshakes only.
fn client_config(
    certificates: &Certificates,
    identity: Option<(PathBuf, PathBuf)>,
) -> Result<Arc<ClientConfig>> {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let mut config = (*Connector::new(&fs::read(certificates.ca())?)?.config()).clone();
    if let Some((certificate, key)) = identity {
        let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_file(key)?;
        let resolver = rustls::sign::SingleCertAndKey::from(rustls::sign::CertifiedKey::from_der(
            chain,
            key,
            &rustls::crypto::aws_lc_rs::default_provider(),
        )?);
        config.client_auth_cert_resolver = Arc::new(resolver);
    }
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// The path of the gateway resource (RFC 9540 §4).
pub(crate) const GATEWAY_PATH: &str = "/.well-known/ohttp-gateway";
/// The discovery domain.
pub(crate) const DOMAIN: &str = world::DOMAIN;
