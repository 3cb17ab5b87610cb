//! A machine on which an operator carries out what the guide says. `systemctl` is played by the test:
//! it starts, stops and restarts the real servers. Everything else is done by a shell.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use super::guide;
use crate::commands::process::{Ran, Server, binary, finish, run};
use crate::commands::system::{Site, now};
use discreet_protocol::identifier::MimiUri;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use tests::Person;
use tests::world::phone;

/// Somebody who is in the directory from the beginning.
pub(crate) const NUMBER: &str = "+14155550123";

/// All files of a provider, an authority and two relays in one folder, and the servers that run.
pub(crate) struct Machine {
    pub(crate) site: Site,
    servers: BTreeMap<String, Server>,
    second_relay: Option<Server>,
    /// Proofs so far: each is a second later than the one before, since those of one second are a tie.
    proofs: Cell<u64>,
}

impl Machine {
    /// Everything is made and nothing runs.
    pub(crate) fn new() -> Self {
        let site = Site::new();
        // The names of the samples.
        fs::rename(site.path("gateway.key.pem"), site.path("gateway.key")).unwrap();
        site.bend("gateway.toml", "gateway.key.pem", "gateway.key");
        fs::create_dir(site.path("safe")).unwrap();
        site.import("lines.jsonl", &[site.world.line(NUMBER)]).succeeded();
        Self { site, servers: BTreeMap::new(), second_relay: None, proofs: Cell::new(0) }
    }

    /// A gateway and two relays run.
    pub(crate) fn running() -> Self {
        let mut machine = Self::new();
        machine.run_all();
        machine
    }

    /// An authority, a gateway that pulls from it, and two relays run.
    pub(crate) fn with_authority() -> Self {
        let mut machine = Self::new();
        let authority = machine.site.start_authority();
        machine.keep("discreet-provider", authority);
        machine.run_all();
        machine
    }

    /// As [`Machine::with_authority`], and the provider is an issuer, too. The rules name it, after `more`. Ann's
    /// account may have `burst` tokens at once, and her token is in the file `ann`.
    pub(crate) fn with_issuer(more: &str, burst: u32) -> Self {
        let mut machine = Self::new();
        let authority = machine.site.start_authority();
        machine.keep("discreet-provider", authority);
        machine.stop("discreet-provider");
        machine.append("rules.toml", more);
        let issuer = "\n[issuer]\nname = \"issuer.example\"\nkeys = \"issuer.keys\"\ndatabase = \"issuer.db\"\n\
                      accounts.bearers = \"accounts.tokens\"\n";
        machine.append("provider.toml", &format!("{issuer}quota = {{ burst = {burst}, per_day = 50 }}\n"));
        machine.shell(
            "discreet-provider --config provider.toml init > lines.toml\n\
             sed -n '/^\\[\\[issuers\\]\\]/,$p' lines.toml >> rules.toml\n\
             umask 077\n\
             discreet-provider --config provider.toml issuer token ann > ann\n\
             sed -n 2p ann >> accounts.tokens\n\
             sed -i 2d ann",
        );
        machine.start("discreet-provider");
        machine.run_all();
        machine
    }

    /// The profile names the issuer, and what it knows the user by.
    pub(crate) fn name_issuer(&self, known_by: &str) {
        let url = format!("https://{}", self.server("discreet-provider").addr);
        let issuer = format!("\n[issuer]\nname = \"issuer.example\"\nurl = \"{url}\"\n{known_by}\n");
        self.append("profile.toml", &issuer);
    }

    fn append(&self, file: &str, more: &str) {
        let text = fs::read_to_string(self.site.path(file)).unwrap();
        self.site.write(file, &(text + more));
    }

    /// Both.
    pub(crate) fn relays(&self) -> [&Server; 2] {
        [&self.servers["discreet-relay"], self.second_relay.as_ref().unwrap()]
    }

    fn run_all(&mut self) {
        self.start("discreet-gateway");
        self.start_relays();
    }

    /// Relays that have fetched nothing yet, as an hour later.
    pub(crate) fn start_relays(&mut self) {
        self.servers.remove("discreet-relay");
        self.second_relay = None;
        let gateway = format!("https://{}", self.servers["discreet-gateway"].addr);
        let config = |index| self.site.relay_config(index, &gateway, 0);
        let second = Server::start("discreet-relay", &config(1));
        let text = fs::read_to_string(config(0)).unwrap();
        let named = text.replace("relay-0.key.pem", "relay.key").replace("relay-0.pem", "relay.pem");
        for (from, to) in [("relay-0.pem", "relay.pem"), ("relay-0.key.pem", "relay.key")] {
            if !self.site.path(to).exists() {
                fs::copy(self.site.path(from), self.site.path(to)).unwrap();
            }
        }
        self.site.write("relay.toml", &named);
        self.start("discreet-relay");
        let urls =
            [&self.servers["discreet-relay"], &second].map(|relay| format!("https://{}/dp", relay.addr));
        self.site.profile(urls.each_ref().map(String::as_str));
        self.second_relay = Some(second);
    }

    pub(crate) fn server(&self, unit: &str) -> &Server {
        &self.servers[unit]
    }

    /// Carries out the guide's block `name` and returns what its commands printed.
    #[track_caller]
    pub(crate) fn follow(&mut self, name: &str) -> String {
        let mut printed = String::new();
        let mut script = String::new();
        for line in guide::blocks()[name].lines() {
            match line.strip_prefix("systemctl ") {
                None => script += &format!("{line}\n"),
                Some(order) => {
                    printed += &self.shell(&std::mem::take(&mut script));
                    self.systemctl(order);
                }
            }
        }
        printed + &self.shell(&script)
    }

    /// Runs a script in the folder, as the guide says, with our commands in reach.
    #[track_caller]
    pub(crate) fn shell(&self, script: &str) -> String {
        let commands = binary("discreet");
        let path = std::env::var("PATH").unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-euc", script]).current_dir(self.site.path("."));
        shell.env("PATH", format!("{}:{path}", commands.parent().unwrap().display()));
        finish(&mut shell).succeeded().stdout
    }

    #[track_caller]
    fn systemctl(&mut self, order: &str) {
        let (verb, units) = order.split_once(' ').unwrap();
        // What a socket unit holds back, the test does not send.
        let unit = units.split(' ').find(|unit| !unit.ends_with(".socket")).unwrap();
        let unit = unit.trim_end_matches(".service");
        match verb {
            "start" => self.start(unit),
            "stop" if !self.servers.contains_key(unit) => {}
            "stop" => self.stop(unit),
            "restart" => {
                self.stop(unit);
                self.start(unit);
            }
            _ => panic!("{order}: the test knows no such order"),
        }
    }

    #[track_caller]
    pub(crate) fn start(&mut self, unit: &str) {
        let role = unit.strip_prefix("discreet-").unwrap();
        let more: &[&str] = if role == "resolver" { &["serve"] } else { &[] };
        let server = Server::start_with(unit, &self.site.path(&format!("{role}.toml")), more);
        self.keep(unit, server);
    }

    /// From now on it listens on the port that it has got, as a server does that others know.
    fn keep(&mut self, unit: &str, server: Server) {
        let role = unit.strip_prefix("discreet-").unwrap();
        let file = format!("{role}.toml");
        let text = fs::read_to_string(self.site.path(&file)).unwrap();
        self.site.write(&file, &text.replace("127.0.0.1:0", &server.addr.to_string()));
        assert!(self.servers.insert(unit.to_owned(), server).is_none(), "{unit} runs already");
    }

    pub(crate) fn stop(&mut self, unit: &str) {
        self.servers.remove(unit).unwrap().stop();
    }

    /// What a sender hears who asks anew and remembers what was seen in `state`.
    pub(crate) fn lookup(&self, number: &str, state: &str) -> Ran {
        let (profile, state) = (self.path("profile.toml"), self.path(state));
        run("discreet", ["lookup", "--fresh", number, "--json", "--profile", &profile, "--state", &state])
    }

    pub(crate) fn path(&self, file: &str) -> String {
        self.site.path(file).to_str().unwrap().to_owned()
    }

    /// Runs `discreet` with `line`, split at blanks, in which `@FILE` is a file of the folder.
    pub(crate) fn discreet(&self, line: &str) -> Ran {
        let word = |word: &str| word.strip_prefix('@').map_or(word.to_owned(), |file| self.path(file));
        run("discreet", line.split(' ').map(word))
    }

    /// An identity in file `who` for `number`, attested by the authority, which its operator vouches for.
    pub(crate) fn enrol(&self, who: &str, number: &str) {
        self.discreet(&format!("identity new @{who} --identifier {number}")).succeeded();
        self.attest(who, number);
    }

    /// A credential for an identity that is there.
    pub(crate) fn attest(&self, who: &str, number: &str) {
        self.proofs.set(self.proofs.get() + 1);
        let proved_at = now().unix() + self.proofs.get();
        let prove = "discreet-provider --config provider.toml prove - --account user --proved-at";
        self.site.write("ticket", &self.shell(&format!("echo tel:{number} | {prove} {proved_at}")));
        let url = format!("https://{}", self.server("discreet-provider").addr);
        let get =
            format!("credential get --identity @{who} --authority {url} --ca @ca.pem --ticket-file @ticket");
        self.discreet(&get).succeeded();
    }

    pub(crate) fn publish(&self, who: &str, reach: &str) -> Ran {
        let line = "publish --now --profile @profile.toml --state @own-state";
        self.discreet(&format!("{line} --identity @{who} --reach {reach}"))
    }

    /// A line of the import format, signed by the world's first authority.
    pub(crate) fn person(&self, number: &str, uri: &str) -> Person {
        assert!(MimiUri::new(uri).is_ok());
        self.site.world.person(&phone(number), 0).reaches(&[uri])
    }
}
