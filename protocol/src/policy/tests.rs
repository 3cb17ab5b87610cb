//! Who may speak for whom.

use super::*;
use ed25519_dalek::SigningKey;

fn authority(name: &str, namespaces: &[&str]) -> Authority {
    Authority {
        name: Domain::new(name).unwrap(),
        key: SigningKey::from_bytes(&[7; 32]).verifying_key(),
        namespaces: namespaces.iter().map(|text| text.parse().unwrap()).collect(),
    }
}

fn speaks(authorities: &Authorities, name: &str, csi: &str) -> Result<(), AuthorityError> {
    let csi = Csi::from_uri(csi).unwrap();
    authorities.speaking(&Domain::new(name).unwrap(), &csi).map(|_| ())
}

#[test]
fn longest_prefix_decides_and_equals_stand_side_by_side() {
    let authorities = Authorities::new(vec![
        authority("world.example", &["tel:+"]),
        authority("one.example", &["tel:+1415"]),
        authority("two.example", &["tel:+1415", "tel:+49"]),
    ])
    .unwrap();
    assert_eq!(speaks(&authorities, "one.example", "tel:+14155550123"), Ok(()));
    assert_eq!(speaks(&authorities, "two.example", "tel:+14155550123"), Ok(()));
    assert_eq!(
        speaks(&authorities, "world.example", "tel:+14155550123"),
        Err(AuthorityError::OutsideNamespace)
    );
    assert_eq!(speaks(&authorities, "world.example", "tel:+33142685300"), Ok(()));
}

#[test]
fn rejects_authority_outside_its_namespace() {
    let authorities =
        Authorities::new(vec![authority("one.example", &["tel:+1415", "mailto:a.example"])]).unwrap();
    for csi in ["tel:+14165550123", "mailto:x@sub.a.example", "mailto:x@b.example", "handle:x"] {
        assert_eq!(speaks(&authorities, "one.example", csi), Err(AuthorityError::OutsideNamespace), "{csi}");
    }
    assert_eq!(speaks(&authorities, "one.example", "mailto:x@a.example"), Ok(()));
}

#[test]
fn rejects_unknown_authority() {
    let authorities = Authorities::new(vec![authority("one.example", &["tel:+"])]).unwrap();
    assert_eq!(speaks(&authorities, "two.example", "tel:+14155550123"), Err(AuthorityError::Unknown));
}

#[test]
fn rejects_two_authorities_of_one_name() {
    assert!(Authorities::new(vec![authority("a.example", &[]), authority("a.example", &[])]).is_none());
}

#[test]
fn namespaces_read_as_written() {
    for text in ["tel:+", "tel:+1415", "mailto:a.example", "handle:"] {
        assert_eq!(text.parse::<Namespace>().unwrap().to_string(), text);
    }
    for text in ["tel:", "tel:1415", "tel:+1 415", "tel:+0", "mailto:A.example", "mailto:*", ""] {
        assert!(text.parse::<Namespace>().is_err(), "{text}");
    }
}

#[test]
fn operators_cannot_drive_a_terminal() {
    assert!(is_operator("Relay A Ltd"));
    for name in ["", "  ", "a\u{1b}[2J", &"x".repeat(129)] {
        assert!(!is_operator(name), "{name:?}");
    }
}
