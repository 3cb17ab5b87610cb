//! The operator's commands, as processes.

use crate::feed::fill;
use crate::support::{Files, NUMBER, body, decode, person};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use discreet_protocol::SigningKey;
use discreet_protocol::endorsement::Endorsement;
use discreet_protocol::statement::open;
use discreet_provider::Provider;
use discreet_serve::{Clock, Environment, Log};
use rusqlite::Connection;
use std::io::Write;
use std::process::{Command, Output, Stdio};

fn command(files: &Files, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_discreet-provider"));
    command.arg("--config").arg(files.path("provider.toml")).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(files: &Files, arguments: &[&str], input: &str) -> Output {
    let mut child = command(files, arguments).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn done(files: &Files, arguments: &[&str], input: &str) -> String {
    let output = run(files, arguments, input);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn init_makes_what_is_missing_once_and_prints_the_rules() {
    let files = Files::new();
    let key = hex::encode(files.authority_key().to_bytes());
    let token = files.token();
    let lines = done(&files, &["init"], "");
    assert!(
        lines.contains(&format!("[[authorities]]\nname = \"authority.example\"\nkey = \"{key}\"\n")),
        "{lines}"
    );
    assert!(lines.contains("namespaces = [\"tel:+1\", \"mailto:a.example\"]\n"), "{lines}");
    assert!(lines.contains("[[services]]\nname = \"b.example\"\n"), "{lines}");
    assert!(!lines.contains(&token) && files.token() == token);
    assert!(run(&files, &["--check-config"], "").status.success());
    std::fs::remove_file(files.path("authority.key")).unwrap();
    let refused = run(&files, &["init"], "");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("restore the key from its backup"));
    assert_eq!(run(&files, &["--check-config"], "").status.code(), Some(2));
}

#[tokio::test]
async fn the_operator_works_on_the_files_while_the_service_runs() {
    let files = Files::new();
    let environment = Environment::new(Log::off(), Clock::system());
    let provider = Provider::bind_in(files.config(), environment.clone()).await.unwrap();
    let setup = crate::support::Setup {
        client: crate::support::upstream(provider.addr()),
        clock: environment.clock,
        log: crate::leaks::Searched::default(),
        provider,
        files,
    };
    let enrolled = body(&setup.post("/v1/enrolments", &serde_json::json!({"identifier": NUMBER})).await);
    let code = enrolled["code"].as_str().unwrap();
    let pending = done(&setup.files, &["pending"], "");
    assert_eq!(pending, format!("{code}\t{NUMBER}\t0 min\n"));
    assert_eq!(done(&setup.files, &["confirm", code], ""), "");
    let ticket = decode(&enrolled["ticket"]).try_into().unwrap();
    let credential = setup.issued(&setup.redeem(NUMBER, &person(1), ticket).await);

    let ticket = done(&setup.files, &["prove", "-", "--account", "ben"], "tel:+14155550177\n");
    let ticket = URL_SAFE_NO_PAD.decode(ticket.trim()).unwrap().try_into().unwrap();
    setup.issued(&setup.redeem("tel:+14155550177", &person(2), ticket).await);

    assert_eq!(done(&setup.files, &["revoke", "-"], &format!("{NUMBER}\n")), "");
    assert!(!setup.stands(&credential).await);
    let refused = run(&setup.files, &["revoke", "tel:+14155550188"], "");
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(said, "discreet-provider: nobody holds this identifier here\n");
}

#[test]
fn endorse_prints_the_services_word() {
    let files = Files::new();
    let holder = person(1).verifying_key();
    let digits = hex::encode(holder.to_bytes());
    let word = done(&files, &["endorse", "mimi://b.example/u/alice", "--holder", &digits], "");
    let seed = std::fs::read_to_string(files.path("service.key")).unwrap();
    let key = SigningKey::from_bytes(&hex::decode(seed.trim()).unwrap().try_into().unwrap());
    let word: Endorsement =
        open(&URL_SAFE_NO_PAD.decode(word.trim()).unwrap(), &key.verifying_key()).unwrap();
    assert_eq!((word.uri.as_str(), word.holder), ("mimi://b.example/u/alice", holder));
    for (uri, holder, code) in
        [("mimi://c.example/u/alice", digits.as_str(), 1), ("mimi://b.example/u/alice", "00", 2)]
    {
        assert_eq!(run(&files, &["endorse", uri, "--holder", holder], "").status.code(), Some(code));
    }
}

/// Statuses that were signed since `began`.
fn signed_since(files: &Files, began: i64) -> i64 {
    let connection = Connection::open(files.path("authority.db")).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    let count = "SELECT count(*) FROM credentials WHERE at >= ?1";
    connection.query_row(count, [began], |row| row.get(0)).unwrap()
}

#[test]
fn a_killed_sign_statuses_goes_on_where_it_was() {
    let files = Files::new();
    let now = Clock::system().now();
    let count = 30_000;
    fill(&files, count, now - 30 * 3600);
    let mut child = command(&files, &["sign-statuses"]).spawn().unwrap();
    while signed_since(&files, now as i64) == 0 {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = signed_since(&files, now as i64);
    assert!(before >= 4096 && before % 4096 == 0, "whole transactions: {before}");
    let report = done(&files, &["sign-statuses"], "");
    let rest = count as i64 - before;
    assert!(report.starts_with(&format!("{rest} statuses signed and stored, ")), "{report}");
    assert_eq!(signed_since(&files, now as i64), count as i64);
    assert!(done(&files, &["sign-statuses"], "").starts_with("0 statuses signed and stored, "));
}
