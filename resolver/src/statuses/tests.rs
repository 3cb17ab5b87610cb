//! What is kept of a feed, and what is not.

use super::*;
use crate::fixture::*;
use discreet_protocol::SigningKey;
use discreet_protocol::time::DAY;

fn key() -> VerifyingKey {
    authority_key(ONE).verifying_key()
}

fn pull(site: &Site, now: Timestamp, statements: &[Vec<u8>]) -> [u64; 4] {
    let applied = apply(&site.directory(), &domain(ONE), &key(), now, statements).unwrap();
    [applied.renewed, applied.revoked, applied.ignored, applied.refused]
}

fn kept(site: &Site, who: &Person) -> Option<Vec<u8>> {
    let id = who.credential.id;
    let kept = site.directory().status(&who.credential.authority, &id).unwrap().value;
    kept.map(|standing| standing.statement)
}

#[test]
fn a_later_status_is_kept_and_stapled() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    site.publish(alice.content("Default", 1));
    let later = alice.status(NOW.plus(60));
    assert_eq!(pull(&site, NOW.plus(60), std::slice::from_ref(&later)), [1, 0, 0, 0]);
    assert_eq!(site.look_up(NUMBER, None).mappings[0].status(), later);
    assert_eq!(pull(&site, NOW.plus(60), &[alice.status(NOW), later.clone()]), [0, 0, 2, 0]);
    assert_eq!(kept(&site, &alice), Some(later));
}

#[test]
fn who_has_published_nothing_does_not_exist() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    assert_eq!(pull(&site, NOW, &[alice.status(NOW)]), [0, 0, 1, 0]);
    assert_eq!(kept(&site, &alice), None);
}

#[test]
fn a_revocation_counts_for_good() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    site.publish(alice.content("Default", 1));
    assert_eq!(pull(&site, NOW, &[alice.revocation(NOW)]), [0, 1, 0, 0]);
    assert!(site.services(None).is_empty());
    let later = alice.status(NOW.plus(60));
    assert_eq!(pull(&site, NOW.plus(60), &[later, alice.revocation(NOW.plus(60))]), [0, 0, 2, 0]);
    assert_eq!(kept(&site, &alice), Some(alice.revocation(NOW)));
    let title = "the authority has revoked the credential; get a new one and publish again";
    assert_eq!(site.publish(alice.content("Default", 2)).1, title);
}

#[test]
fn a_revocation_is_kept_before_anything_was_published() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    assert_eq!(pull(&site, NOW, &[alice.revocation(NOW)]), [0, 1, 0, 0]);
    assert_eq!(site.publish(alice.content("Default", 1)).0, 409);
}

#[test]
fn a_revocation_outlives_a_restored_backup() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    site.publish(alice.content("Default", 1));
    let site = site.reopened();
    let backup = std::fs::read(site.path("directory.db")).unwrap();
    pull(&site, NOW, &[alice.revocation(NOW)]);
    assert!(site.services(None).is_empty());
    let Site { resolver, folder, .. } = site;
    drop(resolver);
    std::fs::write(folder.path().join("directory.db"), backup).unwrap();
    assert!(Site::open(folder).services(None).is_empty());
}

#[test]
fn what_is_not_the_authoritys_is_refused() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    site.publish(alice.content("Default", 1));
    let status = discreet_protocol::credential::Status { id: alice.credential.id, at: NOW.plus(9) };
    let forged = discreet_protocol::statement::sign(&status, &SigningKey::from_bytes(&[99; 32]));
    let early = alice.status(NOW.plus(301));
    let mapping = alice.mapping("Default", 1);
    assert_eq!(pull(&site, NOW, &[forged, early, mapping, Vec::new()]), [0, 0, 0, 4]);
    assert_eq!(kept(&site, &alice), Some(alice.status(NOW)));
}

#[test]
fn a_page_of_two_thousand_is_one_write() {
    let site = Site::new();
    let people: Vec<_> = (0..2000u64)
        .map(|n| {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&n.to_be_bytes());
            person(ONE, 1, 10).at(&format!("+1415555{n:04}")).id(id)
        })
        .collect();
    let lines: Vec<_> = people.iter().take(100).map(|who| who.line("Default", 1)).collect();
    site.import(&lines);
    let page: Vec<_> = people.iter().map(|who| who.status(NOW.plus(DAY))).collect();
    assert_eq!(pull(&site, NOW.plus(DAY), &page), [100, 0, 1900, 0]);
}

#[test]
fn the_cursor_says_how_far_the_feed_was_read() {
    let site = Site::new();
    assert_eq!(cursor(&site.directory(), &domain(ONE)).unwrap(), 0);
    set_cursor(&site.directory(), &domain(ONE), 12).unwrap();
    assert_eq!(cursor(&site.directory(), &domain(ONE)).unwrap(), 12);
}
