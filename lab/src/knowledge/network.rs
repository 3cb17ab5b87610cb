//! The real programs as processes of their own: two relays of two operators, a gateway with its resolver, an
//! authority and the senders' issuers, each behind a recorder, each with a folder of its own and the most talkative log there is. And the
//! clients: the command `discreet`, each from an address of its own.

use super::person::{Moment, Person};
use super::plant::Plant;
use super::record::{Party, Record};
use crate::stress::process::{Process, Program, run};
use crate::view::Recorder;
use anyhow::{Context, Result};
use discreet_protocol::time::Timestamp;
use discreet_serve::Clock;
use discreet_serve::secret::create_secret;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tests::world::{AUTHORITIES, DOMAIN};
use tests::{Certificates, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// The gateway's name at the relays.
const NAME: &str = "dp";
/// A person's file with the token for the issuer.
const ISSUER_BEARER: &str = "issuer-bearer";
/// Between two lookups, so that no two fall into one second.
const PAUSE: Duration = Duration::from_millis(1100);
/// How long a page of metrics may take, and how long it may be.
const METRICS_PATIENCE: Duration = Duration::from_secs(10);
const MAX_METRICS: u64 = 1 << 20;
/// What has a server tell all it may.
const TALKATIVE: &str =
    "[admin.enabled]\naddress = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\nlevel = \"debug\"\n";

/// A running network. Dropping it kills all of it.
pub(super) struct Network {
    recorder: Recorder,
    servers: BTreeMap<Party, Server>,
    world: World,
    certificates: Certificates,
    /// What clients pin.
    directory_key: String,
    // The folder goes last, when nobody uses it any more.
    folder: TempDir,
}

struct Server {
    process: Process,
    /// Where the others connect: the recorder.
    door: SocketAddr,
}

impl Network {
    /// Starts everything: `people` ask, and those whom they ask about are in the directory.
    pub(super) async fn start(people: &[Person], plants: &[Plant]) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let certificates = Certificates::new(folder.path())?;
        let mut network = Self {
            recorder: Recorder::default(),
            servers: BTreeMap::new(),
            world: World::new(1, Timestamp::from_unix(Clock::system().now())),
            certificates,
            directory_key: String::new(),
            folder,
        };
        network.authority().await?;
        let mut issuers = String::new();
        for issuer in issuers_of(people) {
            issuers += &network.issuer(issuer, people).await?;
        }
        network.gateway(people, &issuers).await?;
        for party in [Party::ProviderRelay, Party::OtherRelay] {
            let says = plants.iter().find_map(|plant| plant.says(party, people));
            network.relay(party, people, says).await?;
        }
        for person in people {
            network.equip(person)?;
        }
        Ok(network)
    }

    async fn authority(&mut self) -> Result<()> {
        let folder = self.party_folder(Party::Authority)?;
        let [name, _] = AUTHORITIES;
        let config = format!(
            "[authority]\nname = \"{name}\"\nkey = \"authority.key\"\ndatabase = \"authority.db\"\n\
             operator_token = \"operator.token\"\nnamespaces = [\"tel:+\", \"mailto:a.example\"]\n"
        );
        let [key, _] = &self.world.authorities;
        create_secret(&folder.join("authority.key"), key.as_bytes())?;
        self.write_config(Party::Authority, &config)?;
        run("discreet-provider", &["--config", "config.toml", "init"], &folder).await?;
        self.launch(Party::Authority, "discreet-provider", None).await
    }

    /// Starts the issuer of this number and returns the lines for the rules of who takes its tokens.
    async fn issuer(&mut self, number: usize, people: &[Person]) -> Result<String> {
        let party = Party::Issuer(number);
        let folder = self.party_folder(party)?;
        let config = format!(
            "[issuer]\nname = \"{}\"\nkeys = \"issuer.keys\"\ndatabase = \"issuer.db\"\n\
             accounts.bearers = \"accounts.tokens\"\n",
            issuer_name(number)
        );
        self.write_config(party, &config)?;
        run("discreet-provider", &["--config", "config.toml", "init"], &folder).await?;
        let keys = ["--config", "config.toml", "issuer", "keys"];
        let rules = run("discreet-provider", &keys, &folder).await?;
        let mut accounts = String::new();
        for person in people.iter().filter(|person| person.issuer() == number) {
            let arguments = ["--config", "config.toml", "issuer", "token", &person.account];
            let printed = run("discreet-provider", &arguments, &folder).await?;
            let (token, line) = printed.trim().split_once('\n').context("a fresh token and its line")?;
            accounts += &format!("{line}\n");
            let own = self.person_folder(person);
            fs::create_dir_all(&own)?;
            write_own(&own.join(ISSUER_BEARER), token)?;
        }
        write_own(&folder.join("accounts.tokens"), &accounts)?;
        self.launch(party, "discreet-provider", None).await?;
        Ok(rules)
    }

    async fn gateway(&mut self, people: &[Person], issuers: &str) -> Result<()> {
        let folder = self.party_folder(Party::Gateway)?;
        let feed = format!(
            "namespaces = [\"tel:+\", \"mailto:a.example\"]\nfeed = {{ url = \"https://{}\", ca = \"{}\" }}\n",
            self.door(Party::Authority)?,
            self.certificates.ca().display()
        );
        let namespaces = "namespaces = [\"tel:+\", \"mailto:a.example\"]\n";
        let rules = self.world.rules().replacen(namespaces, &feed, 1);
        fs::write(folder.join("rules.toml"), format!("{rules}\n[prices]\nlookup = 1\n{issuers}"))?;
        let resolver = "rules = \"rules.toml\"\ndirectory = \"directory.db\"\npepper = \"pepper.key\"\n";
        fs::write(folder.join("resolver.toml"), resolver)?;
        // Attested by the other authority: the one that is up knows the senders, and must not hear of these.
        let lines =
            people.iter().map(|person| self.world.person(&person.asked, 1).reaches(&[&person.answer]).line());
        fs::write(folder.join("people.jsonl"), lines.collect::<Vec<_>>().join("\n"))?;
        run("discreet-resolver", &["--config", "resolver.toml", "init"], &folder).await?;
        run("discreet-resolver", &["--config", "resolver.toml", "import", "people.jsonl"], &folder).await?;
        // What was handed in is not what is kept.
        fs::remove_file(folder.join("people.jsonl"))?;
        let config = "ohttp_keys = \"ohttp.keys\"\ndirectory_key = \"directory.key\"\n\
                      [resolver]\nembedded = \"resolver.toml\"\n";
        self.write_config(Party::Gateway, config)?;
        let key = run("discreet-gateway", &["--config", "config.toml", "init"], &folder).await?;
        key.trim().clone_into(&mut self.directory_key);
        self.launch(Party::Gateway, "discreet-gateway", None).await
    }

    async fn relay(&mut self, party: Party, people: &[Person], says: Option<String>) -> Result<()> {
        let folder = self.party_folder(party)?;
        let mut config = format!(
            "[gateways.{NAME}]\nurl = \"https://{}\"\nca = \"{}\"\n",
            self.door(Party::Gateway)?,
            self.certificates.ca().display()
        );
        if party == Party::ProviderRelay {
            let line = |person: &Person| {
                format!("{} {}\n", hex::encode(Sha256::digest(&person.bearer)), person.account)
            };
            write_own(&folder.join("tokens"), &people.iter().map(line).collect::<String>())?;
            config.push_str("[access.bearer]\nfile = \"tokens\"\n");
        }
        self.write_config(party, &config)?;
        self.launch(party, "discreet-relay", says).await
    }

    /// Writes `config.toml` of `party`: `config`, and what all servers have.
    fn write_config(&self, party: Party, config: &str) -> Result<()> {
        let ip = address(party);
        let (certificate, key) = self.certificates.server(&party.name(), &[&ip.to_string()])?;
        let listen = format!(
            "[listen.tls]\naddress = \"{ip}:0\"\ncertificate = \"{}\"\nkey = \"{}\"\n",
            certificate.display(),
            key.display()
        );
        let path = self.party_folder(party)?.join("config.toml");
        Ok(fs::write(path, format!("{config}{TALKATIVE}{listen}"))?)
    }

    async fn launch(&mut self, party: Party, binary: &'static str, says: Option<String>) -> Result<()> {
        let config = self.party_folder(party)?.join("config.toml");
        let program = Program { name: party.name(), binary, config, verb: None, says };
        let process = Process::start(&program, None).await?;
        let file = |ending: &str| self.folder.path().join(format!("{}{ending}", party.name()));
        let door = self.recorder.guard(&party.name(), process.address(), &file(".pem"), &file(".key.pem"))?;
        self.servers.insert(party, Server { process, door });
        Ok(())
    }

    /// A person's own folder: profile and secrets.
    fn equip(&self, person: &Person) -> Result<()> {
        let folder = self.person_folder(person);
        fs::create_dir_all(&folder)?;
        write_own(&folder.join("bearer"), &person.bearer)?;
        let mut profile = format!(
            "domain = \"{DOMAIN}\"\ndirectory_key = \"{}\"\nca = \"{}\"\n",
            self.directory_key,
            self.certificates.ca().display()
        );
        for (party, operator, more) in [
            (Party::ProviderRelay, "The Provider", "bearer = \"bearer\"\n"),
            (Party::OtherRelay, "Somebody Else", ""),
        ] {
            let url = format!("https://{}/{NAME}", self.door(party)?);
            profile += &format!("\n[[relays]]\nurl = \"{url}\"\noperator = \"{operator}\"\n{more}");
        }
        profile += &format!(
            "\n[issuer]\nname = \"{}\"\nurl = \"https://{}\"\nbearer = \"{ISSUER_BEARER}\"\n",
            issuer_name(person.issuer()),
            self.door(Party::Issuer(person.issuer()))?
        );
        Ok(fs::write(folder.join("profile.toml"), profile)?)
    }

    /// Has the authority attest the person's own identifier, as its provider vouches for it.
    pub(super) async fn enrol(&self, person: &Person) -> Result<()> {
        let (folder, uri) = (self.person_folder(person), person.own.uri());
        let prove = ["--config", "config.toml", "prove", &uri, "--account", &person.account];
        let ticket = run("discreet-provider", &prove, &self.party_folder(Party::Authority)?).await?;
        write_own(&folder.join("ticket"), &ticket)?;
        let new = ["identity", "new", "identity", "--identifier", person.own.value()];
        run("discreet", &new, &folder).await?;
        let url = format!("https://{}", self.door(Party::Authority)?);
        let (ca, bind) = (self.certificates.ca().display().to_string(), person.address.to_string());
        let get = ["credential", "get", "--identity", "identity", "--authority", &url, "--ca", &ca];
        let get = [&get[..], &["--ticket-file", "ticket", "--bind", &bind]].concat();
        run("discreet", &get, &folder).await.map(drop)
    }

    /// Has the person get a token to pay with; returns what the issuer knows the person by.
    pub(super) async fn refill(&self, person: &Person) -> Result<String> {
        let folder = self.person_folder(person);
        let bind = person.address.to_string();
        let get = ["tokens", "get", "--count", "1", "--profile", "profile.toml", "--state", "state"];
        run("discreet", &[&get[..], &["--bind", &bind]].concat(), &folder).await?;
        Ok(fs::read_to_string(folder.join(ISSUER_BEARER))?.trim().to_owned())
    }

    /// Has the person make the lookup, in a second of its own; returns when.
    pub(super) async fn look_up(&self, person: &Person) -> Result<Moment> {
        sleep(PAUSE).await;
        let (from, unix) = (self.recorder.now(), Clock::system().now());
        let bind = person.address.to_string();
        let lookup = ["lookup", person.asked.value(), "--profile", "profile.toml", "--state", "state"];
        // A token's own moment would come within a day.
        let lookup = [&lookup[..], &["--json", "--fresh-tokens", "--bind", &bind]].concat();
        let answer = run("discreet", &lookup, &self.person_folder(person)).await?;
        anyhow::ensure!(answer.contains(&person.answer), "a lookup did not find what is in the directory");
        Ok(Moment { from, until: self.recorder.now(), unix })
    }

    /// Stops everything and returns what each party had.
    pub(super) async fn end(mut self) -> Result<(Record, GatewayFolder)> {
        let mut record = Record::default();
        for (party, server) in &self.servers {
            record.keep(*party, "metrics", metrics(&server.process).await?);
        }
        let servers = std::mem::take(&mut self.servers);
        // Who is asked goes last.
        for (party, mut server) in servers.into_iter().collect::<Vec<_>>() {
            server.process.end().await?;
            record.keep(party, "log", server.process.log().join("\n").into_bytes());
            record.keep_files(party, &self.party_folder(party)?)?;
        }
        record.connections = self.recorder.connections();
        Ok((record, GatewayFolder { path: self.party_folder(Party::Gateway)?, _folder: self.folder }))
    }

    fn door(&self, party: Party) -> Result<SocketAddr> {
        self.servers.get(&party).map(|server| server.door).context("it has not been started yet")
    }

    fn party_folder(&self, party: Party) -> Result<PathBuf> {
        let folder = self.folder.path().join(party.name());
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    fn person_folder(&self, person: &Person) -> PathBuf {
        self.folder.path().join(format!("person-{}", person.index))
    }
}

/// The gateway's files, for who may use its keys. They go with it.
pub(super) struct GatewayFolder {
    pub(super) path: PathBuf,
    _folder: TempDir,
}

/// Where a party listens; another address each, so that they can be told apart.
fn address(party: Party) -> IpAddr {
    let last = match party {
        Party::ProviderRelay => 11,
        Party::OtherRelay => 12,
        Party::Authority => 31,
        Party::Issuer(number) => 41 + u8::try_from(number).unwrap_or_default(),
        _ => 21,
    };
    Ipv4Addr::new(127, 0, 0, last).into()
}

fn issuer_name(number: usize) -> String {
    format!("issuer-{number}.example")
}

/// The numbers of the issuers that these people have.
pub(super) fn issuers_of(people: &[Person]) -> BTreeSet<usize> {
    people.iter().map(Person::issuer).collect()
}

/// What a server answers to who collects metrics.
async fn metrics(process: &Process) -> Result<Vec<u8>> {
    let admin = process.admin().context("a server does not say where its metrics are")?;
    let fetch = async {
        let mut stream = TcpStream::connect(admin).await?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
        let mut page = Vec::new();
        stream.take(MAX_METRICS).read_to_end(&mut page).await?;
        Ok(page)
    };
    timeout(METRICS_PATIENCE, fetch).await.context("the metrics do not arrive")?
}

/// A file that nobody else may read.
fn write_own(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}
