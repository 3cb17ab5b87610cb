//! `discreet lookup` against the whole system: what it prints, and its exit codes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::system::Site;
use serde_json::{Value, json};
use tests::World;
use tests::world::phone;

const ALICE: &str = "+14155550123";
const SEVERAL_SERVICES: &str = "+493012345678";
const SEVERAL_AUTHORITIES: &str = "+14155550199";
const NO_SERVICE: &str = "+14155550177";
const HIDDEN: &str = "+14155550178";
const NOBODY: &str = "+14155550124";

/// Somebody for every outcome.
fn lines(world: &World) -> Vec<String> {
    let mut hidden = world.person(&phone(HIDDEN), 0);
    hidden.mapping.serve_as_not_found = true;
    let person = |number, authority| world.person(&phone(number), authority);
    vec![
        person(ALICE, 0).reaches(&["mimi://b.example/u/alice"]).line(),
        person(ALICE, 0).reaches(&["mimi://c.example/u/alice"]).tag("Business").line(),
        person(SEVERAL_SERVICES, 0).reaches(&["mimi://b.example/u/bob", "mimi://c.example"]).line(),
        person(SEVERAL_AUTHORITIES, 0).reaches(&["mimi://b.example/u/carol"]).line(),
        person(SEVERAL_AUTHORITIES, 1).reaches(&["mimi://c.example/u/carol"]).line(),
        person(NO_SERVICE, 0).reaches(&[]).line(),
        hidden.line(),
    ]
}

/// Replaces the digits of dates, which depend on the day the test runs.
fn undated(text: &str) -> String {
    let is_date = |word: &str| word.len() == 10 && word.split('-').map(str::len).eq([4, 2, 2]);
    let undate = |word: &str| {
        let date = is_date(word.trim_end_matches([',', ' ', '\n']));
        if date { word.replace(|c: char| c.is_ascii_digit(), "9") } else { word.to_owned() }
    };
    text.split_inclusive([' ', '\n']).map(undate).collect()
}

#[test]
fn transcripts_of_every_outcome() {
    let site = Site::new();
    let summary = site.import("lines.jsonl", &lines(&site.world)).succeeded();
    assert_eq!(summary.stdout, "7 added, 0 replaced, 0 withdrawn, 0 unchanged, 0 refused\n");
    let system = site.start();

    let days = "  holder since 9999-99-99, confirmed 9999-99-99, ask again after 9999-99-99\n";
    let alice = format!(
        "{ALICE}, attested by one.authority.example (tag Default):\n  1. mimi://b.example/u/alice\n{days}"
    );
    let transcripts: [(&[&str], i32, String); 11] = [
        (&[ALICE], 0, alice.clone()),
        (&["+1 (415) 555-0123"], 0, alice.clone()),
        (&["(415) 555-0123", "--region", "us"], 0, alice.clone()),
        (
            &[ALICE, "--tag", "Business"],
            0,
            alice.replace("Default", "Business").replace("b.example", "c.example"),
        ),
        // No such tag: the answer does not tell that there is none.
        (&[ALICE, "--tag", "Family"], 0, alice),
        (
            &["030 12345678", "--region", "DE"],
            0,
            format!(
                "{SEVERAL_SERVICES}, attested by one.authority.example (tag Default):\n  1. mimi://b.example/u/bob\n  2. mimi://c.example\n{days}"
            ),
        ),
        (
            &[SEVERAL_AUTHORITIES],
            0,
            format!(
                "{SEVERAL_AUTHORITIES}: several mappings, each attested by another authority\n\
                 {SEVERAL_AUTHORITIES}, attested by one.authority.example (tag Default):\n  1. mimi://b.example/u/carol\n{days}\
                 {SEVERAL_AUTHORITIES}, attested by two.authority.example (tag Default):\n  1. mimi://c.example/u/carol\n{days}"
            ),
        ),
        (
            &[NO_SERVICE],
            1,
            format!(
                "{NO_SERVICE}, attested by one.authority.example (tag Default):\n  exists, but lists no service\n{days}"
            ),
        ),
        (&[HIDDEN], 1, format!("{HIDDEN}: no mapping; nobody by this identifier wants to be found here\n")),
        (&[NOBODY], 1, format!("{NOBODY}: no mapping; nobody by this identifier wants to be found here\n")),
        (
            &["nobody@a.example"],
            1,
            "nobody@a.example: no mapping; nobody by this identifier wants to be found here\n".to_owned(),
        ),
    ];
    for (args, code, expected) in transcripts {
        let ran = system.site.lookup(args);
        assert_eq!(undated(&ran.stdout), expected, "{args:?} {ran:?}");
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(code), ""), "{args:?}");
    }
    json_transcripts(&system.site);
    let logs = [system.gateway].into_iter().chain(system.relays).map(super::process::Server::stop);
    let logs = logs.collect::<Vec<_>>().join("\n");
    for (secret, what) in [("4155550", "a number"), ("b.example", "an answer"), ("identifierQuery", "a path")]
    {
        assert!(!logs.contains(secret), "{what} was logged: {logs}");
    }
}

/// The same, for scripts.
fn json_transcripts(site: &Site) {
    let today = site.world.now.start_of_day().unix();
    let ran = site.lookup([ALICE, "--json"]);
    let mut answer: Value = serde_json::from_str(&ran.stdout).unwrap();
    let until = answer["mappings"][0]["fresh_until"].take().as_u64().unwrap();
    assert!(until > today && until <= today + 8 * 86_400, "{until}");
    let expected = json!({
        "identifier": "tel:+14155550123",
        "outcome": "one_service",
        "mappings": [{
            "authority": "one.authority.example",
            "tag": "Default",
            "services": [{
                "uri": "mimi://b.example/u/alice",
                "provider": "b.example",
                "thumbprint": null,
                "confirmed": false,
            }],
            "holder_since": today - 30 * 86_400,
            "confirmed_at": site.world.now.unix(),
            "fresh_until": null,
        }],
        "notices": [],
    });
    assert_eq!((ran.code, ran.stderr.as_str(), answer), (Some(0), "", expected));
    for (number, outcome, code) in [
        (SEVERAL_SERVICES, "several_services", 0),
        (SEVERAL_AUTHORITIES, "several_mappings", 0),
        (NO_SERVICE, "no_service", 1),
        (NOBODY, "no_mapping", 1),
    ] {
        let ran = site.lookup([number, "--json"]);
        assert_eq!(ran.stdout.lines().count(), 1, "one object on one line: {ran:?}");
        let answer: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!((answer["outcome"].as_str(), ran.code), (Some(outcome), Some(code)), "{number}");
    }
}

#[test]
fn an_implausible_number_is_asked_with_a_warning() {
    let system = Site::new().start();
    let ran = system.site.lookup(["+1 000 000 0000"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.starts_with("discreet: warning: this does not look like a number"), "{ran:?}");
}

#[test]
fn a_new_holder_is_noticed_across_runs_and_a_rollback_refused() {
    let site = Site::new();
    let csi = phone(ALICE);
    let first = site.world.person(&csi, 0);
    site.import("first.jsonl", &[first.line()]).succeeded();
    // A second provider's copy of the directory, as it was before the change.
    let copy = |file: &str| std::fs::copy(site.path("directory.db"), site.path(file)).unwrap();
    copy("before.db");
    let mut second = World::new(99, site.world.now).person(&csi, 0);
    second.authority = first.authority.clone();
    second.credential.proved_at = first.credential.proved_at.plus(86_400);
    second.credential.holder_since = second.credential.proved_at;

    let system = site.start();
    assert_eq!(system.site.lookup([ALICE]).succeeded().stderr, "");
    let summary = system.site.import("second.jsonl", &[second.line()]).succeeded();
    assert_eq!(summary.stdout, "0 added, 1 replaced, 0 withdrawn, 0 unchanged, 0 refused\n");
    let noticed = system.site.lookup([ALICE]).succeeded();
    assert!(
        noticed.stderr.starts_with("discreet: warning: one.authority.example attests a new holder"),
        "{noticed:?}"
    );
    assert_eq!(system.site.lookup([ALICE]).succeeded().stderr, "", "said once");

    let super::system::System { site, gateway, relays } = system;
    gateway.stop();
    drop(relays);
    std::fs::copy(site.path("before.db"), site.path("directory.db")).unwrap();
    let system = site.start();
    system.site.lookup([ALICE]).refused(4, "a later one has been seen").silent_about("4155550123");
}
