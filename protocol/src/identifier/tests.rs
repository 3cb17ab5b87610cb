//! Canonical forms, and a test for each way of not being one.

use super::*;

#[test]
fn canonical_forms_survive_the_uri() {
    for uri in [
        "tel:+14155550123",
        "tel:+4930901820",
        "mailto:Alice.O'Neil@a.example",
        "mailto:a%2Fb%3Fc+d@xn--bcher-kva.example",
        "handle:alice_01",
    ] {
        assert_eq!(Csi::from_uri(uri).unwrap().uri(), uri);
    }
}

#[test]
fn rejects_phone_without_plus() {
    assert_eq!(Csi::phone("14155550123"), Err(IdentifierError::PhoneSyntax));
}

#[test]
fn rejects_phone_with_a_letter() {
    assert_eq!(Csi::phone("+1415555O123"), Err(IdentifierError::PhoneSyntax));
    assert_eq!(Csi::phone("+1415555٠123"), Err(IdentifierError::PhoneSyntax));
}

#[test]
fn rejects_phone_of_40_digits() {
    let number = format!("+{}", "1".repeat(40));
    assert_eq!(Csi::phone(&number), Err(IdentifierError::PhoneLength));
    assert_eq!(Csi::phone("+123456"), Err(IdentifierError::PhoneLength));
}

#[test]
fn rejects_country_code_zero() {
    assert_eq!(Csi::phone("+0415555012"), Err(IdentifierError::PhoneZero));
}

#[test]
fn rejects_email_outside_dot_atom() {
    for text in
        ["alice", "@a.example", "a..b@a.example", "\"a b\"@a.example", "a b@a.example", ".a@a.example"]
    {
        assert_eq!(Csi::email(text), Err(IdentifierError::EmailSyntax), "{text}");
    }
}

#[test]
fn rejects_email_domain_not_in_a_labels() {
    for text in ["a@A.example", "a@bücher.example", "a@-a.example", "a@a..example", "a@a.example."] {
        assert_eq!(Csi::email(text), Err(IdentifierError::Domain), "{text}");
    }
}

#[test]
fn rejects_overlong_email() {
    let text = format!("{}@a.example", "a".repeat(65));
    assert_eq!(Csi::email(&text), Err(IdentifierError::EmailLength));
}

#[test]
fn rejects_handle_with_capitals_or_spaces() {
    for text in ["", "Alice", "a b", "a\u{1b}[31m"] {
        assert_eq!(Csi::handle(text), Err(IdentifierError::Handle), "{text:?}");
    }
}

#[test]
fn rejects_uncanonical_uri_spellings() {
    for uri in [
        "TEL:+14155550123",
        "tel:+1-415-555-0123",
        "mailto:%61@a.example",
        "mailto:a%2fb@a.example",
        "sip:a@b",
        "",
    ] {
        assert!(Csi::from_uri(uri).is_err(), "{uri}");
    }
}

#[test]
fn mimi_uris_name_service_user_or_device() {
    for (uri, provider) in [
        ("mimi://b.example", "b.example"),
        ("mimi://b.example/u/alice", "b.example"),
        ("mimi://b.example/d/alice/phone", "b.example"),
    ] {
        assert_eq!(MimiUri::new(uri).unwrap().provider(), provider);
    }
}

#[test]
fn rejects_mimi_uris_that_could_mislead() {
    for uri in [
        "https://b.example/u/a",
        "mimi://",
        "mimi://B.example/u/a",
        "mimi://b.example/",
        "mimi://b.example/u",
        "mimi://b.example/u/",
        "mimi://b.example/x/a",
        "mimi://b.example/u/../a",
        "mimi://user@b.example/u/a",
        "mimi://b.example:443/u/a",
        "mimi://b.example/u/a?b",
        "mimi://b.example/u/a\u{1b}[2J",
    ] {
        assert_eq!(MimiUri::new(uri), Err(IdentifierError::MimiUri), "{uri:?}");
    }
}

#[test]
fn debug_never_shows_the_identifier() {
    let shown = format!(
        "{:?} {:?}",
        Csi::phone("+14155550123").unwrap(),
        MimiUri::new("mimi://b.example/u/alice").unwrap()
    );
    assert!(!shown.contains("415") && !shown.contains("alice"));
}
