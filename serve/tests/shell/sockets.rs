//! Listeners on Unix sockets: who made the file, who may connect, and when it goes.

use std::{
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::{Path, PathBuf},
};

use discreet_serve::{Address, Admin, Limits, Listen, Listening, Shell, StartError, listen::ListenError};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use crate::support::{Config, Echo, OneConnection, Pki};

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("role.sock");
    (folder, path)
}

async fn started(path: &Path) -> Result<Shell, StartError> {
    let listen = Listen::Plaintext { address: Address::Unix(path.to_owned()) };
    Config { listen, ..Config::default() }.start(Echo::default()).await
}

async fn ask(path: &Path) -> String {
    let mut client = UnixStream::connect(path).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_unix_socket_serves_both_versions_of_http() {
    let (_folder, path) = folder();
    let shell = started(&path).await.unwrap();
    assert_eq!(shell.listening(), &Listening::Unix(Some(path.clone())));
    assert_eq!(shell.listening().to_string(), format!("unix:{}", path.display()));
    assert_eq!(shell.addr().to_string(), "0.0.0.0:0");
    let answer = ask(&path).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("HTTP/1.1"), "{answer}");
    let stream = UnixStream::connect(&path).await.unwrap();
    assert_eq!(OneConnection::over(stream).await.get("/").await, "HTTP/2.0");
}

#[tokio::test]
async fn a_rate_for_addresses_is_refused_where_there_are_none() {
    let (_folder, path) = folder();
    let listen = Listen::Plaintext { address: Address::Unix(path) };
    let config = Config { listen, ..Config::default() };
    let rate = "rate = { per_minute = 60, burst = 60 }";
    assert!(matches!(config.try_start_for(rate, Echo::default()).await, Err(StartError::NoAddresses)));
    let behind = format!("behind = \"proxy_protocol\"\n{rate}");
    assert!(config.try_start_for(&behind, Echo::default()).await.is_ok());
}

#[tokio::test]
async fn a_unix_socket_serves_tls() {
    let (_folder, path) = folder();
    let pki = Pki::new();
    let address = Address::Unix(path.clone());
    let listen = Listen::Tls { address, certificate: pki.certificate(), key: pki.key() };
    let _shell = Config { listen, ..Config::default() }.start(Echo::default()).await.unwrap();
    let stream = pki.handshake(UnixStream::connect(&path).await.unwrap()).await;
    assert_eq!(OneConnection::over(stream).await.get("/").await, "HTTP/2.0");
}

#[tokio::test]
async fn health_is_answered_on_a_unix_socket() {
    let (_folder, path) = folder();
    let admin = Admin::Enabled { address: Address::Unix(path.clone()) };
    let shell = Config { admin, ..Config::default() }.start(Echo::default()).await.unwrap();
    assert_eq!(shell.admin_listening(), Some(&Listening::Unix(Some(path.clone()))));
    let mut admin = UnixStream::connect(&path).await.unwrap();
    admin.write_all(b"GET /health HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    admin.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");
}

#[tokio::test]
async fn owner_and_group_may_connect_and_nobody_else() {
    let (_folder, path) = folder();
    let _shell = started(&path).await.unwrap();
    let mode = std::fs::symlink_metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o660, "{mode:o}");
}

#[tokio::test]
async fn the_file_goes_at_a_stop_while_requests_are_finished() {
    let (_folder, path) = folder();
    let echo = Echo::default();
    let listen = Listen::Plaintext { address: Address::Unix(path.clone()) };
    let shell = Config { listen, ..Config::default() }.start(echo.clone()).await.unwrap();
    let stream = UnixStream::connect(&path).await.unwrap();
    let waiting = tokio::spawn(async move { OneConnection::over(stream).await.get("/wait").await });
    echo.entered().await;
    shell.shutdown();
    while path.exists() {
        tokio::task::yield_now().await;
    }
    echo.release();
    assert_eq!(waiting.await.unwrap(), "HTTP/2.0");
    shell.join().await.unwrap();
}

#[tokio::test]
async fn the_socket_of_a_successor_stays() {
    let (_folder, path) = folder();
    let shell = started(&path).await.unwrap();
    let successor = path.with_extension("next");
    let _next = UnixListener::bind(&successor).unwrap();
    std::fs::rename(&successor, &path).unwrap();
    shell.shutdown();
    shell.join().await.unwrap();
    assert!(path.exists());
}

#[tokio::test]
async fn what_a_dead_process_left_is_replaced() {
    let (_folder, path) = folder();
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "it is left behind");
    let _shell = started(&path).await.unwrap();
    assert!(ask(&path).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn refuses_a_socket_that_answers() {
    let (_folder, path) = folder();
    let _shell = started(&path).await.unwrap();
    let error = started(&path).await.unwrap_err();
    assert_eq!(error.to_string(), format!("unix:{} is in use by another process", path.display()));
    assert!(ask(&path).await.starts_with("HTTP/1.1 200 "), "the other goes on");
}

#[tokio::test]
async fn refuses_to_replace_what_is_no_socket() {
    let (folder, path) = folder();
    std::fs::write(&path, "precious").unwrap();
    let link = folder.path().join("link.sock");
    std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).unwrap();
    for path in [&path, &link] {
        let error = started(path).await.unwrap_err();
        assert!(matches!(error, StartError::Listen(ListenError::NotASocket { .. })), "{error}");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    assert!(std::fs::symlink_metadata(&link).is_ok());
}

#[tokio::test]
async fn a_folder_that_is_missing_is_named() {
    let (folder, _) = folder();
    let path = folder.path().join("no/such/role.sock");
    let error = started(&path).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot listen on unix:{}: ", path.display())), "{error}");
}

#[tokio::test]
async fn refuses_one_passed_socket_for_two_listeners() {
    let listen = Listen::Plaintext { address: Address::Systemd(0) };
    let admin = Admin::Enabled { address: Address::Systemd(0) };
    let error = Config { listen, admin, ..Config::default() }.start(Echo::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "listen and admin both take the passed socket systemd:0");
}

#[tokio::test]
async fn refuses_a_socket_that_was_not_passed() {
    let listen = Listen::Plaintext { address: Address::Systemd(2) };
    let error = Config { listen, ..Config::default() }.start(Echo::default()).await.unwrap_err();
    assert!(matches!(error, StartError::Listen(ListenError::NotPassed { number: 2, passed: 0 })), "{error}");
}

#[tokio::test]
async fn a_check_says_what_a_start_would() {
    let check = |address: &str, admin: &str| {
        let listen = Listen::Plaintext { address: address.parse().unwrap() };
        let admin = Admin::Enabled { address: admin.parse().unwrap() };
        Shell::check(&listen, &admin, &Limits::default()).map_err(|error| error.to_string())
    };
    assert_eq!(check("unix:a.sock", "127.0.0.1:0"), Ok(()));
    assert_eq!(check("systemd", "systemd:1"), Ok(()));
    assert!(check("0.0.0.0:0", "127.0.0.1:0").unwrap_err().contains("is not a loopback address"));
    assert!(check("127.0.0.1:0", "0.0.0.0:0").unwrap_err().starts_with("the admin listener: 0.0.0.0:0"));
    assert!(check("systemd:1", "systemd:1").unwrap_err().contains("both take the passed socket"));
    // Short as it is written, too long from the folder it is taken from.
    let mut listen = Listen::Plaintext { address: "unix:role.sock".parse().unwrap() };
    listen.resolve_paths(Path::new(&format!("/{}", "a".repeat(100))));
    let error = Shell::check(&listen, &Admin::Disabled, &Limits::default()).unwrap_err().to_string();
    assert!(error.starts_with("cannot listen on unix:/aaa"), "{error}");
}
