//! Servers as a service manager runs them: sockets that are passed, readiness, reloads, stops.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod activation;
mod reload;

use crate::commands::process::{Server, command, run};
use crate::commands::system::{Site, listen};
use std::ffi::OsStr;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// What ends a test that would otherwise wait for ever.
const PATIENCE: Duration = Duration::from_secs(300);

/// The service manager's end of `sd_notify(3)`.
struct Manager {
    folder: TempDir,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { folder, socket }
    }

    /// Has `command` report here.
    fn watch<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("NOTIFY_SOCKET", self.folder.path().join("notify"))
    }

    /// The next report.
    #[track_caller]
    fn hears(&self) -> String {
        let mut report = [0; 4096];
        let length = self.socket.recv(&mut report).unwrap();
        String::from_utf8(report[..length].to_vec()).unwrap()
    }

    /// Has a server reload, and returns once it says that it has.
    #[track_caller]
    fn reload(&self, server: &Server) {
        server.hang_up();
        let report = self.hears();
        // systemd.service(5), Type=notify-reload: both fields in one datagram.
        let time =
            report.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").and_then(|rest| rest.strip_suffix('\n'));
        assert!(time.is_some_and(|time| time.parse::<u64>().is_ok()), "{report}");
        assert_eq!(self.hears(), "READY=1\n");
    }
}

/// The command of a role with its configuration.
fn role(name: &str, config: &Path, more: &[&str]) -> Command {
    let mut command = command(name, [OsStr::new("--config"), config.as_os_str()]);
    command.args(more);
    command
}

/// Readiness comes once it listens, and not before; a reload is announced and ended; so is the stop.
fn reports_every_step(name: &str, config: &Path, more: &[&str]) {
    let manager = Manager::new();
    let server = Server::spawn(manager.watch(&mut role(name, config, more)));
    assert_eq!(manager.hears(), "READY=1\n");
    std::net::TcpStream::connect(server.addr).unwrap();
    manager.reload(&server);
    manager.reload(&server);
    server.terminate();
    assert_eq!(manager.hears(), "STOPPING=1\n");
    let (code, log) = server.wait();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(log.matches(" reloaded").count(), 2, "{log}");
    let check = [&["--config", config.to_str().unwrap()], more, &["--check-config"]].concat();
    let checked = run(name, check).succeeded();
    assert_eq!((checked.stdout.as_str(), checked.stderr.as_str()), ("", ""));
}

#[test]
fn a_relay_reports_every_step() {
    let site = Site::new();
    reports_every_step("discreet-relay", &site.relay_config(0, "https://127.0.0.1:1", 0), &[]);
}

#[test]
fn a_gateway_reports_every_step() {
    let site = Site::new();
    reports_every_step("discreet-gateway", &site.path("gateway.toml"), &[]);
}

#[test]
fn a_resolver_reports_every_step() {
    let site = Site::new();
    let serve = listen("gateway", 0).replace("[listen.tls]", "[serve.listen.mutual_tls]");
    let directory = std::fs::read_to_string(site.path("resolver.toml")).unwrap();
    site.write("serve.toml", &format!("{directory}{serve}peers = [\"relay-0.pem\"]\n"));
    reports_every_step("discreet-resolver", &site.path("serve.toml"), &["serve"]);
}

#[test]
fn a_provider_reports_every_step() {
    let site = Site::new();
    site.make_authority();
    reports_every_step("discreet-provider", &site.path("provider.toml"), &[]);
}

#[test]
fn a_resolver_checks_its_configuration_without_opening_a_port() {
    let site = Site::new();
    site.resolver(["serve", "--check-config"]).refused(2, "has no [serve]");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let directory = std::fs::read_to_string(site.path("resolver.toml")).unwrap();
    site.write("resolver.toml", &format!("{directory}[serve.listen.plaintext]\naddress = \"{address}\"\n"));
    site.resolver(["serve", "--check-config"]).succeeded();
    site.resolver(["serve"]).refused(2, "is in use by another process");
    let issuer = listen("gateway", 0).replace("[listen.tls]", "[serve.listen.mutual_tls]");
    site.write("resolver.toml", &format!("{directory}{issuer}issuer = \"ca.pem\"\n"));
    site.resolver(["serve", "--check-config"])
        .refused(2, "must be mutual_tls with the gateways' certificates");
}

#[test]
fn a_gateway_rejects_policies_that_would_outlive_their_keys() {
    let site = Site::new();
    let rules = std::fs::read_to_string(site.path("rules.toml")).unwrap();
    site.write("rules.toml", &format!("validity_days = 7\n{rules}"));
    site.gateway(["--check-config"]).succeeded();
    site.write("rules.toml", &format!("validity_days = 8\n{rules}"));
    let why = "an epoch of the OHTTP keys lasts 7 days: make validity_days 7 or less";
    site.gateway(["--check-config"]).refused(2, why);
    site.gateway([]).refused(2, why);
}
