//! The file: who may read it, what survives, who may write it.

use super::*;
use std::fs;
use std::path::{Path, PathBuf};

struct Place {
    folder: tempfile::TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("me.identity");
    Place { folder, path }
}

fn kept() -> Place {
    let place = place();
    IdentityFile::create(&place.path, &attested()).unwrap();
    place
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o777
}

#[test]
fn what_is_kept_is_read_back() {
    let mut identity = attested();
    let ticket = Secret32::new([9; 32]);
    identity.set_pending(Some(PendingEnrolment { ticket, code: "K7QF".into(), say: "call".into() }));
    publish(&mut identity, &tagged("Default"));
    publish(&mut identity, &tagged("work"));
    withdraw(&mut identity, Some(&Tag::new("work").unwrap()));
    identity.mapping(&tagged("Default"), &rules(), NOW).unwrap();
    let bytes = identity.to_bytes();
    let again = Identity::from_bytes(&bytes).unwrap();
    assert_eq!(again.to_bytes(), bytes);
    assert_eq!((again.holder(), again.credential()), (identity.holder(), identity.credential()));
    assert_eq!(again.pending().unwrap().ticket.as_bytes(), &[9; 32]);
}

/// RFC 8032 §7.1, test 1: the file holds the seed, and the key is the RFC's.
#[test]
fn the_file_is_what_its_description_says() {
    let text = r#"{"version":1,"identifier":"tel:+14155550123",
        "secret":"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "authority":null,"credential":null,"status":null,"pending":null,"floor":0,"tags":{}}"#;
    let identity = Identity::from_bytes(text.as_bytes()).unwrap();
    let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    assert_eq!(hex::encode(identity.holder().to_bytes()), key);
    assert_eq!(identity.csi(), &csi());
}

#[test]
fn rejects_what_is_no_identity() {
    let good = String::from_utf8(attested().to_bytes().to_vec()).unwrap();
    assert!(Identity::from_bytes(good.as_bytes()).is_some());
    let bent = [
        String::new(),
        "{}".to_owned(),
        good.replace("\"version\": 1", "\"version\": 2"),
        good.replace("tel:+", "tel:"),
        good.replace("\"floor\"", "\"flaw\""),
        good.replace("\"secret\": \"", "\"secret\": \"zz"),
        good.replace("\"credential\": \"", "\"credential\": \"!"),
        good[..good.len() / 2].to_owned(),
    ];
    for text in bent {
        assert!(Identity::from_bytes(text.as_bytes()).is_none(), "{}", text.len());
    }
}

#[cfg(unix)]
#[test]
fn files_are_their_owners_alone() {
    let place = kept();
    let mut file = IdentityFile::open(&place.path).unwrap();
    file.mapping(&tagged("Default"), &rules(), NOW).unwrap();
    assert_eq!(names(place.folder.path()), ["me.identity", "me.identity.lock"]);
    for name in names(place.folder.path()) {
        assert_eq!(mode(&place.folder.path().join(&name)), 0o600, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn rejects_a_file_that_others_may_read() {
    use std::os::unix::fs::PermissionsExt;
    for mode in [0o640, 0o604, 0o620, 0o601] {
        let place = kept();
        fs::set_permissions(&place.path, fs::Permissions::from_mode(mode)).unwrap();
        for error in [IdentityFile::read(&place.path).err(), IdentityFile::open(&place.path).map(drop).err()]
        {
            let error = error.unwrap().to_string();
            assert!(error.contains("chmod 600") && error.contains(&format!("{mode:03o}")), "{error}");
        }
    }
}

#[test]
fn rejects_overwriting() {
    let place = kept();
    let before = fs::read(&place.path).unwrap();
    let error = IdentityFile::create(&place.path, &attested()).unwrap_err();
    assert!(matches!(error, IdentityFileError::Exists { .. }), "{error}");
    assert_eq!(fs::read(&place.path).unwrap(), before);
    assert_eq!(names(place.folder.path()), ["me.identity"]);
}

#[test]
fn rejects_a_missing_file() {
    let place = place();
    for error in [IdentityFile::read(&place.path).err(), IdentityFile::open(&place.path).map(drop).err()] {
        assert!(matches!(error, Some(IdentityFileError::Missing { .. })));
    }
    assert!(names(place.folder.path()).is_empty());
}

#[test]
fn rejects_a_damaged_file_and_leaves_it() {
    let place = kept();
    let text = fs::read_to_string(&place.path).unwrap();
    fs::write(&place.path, &text[..text.len() / 2]).unwrap();
    let error = IdentityFile::read(&place.path).unwrap_err();
    assert!(matches!(error, IdentityFileError::Damaged { .. }), "{error}");
    assert_eq!(fs::read_to_string(&place.path).unwrap(), text[..text.len() / 2]);
}

#[test]
fn rejects_a_second_command_at_the_same_time() {
    let place = kept();
    let first = IdentityFile::open(&place.path).unwrap();
    let error = IdentityFile::open(&place.path).map(drop).unwrap_err();
    assert!(matches!(error, IdentityFileError::InUse { .. }), "{error}");
    // Looking is always possible.
    IdentityFile::read(&place.path).unwrap();
    drop(first);
    IdentityFile::open(&place.path).unwrap();
}

#[test]
fn a_serial_is_on_the_disk_before_its_statement_is_there() {
    let place = kept();
    let default = Tag::default_tag();
    let mut file = IdentityFile::open(&place.path).unwrap();
    let mapping = file.mapping(&tagged("Default"), &rules(), NOW).unwrap();
    // Another process, or this one after a crash.
    let seen = IdentityFile::read(&place.path).unwrap();
    assert_eq!(seen.attempts(&default, &domain())[0].mapping.as_deref(), Some(mapping.mapping()));
    drop(file);
    let mut file = IdentityFile::open(&place.path).unwrap();
    let next = file.mapping(&tagged("Default"), &rules(), NOW).unwrap();
    assert_eq!(claims(&next).serial, claims(&mapping).serial + 1);
    let withdrawal = file.withdrawal(None, &rules(), NOW).unwrap();
    let (withdrawal, _) = rules().verifier(NOW).withdrawal(&withdrawal.0).unwrap();
    let mut seen = IdentityFile::read(&place.path).unwrap();
    assert_eq!(seen.attempts(&default, &domain())[0].serial, withdrawal.serial);
    assert_eq!(
        claims(&seen.mapping(&tagged("Default"), &rules(), NOW).unwrap()).serial,
        withdrawal.serial + 1
    );
}

#[test]
fn what_cannot_be_written_was_not_signed() {
    let place = kept();
    let mut file = IdentityFile::open(&place.path).unwrap();
    let before = fs::read(&place.path).unwrap();
    // Without its folder the file cannot be replaced, not even by root.
    let aside = place.folder.path().with_extension("aside");
    fs::rename(place.folder.path(), &aside).unwrap();
    let error = file.mapping(&tagged("Default"), &rules(), NOW).unwrap_err();
    fs::rename(&aside, place.folder.path()).unwrap();
    assert!(matches!(error, IdentityError::File(_)), "{error}");
    assert!(file.identity().tags().next().is_none());
    assert_eq!(fs::read(&place.path).unwrap(), before);
}

#[test]
fn a_change_that_fails_changes_nothing() {
    let place = kept();
    let before = fs::read(&place.path).unwrap();
    let mut file = IdentityFile::open(&place.path).unwrap();
    assert!(file.mapping(&tagged("work"), &rules(), NOW).is_err());
    assert_eq!(fs::read(&place.path).unwrap(), before);
}

#[cfg(unix)]
#[test]
fn a_link_to_the_file_stays_a_link() {
    let place = kept();
    let link = place.folder.path().join("link");
    std::os::unix::fs::symlink(&place.path, &link).unwrap();
    IdentityFile::open(&link).unwrap().mapping(&tagged("Default"), &rules(), NOW).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(IdentityFile::read(&place.path).unwrap().tags().count(), 1);
}

#[test]
fn an_older_copy_does_not_use_serials_again() {
    let (mut used, default) = (attested(), Tag::default_tag());
    let backup = Identity::from_bytes(&used.to_bytes()).unwrap();
    let mut last = 0;
    for _ in 0..3 {
        last = publish(&mut used, &tagged("Default"));
    }
    last = last.max(publish(&mut used, &tagged("work"))).max(withdraw(&mut used, None));
    last = last.max(publish(&mut used, &tagged("Default")));
    let mut restored = backup;
    restored.restored().unwrap();
    assert!(publish(&mut restored, &tagged("Default")) > last);
    assert!(publish(&mut restored, &tagged("work")) > last);
    assert_eq!(restored.holder(), used.holder());
    assert!(restored.published(&default, &domain()).is_some());
}
