//! The feed that resolvers pull, signing in bulk, and what a restart keeps.

use crate::support::{Files, NOW, NUMBER, Setup, person, refusal};
use discreet_protocol::SigningKey;
use discreet_protocol::credential::{Standing, Status};
use discreet_protocol::feed::Page;
use discreet_protocol::statement::sign;
use discreet_protocol::time::Timestamp;
use discreet_provider::authority::Authority;
use discreet_provider::authority::prove::Operator;
use discreet_serve::Clock;
use rusqlite::{Connection, params};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Puts `count` credentials with statuses of time `at` into the database, as if issued to as many people.
pub(crate) fn fill(files: &Files, count: u64, at: u64) {
    let seed = std::fs::read_to_string(files.path("authority.key")).unwrap();
    let key = SigningKey::from_bytes(&hex::decode(seed.trim()).unwrap().try_into().unwrap());
    let mut connection = Connection::open(files.path("authority.db")).unwrap();
    let transaction = connection.transaction().unwrap();
    for number in 1..=count {
        let id = u128::from(number).to_be_bytes();
        let status = sign(&Status { id, at: Timestamp::from_unix(at) }, &key);
        let csi = format!("tel:+1415{number:07}");
        let values = params![number as i64, id, csi, [0_u8; 32], at as i64 + 100 * 86_400, status, at as i64];
        let insert = "INSERT INTO credentials VALUES (?1, ?2, ?3, ?4, ?5, 0, x'', ?6, ?7, ?1)";
        transaction.execute(insert, values).unwrap();
    }
    transaction.execute("UPDATE feed SET last = ?1", [count as i64]).unwrap();
    transaction.commit().unwrap();
}

fn ids(standings: &[Standing]) -> BTreeSet<[u8; 16]> {
    standings.iter().map(|standing| *standing.id()).collect()
}

#[tokio::test]
async fn the_feed_is_paged_in_the_order_signed() {
    let files = Files::new();
    fill(&files, 5000, NOW);
    let setup = Setup::start(files, Arc::new(Operator)).await;
    let mut after = 0;
    for (count, next, more) in [(2048, 2048, true), (2048, 4096, true), (904, 5000, false), (0, 5000, false)]
    {
        let answer = setup.get(&format!("/v1/statuses?after={after}")).await;
        let page = Page::decode(answer.body()).unwrap();
        assert_eq!((page.statements.len(), page.next, page.more), (count, next, more));
        after = page.next;
    }
    let (all, _) = setup.feed(0).await;
    assert_eq!((all.len(), ids(&all).len()), (5000, 5000));

    // What is new comes at the end, once: at 1,800,000,000 seconds times 1,048,576.
    let credential = setup.credential(NUMBER, &person(1)).await;
    let (new, after) = setup.feed(after).await;
    assert_eq!((new.len(), *new[0].id(), after), (1, credential.id, 1_887_436_800_000_000));
    setup.operate("/v1/revocations", &json!({"identifier": NUMBER})).await;
    let (new, after) = setup.feed(after).await;
    assert!(matches!(&new[..], [Standing::Revoked(revocation)] if revocation.id == credential.id));
    assert_eq!(after, 1_887_436_800_000_001);
    assert_eq!(setup.feed(0).await.0.len(), 5001, "one entry for each credential");

    // A resolver that was further than this authority ever was begins anew.
    assert_eq!(setup.feed(9_999_999_999_999_999).await.0.len(), 5001);
    // Expired credentials are not fed.
    setup.clock.advance(101 * 86_400);
    assert_eq!(setup.feed(0).await.0.len(), 1);
}

fn authority(files: &Files, now: u64) -> Authority {
    Authority::open(&files.config().authority.unwrap(), Arc::new(Operator), Clock::manual(now)).unwrap()
}

fn signed(files: &Files, at: u64) -> i64 {
    let connection = Connection::open(files.path("authority.db")).unwrap();
    let count = "SELECT count(*) FROM credentials WHERE at = ?1";
    connection.query_row(count, [at as i64], |row| row.get(0)).unwrap()
}

#[test]
fn bulk_signing_goes_on_where_it_stopped_and_leaves_revocations_alone() {
    let files = Files::new();
    fill(&files, 6000, NOW);
    let connection = Connection::open(files.path("authority.db")).unwrap();
    connection.execute("UPDATE credentials SET revoked = 1 WHERE number <= 10", []).unwrap();
    assert_eq!(
        authority(&files, NOW + 20 * 3600).sign_some(20 * 3600).unwrap(),
        0,
        "not older than 20 hours"
    );
    let later = NOW + 20 * 3600 + 1;
    assert_eq!(authority(&files, later).sign_some(20 * 3600).unwrap(), 4096);
    // Another process goes on.
    let second = authority(&files, later + 5);
    assert_eq!(second.sign_some(20 * 3600).unwrap(), 6000 - 10 - 4096);
    assert_eq!(second.sign_some(20 * 3600).unwrap(), 0);
    assert_eq!((signed(&files, later), signed(&files, later + 5), signed(&files, NOW)), (4096, 1894, 10));
    let page = second.page(6000).unwrap();
    let key = files.authority_key();
    let Standing::Stands(first) = Standing::open(&page.statements[0], &key).unwrap() else { panic!() };
    assert_eq!(first.at.unix(), later);
}

#[test]
fn statuses_from_the_future_of_a_wrong_clock_are_signed_anew() {
    let files = Files::new();
    fill(&files, 3, NOW + 301);
    assert_eq!(authority(&files, NOW).sign_some(20 * 3600).unwrap(), 3);
}

#[tokio::test]
async fn a_provider_signs_at_its_start_and_forgets_what_has_expired() {
    let files = Files::new();
    fill(&files, 100, NOW - 21 * 3600);
    fill_expired(&files);
    let setup = Setup::start(files, Arc::new(Operator)).await;
    // Told by the metrics, which are asked until the first round is over.
    while !setup.metrics().await.contains("discreet_provider_statuses_signed_total 100\n") {
        tokio::task::yield_now().await;
    }
    let (feed, _) = setup.feed(0).await;
    let fresh = |one: &Standing| matches!(one, Standing::Stands(status) if status.at.unix() == NOW);
    assert!(feed.len() == 100 && feed.iter().all(fresh));
    assert!(setup.metrics().await.contains("discreet_provider_credentials_forgotten_total 1\n"));
}

fn fill_expired(files: &Files) {
    let connection = Connection::open(files.path("authority.db")).unwrap();
    let insert =
        "INSERT INTO credentials VALUES (999, x'00', 'tel:+19995550123', x'', ?1, 0, x'', x'', 0, 999)";
    connection.execute(insert, [NOW as i64]).unwrap();
}

#[tokio::test]
async fn a_restart_keeps_everything_but_challenges() {
    let setup = Setup::new().await;
    let credential = setup.credential(NUMBER, &person(1)).await;
    let unspent = setup.ticket("tel:+14155550177", 0).await;
    let stale = setup.request(NUMBER, &person(1)).await;
    let setup = setup.restart().await;
    assert!(setup.stands(&credential).await);
    assert_eq!(setup.feed(0).await.0.len(), 1);
    setup.issued(&setup.redeem("tel:+14155550177", &person(2), unspent).await);
    assert_eq!(refusal(&setup.issue(&stale, &person(1)).await).0, 403);
    setup.issued(&setup.renew(NUMBER, &person(1)).await);
    assert_eq!(refusal(&setup.renew(NUMBER, &person(2)).await).0, 409);
}

/// Stops the provider, puts the copy of its database back, and starts it.
async fn restore(setup: Setup, copy: &str) -> Setup {
    let now = setup.clock.now();
    setup.provider.shutdown();
    setup.provider.join().await.unwrap();
    for gone in ["authority.db-wal", "authority.db-shm"] {
        let _ = std::fs::remove_file(setup.files.path(gone));
    }
    std::fs::copy(setup.files.path(copy), setup.files.path("authority.db")).unwrap();
    let setup = Setup::start(setup.files, Arc::new(Operator)).await;
    setup.clock.set(now);
    setup
}

#[tokio::test]
async fn after_a_restore_readers_with_an_old_position_miss_nothing() {
    let setup = Setup::new().await;
    let first = setup.credential(NUMBER, &person(1)).await;
    let copy = setup.files.path("copy.db");
    let connection = Connection::open(setup.files.path("authority.db")).unwrap();
    connection.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    drop(connection);
    // Signed after the backup, and read.
    setup.clock.advance(10);
    setup.credential("tel:+14155550177", &person(2)).await;
    setup.issued(&setup.renew(NUMBER, &person(1)).await);
    let (all, position) = setup.feed(0).await;
    assert_eq!(all.len(), 3);

    setup.clock.advance(10);
    let setup = restore(setup, "copy.db").await;
    // Nothing was signed since: from the beginning.
    assert_eq!(ids(&setup.feed(position).await.0), BTreeSet::from([first.id]));
    // As many as were lost are signed: under numbers of their own.
    let second = setup.credential("tel:+14155550188", &person(3)).await;
    setup.operate("/v1/revocations", &json!({"identifier": NUMBER})).await;
    let (new, _) = setup.feed(position).await;
    assert_eq!((new.len(), ids(&new)), (2, BTreeSet::from([first.id, second.id])));
    assert!(matches!(&new[1], Standing::Revoked(revocation) if revocation.id == first.id));
}

#[tokio::test]
async fn the_feed_goes_on_when_the_clock_is_set_back() {
    let setup = Setup::new().await;
    setup.credential(NUMBER, &person(1)).await;
    let (_, position) = setup.feed(0).await;
    setup.clock.set(NOW - 100);
    let credential = setup.credential("tel:+14155550177", &person(2)).await;
    let (new, next) = setup.feed(position).await;
    assert_eq!((ids(&new), next), (BTreeSet::from([credential.id]), position + 1));
}
