//! One folder of tokens, and what happens to those who use it.

use super::*;
use crate::commands::process::{run, wait_until};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::thread;

/// The bytes of the tokens in the folder.
fn bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let tokens = entries.filter(|entry| entry.file_name().to_str().unwrap().starts_with("tokens."));
    // What is being renamed may be gone.
    tokens.map(|entry| entry.metadata().map_or(0, |file| file.len())).sum()
}

/// The policy that is kept in the folder.
fn policy(folder: &Path) -> Option<PathBuf> {
    let mut entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.find(|path| path.extension().is_some_and(|end| end == "signed"))
}

/// Killed after it has marked the token, before or while it sends: no later, for the relays stand still.
#[test]
fn a_client_killed_between_mark_and_answer_has_lost_that_token_and_nothing_else() {
    let machine = paid(100);
    fill(&machine, 2);
    let folder = machine.site.path("state");
    // That it writes the policy says that it needs nothing more of the relays before it waits for the lock.
    fs::remove_file(policy(&folder).unwrap()).unwrap();
    let lock = File::open(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let whole = bytes(&folder);
    let [profile, state] = ["profile.toml", "state"].map(|file| machine.path(file));
    let line = ["lookup", NUMBER, "--fresh", "--fresh-tokens", "--profile", &profile, "--state", &state];
    let client = Talking::start("discreet", line);
    wait_until(|| policy(&folder).is_some());
    for relay in machine.relays() {
        relay.signal("STOP");
    }
    drop(lock);
    wait_until(|| bytes(&folder) < whole);
    client.kill();
    for relay in machine.relays() {
        relay.signal("CONT");
    }

    assert_eq!(stock(&machine), [1]);
    look_up(&machine).succeeded();
    none_left(&machine);
    // The first may have left the machine, or not.
    assert!((1..=2).contains(&accepted(&machine)));
}

#[test]
fn eight_clients_with_one_folder_spend_eight_tokens_once_each() {
    let machine = paid(100);
    fill(&machine, 8);
    let [profile, state] = ["profile.toml", "state"].map(|file| machine.path(file));
    let line = ["lookup", NUMBER, "--fresh", "--fresh-tokens", "--profile", &profile, "--state", &state];
    thread::scope(|scope| {
        let clients = [(); 8].map(|()| scope.spawn(|| run("discreet", line).succeeded()));
        for client in clients {
            assert!(client.join().unwrap().stdout.starts_with(NUMBER));
        }
    });
    assert_eq!((accepted(&machine), relayed(&machine)), (8, 8));
    none_left(&machine);
    assert_eq!((accepted(&machine), relayed(&machine)), (8, 8));
}
