//! What is too old to publish with, and what one key may leave behind.

use super::*;

#[test]
fn rejects_a_status_that_would_soon_be_stale() {
    const HOUR: u64 = 3600;
    for (age, expected) in [
        (48 * HOUR, OK),
        (48 * HOUR + 1, refused(422, OLD_STATUS)),
        (72 * HOUR, refused(422, OLD_STATUS)),
        (73 * HOUR, refused(422, OLD_STATUS)),
    ] {
        let (site, alice) = (Site::new(), person(ONE, 1, 10));
        let status = alice.status(NOW.minus(age));
        let content = VerifiableMapping::new(alice.mapping("Default", 5), status.clone()).encode().unwrap();
        assert_eq!(site.publish(content), expected, "{age}");
        // An operator's file may be older: the authority's feed has later ones.
        let lines = [crate::export::line(alice.mapping("Default", 5), status)];
        assert_eq!(site.import(&lines).0.refused, u64::from(age > 72 * HOUR), "{age}");
    }
}

#[test]
fn rejects_a_fifth_withdrawal_of_a_tag_that_nothing_stands_under() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    for n in 0..4 {
        assert_eq!(site.withdraw(alice.withdrawal(Some(&format!("Tag-{n}")), 9)), OK);
    }
    let title = "nothing stands under this tag, and no more withdrawals of single tags are kept; \
                 withdraw all tags instead";
    assert_eq!(site.withdraw(alice.withdrawal(Some("Tag-4"), 9)), refused(409, title));
    assert_eq!(site.withdraw(alice.withdrawal(None, 9)), OK);
}

#[test]
fn the_journal_grows_with_what_is_taken_away() {
    let site = Site::new();
    let alice = person(ONE, 1, 10);
    let entries = || (std::fs::metadata(site.path("directory.db.journal")).unwrap().len() - 32) / 2048;
    assert_eq!(site.publish(alice.content("Default", 5)), OK);
    assert_eq!(site.withdraw(alice.withdrawal(None, 6)), OK);
    assert_eq!(entries(), 2);
    for serial in 6..40 {
        assert_eq!(site.withdraw(alice.withdrawal(None, serial)), OK);
        assert_eq!(site.withdraw(alice.withdrawal(Some("Work"), serial)), OK);
    }
    assert_eq!(entries(), 2);
    assert_eq!(site.publish(alice.content("Default", 40)), OK);
    assert_eq!(site.withdraw(alice.withdrawal(None, 41)), OK);
    assert_eq!(entries(), 3);
}
