//! `discreet-resolver import` and `export` as processes: refusals, interruption, lookups meanwhile,
//! moving a directory.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use crate::commands::process::{command, finish, run};
use crate::commands::system::{Site, now};
use discreet_client::{Outcome, Query};
use discreet_protocol::SigningKey;
use discreet_protocol::time::DAY;
use discreet_resolver::directory::Directory;
use discreet_resolver::rules::Rules;
use discreet_serve::config;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::slice::from_ref;
use tests::World;
use tests::world::{Person, domain, phone};

/// Enough that an import takes several batches, and seconds.
const MANY: usize = 8_000;

fn number(index: usize) -> String {
    format!("+1415{index:07}")
}

/// The lines of many people, made on all cores.
fn many(world: &World) -> Vec<String> {
    let cores = std::thread::available_parallelism().unwrap().get();
    let share = MANY.div_ceil(cores);
    let lines_of = |core: usize| {
        let numbers = (core * share)..((core + 1) * share).min(MANY);
        numbers.map(|index| world.line(&number(index))).collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|core| scope.spawn(move || lines_of(core))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

/// Opens rules and directory in this process, beside whoever else has them open.
fn open(site: &Site) -> (Rules, Directory) {
    let file = site.path("resolver.toml");
    let mut config: discreet_resolver::Config = config::load(&file).unwrap();
    config.resolve(config::folder(&file));
    discreet_resolver::open(&config).unwrap()
}

fn sorted(text: &str) -> BTreeSet<String> {
    text.lines().map(str::to_owned).collect()
}

#[test]
fn each_bad_line_is_refused_by_number_and_reason_and_the_others_are_in() {
    let site = Site::new();
    let world = &site.world;
    let mut lines = Vec::new();
    let mut refusals = Vec::new();
    let mut refuse = |line: String, reason: &str| {
        lines.push(world.line(&number(lines.len())));
        lines.push(line);
        refusals.push(format!("line {}: refused: {reason}", lines.len()));
    };
    let mut bent = |index: usize, bend: &dyn Fn(&mut Person), reason: &str| {
        let mut person = world.person(&phone(&number(5000 + index)), 0);
        bend(&mut person);
        refuse(person.line(), reason);
    };
    let stranger = SigningKey::from_bytes(&[42; 32]);
    let hour = 3600;
    bent(
        0,
        &|p| p.credential.authority = domain("three.authority.example"),
        "the credential is by an authority that the policy does not name",
    );
    bent(
        1,
        &|p| p.authority = stranger.clone(),
        "credential: the signature does not verify under the expected key",
    );
    bent(
        2,
        &|p| p.holder = stranger.clone(),
        "mapping: the signature does not verify under the expected key",
    );
    bent(3, &|p| p.credential.expires = world.now, "the credential has expired");
    bent(
        4,
        &|p| p.credential.proved_at = world.now.plus(hour),
        "the credential's times contradict each other or lie in the future",
    );
    bent(
        5,
        &|p| p.credential.csi = phone("+14155559999"),
        "the credential is for another identifier than the mapping",
    );
    bent(6, &|p| p.status.at = world.now.minus(73 * hour), "the status is more than 72 hours old");
    bent(7, &|p| p.status.at = world.now.plus(hour), "the status lies in the future");
    bent(8, &|p| p.status.id = [9; 16], "the status is for another credential");
    bent(
        9,
        &|p| p.mapping.audience = vec![domain("other.example")],
        "the mapping is for another discovery domain",
    );
    bent(10, &|p| p.mapping.not_before = p.mapping.not_before.plus(2 * DAY), "the mapping is not valid yet");
    bent(
        11,
        &|p| {
            p.mapping.not_before = p.mapping.not_before.minus(9 * DAY);
            p.mapping.not_after = p.mapping.not_before.plus(DAY);
        },
        "the mapping has expired",
    );
    bent(
        12,
        &|p| p.mapping.not_after = p.credential.expires.plus(DAY),
        "the mapping's validity is empty or outlives its credential",
    );
    bent(
        13,
        &|p| p.mapping.not_before = p.mapping.not_before.minus(1),
        "the mapping's times are not whole days",
    );
    bent(14, &|p| *p = p.clone().tag("Business"), "a mapping for another tag needs one for Default first");
    let mail = world.person(&discreet_protocol::identifier::Csi::email("bob@b.example").unwrap(), 0);
    refuse(mail.line(), "the authority speaks for an identifier outside its namespace");
    refuse(
        "not JSON".to_owned(),
        "the line is none of {\"mapping\":…,\"status\":…}, {\"withdrawal\":…}, {\"authority\":…,\"revocation\":…}, {\"erasure\":…} in base64url",
    );
    refuse(
        "{\"mapping\":\"AA\",\"status\":\"AA\",\"x\":1}".to_owned(),
        "the line is none of {\"mapping\":…,\"status\":…}, {\"withdrawal\":…}, {\"authority\":…,\"revocation\":…}, {\"erasure\":…} in base64url",
    );
    refuse(
        "{\"mapping\":\"AA\",\"status\":\"AA\"}".to_owned(),
        "mapping: the statement is not a COSE_Sign1 structure",
    );
    refuse("x".repeat(20_000), "the line is longer than 16384 bytes");
    let mut lower = world.person(&phone(&number(0)), 0);
    lower.mapping.serial -= 1;
    refuse(lower.line(), "the directory holds a later mapping of this holder (higher serial)");
    let same = world.person(&phone(&number(0)), 0).reaches(&["mimi://d.example/u/x"]);
    refuse(same.line(), "the directory holds another mapping of this holder with the same serial");
    let mut earlier = World::new(8, world.now).person(&phone(&number(0)), 0);
    earlier.authority = world.authorities[0].clone();
    refuse(earlier.line(), "another key has proved the identifier later than this one, or at the same time");

    let good: BTreeSet<_> = lines.iter().step_by(2).cloned().collect();
    let ran = site.import("lines.jsonl", &lines);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(ran.stderr.lines().collect::<Vec<_>>(), refusals);
    assert_eq!(
        ran.stdout,
        format!("{0} added, 0 replaced, 0 withdrawn, 0 unchanged, {0} refused\n", refusals.len())
    );
    assert_eq!(sorted(&site.resolver(["export"]).succeeded().stdout), good);
}

#[tokio::test]
async fn a_killed_import_leaves_each_mapping_wholly_there_or_absent_and_rerunning_finishes_it() {
    let site = Site::new();
    let lines = many(&site.world);
    let all: BTreeSet<_> = lines.iter().cloned().collect();
    site.write("many.jsonl", &lines.join("\n"));
    let (_, directory) = open(&site);
    let resolver = site.path("resolver.toml");
    let file = site.path("many.jsonl");
    let args = ["--config", resolver.to_str().unwrap(), "import", file.to_str().unwrap()];

    let mut import = command("discreet-resolver", args).stdout(Stdio::null()).spawn().unwrap();
    // Batches are written in the order of the file: from now on some mappings are there.
    while directory.find(&phone(&number(0))).unwrap().is_none() {
        assert!(import.try_wait().unwrap().is_none(), "the import ended too early");
        std::thread::yield_now();
    }
    import.kill().unwrap();
    assert_eq!(import.wait().unwrap().code(), None, "killed, not finished");
    drop(directory);

    let there = sorted(&site.resolver(["export"]).succeeded().stdout);
    assert!(there.is_subset(&all), "each line is as it was given, status included");
    assert!(!there.is_empty() && there.len() < MANY, "{}", there.len());
    let system = site.start();
    let client = system.client();
    for index in (0..MANY).step_by(997) {
        let answer = client.lookup(Query { csi: phone(&number(index)), tag: None }).await.unwrap();
        let found = answer.outcome() == Outcome::OneService;
        assert!(found || answer.outcome() == Outcome::NoMapping);
        assert_eq!(found, there.contains(&lines[index]), "{index}");
    }

    let ran = run("discreet-resolver", args).succeeded();
    let (old, new) = (there.len(), MANY - there.len());
    assert_eq!(ran.stdout, format!("{new} added, 0 replaced, 0 withdrawn, {old} unchanged, 0 refused\n"));
    assert_eq!(sorted(&system.site.resolver(["export"]).succeeded().stdout), all);
    for index in (0..MANY).step_by(997) {
        let answer = client.lookup(Query { csi: phone(&number(index)), tag: None }).await.unwrap();
        assert_eq!(answer.outcome(), Outcome::OneService, "{index}");
    }
}

#[tokio::test]
async fn lookups_go_on_during_an_import() {
    let site = Site::new();
    let alice = "+493012345678";
    site.import("alice.jsonl", &[site.world.line(alice)]).succeeded();
    site.write("many.jsonl", &many(&site.world).join("\n"));
    let system = site.start();
    let client = system.client();
    let (resolver, file) = (system.site.path("resolver.toml"), system.site.path("many.jsonl"));
    let args = ["--config", resolver.to_str().unwrap(), "import", file.to_str().unwrap()];
    let mut import = command("discreet-resolver", args).stdout(Stdio::null()).spawn().unwrap();
    let mut lookups = 0;
    let status = loop {
        let answer = client.lookup(Query { csi: phone(alice), tag: None }).await.unwrap();
        assert_eq!(answer.outcome(), Outcome::OneService);
        lookups += 1;
        if let Some(status) = import.try_wait().unwrap() {
            break status;
        }
    };
    assert!(status.success() && lookups > 10, "{status} {lookups}");
    let last = Query { csi: phone(&number(MANY - 1)), tag: None };
    assert_eq!(client.lookup(last).await.unwrap().outcome(), Outcome::OneService, "visible at once");
    assert!(!system.gateway.stop().contains("failed"));
}

#[test]
fn importing_again_changes_nothing() {
    let site = Site::new();
    let lines: Vec<_> = (0..50).map(|index| site.world.line(&number(index))).collect();
    site.import("lines.jsonl", &lines).succeeded();
    let before = site.resolver(["export"]).succeeded().stdout;
    let again = site.import("lines.jsonl", &lines).succeeded();
    assert_eq!(again.stdout, "0 added, 0 replaced, 0 withdrawn, 50 unchanged, 0 refused\n");
    assert_eq!(site.resolver(["export"]).succeeded().stdout, before);
}

#[test]
fn a_later_status_renews_and_an_earlier_one_does_not() {
    let site = Site::new();
    let mut person = site.world.person(&phone(&number(1)), 0);
    person.status.at = site.world.now.minus(DAY);
    let old = person.line();
    site.import("old.jsonl", from_ref(&old)).succeeded();
    person.status.at = site.world.now;
    let new = person.line();
    for line in [&new, &old] {
        let ran = site.import("next.jsonl", from_ref(line)).succeeded();
        assert_eq!(ran.stdout, "0 added, 0 replaced, 0 withdrawn, 1 unchanged, 0 refused\n");
        assert_eq!(site.resolver(["export"]).succeeded().stdout, format!("{new}\n"));
    }
}

#[test]
fn an_export_moves_everything_to_a_directory_with_another_pepper() {
    let site = Site::in_world(World::new(21, now()));
    let world = site.world.clone();
    let mut lines: Vec<_> = (0..300).map(|index| world.line(&number(index))).collect();
    lines.push(world.person(&phone(&number(7)), 1).line());
    lines.push(world.person(&phone(&number(7)), 0).tag("Business").line());
    site.import("lines.jsonl", &lines).succeeded();
    let export = site.path("export.jsonl");
    // A leftover that others could read must not lend its mode.
    site.write("export.jsonl.partial", "");
    fs::set_permissions(site.path("export.jsonl.partial"), fs::Permissions::from_mode(0o644)).unwrap();
    let ran = site.resolver(["export", export.to_str().unwrap()]).succeeded();
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", "302 mappings exported\n"));
    assert_eq!(fs::metadata(&export).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!site.path("export.jsonl.partial").exists());
    let exported = fs::read_to_string(&export).unwrap();
    assert_eq!(sorted(&exported), lines.into_iter().collect());
    assert_eq!(site.resolver(["export", "-"]).succeeded().stdout, exported);

    let other = Site::in_world(world);
    let peppers = [&site, &other].map(|site| fs::read(site.path("pepper.key")).unwrap());
    assert_ne!(peppers[0], peppers[1]);
    let resolver = other.path("resolver.toml");
    let mut import = command("discreet-resolver", ["--config", resolver.to_str().unwrap(), "import", "-"]);
    let piped = finish(import.stdin(fs::File::open(&export).unwrap())).succeeded();
    assert_eq!(piped.stdout, "302 added, 0 replaced, 0 withdrawn, 0 unchanged, 0 refused\n");
    assert_eq!(sorted(&other.resolver(["export"]).succeeded().stdout), sorted(&exported));
    // The same people under another pepper: no row of the one is in the other.
    let rows = [&site, &other].map(|site| fs::read(site.path("directory.db")).unwrap());
    assert!(!rows[0].windows(5).any(|bytes| bytes == b"+1415"), "sealed");
    assert!(rows[0] != rows[1]);
}

#[test]
fn an_import_file_that_is_missing_is_named() {
    let site = Site::new();
    let ran = site.resolver(["import", "no/such/file.jsonl"]);
    ran.refused(2, "cannot open no/such/file.jsonl");
}
