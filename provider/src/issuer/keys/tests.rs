//! All keys of an issuer: which one signs when, their files, and rotation.

use super::*;
use discreet_protocol::token::TokenKey;
use serde_json::Value;
use std::cell::Cell;
use std::fs;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

/// Two keys that OpenSSL made, of the same truncated id.
const SAME: [&[u8]; 2] =
    [include_bytes!("same-truncated-id-1.der"), include_bytes!("same-truncated-id-2.der")];
/// 2026-12-01T00:00:00Z, from `date -u -d 2026-12-01 +%s`, and ten hours more.
const DECEMBER: Timestamp = Timestamp::from_unix(1_796_083_200);
const NOW: Timestamp = DECEMBER.plus(36_000);

fn days(count: u64) -> u64 {
    count * DAY
}

fn lives() -> Lives {
    Lives::new(90, 30).unwrap()
}

fn write(folder: &Path, name: &str, der: &[u8]) {
    let mut file = fs::OpenOptions::new();
    let mut file = file.write(true).create_new(true).mode(0o600).open(folder.join(name)).unwrap();
    io::Write::write_all(&mut file, der).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

/// What the directory lists at `now`: key and `not-before`.
fn listed(keys: &Keys, now: Timestamp) -> Vec<(TokenKey, u64)> {
    let json: Value = serde_json::from_str(&keys.directory(now).unwrap()).unwrap();
    assert_eq!((&json["issuer-request-uri"], json.as_object().unwrap().len()), (&"/v1/tokens".into(), 2));
    let key = |key: &Value| {
        assert_eq!((&key["token-type"], key.as_object().unwrap().len()), (&2.into(), 3));
        let spki = URL_SAFE.decode(key["token-key"].as_str().unwrap()).unwrap();
        (TokenKey::from_spki(&spki).unwrap(), key["not-before"].as_u64().unwrap())
    };
    json["token-keys"].as_array().unwrap().iter().map(key).collect()
}

fn request(key: &TokenKey) -> TokenRequest {
    TokenRequest { truncated_key_id: key.truncated_id(), blinded: Box::new([0x01; NK]) }
}

#[test]
fn keys_are_rotated_with_overlap() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    Keys::rotate(folder, lives(), NOW, false).unwrap();
    assert_eq!(names(folder), ["2026-12-01_2027-03-31.der"]);
    let old = Keys::open(folder, NOW).unwrap().signing(NOW).unwrap().clone();
    Keys::rotate(folder, lives(), NOW.plus(days(60)), false).unwrap();
    // 90 days after the first began.
    assert_eq!(names(folder), ["2026-12-01_2027-03-31.der", "2027-03-01_2027-06-29.der"]);
    let refused = Keys::rotate(folder, lives(), NOW.plus(days(61)), false);
    assert!(matches!(refused, Err(KeysError::Announced { .. })), "{refused:?}");

    let keys = Keys::open(folder, NOW.plus(days(60))).unwrap();
    let begins = DECEMBER.plus(days(90));
    let [(next, not_before), (_, since)] = &listed(&keys, NOW.plus(days(60)))[..] else { panic!() };
    assert_eq!((*not_before, *since), (begins.unix(), DECEMBER.unix()));
    let signs = |key, now| keys.sign(&request(key), now).is_ok();
    for (now, expected) in [
        (begins.minus(CLOCK_TOLERANCE + 1), (true, false)),
        (begins.minus(CLOCK_TOLERANCE), (true, true)),
        (begins, (true, true)),
        (begins.plus(CLOCK_TOLERANCE - 1), (true, true)),
        (begins.plus(CLOCK_TOLERANCE), (false, true)),
    ] {
        assert_eq!((signs(&old, now), signs(next, now)), expected, "{now:?}");
        assert_eq!(keys.check(&request(&old), now).is_ok(), expected.0);
    }
    // The old one signs no more, and stays listed for those who redeem.
    assert_eq!(listed(&keys, begins.plus(days(29))).len(), 2);
    assert_eq!(listed(&keys, begins.plus(days(30))).len(), 1);
    assert!(keys.summary(begins)[1].starts_with("2026-12-01_2027-03-31.der: redeemable, truncated id "));
}

#[test]
fn a_late_rotation_announces_the_key_for_a_week_all_the_same_and_expired_keys_are_erased() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    Keys::rotate(folder, lives(), NOW, false).unwrap();
    Keys::rotate(folder, lives(), NOW.plus(days(100)), false).unwrap();
    assert_eq!(names(folder), ["2026-12-01_2027-03-31.der", "2027-03-18_2027-07-16.der"]);
    let keys = Keys::open(folder, NOW.plus(days(100))).unwrap();
    assert_eq!(keys.signing(NOW.plus(days(106))), Some(&listed(&keys, NOW.plus(days(106)))[1].0));
    assert!(!keys.is_provided(lives(), NOW.plus(days(183)), 14));
    assert!(keys.is_provided(lives(), NOW.plus(days(182)), 14));
    // Nobody rotated: nothing is left, and the next begins at once.
    let late = NOW.plus(days(400));
    assert!(matches!(Keys::open(folder, late), Err(KeysError::None { .. })));
    Keys::rotate(folder, lives(), late, false).unwrap();
    Keys::rotate(folder, lives(), late, true).unwrap();
    assert_eq!(names(folder), ["2028-01-05_2028-05-04.der", "2028-01-05_2028-05-05.der"]);
}

/// A key that was erased does not come back, and users hold tokens under it.
#[test]
fn a_clock_by_which_all_keys_are_over_erases_none() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    Keys::rotate(folder, lives(), NOW, false).unwrap();
    Keys::rotate(folder, lives(), NOW.plus(days(60)), false).unwrap();
    let rotated = Keys::rotate(folder, lives(), NOW.plus(days(400)), false).unwrap();
    assert_eq!((rotated.kept, rotated.path), (2, folder.join("2028-01-05_2028-05-04.der")));
    assert_eq!(names(folder).len(), 3);
    // The clock is set right: the keys sign as before, and the one of another time is to be taken out by hand.
    fs::remove_file(folder.join("2028-01-05_2028-05-04.der")).unwrap();
    assert_eq!(listed(&Keys::open(folder, NOW).unwrap(), NOW).len(), 2);
}

#[test]
fn a_key_whose_writing_was_interrupted_stops_no_start_and_is_erased_by_the_next_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    Keys::rotate(folder, lives(), NOW, false).unwrap();
    write(folder, "2027-03-01_2027-06-29.der.4711.partial", &SAME[0][..100]);
    assert_eq!(listed(&Keys::open(folder, NOW).unwrap(), NOW).len(), 1);
    Keys::rotate(folder, lives(), NOW.plus(days(60)), false).unwrap();
    assert_eq!(names(folder), ["2026-12-01_2027-03-31.der", "2027-03-01_2027-06-29.der"]);
}

#[test]
fn a_key_for_a_stolen_one_begins_today() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let stolen = Keys::rotate(folder, lives(), NOW, false).unwrap().path;
    Keys::rotate(folder, lives(), NOW.plus(days(85)), false).unwrap();
    fs::remove_file(stolen).unwrap();
    let now = NOW.plus(days(86));
    Keys::rotate(folder, lives(), now, true).unwrap();
    let keys = Keys::open(folder, now).unwrap();
    let [(next, _), (new, since)] = &listed(&keys, now)[..] else { panic!() };
    assert_eq!((*since, keys.signing(now)), (now.start_of_day().unix(), Some(new)));
    assert_eq!(keys.sign(&request(next), now), Err(SignError::Key));
}

#[test]
fn a_key_made_at_once_on_anothers_first_day_signs_and_the_other_stays_redeemable() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut made = Vec::new();
    for (at_once, lives) in [(false, lives()), (true, lives()), (true, Lives::new(30, 7).unwrap())] {
        Keys::rotate(folder, lives, NOW, at_once).unwrap();
        let keys = Keys::open(folder, NOW).unwrap();
        made.insert(0, keys.signing(NOW).unwrap().clone());
        // Clients use the first that has begun, and that is the one that signs.
        assert_eq!(listed(&keys, NOW).into_iter().map(|(key, _)| key).collect::<Vec<_>>(), made);
        assert!(keys.sign(&request(&made[0]), NOW).is_ok());
        for older in &made[1..] {
            assert_eq!(keys.sign(&request(older), NOW), Err(SignError::Key));
        }
    }
    // Each a day longer, also with shorter lives than before.
    let until = ["2027-03-31", "2027-04-01", "2027-04-02"];
    assert_eq!(names(folder), until.map(|until| format!("2026-12-01_{until}.der")));
}

#[test]
fn a_new_key_with_a_live_ones_truncated_id_is_thrown_away_and_drawn_anew() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
    for (path, der) in [&one, &two].into_iter().zip(SAME) {
        write(folder.path(), path.file_name().unwrap().to_str().unwrap(), der);
    }
    let live = PrivateKey::read(&one).unwrap().public().clone();
    let drawn = Cell::new(0);
    let draw = || {
        drawn.set(drawn.get() + 1);
        if drawn.get() < 3 { PrivateKey::read(&two) } else { PrivateKey::draw() }
    };
    let taken = [live.truncated_id()];
    // One in 256 of the keys that are drawn at the end collides, too, and is thrown away as well.
    let key = draw_apart(&taken, draw).unwrap();
    assert!(drawn.get() >= 3);
    assert_ne!(key.public().truncated_id(), live.truncated_id());
}

#[test]
fn rejects_two_keys_with_one_truncated_id_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "2026-12-01_2027-03-31.der", SAME[0]);
    assert!(Keys::open(folder.path(), NOW).is_ok());
    write(folder.path(), "2027-03-01_2027-06-29.der", SAME[1]);
    let refused = Keys::open(folder.path(), NOW).unwrap_err();
    assert!(matches!(refused, KeysError::SameTruncatedId { .. }), "{refused}");
    // Once the first is over there is nothing to confuse it with.
    assert!(Keys::open(folder.path(), DECEMBER.plus(days(120))).is_ok());
}

#[test]
fn rejects_folders_that_hold_something_else() {
    for name in
        ["key.der", "2026-12-01_2026-12-07.der", "2026-12-1_2027-03-31.der", "2026-12-01_2027-02-30.der"]
    {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), name, SAME[0]);
        assert!(matches!(Keys::open(folder.path(), NOW), Err(KeysError::Name { .. })), "{name}");
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Keys::open(folder.path(), NOW), Err(KeysError::None { .. })));
    assert!(matches!(Keys::open(&folder.path().join("none"), NOW), Err(KeysError::Folder { .. })));
    write(folder.path(), "2026-12-01_2027-03-31.der", SAME[0]);
    let path = folder.path().join("2026-12-01_2027-03-31.der");
    fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
    assert!(matches!(Keys::open(folder.path(), NOW), Err(KeysError::Key(KeyError::Exposed { .. }))));
}

#[test]
fn rejects_lives_that_nobody_could_keep() {
    for (key_days, redeem_days) in [(6, 6), (366, 30), (90, 6), (90, 91)] {
        assert!(Lives::new(key_days, redeem_days).is_err(), "{key_days} {redeem_days}");
    }
    assert!(Lives::new(7, 7).is_ok() && Lives::new(365, 365).is_ok());
}

#[test]
fn the_directory_is_these_bytes() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "2026-12-01_2027-03-31.der", SAME[0]);
    let keys = Keys::open(folder.path(), NOW).unwrap();
    let key = URL_SAFE.encode(keys.signing(NOW).unwrap().to_spki());
    assert_eq!(
        keys.directory(NOW).unwrap(),
        format!(
            r#"{{"issuer-request-uri":"/v1/tokens","token-keys":[{{"token-type":2,"token-key":"{key}","not-before":1796083200}}]}}"#
        )
    );
}
