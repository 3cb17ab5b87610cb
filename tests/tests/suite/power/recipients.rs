//! People publish, replace and withdraw through a real relay while the gateway is recorded; then its
//! disk loses power at some moment.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::disk::{Disk, Operation};
use super::shim::Recorder;
use super::{cut, lines_of, opened};
use crate::commands::process::{Server, command};
use crate::commands::system::{Site, now};
use crate::kills::{in_front_of, person, statement, withdrawing};
use discreet_client::{Client, Withdrawal};
use discreet_protocol::query::VerifiableMapping;
use discreet_resolver::directory::{Directory, DirectoryError};
use discreet_resolver::export::withdrawal_line;
use discreet_resolver::import::{LineError, Observer, Source, import};
use discreet_resolver::rules::Rules;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tests::World;
use tokio::task::JoinSet;

const PEOPLE: u32 = 48;
/// Requests under way at any moment.
const WRITERS: u32 = 8;
/// Moments at which the power fails.
const CUTS: usize = 170;

/// What somebody asks of the directory.
enum Deed {
    Publish(VerifiableMapping),
    Withdraw(Withdrawal),
}

/// A deed that was done.
struct Step {
    /// The length of the record before it was sent, and after it was acknowledged.
    begun: usize,
    acknowledged: usize,
    /// The lines that the directory holds about the person from then on.
    held: BTreeSet<String>,
}

/// Somebody's deeds in their order, and what the directory is to hold after each.
fn life(world: &World, n: u32) -> Vec<(Deed, BTreeSet<String>)> {
    let first = person(world, n);
    let mut second = first.clone().reaches(&["mimi://c.example/u/ann"]);
    second.mapping.serial += 1;
    let withdrawal = withdrawing(&first);
    let gone = withdrawal_line(withdrawal.0.clone());
    let (one, other) = (first.line(), second.line());
    let publish = (Deed::Publish(statement(&first)), BTreeSet::from([one]));
    let replace = (Deed::Publish(statement(&second)), BTreeSet::from([other.clone()]));
    let withdraw = (Deed::Withdraw(withdrawal), BTreeSet::from([gone.clone()]));
    let again = (Deed::Publish(statement(&second)), BTreeSet::from([gone, other]));
    match n % 4 {
        0 => vec![publish],
        1 => vec![publish, replace],
        2 => vec![publish, withdraw],
        _ => vec![publish, withdraw, again],
    }
}

async fn live(client: &Client, recorder: &Recorder, world: &World, n: u32) -> Vec<Step> {
    let mut steps = Vec::new();
    for (deed, held) in life(world, n) {
        let begun = recorder.length();
        let sent = match deed {
            Deed::Publish(mapping) => client.publish(mapping, None).await,
            Deed::Withdraw(withdrawal) => client.withdraw(withdrawal, None).await,
        };
        sent.unwrap().outcome.unwrap();
        steps.push(Step { begun, acknowledged: recorder.length(), held });
    }
    steps
}

/// Everybody's steps while `gateway` serves them.
async fn everybody(site: &Site, gateway: &Server, recorder: &Arc<Recorder>) -> Vec<Vec<Step>> {
    let (client, _relays) = in_front_of(site, gateway);
    let shared = Arc::new((client, World::new(7, now())));
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let (shared, recorder) = (Arc::clone(&shared), Arc::clone(recorder));
        tasks.spawn(async move {
            let mut people = Vec::new();
            for n in (writer..PEOPLE).step_by(WRITERS as usize) {
                people.push(live(&shared.0, &recorder, &shared.1, n).await);
            }
            people
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_published_and_withdrew_survives_a_power_cut_at_any_moment() {
    let site = Site::new();
    let folder = site.path(".");
    let beginning = tempfile::tempdir().unwrap();
    fs::copy(site.path("directory.db"), beginning.path().join("directory.db")).unwrap();
    assert!(!site.path("directory.db-wal").exists(), "the file by itself is the whole directory");
    let disk = || Disk::of(beginning.path());
    for file in ["resolver.toml", "rules.toml", "pepper.key", "directory.db.journal", "ohttp.keys"] {
        fs::copy(site.path(file), beginning.path().join(file)).unwrap();
    }
    let recorder = Arc::new(Recorder::new(&folder));
    let mut gateway = command("discreet-gateway", ["--config", site.path("gateway.toml").to_str().unwrap()]);
    let gateway = Server::spawn(recorder.record(&mut gateway));
    let people = everybody(&site, &gateway, &recorder).await;
    gateway.stop();

    let operations = recorder.operations();
    let check = |left: &Path, length| fault(left, length, &people, beginning.path());
    assert_eq!(cut(disk(), &operations, CUTS, check), [""; 0]);

    // A disk that says it has synchronised the journal, and has not, is found out.
    let of_the_journal =
        |operation: &Operation| matches!(operation, Operation::Sync(name) if name == "directory.db.journal");
    let lying: Vec<_> = operations.iter().filter(|(_, it)| !of_the_journal(it)).cloned().collect();
    assert!(lying.len() < operations.len());
    let faults = cut(disk(), &lying, 30, check);
    assert!(faults.contains(&"back from an older directory"), "{faults:?}");
}

/// What is wrong in `left`, when the record had this length.
fn fault(left: &Path, length: usize, people: &[Vec<Step>], beginning: &Path) -> Option<&'static str> {
    let Ok((rules, directory)) = opened(left) else { return Some("does not open") };
    let mut there = lines_of(&directory);
    // The status that each mapping needs, the one of the decoy, and no other.
    let mappings = there.iter().filter(|line| is_mapping(line)).count();
    let mut statuses = 0;
    let counted = directory.walk_statuses(|_| {
        statuses += 1;
        Ok::<_, DirectoryError>(())
    });
    if counted.is_err() || statuses != mappings + 1 {
        return Some("a status without its mapping, or the other way round");
    }
    for steps in people {
        let of_this: BTreeSet<_> = steps.iter().flat_map(|step| &step.held).cloned().collect();
        let held: BTreeSet<_> = of_this.intersection(&there).cloned().collect();
        let certain = certain(steps, length);
        let under_way = steps[certain..].iter().filter(|step| step.begun <= length);
        let last = certain.checked_sub(1).map(|last| steps[last].held.clone()).unwrap_or_default();
        if held != last && !under_way.into_iter().any(|step| step.held == held) {
            return Some("acknowledged, and gone, or half there");
        }
        there.retain(|line| !of_this.contains(line));
    }
    if !there.is_empty() {
        return Some("a line that nobody sent");
    }
    let old = |withdrawn| people.iter().flat_map(move |steps| outdated(steps, length, withdrawn));
    if !all_refused(&rules, &directory, old(false)) {
        return Some("taken in again");
    }
    drop(directory);
    // The journal that is left, beside a copy of the directory from before.
    let _ = fs::remove_file(left.join("directory.db-wal"));
    fs::copy(beginning.join("directory.db"), left.join("directory.db")).unwrap();
    let Ok((rules, directory)) = opened(left) else { return Some("an older directory does not open") };
    (!all_refused(&rules, &directory, old(true))).then_some("back from an older directory")
}

/// How many steps had been acknowledged.
fn certain(steps: &[Step], length: usize) -> usize {
    steps.iter().filter(|step| step.acknowledged <= length).count()
}

/// The mappings that an acknowledged step has made void; only those `withdrawn`, if asked.
fn outdated(steps: &[Step], length: usize, withdrawn: bool) -> Vec<String> {
    let steps = &steps[..certain(steps, length)];
    let [before @ .., last] = steps else { return Vec::new() };
    if withdrawn && last.held.iter().all(|line| is_mapping(line)) {
        return Vec::new();
    }
    let void = before.iter().flat_map(|step| &step.held).filter(|line| !last.held.contains(*line));
    void.filter(|line| is_mapping(line)).cloned().collect()
}

fn is_mapping(line: &str) -> bool {
    line.starts_with("{\"mapping\":")
}

fn all_refused(rules: &Rules, directory: &Directory, lines: impl Iterator<Item = String>) -> bool {
    struct Silent;
    impl Observer for Silent {
        fn progress(&mut self, _: u64, _: u64) {}
        fn refused(&mut self, _: u64, error: LineError) {
            assert!(matches!(error, LineError::Refused(_)), "{error}");
        }
    }
    let lines: Vec<_> = lines.collect();
    let text = lines.join("\n");
    let done = import(Source::Anybody, directory, rules, now(), text.as_bytes(), &mut Silent).unwrap();
    done.refused == lines.len() as u64
}
