//! The whole system as an operator sets it up: configuration files, `init`, servers, a profile.

#![allow(clippy::unwrap_used)]

use super::process::{Ran, Server, run};
use discreet_client::{Client, Profile};
use discreet_protocol::SigningKey;
use discreet_protocol::time::Timestamp;
use discreet_serve::secret::create_secret;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tests::world::{AUTHORITIES, DOMAIN};
use tests::{Certificates, World};

/// The files of one provider and two relays; no process runs yet.
pub(crate) struct Site {
    pub(crate) world: World,
    /// The directory key's public half, as `init` printed it.
    pub(crate) directory_key: String,
    /// Where all servers' certificates are from.
    pub(crate) certificates: Certificates,
    folder: TempDir,
}

/// The servers of a [`Site`].
pub(crate) struct System {
    pub(crate) site: Site,
    pub(crate) gateway: Server,
    pub(crate) relays: [Server; 2],
}

/// The present: real commands go by the system's clock.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}

impl Site {
    /// Writes all configuration, and makes the secrets with the commands' own `init`.
    pub(crate) fn new() -> Self {
        Self::in_world(World::new(7, now()))
    }

    /// As [`Site::new`], with the authorities of `world`.
    pub(crate) fn in_world(world: World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificates = Certificates::new(folder.path()).unwrap();
        for name in ["gateway", "relay-0", "relay-1", "authority"] {
            certificates.server(name, &["127.0.0.1"]).unwrap();
        }
        let mut site = Self { world, directory_key: String::new(), certificates, folder };
        site.write("rules.toml", &site.world.rules());
        site.write(
            "resolver.toml",
            "rules = \"rules.toml\"\ndirectory = \"directory.db\"\npepper = \"pepper.key\"\n",
        );
        site.write(
            "gateway.toml",
            &format!(
                "ohttp_keys = \"ohttp.keys\"\ndirectory_key = \"directory.key\"\n[resolver]\nembedded = \"resolver.toml\"\n{TALKATIVE}{}",
                listen("gateway", 0)
            ),
        );
        site.resolver(["init"]).succeeded();
        site.directory_key = site.gateway(["init"]).succeeded().stdout.trim().to_owned();
        site
    }

    /// The path of one of the files.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Writes one of the files.
    pub(crate) fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).unwrap();
    }

    /// Replaces `from` by `to` in one of the files.
    pub(crate) fn bend(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(from), "{text}");
        self.write(file, &text.replace(from, to));
    }

    /// Puts a new certificate and key in the place of `name`'s.
    pub(crate) fn renew(&self, name: &str) {
        self.certificates.server(name, &["127.0.0.1"]).unwrap();
    }

    /// Runs `discreet-resolver`.
    pub(crate) fn resolver<const N: usize>(&self, args: [&str; N]) -> Ran {
        run("discreet-resolver", with_config(&self.path("resolver.toml"), &args))
    }

    /// Runs `discreet-gateway` to its end.
    pub(crate) fn gateway<const N: usize>(&self, args: [&str; N]) -> Ran {
        run("discreet-gateway", with_config(&self.path("gateway.toml"), &args))
    }

    /// Writes lines of the import format to `file` and imports them.
    pub(crate) fn import(&self, file: &str, lines: &[String]) -> Ran {
        self.write(file, &lines.join("\n"));
        self.resolver(["import", self.path(file).to_str().unwrap()])
    }

    /// Writes the configuration of relay `index`, in front of `gateway`.
    pub(crate) fn relay_config(&self, index: usize, gateway: &str, port: u16) -> PathBuf {
        self.relay_config_with(index, gateway, port, "")
    }

    /// As [`Site::relay_config`], with more to say about the gateway.
    fn relay_config_with(&self, index: usize, gateway: &str, port: u16, more: &str) -> PathBuf {
        let name = format!("relay-{index}");
        let gateways = format!("[gateways.dp]\nurl = \"{gateway}\"\nca = \"ca.pem\"\n{more}");
        self.write(&format!("{name}.toml"), &(listen(&name, port) + TALKATIVE + &gateways));
        self.path(&format!("{name}.toml"))
    }

    /// Writes the profile of clients that use these two relay resources.
    pub(crate) fn profile(&self, relays: [&str; 2]) {
        let key = &self.directory_key;
        let mut profile = format!("domain = \"{DOMAIN}\"\ndirectory_key = \"{key}\"\nca = \"ca.pem\"\n");
        for (index, url) in relays.iter().enumerate() {
            profile += &format!("\n[[relays]]\nurl = \"{url}\"\noperator = \"Relay operator {index}\"\n");
        }
        self.write("profile.toml", &profile);
    }

    /// Makes the first authority of the world a service of its own, starts it, and has the directory pull
    /// from it.
    pub(crate) fn start_authority(&self) -> Server {
        self.make_authority();
        let authority = Server::start("discreet-provider", &self.path("provider.toml"));
        self.pull_from(&authority);
        authority
    }

    /// Writes the configuration of the first authority, and makes its secrets.
    pub(crate) fn make_authority(&self) {
        let [name, _] = AUTHORITIES;
        self.write(
            "provider.toml",
            &format!(
                "[authority]\nname = \"{name}\"\nkey = \"authority.key\"\ndatabase = \"authority.db\"\n\
                 operator_token = \"operator.token\"\nnamespaces = [\"tel:+\", \"mailto:a.example\"]\n\
                 [service]\nname = \"b.example\"\nkey = \"service.key\"\n{TALKATIVE}{}",
                listen("authority", 0)
            ),
        );
        create_secret(&self.path("authority.key"), self.world.authorities[0].as_bytes()).unwrap();
        create_secret(&self.path("service.key"), &[21; 32]).unwrap();
        run("discreet-provider", with_config(&self.path("provider.toml"), &["init"])).succeeded();
    }

    fn pull_from(&self, authority: &Server) {
        let namespaces = "namespaces = [\"tel:+\", \"mailto:a.example\"]\n";
        let feed =
            format!("{namespaces}feed = {{ url = \"https://{}\", ca = \"ca.pem\" }}\n", authority.addr);
        let rules = self.world.rules().replacen(namespaces, &feed, 1);
        let service = hex::encode(SigningKey::from_bytes(&[21; 32]).verifying_key().to_bytes());
        self.write(
            "rules.toml",
            &format!("{rules}\n[[services]]\nname = \"b.example\"\nkey = \"{service}\"\n"),
        );
    }

    /// Runs `discreet lookup` with this site's profile and a state of its own. It asks each time.
    pub(crate) fn lookup<'a>(&self, args: impl AsRef<[&'a str]>) -> Ran {
        let (profile, state) = (self.path("profile.toml"), self.path("state"));
        let common = ["--profile", profile.to_str().unwrap(), "--state", state.to_str().unwrap()];
        run("discreet", [&["lookup", "--fresh"], args.as_ref(), &common].concat())
    }

    /// Starts gateway and relays, and writes the profile.
    pub(crate) fn start(self) -> System {
        self.start_with_relays(|_| String::new())
    }

    /// As [`Site::start`], with what else each relay's configuration says about the gateway.
    pub(crate) fn start_with_relays(self, more: impl Fn(usize) -> String) -> System {
        let gateway = Server::start("discreet-gateway", &self.path("gateway.toml"));
        self.start_before(gateway, more)
    }

    /// As [`Site::start_with_relays`], before a gateway that runs already.
    pub(crate) fn start_before(self, gateway: Server, more: impl Fn(usize) -> String) -> System {
        let url = format!("https://{}", gateway.addr);
        let relays = [0, 1].map(|index| {
            let config = self.relay_config_with(index, &url, 0, &more(index));
            Server::start("discreet-relay", &config)
        });
        let urls = relays.each_ref().map(|relay| format!("https://{}/dp", relay.addr));
        self.profile(urls.each_ref().map(String::as_str));
        System { site: self, gateway, relays }
    }
}

impl System {
    /// A client in this process, on the system's clock, that remembers nothing.
    pub(crate) fn client(&self) -> Client {
        let profile = fs::read_to_string(self.site.path("profile.toml")).unwrap();
        let ca = fs::read(self.site.path("ca.pem")).unwrap();
        Client::builder(Profile::from_toml(&profile).unwrap()).ca(ca).build().unwrap()
    }
}

/// The sections that have a server tell all it may, so that it can be searched: before another table.
/// The address is of its own, so that a test can fix the port of the listener.
pub(crate) const TALKATIVE: &str = "[admin.enabled]\naddress = \"127.0.0.2:0\"\n[log]\nlevel = \"debug\"\n";

/// The section that names where to listen, at the end of a configuration or before another table.
pub(crate) fn listen(name: &str, port: u16) -> String {
    format!(
        "[listen.tls]\naddress = \"127.0.0.1:{port}\"\ncertificate = \"{name}.pem\"\nkey = \"{name}.key.pem\"\n"
    )
}

fn with_config<'a>(config: &'a Path, args: &'a [&str]) -> Vec<&'a str> {
    [&["--config", config.to_str().unwrap()], args].concat()
}
