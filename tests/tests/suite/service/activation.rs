//! Sockets that are passed at the start (`sd_listen_fds(3)`): the kernel keeps them open over restarts.

use crate::commands::process::{Server, binary, finish};
use crate::commands::system::Site;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

const NUMBER: &str = "+14155550123";

/// The command of a role that gets `socket` as its first, as systemd would pass it.
fn passing(socket: impl Into<OwnedFd>, name: &str, config: &Path) -> Command {
    let mut command = Command::new("sh");
    // Descriptor 3 is the first (SD_LISTEN_FDS_START); the shell's process becomes the server's.
    let shell = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\" 3<&0 </dev/null";
    command.args(["-c", shell, "sh"]).arg(binary(name)).arg("--config").arg(config);
    command.stdin(Stdio::from(socket.into()));
    command
}

/// A gateway whose listener was passed, with a passed socket in the configuration.
fn site() -> Site {
    let site = Site::new();
    site.import("lines.jsonl", &[site.world.line(NUMBER)]).succeeded();
    site.bend("gateway.toml", "address = \"127.0.0.1:0\"", "address = \"systemd\"");
    site
}

#[test]
fn lookups_are_answered_on_a_passed_socket_also_by_a_successor() {
    let site = site();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let config = site.path("gateway.toml");
    let start = || Server::spawn(&mut passing(socket.try_clone().unwrap(), "discreet-gateway", &config));
    let gateway = start();
    assert_eq!(gateway.addr, address);
    let mut system = site.start_before(gateway, |_| String::new());
    system.site.lookup([NUMBER]).succeeded();

    let old = std::mem::replace(&mut system.gateway, start());
    old.stop();
    assert_eq!(system.gateway.addr, address);
    // A relay may still hold a connection that the old one closed: that lookup is not repeated.
    let again = (0..5).map(|_| system.site.lookup([NUMBER])).any(|ran| ran.code == Some(0));
    assert!(again, "the socket never closed");
}

#[test]
fn a_passed_unix_socket_is_not_removed_at_the_stop() {
    let site = Site::new();
    let path = site.path("relay.sock");
    let socket = UnixListener::bind(&path).unwrap();
    let config = site.relay_config(0, "https://127.0.0.1:1", 0);
    site.bend(
        "relay-0.toml",
        "[listen.tls]\naddress = \"127.0.0.1:0\"",
        "[listen.plaintext]\naddress = \"systemd:0\"",
    );
    site.bend("relay-0.toml", "certificate = \"relay-0.pem\"\nkey = \"relay-0.key.pem\"\n", "");
    let manager = super::Manager::new();
    let mut command = passing(socket, "discreet-relay", &config);
    let mut relay = manager.watch(&mut command).stderr(Stdio::null()).spawn().unwrap();
    assert_eq!(manager.hears(), "READY=1\n");
    UnixStream::connect(&path).unwrap();
    let sent = Command::new("kill").args(["-s", "TERM", &relay.id().to_string()]).status();
    assert!(sent.unwrap().success());
    assert_eq!(relay.wait().unwrap().code(), Some(0));
    assert!(path.exists(), "it belongs to who passed it");
}

/// A relay without TLS on a passed socket.
fn plaintext(site: &Site) -> std::path::PathBuf {
    let text = "[listen.plaintext]\naddress = \"systemd\"\n[gateways.dp]\nurl = \"https://127.0.0.1:1\"\n";
    site.write("plaintext.toml", text);
    site.path("plaintext.toml")
}

#[test]
fn refuses_plaintext_on_a_passed_socket_that_others_reach() {
    let site = Site::new();
    let socket = TcpListener::bind("0.0.0.0:0").unwrap();
    let refused = finish(&mut passing(socket, "discreet-relay", &plaintext(&site)));
    refused.refused(1, "is not a loopback address");
}

#[test]
fn refuses_a_passed_socket_of_another_kind() {
    let site = Site::new();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let refused = finish(&mut passing(socket, "discreet-relay", &plaintext(&site)));
    refused.refused(1, "systemd:0 is not a stream socket");
}

#[test]
fn refuses_a_passed_connection() {
    let site = Site::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let refused = finish(&mut passing(connection, "discreet-relay", &plaintext(&site)));
    refused.refused(1, "systemd:0 does not listen");
}

#[test]
fn refuses_to_start_without_the_socket_it_waits_for() {
    let site = Site::new();
    let ran =
        crate::commands::process::run("discreet-relay", ["--config", plaintext(&site).to_str().unwrap()]);
    ran.refused(1, "systemd:0 was not passed");
}

#[test]
fn a_passed_socket_that_nobody_takes_is_said() {
    let site = Site::new();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = site.relay_config(0, "https://127.0.0.1:1", 0);
    let log = Server::spawn(&mut passing(socket, "discreet-relay", &config)).stop();
    assert!(log.contains("passed=1 taken=0") && log.contains("does not name"), "{log}");
}

#[test]
fn connections_that_no_file_is_left_for_are_cut_down_and_said() {
    let site = Site::new();
    let config = site.relay_config(0, "https://127.0.0.1:1", 0);
    let mut command = Command::new("sh");
    // Soft below hard: the server raises the one to the other.
    command.args(["-c", "ulimit -Sn 200 && ulimit -Hn 300 && exec \"$@\"", "sh"]);
    command.arg(binary("discreet-relay")).arg("--config").arg(config);
    let log = Server::spawn(&mut command).stop();
    assert!(log.contains("fitting=225 max_files=300") && log.contains("LimitNOFILE="), "{log}");
}
