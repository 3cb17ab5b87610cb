//! Tokens as people get and spend them, and operators rotate the keys: every role is a process of its own.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod folder;

use super::process::{Ran, Server, Talking, wait_until};
use crate::metrics::scrape;
use crate::operators::machine::{Machine, NUMBER};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A lookup costs a token, and Ann may have `quota` at once.
fn paid(quota: u32) -> Machine {
    let machine = Machine::with_issuer("[prices]\nlookup = 1\n", quota);
    machine.name_issuer("bearer = \"ann\"");
    machine
}

/// Runs `discreet` as Ann, who has one folder.
fn ann(machine: &Machine, line: &str) -> Ran {
    machine.discreet(&format!("{line} --profile @profile.toml --state @state"))
}

/// Ann gets so many tokens.
fn fill(machine: &Machine, count: usize) {
    let got = ann(machine, &format!("tokens get --count {count}")).succeeded();
    assert_eq!(got.stdout, format!("got {count} of {count} tokens\n"));
}

/// How many Ann has under each key, and that none of them is to be used yet.
fn stock(machine: &Machine) -> Vec<u64> {
    let shown: Value = serde_json::from_str(&ann(machine, "tokens --json").succeeded().stdout).unwrap();
    let keys: Vec<_> =
        shown["keys"].as_array().unwrap().iter().map(|key| key["later"].as_u64().unwrap()).collect();
    assert_eq!((&shown["usable"], &shown["later"]), (&0.into(), &keys.iter().sum::<u64>().into()));
    keys
}

/// Ann asks, and pays with a token that came just now.
fn look_up(machine: &Machine) -> Ran {
    ann(machine, &format!("lookup {NUMBER} --fresh --fresh-tokens"))
}

#[track_caller]
fn none_left(machine: &Machine) {
    let why = "there are none: get some from your issuer with `discreet tokens get`; nothing was sent";
    look_up(machine).refused(9, why);
}

/// The sum of what a server counts under names and labels that begin so.
fn counted(server: &Server, start: &str) -> u64 {
    let text = scrape(server.admin.unwrap()).unwrap();
    let lines = text.lines().filter(|line| line.starts_with(start));
    lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

/// Sealed requests that the relays were sent.
fn relayed(machine: &Machine) -> u64 {
    machine.relays().map(|relay| counted(relay, "discreet_relay_forwarded_total")).iter().sum()
}

/// Lookups that were paid, if all were.
#[track_caller]
fn accepted(machine: &Machine) -> u64 {
    let gateway = machine.server("discreet-gateway");
    let name = "discreet_gateway_resolver_redemptions_total";
    let accepted = counted(gateway, &format!("{name}{{outcome=\"Accepted\"}}"));
    assert_eq!(counted(gateway, name), accepted, "nothing else became of a token");
    accepted
}

#[test]
fn a_stock_is_got_shown_and_used_up_and_then_nothing_is_sent() {
    let machine = paid(100);
    let shown = ann(&machine, "tokens").succeeded().stdout;
    assert_eq!(shown, "0 usable now, 0 later\nget some with `discreet tokens get`\n");
    none_left(&machine);
    fill(&machine, 3);
    let shown = ann(&machine, "tokens").succeeded().stdout;
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!((lines[0], lines.len()), ("0 usable now, 3 later", 3));
    assert!(lines[1].starts_with("issuer.example, key ") && lines[1].ends_with(" 00:00 UTC:"), "{shown}");
    assert!(lines[2].starts_with("  0 usable now, 3 later: the first from "), "{shown}");

    // Not old enough: it says from when, and how else.
    let young = ann(&machine, &format!("lookup {NUMBER} --fresh"));
    let young = young.refused(9, "this costs 1 token, and there is none to use before ");
    assert!(young.stderr.contains(" GMT; with --fresh-tokens"), "{young:?}");
    assert_eq!((relayed(&machine), accepted(&machine)), (0, 0));

    for left in [2, 1, 0] {
        assert!(look_up(&machine).succeeded().stdout.starts_with(NUMBER));
        assert_eq!(stock(&machine).iter().sum::<u64>(), left);
    }
    none_left(&machine);
    assert_eq!((relayed(&machine), accepted(&machine)), (3, 3));
    // Neither that there was none, nor anything else, made the client speak to the issuer.
    assert_eq!(counted(machine.server("discreet-provider"), "discreet_provider_issued_total"), 3);
}

#[test]
fn tokens_are_got_time_and_again_until_it_is_stopped() {
    let machine = paid(100);
    let [profile, state] = ["profile.toml", "state"].map(|file| machine.path(file));
    let line = [
        "tokens",
        "get",
        "--count",
        "2",
        "--every",
        "1s",
        "--profile",
        &profile,
        "--state",
        &state,
        "--json",
    ];
    let getting = Talking::start("discreet", line);
    let issued = || counted(machine.server("discreet-provider"), "discreet_provider_issued_total");
    wait_until(|| issued() >= 4);
    // As those do who start it as a service.
    getting.stop("TERM");
    let ran = getting.finish();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    // What was being got when it was stopped is in the wallet, too.
    let mut said = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
    assert!(said.pop().unwrap()["error"].as_str().unwrap().starts_with("stopped"), "{ran:?}");
    assert!(said.len() >= 2 && said.iter().all(|got| got["got"] == 2 && got["wanted"] == 2), "{ran:?}");
    let all = 2 * said.len() as u64;
    assert_eq!((stock(&machine), issued()), (vec![all], all));
}

/// They are not old enough, and there are not as many as both lookups cost.
#[test]
fn a_sync_pays_with_fresh_tokens() {
    let machine = Machine::with_issuer("[prices]\nlookup = 2\n", 100);
    machine.name_issuer("bearer = \"ann\"");
    machine.site.write("book.csv", &format!("Name,Phone\nA,{NUMBER}\nB,+14155559999\n"));
    fill(&machine, 3);
    let sync = || ann(&machine, "contacts sync @book.csv --now --fresh-tokens");
    let ran = sync();
    assert_eq!(ran.code, Some(9), "{ran:?}");
    assert!(ran.stderr.contains("this costs 2 tokens, and there are none: get some"), "{ran:?}");
    assert_eq!((stock(&machine), accepted(&machine)), (vec![1], 1));
    fill(&machine, 1);
    sync().succeeded();
    assert_eq!((stock(&machine), accepted(&machine)), (Vec::new(), 2));
}

#[test]
fn over_its_quota_an_account_is_told_when_to_try_again() {
    let machine = paid(4);
    let got = ann(&machine, "tokens get --count 16");
    assert_eq!(got.code, Some(3), "{got:?}");
    // A full hour that strikes meanwhile gives two more.
    let kept = stock(&machine)[0];
    assert!(kept == 4 || kept == 6, "{kept}");
    assert_eq!(got.stdout, format!("got {kept} of 16 tokens\n"));
    let (why, again) = got.stderr.trim_end().split_once("; try again after ").unwrap();
    assert_eq!(why, "discreet: tokens: the issuer gives no more for now");
    // Quotas grow at full hours, and answers take less than a minute.
    assert_eq!(again.split(':').nth(1), Some("00"), "{again}");
    look_up(&machine).succeeded();
}

#[test]
fn an_account_known_by_its_certificate_gets_tokens() {
    let mut machine = paid(100);
    machine.stop("discreet-provider");
    machine.site.bend("provider.toml", "[listen.tls]\n", "[listen.mutual_tls]\nissuer = \"ca.pem\"\n");
    let bearers = "accounts.bearers = \"accounts.tokens\"";
    machine.site.bend("provider.toml", bearers, "accounts = \"certificates\"");
    machine.start("discreet-provider");
    // Her token counts no longer.
    let refused = ann(&machine, "tokens get --count 2");
    assert!(refused.code != Some(0) && refused.stdout.is_empty(), "{refused:?}");

    machine.site.certificates.server("ann", &["ann.example"]).unwrap();
    fs::set_permissions(machine.site.path("ann.key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    let identity = "identity = { certificate = \"ann.pem\", key = \"ann.key.pem\" }";
    machine.site.bend("profile.toml", "bearer = \"ann\"", identity);
    fill(&machine, 2);
    look_up(&machine).succeeded();
    assert_eq!((stock(&machine), accepted(&machine)), (vec![1], 1));
}

#[test]
fn tokens_of_before_and_after_a_rotation_are_taken() {
    let mut machine = paid(100);
    fill(&machine, 2);
    // The lines stand in the rules as they were printed.
    machine.shell(
        "discreet-provider --config provider.toml issuer keys rotate --at-once > lines.toml\n\
         sed -i '/^\\[\\[issuers\\]\\]/,$d' rules.toml\n\
         cat lines.toml >> rules.toml\n\
         sed -i 's/^edition = .*/edition = 2/' rules.toml",
    );
    for unit in ["discreet-gateway", "discreet-provider"] {
        let server = machine.server(unit);
        server.hang_up();
        let said = server.logged(|line| line.contains("reloaded"));
        assert!(!said.contains("not reloaded"), "{said}");
    }
    machine.start_relays();
    machine.name_issuer("bearer = \"ann\"");
    fill(&machine, 2);
    assert_eq!(stock(&machine), [2, 2], "two under each key");
    for _ in 0..4 {
        look_up(&machine).succeeded();
    }
    assert_eq!(accepted(&machine), 4);
    none_left(&machine);
}
