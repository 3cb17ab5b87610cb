//! A recipient's life from the command line: authority, gateway and two relays as processes, and the
//! command `discreet` on both sides.

use super::process::{Ran, Server, Talking, run};
use super::system::{Site, System, now};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;

const NUMBER: &str = "+14155550123";
const ALICE: &str = "mimi://b.example/u/alice";
/// RFC 8037, A.2.
const JWK: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

/// Everybody who takes part, as processes.
struct Town {
    system: System,
    authority: Server,
}

impl Town {
    fn start() -> Self {
        let site = Site::new();
        let authority = site.start_authority();
        Self { system: site.start(), authority }
    }

    fn site(&self) -> &Site {
        &self.system.site
    }

    fn path(&self, file: &str) -> String {
        self.site().path(file).to_str().unwrap().to_owned()
    }

    /// Runs `discreet` with what follows, split at blanks.
    fn discreet(&self, line: &str) -> Ran {
        run("discreet", line.split(' '))
    }

    /// Runs `discreet` with the identity `who`, the profile, and a state of its own.
    fn on_directory(&self, command: &str, who: &str, more: &str) -> Ran {
        let (identity, profile, state) = (self.path(who), self.path("profile.toml"), self.path("own-state"));
        let line = format!("{command} --identity {identity} --profile {profile} --state {state} {more}");
        self.discreet(line.trim_end())
    }

    fn provider(&self, args: &[&str]) -> Ran {
        run("discreet-provider", [&["--config", &self.path("provider.toml")], args].concat())
    }

    /// A new identity with a credential, confirmed by the operator.
    fn enrol(&self, who: &str) {
        let identity = self.path(who);
        self.discreet(&format!("identity new {identity} --identifier {NUMBER}")).succeeded();
        let url = format!("https://{}", self.authority.addr);
        let get =
            format!("credential get --identity {identity} --authority {url} --ca {}", self.path("ca.pem"));
        let mut getting = Talking::start("discreet", get.split(' '));
        let code = getting.line(|line| line.strip_prefix("code: ").map(str::to_owned));
        let pending = self.provider(&["pending"]).succeeded().stdout;
        assert!(pending.contains(&code), "{pending}");
        self.provider(&["confirm", &code]).succeeded();
        getting.finish().succeeded();
    }

    fn publish(&self, who: &str, more: &str) -> Ran {
        self.on_directory("publish", who, &format!("--now {more}"))
    }

    /// What a sender sees who remembers in `state`.
    fn lookup(&self, state: &str, more: &str) -> (Option<i32>, Value) {
        let (profile, state) = (self.path("profile.toml"), self.path(state));
        let ran = self.discreet(
            format!("lookup {NUMBER} --fresh --json --profile {profile} --state {state} {more}").trim_end(),
        );
        (ran.code, serde_json::from_str(&ran.stdout).unwrap())
    }

    /// The services that a sender sees who remembers nothing.
    fn services(&self, more: &str) -> Vec<String> {
        let (_, answer) =
            self.lookup(&format!("state-{}", fs::read_dir(self.site().path(".")).unwrap().count()), more);
        let services = answer["mappings"].as_array().unwrap().iter();
        let services = services.flat_map(|mapping| mapping["services"].as_array().unwrap());
        services.map(|service| service["uri"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn from_a_number_to_an_answer_and_back_to_silence() {
    let town = Town::start();
    town.enrol("alice");
    let mode = fs::metadata(town.site().path("alice")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(town.services("").is_empty());
    town.publish("alice", &format!("--reach {ALICE} --reach mimi://c.example")).succeeded();
    assert_eq!(town.services(""), [ALICE, "mimi://c.example"]);
    // Another purpose, another answer; whoever asks for something else gets the first one.
    town.publish("alice", "--tag Work --reach mimi://work.example/d/laptop").succeeded();
    assert_eq!(town.services("--tag Work"), ["mimi://work.example/d/laptop"]);
    assert_eq!(town.services("--tag Family"), [ALICE, "mimi://c.example"]);
    town.on_directory("watch", "alice", "--count 1").succeeded();
    // Exists and lists nobody; looks absent; gone.
    town.publish("alice", "--nobody").succeeded();
    let (code, answer) = town.lookup("sender", "");
    assert_eq!((code, answer["outcome"].as_str()), (Some(1), Some("no_service")));
    town.publish("alice", "--not-found").succeeded();
    assert_eq!(town.lookup("sender", "").1["outcome"], "no_mapping");
    town.on_directory("withdraw", "alice", "--now").succeeded();
    assert_eq!(town.lookup("sender", "--tag Work").1["outcome"], "no_mapping");
    town.on_directory("watch", "alice", "--count 1").succeeded();
}

#[test]
fn the_secret_is_in_the_identity_file_and_nowhere_else() {
    let town = Town::start();
    town.enrol("alice");
    let file: Value = serde_json::from_str(&fs::read_to_string(town.site().path("alice")).unwrap()).unwrap();
    let secret = file["key"].as_str().or(file["secret"].as_str()).unwrap().to_owned();
    assert_eq!(secret.len(), 64);
    let identity = town.path("alice");
    for line in [format!("identity show {identity}"), format!("identity show {identity} --json")] {
        town.discreet(&line).succeeded().silent_about(&secret);
    }
    town.publish("alice", &format!("--reach {ALICE}")).succeeded().silent_about(&secret);
    town.on_directory("show", "alice", "").succeeded().silent_about(&secret);
}

#[test]
fn a_backup_restores_on_another_machine() {
    let town = Town::start();
    town.enrol("alice");
    let (alice, copy, tablet) = (town.path("alice"), town.path("copy"), town.path("tablet"));
    town.discreet(&format!("identity backup {alice} {copy}")).succeeded();
    town.publish("alice", &format!("--reach {ALICE}")).succeeded();
    town.publish("alice", "--reach mimi://c.example").succeeded();
    // It does not know what was published since, and goes past it.
    town.discreet(&format!("identity restore {copy} {tablet}")).succeeded();
    town.publish("tablet", "--reach mimi://d.example").succeeded();
    assert_eq!(town.services(""), ["mimi://d.example"]);
    let overwriting = town.discreet(&format!("identity restore {copy} {tablet}"));
    assert_ne!(overwriting.code, Some(0));
}

#[test]
fn a_plain_copy_that_fell_behind_catches_up_by_looking() {
    let town = Town::start();
    town.enrol("alice");
    town.publish("alice", &format!("--reach {ALICE}")).succeeded();
    fs::copy(town.site().path("alice"), town.site().path("copy")).unwrap();
    town.publish("alice", "--reach mimi://b.example").succeeded();
    town.publish("alice", "--reach mimi://c.example").succeeded();
    assert_ne!(town.publish("copy", "--reach mimi://d.example").code, Some(0));
    assert_eq!(town.services(""), ["mimi://c.example"]);
    let shown = town.on_directory("show", "copy", "");
    assert!(matches!(shown.code, Some(0 | 6)), "{shown:?}");
    town.publish("copy", "--reach mimi://d.example").succeeded();
    assert_eq!(town.services(""), ["mimi://d.example"]);
}

#[test]
fn a_new_phone_keeps_the_holder_and_a_lost_one_does_not() {
    let town = Town::start();
    town.enrol("old");
    town.publish("old", &format!("--reach {ALICE}")).succeeded();
    town.lookup("sender", "");
    let (old, new, found) = (town.path("old"), town.path("new"), town.path("found"));
    town.discreet(&format!("identity new {new} --identifier {NUMBER}")).succeeded();
    town.discreet(&format!("credential move --from {old} --identity {new}")).succeeded();
    town.publish("new", "--reach mimi://c.example").succeeded();
    let (_, answer) = town.lookup("sender", "");
    assert!(answer["notices"][0].as_str().unwrap().contains("new key"), "{answer}");
    // The old phone has nothing to say any more.
    assert_ne!(town.publish("old", &format!("--reach {ALICE}")).code, Some(0));
    assert_ne!(town.discreet(&format!("credential renew --identity {old}")).code, Some(0));
    // All keys lost: the provider's backend vouches for a fresh proof.
    // Proofs of one second are a tie, and ties are refused; five minutes ahead would still be taken.
    let later = (now().unix() + 60).to_string();
    let prove = ["prove", &format!("tel:{NUMBER}"), "--account", "alice", "--proved-at", &later];
    let ticket = town.provider(&prove).succeeded().stdout;
    town.site().write("ticket", &ticket);
    town.discreet(&format!("identity new {found} --identifier {NUMBER}")).succeeded();
    let url = format!("https://{}", town.authority.addr);
    let (ca, ticket) = (town.path("ca.pem"), town.path("ticket"));
    let get = format!("credential get --identity {found} --authority {url} --ca {ca} --ticket-file {ticket}");
    town.discreet(&get).succeeded();
    town.publish("found", "--reach mimi://d.example").succeeded();
    let (_, answer) = town.lookup("sender", "");
    assert!(answer["notices"][0].as_str().unwrap().contains("new holder"), "{answer}");
    // The owner of the former key is told.
    let alarm = town.on_directory("watch", "new", "--count 1");
    assert_eq!(alarm.code, Some(6), "{alarm:?}");
}

#[test]
fn what_the_authority_revokes_is_found_no_more() {
    let town = Town::start();
    town.enrol("alice");
    town.publish("alice", &format!("--reach {ALICE}")).succeeded();
    town.provider(&["revoke", &format!("tel:{NUMBER}")]).succeeded();
    town.site().resolver(["pull"]).succeeded();
    assert!(town.services("").is_empty());
    let identity = town.path("alice");
    let refreshed = town.discreet(&format!("credential refresh --identity {identity}"));
    assert!(refreshed.stdout.contains("revoked"), "{refreshed:?}");
    let refused = town.publish("alice", "--reach mimi://c.example");
    assert!(refused.stderr.contains("revoked"), "{refused:?}");
    assert_ne!(town.discreet(&format!("credential renew --identity {identity}")).code, Some(0));
}

#[test]
fn a_gateway_pulls_revocations_by_itself() {
    let town = Town::start();
    town.enrol("alice");
    town.publish("alice", &format!("--reach {ALICE}")).succeeded();
    town.provider(&["revoke", &format!("tel:{NUMBER}")]).succeeded();
    let Town { system: System { site, gateway, .. }, authority } = town;
    gateway.stop();
    // It pulls as soon as it is up; lookups before that may still be answered.
    let town = Town { system: site.start(), authority };
    let mut looks = 0;
    while !town.services("").is_empty() {
        looks += 1;
        assert!(looks < 200, "the gateway does not pull");
    }
}

#[test]
fn a_credential_is_renewed_and_refreshed_and_the_mapping_goes_on() {
    let town = Town::start();
    town.enrol("alice");
    let identity = town.path("alice");
    town.publish("alice", &format!("--reach {ALICE}")).succeeded();
    town.discreet(&format!("credential refresh --identity {identity}")).succeeded();
    town.discreet(&format!("credential renew --identity {identity}")).succeeded();
    town.publish("alice", &format!("--reach {ALICE}")).succeeded();
    assert_eq!(town.services(""), [ALICE]);
}

#[test]
fn without_now_nothing_is_published_at_once() {
    let town = Town::start();
    town.enrol("alice");
    let (identity, profile) = (town.path("alice"), town.path("profile.toml"));
    let state = town.path("own-state");
    let line = format!("publish --identity {identity} --profile {profile} --state {state} --reach {ALICE}");
    let mut waiting = Talking::start("discreet", line.split(' '));
    // It says when, and waits.
    waiting.line(|line| line.contains("at ").then_some(()));
    assert!(town.services("").is_empty());
    waiting.kill();
    assert!(town.services("").is_empty());
}

#[test]
fn a_watch_tells_a_rollback_and_a_disappearance() {
    let town = Town::start();
    town.enrol("alice");
    town.publish("alice", &format!("--reach {ALICE}")).succeeded();
    town.site().resolver(["backup", &town.path("first.db")]).succeeded();
    town.publish("alice", "--reach mimi://c.example").succeeded();
    town.on_directory("watch", "alice", "--count 1").succeeded();
    // A directory that shows what it showed before.
    let Town { system: System { site, gateway, .. }, authority } = town;
    gateway.stop();
    site.resolver(["restore", site.path("first.db").to_str().unwrap(), "--replace"]).succeeded();
    let town = Town { system: site.start(), authority };
    let rollback = town.on_directory("watch", "alice", "--count 1");
    assert_eq!(rollback.code, Some(6), "{rollback:?}");
    // And one that shows nothing.
    town.site().resolver(["subject", "erase", &format!("tel:{NUMBER}")]).succeeded();
    let gone = town.on_directory("watch", "alice", "--count 1");
    assert_eq!(gone.code, Some(6), "{gone:?}");
}

#[test]
fn an_old_export_brings_nobody_back() {
    let town = Town::start();
    town.enrol("alice");
    town.publish("alice", &format!("--reach {ALICE}")).succeeded();
    town.site().resolver(["export", &town.path("export.jsonl")]).succeeded();
    town.on_directory("withdraw", "alice", "--now").succeeded();
    let imported = town.site().resolver(["import", &town.path("export.jsonl")]);
    assert_eq!(imported.code, Some(1), "{imported:?}");
    assert!(imported.stderr.contains("withdrawn"), "{imported:?}");
    assert!(town.services("").is_empty());
    // What is exported now says so, to whoever imports it.
    town.site().resolver(["export", &town.path("later.jsonl")]).succeeded();
    assert!(fs::read_to_string(town.site().path("later.jsonl")).unwrap().contains("\"withdrawal\""));
}

#[test]
fn a_restored_backup_is_closed_until_later_withdrawals_are_in_it() {
    let town = Town::start();
    town.enrol("alice");
    town.publish("alice", &format!("--reach {ALICE}")).succeeded();
    town.site().resolver(["backup", &town.path("backup.db")]).succeeded();
    town.on_directory("withdraw", "alice", "--now").succeeded();
    let Town { system, authority } = town;
    let System { site, gateway, relays } = system;
    gateway.stop();
    site.resolver(["restore", site.path("backup.db").to_str().unwrap(), "--replace"]).succeeded();
    let journal = fs::read(site.path("directory.db.journal")).unwrap();
    let town = Town { system: site.start(), authority };
    assert!(town.services("").is_empty());
    drop(relays);
    // Without its journal it stays closed.
    let Town { system: System { site, gateway, .. }, .. } = town;
    gateway.stop();
    fs::remove_file(site.path("directory.db.journal")).unwrap();
    let closed = site.gateway([]);
    assert!(closed.code == Some(2) && closed.stderr.contains("journal"), "{closed:?}");
    assert!(!journal.is_empty());
}

#[test]
fn where_and_under_which_key() {
    let town = Town::start();
    town.enrol("alice");
    town.site().write("key.json", JWK);
    town.site().write("other.json", &JWK.replace("11qY", "21qY"));
    let thumbprint =
        town.discreet(&format!("verify-key {} --thumbprint {}", town.path("key.json"), "00".repeat(32)));
    assert_eq!(thumbprint.code, Some(7), "{thumbprint:?}");
    // Computed with Python (cbor2, hashlib) from {1: 1, -1: 6, -2: x}.
    let print = "866eefbd6718c8846cd7ddfe43fc74ab1daac4538ff8514ea2ec2d410a415743";
    let holder = town.discreet(&format!("identity show {} --json", town.path("alice"))).succeeded().stdout;
    let holder: Value = serde_json::from_str(&holder).unwrap();
    let holder = holder["holder"].as_str().or(holder["key"].as_str()).unwrap();
    let endorsement = town.provider(&["endorse", ALICE, "--holder", holder]).succeeded().stdout;
    town.site().write("endorsement", &endorsement);
    let reach = format!("--reach {ALICE},key={print},endorsement={}", town.path("endorsement"));
    town.publish("alice", &format!("{reach} --reach mimi://c.example")).succeeded();
    let (_, answer) = town.lookup("sender", "");
    let services = answer["mappings"][0]["services"].as_array().unwrap();
    assert_eq!(services[0]["thumbprint"], print);
    assert_eq!((&services[0]["confirmed"], &services[1]["confirmed"]), (&true.into(), &false.into()));
    town.site().write("answer.json", &answer.to_string());
    let check = |key: &str, service: &str| {
        let (key, answer) = (town.path(key), town.path("answer.json"));
        town.discreet(&format!("verify-key {key} --answer {answer} --service {service}"))
    };
    check("key.json", ALICE).succeeded();
    assert_eq!(check("other.json", ALICE).code, Some(7));
    assert_ne!(check("key.json", "mimi://c.example").code, Some(0));
}

#[test]
fn a_mapping_is_verified_by_itself_step_by_step() {
    let town = Town::start();
    town.enrol("alice");
    town.publish("alice", &format!("--reach {ALICE}")).succeeded();
    town.site().resolver(["export", &town.path("export.jsonl")]).succeeded();
    let (file, profile, state) =
        (town.path("export.jsonl"), town.path("profile.toml"), town.path("own-state"));
    let line = format!("verify {file} --profile {profile} --state {state}");
    let verified = town.discreet(&line).succeeded();
    for step in
        ["the holder's key signed the mapping", "within the last 72 hours", "one.authority.example", ALICE]
    {
        assert!(verified.stdout.contains(step), "{step}: {verified:?}");
    }
    // A character in the midst of the signature, in base64url.
    let mut bent = fs::read_to_string(&file).unwrap().into_bytes();
    let end = bent.windows(11).position(|window| window == b"\",\"status\":").unwrap();
    bent[end - 20] = if bent[end - 20] == b'A' { b'B' } else { b'A' };
    let bent = String::from_utf8(bent).unwrap();
    town.site().write("bent.jsonl", &bent);
    let refused = town.discreet(&line.replace("export.jsonl", "bent.jsonl"));
    assert_eq!(refused.code, Some(4), "{refused:?}");
}
