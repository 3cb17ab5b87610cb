//! Tokens through a power cut: what was paid with stays spent, what was signed stays counted, and what a client has
//! used does not come back to it. The real programs are recorded while they work.

use super::cut;
use super::disk::{Disk, Operation};
use super::shim::Recorder;
use crate::commands::process::{Server, command, finish};
use crate::commands::system::now;
use crate::operators::machine::{Machine, NUMBER};
use crate::tokens::{Paid, pay};
use discreet_protocol::token::Token;
use discreet_resolver::rules::Rules;
use discreet_resolver::store::{Spend, Spent, SpentTokens};
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use tokio::task::JoinSet;

/// Who pays at once, and how often.
const PAYERS: usize = 6;
const PAYMENTS: usize = 10;

/// A lookup that was answered.
struct Payment {
    token: Token,
    /// The length of the record before it was sent, and after its answer came.
    begun: usize,
    answered: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_paid_with_is_spent_after_a_power_cut_at_any_moment() {
    let at = Paid::new();
    let folder = at.site.path(".");
    let [honest, lying] = [(); 2].map(|()| Disk::of(&folder));
    let recorder = Arc::new(Recorder::new(&folder));
    let mut gateway =
        command("discreet-gateway", ["--config", at.site.path("gateway.toml").to_str().unwrap()]);
    let gateway = Server::spawn(recorder.record(&mut gateway));
    let payments = everybody(&at, &gateway, &recorder).await;
    gateway.stop();

    let operations = recorder.operations();
    let check = |left: &Path, length| fault(left, length, &payments);
    assert_eq!(cut(honest, &operations, 80, check), [""; 0]);

    // A disk that says it has synchronised the set, and has not, is found out.
    let lies =
        without(&operations, |it| matches!(it, Operation::Sync(name) if name == "directory.db.spent-wal"));
    let faults = cut(lying, &lies, 20, check);
    assert!(faults.contains(&"paid with, and not spent"), "{faults:?}");
}

async fn everybody(at: &Paid, gateway: &Server, recorder: &Arc<Recorder>) -> Vec<Payment> {
    let mut paying = JoinSet::new();
    for _ in 0..PAYERS {
        let (http, recorder) = (at.http(gateway), Arc::clone(recorder));
        let tokens: Vec<_> = (0..PAYMENTS).map(|_| at.mint.token()).collect();
        paying.spawn(async move {
            let keys = http.keys().await;
            let mut payments = Vec::new();
            for token in tokens {
                let begun = recorder.length();
                assert_eq!(pay(&http, &keys, &token).await, 200);
                payments.push(Payment { token, begun, answered: recorder.length() });
            }
            payments
        });
    }
    paying.join_all().await.into_iter().flatten().collect()
}

/// What is wrong with the set in `left`, when the record had this length.
fn fault(left: &Path, length: usize, payments: &[Payment]) -> Option<&'static str> {
    let Ok(set) = SpentTokens::open(&left.join("directory.db.spent")) else { return Some("does not open") };
    let rules = Rules::load(&left.join("rules.toml")).unwrap();
    let issuer = rules.issuers.iter().next().unwrap();
    let one = |payment: &Payment| {
        let spend = Spend::new(issuer, &issuer.keys[0], &[payment.token.input()], now());
        match set.spend(spend).unwrap() {
            Spent::Accepted if payment.answered <= length => Some("paid with, and not spent"),
            Spent::Before if payment.begun >= length => Some("spent, and not paid with"),
            Spent::Accepted | Spent::Before => None,
            Spent::OverBudget | Spent::Retired => Some("refused"),
        }
    };
    // At once, so that they share commits.
    thread::scope(|scope| {
        let threads: Vec<_> =
            payments.chunks(PAYMENTS).map(|part| scope.spawn(|| part.iter().find_map(one))).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).next()
    })
}

fn without(operations: &[(usize, Operation)], lie: impl Fn(&Operation) -> bool) -> Vec<(usize, Operation)> {
    let left: Vec<_> = operations.iter().filter(|(_, it)| !lie(it)).cloned().collect();
    assert!(left.len() < operations.len());
    left
}

/// A lookup costs a token, and Ann may have 20 at once.
fn with_ann() -> Machine {
    let machine = Machine::with_issuer("[prices]\nlookup = 1\n", 20);
    machine.name_issuer("bearer = \"ann\"");
    machine
}

#[test]
fn what_an_issuer_signed_is_counted_after_a_power_cut_at_any_moment() {
    let mut machine = with_ann();
    machine.stop("discreet-provider");
    // Alone: the folder has folders in it.
    let before = tempfile::tempdir().unwrap();
    fs::copy(machine.site.path("issuer.db"), before.path().join("issuer.db")).unwrap();
    let recorder = Recorder::new(&machine.site.path("."));
    let mut provider = command("discreet-provider", ["--config", &machine.path("provider.toml")]);
    let provider = Server::spawn(recorder.record(&mut provider));
    let began = now().unix();
    let mut signed = vec![(0, 0)];
    for number in 1..=6 {
        let line = "tokens get --count 2 --profile @profile.toml --state @state";
        machine.discreet(line).succeeded();
        signed.push((recorder.length(), 2 * number));
    }
    // A 24th of a day's 50 flows in with each full hour that strikes meanwhile.
    let refilled = 50 * (now().unix() / 3600 - began / 3600);
    provider.stop();

    let all = recorder.operations();
    let is_ours = |it: &Operation| match it {
        Operation::Create(name) | Operation::Write(name, ..) | Operation::Truncate(name, _) => {
            name.starts_with("issuer.db")
        }
        Operation::Sync(name) | Operation::Remove(name) => name.starts_with("issuer.db"),
        Operation::SyncFolder => true,
        Operation::Rename(..) | Operation::Link(..) => false,
    };
    let operations: Vec<_> = all.into_iter().filter(|(_, it)| is_ours(it)).collect();
    let check = |left: &Path, length| {
        let missing = "SELECT coalesce(sum(missing), 0) FROM buckets";
        let missing = Connection::open(left.join("issuer.db"))
            .and_then(|database| database.query_row(missing, [], |row| row.get::<_, i64>(0)));
        let Ok(Ok(missing)) = missing.map(u64::try_from) else { return Some("does not open") };
        let certain = signed.iter().filter(|(at, _)| *at <= length).map(|(_, count)| *count).max().unwrap();
        (missing + refilled < 24 * certain).then_some("signed, and not counted")
    };
    assert_eq!(cut(Disk::of(before.path()), &operations, 80, check), [""; 0]);

    let lies = without(&operations, |it| matches!(it, Operation::Sync(name) if name == "issuer.db-wal"));
    let faults = cut(Disk::of(before.path()), &lies, 40, check);
    assert!(faults.contains(&"signed, and not counted"), "{faults:?}");
}

#[test]
fn a_token_that_was_used_is_not_back_in_the_wallet_after_a_power_cut_at_any_moment() {
    const TOKENS: u64 = 6;
    let machine = with_ann();
    let get = format!("tokens get --count {TOKENS} --profile @profile.toml --state @state");
    machine.discreet(&get).succeeded();
    let folder = machine.site.path("state");
    let [honest, lying] = [(); 2].map(|()| Disk::of(&folder));
    let recorder = Recorder::new(&folder);
    let [profile, state] = ["profile.toml", "state"].map(|file| machine.path(file));
    let line = ["lookup", NUMBER, "--fresh", "--fresh-tokens", "--profile", &profile, "--state", &state];
    // The length of the record before each request, and after its answer.
    let mut used = Vec::new();
    for _ in 0..3 {
        let begun = recorder.length();
        finish(recorder.record(&mut command("discreet", line))).succeeded();
        used.push((begun, recorder.length()));
    }

    let check = |left: &Path, length| {
        // As the client made it; what is recorded are contents.
        fs::set_permissions(left, fs::Permissions::from_mode(0o700)).unwrap();
        let show = format!("tokens --json --profile @profile.toml --state {}", left.display());
        let shown = machine.discreet(&show);
        let Ok(shown) = serde_json::from_str::<serde_json::Value>(&shown.stdout) else {
            return Some("does not open");
        };
        let held = shown["usable"].as_u64().unwrap() + shown["later"].as_u64().unwrap();
        let answered = used.iter().filter(|(_, answered)| *answered <= length).count() as u64;
        let begun = used.iter().filter(|(begun, _)| *begun < length).count() as u64;
        match () {
            () if held > TOKENS - answered => Some("used, and back"),
            () if held < TOKENS - begun => Some("lost, and not used"),
            () => None,
        }
    };
    let operations = recorder.operations();
    assert_eq!(cut(honest, &operations, 30, check), [""; 0]);

    let lies = without(&operations, |it| matches!(it, Operation::SyncFolder));
    let faults = cut(lying, &lies, 15, check);
    assert!(faults.contains(&"used, and back"), "{faults:?}");
}
