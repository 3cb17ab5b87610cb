//! The discovery provider's files: OHTTP keys, directory key, rules, pepper, directory, journal.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use super::machine::{Machine, NUMBER};
use crate::commands::system::now;
use discreet_protocol::SigningKey;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use tests::Mint;

/// Somebody who comes later.
const LATER: &str = "+14155550177";

fn key_ids(machine: &Machine) -> BTreeSet<u64> {
    let shown = machine.site.gateway(["keys", "--json"]).succeeded().stdout;
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].as_u64().unwrap();
    shown.lines().map(id).collect()
}

pub(crate) fn stolen_ohttp_keys(block: &str) {
    let mut machine = Machine::running();
    machine.lookup(NUMBER, "state").succeeded();
    let stolen = key_ids(&machine);
    machine.follow(block);
    assert!(stolen.is_disjoint(&key_ids(&machine)));
    // What is sealed to the stolen keys is not opened any more, as soon as the gateway has seen the file.
    let refused = (0..2000).map(|_| machine.lookup(NUMBER, "state")).find(|ran| ran.code != Some(0)).unwrap();
    assert!(refused.stdout.contains("does not know the key"), "{refused:?}");
    machine.start_relays();
    machine.lookup(NUMBER, "state").succeeded();
}

pub(crate) fn lost_ohttp_keys(block: &str) {
    let mut machine = Machine::running();
    machine.lookup(NUMBER, "state").succeeded();
    machine.site.write("ohttp.keys", "torn\n");
    machine.site.gateway(["--check-config"]).refused(2, "count `edition` in the rules up");
    machine.follow(block);
    machine.start_relays();
    // By senders, too, who remember the serials of before.
    machine.lookup(NUMBER, "state").succeeded();
}

pub(crate) fn stolen_directory_key(block: &str) {
    let mut machine = Machine::running();
    machine.lookup(NUMBER, "state").succeeded();
    // The thief signs the highest serial that a policy can have, so that the owner's are refused.
    machine.site.bend("rules.toml", "edition = 1", &format!("edition = {}", u32::MAX));
    machine.stop("discreet-gateway");
    machine.start("discreet-gateway");
    machine.start_relays();
    machine.lookup(NUMBER, "state").succeeded();
    machine.site.bend("rules.toml", &format!("edition = {}", u32::MAX), "edition = 2");

    let printed = machine.follow(block);
    let next = printed.trim();
    assert!(next.len() == 64 && next != machine.site.directory_key, "{printed}");
    machine.start_relays();
    // Apps with the old profile believe nobody, neither the thief nor the owner; with the new one they
    // go on, with all that they remember.
    let old = machine.lookup(NUMBER, "state");
    assert_eq!(old.code, Some(4), "{old:?}");
    machine.site.bend("profile.toml", &machine.site.directory_key.clone(), next);
    machine.lookup(NUMBER, "state").succeeded();
}

pub(crate) fn tampered_rules(block: &str) {
    let mut machine = Machine::running();
    machine.shell("cp rules.toml safe/rules.toml");
    let rogue = SigningKey::from_bytes(&[66; 32]);
    let mine = hex::encode(machine.site.world.authorities[0].verifying_key().to_bytes());
    let theirs = hex::encode(rogue.verifying_key().to_bytes());
    machine.site.bend("rules.toml", &mine, &theirs);
    machine.site.bend("rules.toml", "edition = 1", "edition = 2");
    let mut forged = machine.person(LATER, "mimi://thief.example/u/alice");
    forged.authority = rogue;
    machine.site.import("forged.jsonl", &[forged.line()]).succeeded();
    machine.stop("discreet-gateway");
    machine.start("discreet-gateway");
    machine.start_relays();
    assert!(machine.lookup(LATER, "state").succeeded().stdout.contains("thief.example"));

    machine.follow(block);
    machine.start_relays();
    // The directory is rid of what only the tampered rules let in.
    assert_eq!(machine.lookup(LATER, "state").code, Some(1));
    machine.lookup(NUMBER, "state").succeeded();
    let left = machine.site.resolver(["export"]).succeeded().stdout;
    assert_eq!(left.lines().count(), 1, "{left}");
}

pub(crate) fn stolen_pepper(block: &str) {
    let mut machine = Machine::running();
    machine.follow("back-up-directory");
    let stolen = fs::read(machine.site.path("pepper.key")).unwrap();
    machine.follow(block);
    machine.lookup(NUMBER, "state").succeeded();
    machine.stop("discreet-gateway");
    fs::write(machine.site.path("pepper.key"), stolen).unwrap();
    machine.site.resolver(["export"]).refused(2, "does not belong to this directory");
    // Nor does it open the backup that the guide has made.
    fs::rename(machine.site.path("safe/directory.db"), machine.site.path("directory.db")).unwrap();
    let refused = machine.site.resolver(["export"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{refused:?}");
}

pub(crate) fn lost_pepper(block: &str) {
    let mut machine = Machine::running();
    machine.shell("install -m 600 pepper.key safe/pepper.key");
    machine.stop("discreet-gateway");
    fs::remove_file(machine.site.path("pepper.key")).unwrap();
    machine.site.gateway(["--check-config"]).refused(2, "pepper.key is missing");
    machine.follow(block);
    machine.lookup(NUMBER, "state").succeeded();
}

pub(crate) fn backed_up(block: &str) {
    let mut machine = Machine::running();
    machine.follow(block);
    // Again, as every night: the new copy takes the place of the old.
    machine.site.import("later.jsonl", &[machine.site.world.line(LATER)]).succeeded();
    machine.follow(block);
    machine.stop("discreet-gateway");
    machine.shell("rm -f directory.db directory.db-wal directory.db-shm directory.db.journal");
    machine.shell("cp safe/directory.db directory.db; cp safe/directory.db.journal directory.db.journal");
    machine.start("discreet-gateway");
    for number in [NUMBER, LATER] {
        machine.lookup(number, "state").succeeded();
    }
}

pub(crate) fn lost_directory(block: &str) {
    let mut machine = Machine::running();
    machine.site.import("later.jsonl", &[machine.site.world.line(LATER)]).succeeded();
    machine.follow("back-up-directory");
    // Who leaves after the backup does not come back with it.
    machine.site.resolver(["subject", "erase", &format!("tel:{LATER}")]).succeeded();
    machine.stop("discreet-gateway");
    machine.site.write("directory.db", &"a disk that writes nonsense ".repeat(1000));
    machine.shell("rm -f directory.db-wal directory.db-shm");
    let refused = machine.site.gateway(["--check-config"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    machine.follow(block);
    machine.lookup(NUMBER, "state").succeeded();
    assert_eq!(machine.lookup(LATER, "state").code, Some(1));
}

pub(crate) fn lost_journal(block: &str) {
    let mut machine = Machine::running();
    machine.follow("back-up-directory");
    machine.site.resolver(["subject", "erase", "tel:+14155550199"]).succeeded();
    machine.stop("discreet-gateway");
    fs::remove_file(machine.site.path("directory.db.journal")).unwrap();
    let closed = machine.site.gateway(["--check-config"]);
    assert!(closed.code == Some(2) && closed.stderr.contains("journal"), "{closed:?}");
    machine.follow(block);
    machine.lookup(NUMBER, "state").succeeded();
}

pub(crate) fn lost_spent_tokens(block: &str) {
    let mut machine = Machine::new();
    let (mint, rules) = (Mint::new("issuer.example"), machine.site.world.rules());
    let issuer = mint.rules(1000, 1000, now(), [-1, 30]);
    machine
        .site
        .write("rules.toml", &format!("{rules}\n[prices]\nlookup = 1\npublish = 1\nwithdraw = 0\n{issuer}"));
    machine.site.write("directory.db.spent", &"a disk that writes nonsense ".repeat(1000));
    let refused = machine.site.gateway(["--check-config"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("retire-tokens"), "{refused:?}");
    fs::remove_file(machine.site.path("directory.db.spent")).unwrap();
    machine.site.gateway(["--check-config"]).refused(2, "retire-tokens");
    machine.site.resolver(["retire-tokens"]).succeeded();
    machine.start("discreet-gateway");
    machine.start_relays();
    machine.follow(block);
    // Nobody is locked out until there are new keys.
    machine.lookup(NUMBER, "state").succeeded();
    let rules = fs::read_to_string(machine.site.path("rules.toml")).unwrap();
    assert!(rules.contains("lookup = 0\npublish = 0\n") && rules.contains("edition = 2\n"), "{rules}");
}
