//! `discreet contacts sync` and the cache of answers, against the whole system.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::process::{Ran, Talking, command, run, wait_until};
use super::system::{Site, System};
use crate::metrics;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use tests::world::phone;

const ALICE: &str = "+14155550123";
const BOB: &str = "+493012345678";

/// Two people who can be reached.
fn system() -> System {
    let site = Site::new();
    let person = |number, uri: &str| site.world.person(&phone(number), 0).reaches(&[uri]).line();
    let lines = [person(ALICE, "mimi://b.example/u/alice"), person(BOB, "mimi://c.example/u/bob")];
    site.import("lines.jsonl", &lines).succeeded();
    site.start()
}

/// The command line that syncs the file `book`.
fn line(system: &System, book: &str, more: &[&str]) -> Vec<String> {
    let path = |file: &str| system.site.path(file).to_str().unwrap().to_owned();
    let mut line = vec!["contacts".to_owned(), "sync".to_owned(), path(book)];
    line.extend(["--profile".to_owned(), path("profile.toml"), "--state".to_owned(), path("state")]);
    line.extend(more.iter().map(|word| (*word).to_owned()));
    line
}

fn sync(system: &System, book: &str, more: &[&str]) -> Ran {
    run("discreet", line(system, book, more))
}

/// As `discreet lookup` is run by people: without `--fresh`.
fn look_up(system: &System, number: &str, more: &[&str]) -> Ran {
    let path = |file: &str| system.site.path(file).to_str().unwrap().to_owned();
    let (profile, state) = (path("profile.toml"), path("state"));
    run("discreet", [&["lookup", number, "--profile", &profile, "--state", &state], more].concat())
}

/// How many sealed requests the gateway has answered.
fn answered(system: &System) -> u64 {
    let text = metrics::scrape(system.gateway.admin.unwrap()).unwrap();
    let counts =
        text.lines().filter_map(|line| line.strip_prefix("discreet_gateway_encapsulated_requests_total{"));
    let counts = counts.filter(|line| line.contains("Answered"));
    counts.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn identifiers(objects: &[Value]) -> BTreeSet<String> {
    objects.iter().filter_map(|object| object["identifier"].as_str().map(str::to_owned)).collect()
}

/// A table of so many numbers, and nobody of them published anything.
fn table(count: u32) -> String {
    let rows: String = (0..count).map(|at| format!("Person {at},+1415555{:04}\n", 1000 + at)).collect();
    format!("Name,Mobile Phone\n{rows}")
}

#[test]
fn a_book_is_asked_once_and_lookups_are_answered_from_the_cache_with_all_servers_gone() {
    let system = system();
    let book = "BEGIN:VCARD\nVERSION:3.0\nFN:Annabelle Hidden\nTEL;TYPE=CELL:(415) 555-0123\n\
        TEL;TYPE=HOME:+1 415 555 0123\nTEL:see below\nEMAIL:nobody@\n a.example\nEND:VCARD\n\
        BEGIN:VCARD\nVERSION:4.0\nFN:Robert Hidden\nTEL;VALUE=uri:tel:+49-30-12345678\nEND:VCARD\n";
    system.site.write("book.vcf", book);
    let before = answered(&system);
    let ran = sync(&system, "book.vcf", &["--now", "--region", "US", "--json"]).succeeded();
    let said = objects(&ran.stdout);
    assert_eq!(said[0]["line"], 6, "{ran:?}");
    assert!(said[0]["problem"].as_str().unwrap().contains("no letters"), "{ran:?}");
    let asked = ["mailto:nobody@a.example", "tel:+14155550123", "tel:+493012345678"];
    assert_eq!(identifiers(&said), asked.map(str::to_owned).into());
    let summary = &said.last().unwrap()["summary"];
    assert_eq!(
        (&summary["reachable"], &summary["absent"], &summary["left"]),
        (&2.into(), &1.into(), &0.into())
    );
    assert_eq!(answered(&system) - before, 3);
    let ran = ran.silent_about("Hidden").silent_about("Annabelle");

    // Again: nobody is left.
    let again = sync(&system, "book.vcf", &["--now", "--region", "US"]).succeeded();
    assert!(again.stdout.contains("3 asked before, 0 left"), "{again:?}");
    assert!(again.stderr.contains("line 6: a phone number has no letters"), "{again:?}");
    assert_eq!(answered(&system) - before, 3, "{ran:?}");

    let cached = look_up(&system, ALICE, &[]).succeeded();
    assert!(cached.stdout.contains("1. mimi://b.example/u/alice"), "{cached:?}");
    assert!(cached.stdout.contains("from the cache, asked within the last hour"), "{cached:?}");
    assert_eq!(answered(&system) - before, 3, "nothing was sent");
    look_up(&system, ALICE, &["--fresh"]).succeeded();
    assert_eq!(answered(&system) - before, 4);

    let System { site, gateway, relays } = system;
    gateway.stop();
    drop(relays.map(super::process::Server::stop));
    let path = |file: &str| site.path(file).to_str().unwrap().to_owned();
    let common = ["--profile", &path("profile.toml"), "--state", &path("state"), "--json"];
    let cached = run("discreet", [&["lookup", BOB], &common[..]].concat()).succeeded();
    let answer: Value = serde_json::from_str(&cached.stdout).unwrap();
    assert_eq!(answer["mappings"][0]["services"][0]["uri"], "mimi://c.example/u/bob");
    assert!(answer["asked_at"].is_u64(), "{answer}");
    let absent = run("discreet", [&["lookup", "nobody@a.example"], &common[..]].concat());
    assert_eq!(absent.code, Some(1), "{absent:?}");
    let fresh = run("discreet", [&["lookup", BOB, "--fresh"], &common[..]].concat());
    assert_eq!(fresh.code, Some(3), "{fresh:?}");
}

#[test]
fn killed_and_started_again_it_asks_nobody_twice() {
    let system = system();
    system.site.write("book.csv", &table(24));
    let before = answered(&system);
    let mut first = command("discreet", line(&system, "book.csv", &["--within", "2m", "--json"]));
    let mut child = first.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut said: Vec<_> = lines.by_ref().take(4).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    // What it had said by then, too.
    said.extend(lines);
    let said: Vec<Value> = said.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let killed = identifiers(&said);
    assert!((4..24).contains(&killed.len()), "{said:?}");

    let rest = sync(&system, "book.csv", &["--now", "--json"]).succeeded();
    let rest = objects(&rest.stdout);
    assert_eq!(rest.last().unwrap()["summary"]["left"], 0);
    let went_on = identifiers(&rest);
    assert!(killed.is_disjoint(&went_on), "{killed:?} {went_on:?}");
    // The kill may have hit one between its question and its line.
    assert!((23..=24).contains(&(killed.len() + went_on.len())), "{went_on:?}");
    assert!((24..=25).contains(&(answered(&system) - before)));
}

#[test]
fn ctrl_c_and_sigterm_stop_it_well_and_two_at_once_are_refused() {
    let system = system();
    system.site.write("book.csv", &table(3));
    for (signal, code) in [("INT", 130), ("TERM", 0)] {
        let mut waiting = Talking::start("discreet", line(&system, "book.csv", &["--within", "90d"]));
        waiting.line(|line| line.contains("3 contacts to ask within").then_some(()));
        let other = sync(&system, "book.csv", &["--now"]);
        other.refused(5, "another contacts sync is running");
        waiting.stop(signal);
        let ran = waiting.finish();
        assert_eq!(ran.code, Some(code), "{signal}: {ran:?}");
        assert!(ran.stderr.contains("it goes on where it stopped"), "{signal}: {ran:?}");
        assert!(ran.stdout.contains("3 left"), "{signal}: {ran:?}");
    }
}

/// It never waits, and hears of it all the same.
#[test]
fn ctrl_c_stops_a_sweep_between_two_contacts() {
    let system = system();
    system.site.write("book.csv", &table(2000));
    let sweeping = Talking::start("discreet", line(&system, "book.csv", &["--now", "--json"]));
    wait_until(|| answered(&system) > 3);
    sweeping.stop("INT");
    let ran = sweeping.finish();
    assert_eq!(ran.code, Some(130), "{ran:?}");
    let said = objects(&ran.stdout);
    let left = said.iter().find_map(|object| object["summary"]["left"].as_u64()).unwrap();
    assert!((1..2000).contains(&left), "{left}");
}

#[test]
fn covers_ask_about_own_contacts_again_and_again() {
    let system = system();
    system.site.write("book.csv", &table(3));
    let budget = ["--now", "--watch", "--budget", "8640000", "--covers", "8640000", "--json"];
    let mut watching = command("discreet", line(&system, "book.csv", &budget));
    let mut child = watching.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said: Vec<_> = lines.take(12).map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    let own = ["tel:+14155551000", "tel:+14155551001", "tel:+14155551002"];
    assert_eq!(identifiers(&said), own.map(str::to_owned).into());
}

#[test]
fn rejects_what_is_no_address_book() {
    let system = system();
    system.site.write("book.csv", "name,city\nAnn,Berlin\n");
    sync(&system, "book.csv", &[]).refused(2, "no column holds numbers or addresses");
    system.site.write("book.csv", "tel\n\n");
    sync(&system, "book.csv", &[]).refused(2, "no number or address in it");
    sync(&system, "missing.csv", &[]).refused(5, "cannot read");
}

/// The policy is still there, at the relays.
#[test]
fn who_is_not_answered_is_left_for_the_next_time() {
    let system = system();
    system.site.write("book.csv", &table(2));
    look_up(&system, ALICE, &[]).succeeded();
    let System { site, gateway, relays } = system;
    gateway.stop();
    let path = |file: &str| site.path(file).to_str().unwrap().to_owned();
    let (book, profile, state) = (path("book.csv"), path("profile.toml"), path("state"));
    let line = ["contacts", "sync", &book, "--profile", &profile, "--state", &state, "--now", "--json"];
    let ran = run("discreet", line);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let said = objects(&ran.stdout);
    // Three times each.
    assert_eq!(said.iter().filter(|object| object["error"].is_string()).count(), 6, "{ran:?}");
    let summary = &said.last().unwrap()["summary"];
    assert_eq!((&summary["unanswered"], &summary["left"]), (&2.into(), &2.into()));
    drop(relays);
}

#[test]
fn without_tokens_nobody_is_asked_and_it_says_so() {
    let site = Site::new();
    site.write("rules.toml", &(site.world.rules() + &crate::tokens::issuer::rules([1, 0, 0])));
    let system = site.start();
    system.site.write("book.csv", &table(2));
    let before = answered(&system);
    let ran = sync(&system, "book.csv", &["--now"]);
    assert_eq!(ran.code, Some(9), "{ran:?}");
    assert!(ran.stderr.contains("this costs 1 token"), "{ran:?}");
    assert!(ran.stdout.contains("2 left"), "{ran:?}");
    assert_eq!(answered(&system), before);
}
