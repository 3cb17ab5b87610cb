//! Which files are taken, and which fields open the door.

use std::{fs, os::unix::fs::PermissionsExt};

use super::*;

/// SHA-256 of "abc" (FIPS 180-2, appendix B.1).
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

struct Tokens {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn file(content: &str, mode: u32) -> Tokens {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    Tokens { _folder: folder, path }
}

fn doorkeeper(content: &str) -> (Doorkeeper, Tokens) {
    let file = file(content, 0o600);
    (Doorkeeper::Bearers(Bearers::read(&file.path).unwrap()), file)
}

fn fields(values: &[&str]) -> HeaderMap {
    values.iter().map(|value| (PROXY_AUTHORIZATION, HeaderValue::from_str(value).unwrap())).collect()
}

fn refused(content: &str) -> String {
    let file = file(content, 0o600);
    Bearers::read(&file.path).unwrap_err().to_string()
}

#[test]
fn a_known_token_opens_the_door() {
    let (door, _file) = doorkeeper(&format!("# users\n\n{ABC} alice, until June\n{}\n", "00".repeat(32)));
    for field in ["Bearer abc", "bearer abc", "BEARER   abc "] {
        assert!(door.admit(&fields(&[field])).is_ok(), "{field}");
    }
}

#[test]
fn rejects_a_request_without_a_token() {
    let (door, _file) = doorkeeper(ABC);
    for values in
        [&[][..], &["Bearer "], &["Basic abc"], &["abc"], &["Bearerabc"], &["Bearer abc", "Bearer abc"]]
    {
        let refusal = door.admit(&fields(values)).unwrap_err().answer();
        assert_eq!(refusal.status(), 407, "{values:?}");
        assert_eq!(refusal.headers()["proxy-authenticate"], "Bearer");
        assert_eq!(refusal.body(), &br#"{"status":407,"title":"a token is needed"}"#[..]);
    }
}

#[test]
fn rejects_a_token_that_is_not_in_the_file() {
    let (door, _file) = doorkeeper(ABC);
    for token in ["abd", "abc, abc", ABC] {
        let refusal = door.admit(&fields(&[&format!("Bearer {token}")])).unwrap_err().answer();
        assert_eq!(refusal.status(), 407);
        assert_eq!(refusal.headers()["proxy-authenticate"], "Bearer error=\"invalid_token\"");
        assert_eq!(refusal.body(), &br#"{"status":407,"title":"the token is not known"}"#[..]);
    }
}

#[test]
fn without_tokens_the_door_is_open_or_shut_as_configured() {
    assert!(Doorkeeper::Anyone.admit(&HeaderMap::new()).is_ok());
    let (door, _file) = doorkeeper("");
    assert!(door.admit(&fields(&["Bearer abc"])).is_err(), "an empty file lets nobody in");
}

#[test]
fn rejects_a_line_that_is_no_hash() {
    for line in [&ABC[1..], &format!("{ABC}00"), "swordfish", &format!("{ABC}#alice")] {
        let error = refused(&format!("{ABC} alice\n{line}\n"));
        assert!(error.contains("tokens line 2: expected 64 hex digits"), "{error}");
        assert!(!error.contains(&line[..5]), "{error}");
    }
}

#[test]
fn rejects_a_file_that_others_may_use() {
    for mode in [0o644, 0o660, 0o604, 0o602, 0o601] {
        let file = file(ABC, mode);
        let error = Bearers::read(&file.path).unwrap_err().to_string();
        assert!(error.contains(&format!("mode {mode:03o}")) && error.contains("chmod 640"), "{error}");
    }
    for mode in [0o600, 0o640, 0o400] {
        assert!(Bearers::read(&file(ABC, mode).path).is_ok(), "{mode:o}");
    }
}

#[test]
fn says_that_a_file_is_missing() {
    let error = Bearers::read(Path::new("no/such/tokens")).unwrap_err().to_string();
    assert!(error.starts_with("cannot read the tokens' file no/such/tokens: "), "{error}");
}

#[test]
fn a_file_that_has_changed_counts_once_it_is_reloaded() {
    let (door, file) = doorkeeper(ABC);
    let Doorkeeper::Bearers(bearers) = &door else { panic!("there are tokens") };
    fs::write(&file.path, "").unwrap();
    assert!(door.admit(&fields(&["Bearer abc"])).is_ok());
    bearers.reload().unwrap();
    assert!(door.admit(&fields(&["Bearer abc"])).is_err());
}

#[test]
fn a_file_that_cannot_be_used_changes_nothing() {
    let (door, file) = doorkeeper(ABC);
    let Doorkeeper::Bearers(bearers) = &door else { panic!("there are tokens") };
    fs::write(&file.path, "half a li").unwrap();
    assert!(matches!(bearers.reload(), Err(AccessError::Line { line: 1, .. })));
    assert!(door.admit(&fields(&["Bearer abc"])).is_ok());
}

#[test]
fn a_fresh_token_is_let_in_by_its_line() {
    let (one, other) = (FreshToken::draw().unwrap(), FreshToken::draw().unwrap());
    assert!(one != other && one.token.len() == 64, "32 bytes, never the same");
    let (door, _file) = doorkeeper(&format!("{}\n", one.line));
    assert!(door.admit(&fields(&[&format!("Bearer {}", one.token)])).is_ok());
    assert!(door.admit(&fields(&[&format!("Bearer {}", other.token)])).is_err());
    assert_eq!(format!("{one:?}"), "FreshToken(…)");
}
