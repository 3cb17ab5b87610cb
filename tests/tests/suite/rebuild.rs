//! Re-peppering, backing up and restoring a directory, as processes: killed, run again, refused.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use crate::commands::process::command;
use crate::commands::system::Site;
use discreet_resolver::seal::Pepper;
use discreet_resolver::store::{Sqlite, Store, Table};
use discreet_serve::secret::read_secret;
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tests::world::phone;

/// A site with `count` people.
fn peopled(count: usize) -> Site {
    let site = Site::new();
    let lines: Vec<_> = (0..count).map(|index| site.world.line(&format!("+1415{index:07}"))).collect();
    site.import("people.jsonl", &lines).succeeded();
    site
}

fn exported(site: &Site) -> Vec<String> {
    let mut lines: Vec<_> = site.resolver(["export"]).succeeded().stdout.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Rows of the directory that `pepper` opens, and all.
fn opened_by(site: &Site, pepper: &Pepper) -> (usize, usize) {
    let store = Sqlite::open(&site.path("directory.db")).unwrap();
    let (mut opened, mut all) = (0, 0);
    for table in [Table::Records, Table::Statuses] {
        for (label, row) in store.scan(table, None, usize::MAX).unwrap() {
            all += 1;
            opened += usize::from(pepper.open(&label, row.version, &row.sealed).is_ok());
        }
    }
    (opened, all)
}

fn pepper(site: &Site, file: &str) -> Pepper {
    Pepper::new(read_secret(&site.path(file)).unwrap())
}

#[test]
fn a_repepper_killed_at_any_moment_is_finished_by_running_it_again() {
    let site = peopled(1500);
    let before = exported(&site);
    let old = pepper(&site, "pepper.key");
    let old_file = fs::read(site.path("pepper.key")).unwrap();
    let old_rows: HashSet<[u8; 16]> = {
        let store = Sqlite::open(&site.path("directory.db")).unwrap();
        let rows = store.scan(Table::Records, None, 200).unwrap();
        rows.into_iter().map(|(_, row)| *row.sealed.first_chunk().unwrap()).collect()
    };
    let old_journal = fs::read(site.path("directory.db.journal")).unwrap();
    let resolver = site.path("resolver.toml");
    let args = ["--config", resolver.to_str().unwrap(), "repepper"];
    let repepper = || command("discreet-resolver", args).stderr(Stdio::null()).spawn().unwrap();

    let (mut kills, mut mixed) = (0, 0);
    // Later and later, until one is not killed in time.
    for step in 1.. {
        let mut child = repepper();
        let end = Instant::now() + Duration::from_millis(step * 4);
        while Instant::now() < end && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        // It may have ended already.
        let _ = child.kill();
        let finished = child.wait().unwrap().success();
        // Killed on its way out, when all was done.
        if finished || fs::read(site.path("pepper.key")).unwrap() != old_file {
            break;
        }
        kills += 1;
        if site.path("pepper.key.next").exists() {
            site.resolver(["export"])
                .refused(2, "a re-pepper was interrupted; run `discreet-resolver repepper` again");
            site.gateway([]).refused(2, "a re-pepper was interrupted");
            let (by_old, all) = opened_by(&site, &old);
            let (by_new, _) = opened_by(&site, &pepper(&site, "pepper.key.next"));
            assert_eq!(by_old + by_new, all, "each row is under one of the two");
            mixed += usize::from(by_old > 0 && by_new > 0);
        }
    }
    assert!(kills > 3 && mixed > 0, "{kills} {mixed}");

    assert!(!site.path("pepper.key.next").exists());
    assert_eq!(exported(&site), before, "everything answers the same");
    let (by_old, all) = opened_by(&site, &old);
    assert_eq!((by_old, all), (0, all));
    assert_eq!(opened_by(&site, &pepper(&site, "pepper.key")).0, all);
    let bytes = fs::read(site.path("directory.db")).unwrap();
    let left = bytes.windows(16).filter(|window| old_rows.contains(*window)).count();
    assert_eq!(left, 0, "old rows in free pages");
    assert!(!site.path("directory.db-wal").exists());
    let journal = fs::read(site.path("directory.db.journal")).unwrap();
    assert_eq!(journal.len(), old_journal.len());
    assert_ne!(journal[32..], old_journal[32..]);
}

#[test]
fn rejects_a_repepper_while_somebody_has_the_directory_open() {
    let site = peopled(1);
    let system = site.start();
    let site = &system.site;
    site.resolver(["repepper"]).refused(2, "a gateway, a resolver or another command has the directory open");
    assert!(!site.path("pepper.key.next").exists(), "nothing was begun");
}

#[tokio::test]
async fn a_backup_is_made_while_serving_and_restores_what_was_there() {
    let site = peopled(20);
    let system = site.start();
    let site = &system.site;
    let file = site.path("backup.db");
    let ran = site.resolver(["backup", file.to_str().unwrap()]).succeeded();
    assert!(ran.stderr.contains("is backed up as"), "{ran:?}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    site.resolver(["backup", file.to_str().unwrap()]).refused(2, "exists already and is not overwritten");
    site.resolver(["restore", file.to_str().unwrap(), "--replace"]).refused(2, "has the directory open");

    let before = exported(site);
    site.import("later.jsonl", &[site.world.line("+14159999999")]).succeeded();
    let query = || discreet_client::Query { csi: phone("+14159999999"), tag: None };
    let client = system.client();
    assert_eq!(client.lookup(query()).await.unwrap().outcome(), discreet_client::Outcome::OneService);
    let site = system.site;
    system.gateway.stop();
    let after = exported(&site);

    site.resolver(["restore", file.to_str().unwrap()]).refused(2, "with --replace it is kept as");
    assert_eq!(exported(&site), after, "nothing was changed");
    site.resolver(["restore", file.to_str().unwrap(), "--replace"]).succeeded();
    assert_eq!(exported(&site), before);
    assert!(site.path("directory.db.before-restore").exists());
    assert_eq!(fs::metadata(site.path("directory.db")).unwrap().permissions().mode() & 0o777, 0o600);
    site.resolver(["restore", file.to_str().unwrap(), "--replace"])
        .refused(2, "directory.db.before-restore exists already and is not overwritten");
}

#[test]
fn rejects_restoring_what_is_no_backup_of_this_directory() {
    let (site, other) = (peopled(2), peopled(2));
    let before = exported(&site);
    let theirs = other.path("backup.db");
    other.resolver(["backup", theirs.to_str().unwrap()]).succeeded();
    let restore = |file: &str| site.resolver(["restore", file, "--replace"]);
    restore(theirs.to_str().unwrap()).refused(3, "this pepper does not belong to this directory");
    site.write("junk.db", &"not a database, but long enough to be taken for one ".repeat(40));
    restore(site.path("junk.db").to_str().unwrap()).refused(3, "is damaged or not one of ours");
    restore(site.path("missing.db").to_str().unwrap()).refused(3, "cannot read");
    assert_eq!(exported(&site), before, "nothing was changed");
    assert!(!site.path("directory.db.before-restore").exists());
    assert!(!site.path("directory.db.restoring").exists());
}

#[test]
fn who_was_erased_does_not_come_back_with_a_backup() {
    let site = peopled(3);
    let file = site.path("backup.db");
    site.resolver(["backup", file.to_str().unwrap()]).succeeded();
    let ran = site.resolver(["subject", "erase", "tel:+14150000001"]).succeeded();
    assert_eq!(ran.stdout, "1 mappings erased\n");
    fs::remove_file(site.path("directory.db")).unwrap();
    site.resolver(["restore", file.to_str().unwrap()]).succeeded();
    let held = site.resolver(["subject", "export", "tel:+14150000001"]).succeeded();
    assert!(!held.stdout.contains("\"mapping\""), "{held:?}");
    let held = site.resolver(["subject", "export", "tel:+14150000002"]).succeeded();
    assert!(held.stdout.contains("\"mapping\""), "{held:?}");
}

#[test]
fn a_subject_is_exported_whole_and_named_nowhere() {
    let site = peopled(3);
    let line = site.world.line("+14150000001");
    let ran = site.resolver(["subject", "export", "tel:+14150000001"]).succeeded();
    assert_eq!(ran.stdout, format!("{line}\n"));
    assert!(!ran.stderr.contains("4150000001"), "{ran:?}");
    let refused = site.resolver(["subject", "erase", "+1 415 000 0001"]);
    refused.refused(2, "the identifier:").silent_about("0001");
    let resolver = site.path("resolver.toml");
    let mut piped =
        command("discreet-resolver", ["--config", resolver.to_str().unwrap(), "subject", "erase", "-"]);
    site.write("who", "tel:+14150000001\n");
    let ran = crate::commands::process::finish(piped.stdin(fs::File::open(site.path("who")).unwrap()));
    assert_eq!(ran.succeeded().stdout, "1 mappings erased\n");
    let again = site.resolver(["subject", "erase", "tel:+14150000001"]).succeeded();
    assert_eq!(again.stdout, "0 mappings erased\n");
}
