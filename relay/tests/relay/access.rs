//! Who may use a relay, and how often; and that the gateway learns nothing of it.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use discreet_relay::Access;
use http::{Request, Response, StatusCode};

use crate::support::{Setup, field_names, get, oblivious, say, sealed};

/// SHA-256 of "abc" (FIPS 180-2, appendix B.1), which is the only token here.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad alice\n";

fn write_tokens(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A relay for those with a token, and the folder of its file.
async fn guarded() -> (Setup, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    write_tokens(&file, ABC);
    let setup = Setup::with(oblivious(), |config| config.access = Access::Bearer { file }).await;
    (setup, folder)
}

fn with(token: &str, mut request: Request<bytes::Bytes>) -> Request<bytes::Bytes> {
    let field = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert("proxy-authorization", field);
    request
}

fn challenge(response: &Response<bytes::Bytes>) -> &str {
    assert_eq!(response.status(), StatusCode::PROXY_AUTHENTICATION_REQUIRED);
    response.headers()["proxy-authenticate"].to_str().unwrap()
}

#[tokio::test]
async fn a_known_token_is_served_and_stays_at_the_relay() {
    let (setup, _folder) = guarded().await;
    let response = setup.ask(with("abc", sealed("sealed"))).await;
    assert_eq!(response.status(), StatusCode::OK);
    let seen = setup.gateway.seen();
    assert_eq!(field_names(seen[0].headers()), ["content-length", "content-type", "host"]);
    assert!(!format!("{seen:?}").contains("abc"));
    assert!(!setup.log.text().contains("abc") && !setup.metrics().await.contains("abc"));
}

#[tokio::test]
async fn without_a_token_nothing_is_served_and_nothing_sent() {
    let (setup, _folder) = guarded().await;
    for request in [sealed("sealed"), get("/dp"), get("/dp/policy"), get("/nowhere")] {
        assert_eq!(challenge(&setup.ask(request).await), "Bearer");
    }
    assert!(setup.gateway.seen().is_empty());
    assert!(setup.metrics().await.contains("discreet_relay_not_admitted_total 4\n"));
}

#[tokio::test]
async fn a_wrong_token_is_407() {
    let (setup, _folder) = guarded().await;
    let response = setup.ask(with("abd", sealed("sealed"))).await;
    assert_eq!(challenge(&response), "Bearer error=\"invalid_token\"");
    assert!(setup.gateway.seen().is_empty());
}

#[tokio::test]
async fn a_reload_lets_in_whom_the_file_names_now() {
    let (setup, folder) = guarded().await;
    let file = folder.path().join("tokens");
    write_tokens(&file, "half a li");
    let error = setup.relay.reload().unwrap_err().to_string();
    assert!(error.contains("tokens line 1"), "{error}");
    assert_eq!(setup.ask(with("abc", sealed("sealed"))).await.status(), StatusCode::OK);
    write_tokens(&file, "");
    setup.relay.reload().unwrap();
    challenge(&setup.ask(with("abc", sealed("sealed"))).await);
}

#[tokio::test]
async fn by_default_anyone_is_served() {
    let setup = Setup::new(oblivious()).await;
    assert_eq!(setup.ask(sealed("sealed")).await.status(), StatusCode::OK);
    assert_eq!(setup.ask(with("abc", sealed("sealed"))).await.status(), StatusCode::OK);
    setup.relay.reload().unwrap();
}

#[tokio::test]
async fn over_the_rate_of_an_address_nothing_is_sent() {
    let clients = toml(r#"rate = { per_minute = 1, burst = 2 }"#);
    let setup = Setup::with(oblivious(), |config| config.clients = clients).await;
    let request = "POST /dp HTTP/1.1\r\nhost: relay.example\r\n\
                   content-type: message/ohttp-req\r\ncontent-length: 6\r\n\r\nsealed";
    let last = request.replace("host:", "connection: close\r\nhost:");
    let answers = say(&setup, &format!("{request}{last}")).await;
    assert!(answers.starts_with("HTTP/1.1 200 ") && answers.contains("HTTP/1.1 429 "), "{answers}");
    assert_eq!(setup.gateway.seen().len(), 1);
    assert!(!setup.log.text().lines().skip(1).any(|line| line.contains("127.0.0.1")));
}

fn toml(text: &str) -> discreet_serve::Clients {
    toml::from_str(text).unwrap()
}
