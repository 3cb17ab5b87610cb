//! Each rule's table of cases.

use super::*;
use discreet_protocol::SigningKey;

const NOW: u64 = 1_800_000_000;

fn key(seed: u8) -> VerifyingKey {
    SigningKey::from_bytes(&[seed; 32]).verifying_key()
}

fn at(offset: i64) -> Timestamp {
    Timestamp::from_unix(NOW.saturating_add_signed(offset))
}

/// Key 1 holds the identifier: proved 100 seconds ago, since 500.
fn holder() -> Holder {
    Holder { key: key(1), proved_at: at(-100), holder_since: at(-500), void_since: None }
}

fn proof(offset: i64) -> Proof {
    Proof { proved_at: at(offset), spent: None }
}

/// Proved at, and holder since, as offsets from now.
fn times(result: Result<Redeemed, Refused>) -> Result<(i64, i64), Refused> {
    let offset = |time: Timestamp| time.unix().cast_signed() - NOW.cast_signed();
    match result? {
        Redeemed::Holder(holder) => {
            assert_eq!(holder.void_since, None);
            Ok((offset(holder.proved_at), offset(holder.holder_since)))
        }
        Redeemed::Again => panic!("asked for the first time"),
    }
}

#[test]
fn a_first_proof_makes_a_holder_since_then() {
    assert_eq!(times(redeem(None, &proof(-10), key(1), at(0))), Ok((-10, -10)));
    assert_eq!(times(redeem(None, &proof(-86_400 * 400), key(1), at(0))), Ok((-34_560_000, -34_560_000)));
}

#[test]
fn a_proof_may_be_five_minutes_ahead_and_no_more() {
    assert_eq!(times(redeem(None, &proof(300), key(1), at(0))), Ok((300, 300)));
    assert_eq!(times(redeem(None, &proof(301), key(1), at(0))), Err(Refused::Future));
}

#[test]
fn the_holder_who_proves_again_stays_the_holder() {
    for (proved, expected) in [(-1, (-1, -500)), (-100, (-100, -500)), (-200, (-100, -500))] {
        assert_eq!(times(redeem(Some(&holder()), &proof(proved), key(1), at(0))), Ok(expected), "{proved}");
    }
}

#[test]
fn a_lost_key_needs_a_later_proof_and_the_holding_restarts() {
    for (proved, expected) in [
        (-99, Ok((-99, -99))),
        (-100, Err(Refused::NotLater)),
        (-101, Err(Refused::NotLater)),
        (-600, Err(Refused::NotLater)),
    ] {
        assert_eq!(times(redeem(Some(&holder()), &proof(proved), key(2), at(0))), expected, "{proved}");
    }
}

#[test]
fn a_ticket_is_spent_by_one_key_which_may_ask_again() {
    let spent = Proof { spent: Some(key(1)), ..proof(-10) };
    assert_eq!(redeem(Some(&holder()), &spent, key(1), at(0)), Ok(Redeemed::Again));
    assert_eq!(redeem(Some(&holder()), &spent, key(2), at(0)), Err(Refused::Spent));
}

#[test]
fn after_a_revocation_only_a_later_proof_counts() {
    let void = Holder { void_since: Some(at(-50)), ..holder() };
    for asking in [1, 2] {
        for (proved, expected) in [
            (-49, Ok((-49, -49))),
            (-50, Err(Refused::NotLater)),
            // Later than the last proof, but from before the revocation.
            (-60, Err(Refused::NotLater)),
        ] {
            assert_eq!(times(redeem(Some(&void), &proof(proved), key(asking), at(0))), expected, "{proved}");
        }
    }
    // The last proof was ahead of our clock when it was revoked.
    let ahead = Holder { proved_at: at(20), void_since: Some(at(0)), ..holder() };
    assert_eq!(times(redeem(Some(&ahead), &proof(20), key(2), at(0))), Err(Refused::NotLater));
    assert_eq!(renewal(&void, true), Err(Refused::Revoked));
    assert_eq!(handover(&void, key(2), (true, false), at(0)), Err(Refused::Revoked));
}

#[test]
fn a_renewal_copies_both_times() {
    assert_eq!(renewal(&holder(), true), Ok(holder()));
    assert_eq!(renewal(&holder(), false), Err(Refused::Lapsed));
}

#[test]
fn rejects_renewals_by_anybody_but_the_holder() {
    let void = Holder { void_since: Some(at(-50)), ..holder() };
    // The previous holder of a reassigned number.
    let reassigned = lost_key(&holder(), key(2), at(-1)).unwrap();
    for (holder, asking) in [(None, 1), (Some(holder()), 2), (Some(void), 2), (Some(reassigned), 1)] {
        assert_eq!(entitled(holder.as_ref(), key(asking), false), Err(Refused::NotHolder));
    }
    assert_eq!(entitled(Some(&holder()), key(1), false), Ok(&holder()));
}

#[test]
fn the_holders_word_counts_where_there_is_a_holder() {
    assert_eq!(entitled(Some(&holder()), key(2), true), Ok(&holder()));
    assert_eq!(entitled(None, key(2), true), Err(Refused::NotHolder));
}

#[test]
fn a_handover_keeps_the_holder_and_is_a_proof_by_now() {
    let expected = Holder { key: key(2), proved_at: at(0), ..holder() };
    assert_eq!(handover(&holder(), key(2), (true, false), at(0)), Ok(expected));
}

#[test]
fn a_handover_is_later_than_the_last_proof_within_the_clocks_tolerance() {
    for (proved, expected) in
        [(0, Ok(at(1))), (200, Ok(at(201))), (299, Ok(at(300))), (300, Err(Refused::Future))]
    {
        let holder = Holder { proved_at: at(proved), ..holder() };
        let handed = handover(&holder, key(2), (true, false), at(0));
        assert_eq!(handed.map(|holder| holder.proved_at), expected, "{proved}");
    }
}

#[test]
fn rejects_a_handover_that_cannot_be() {
    assert_eq!(handover(&holder(), key(2), (false, false), at(0)), Err(Refused::Lapsed));
    assert_eq!(handover(&holder(), key(2), (true, true), at(0)), Err(Refused::FormerKey));
}

#[test]
fn a_credential_ends_with_a_day() {
    // 2027-01-15T08:00:00Z and the midnights around it; 180 days later is 2027-07-14, which ends at
    // 2027-07-15T00:00:00Z = 1_815_609_600.
    for now in [1_800_000_000, 1_799_971_200, 1_800_057_599] {
        assert_eq!(expiry(Timestamp::from_unix(now), 180).unix(), 1_815_609_600, "{now}");
    }
    assert_eq!(expiry(Timestamp::from_unix(1_800_057_600), 180).unix(), 1_815_696_000);
}
