//! What people type, and what becomes of it.

use super::*;

fn ok(text: &str, region: Option<&str>) -> String {
    normalise(text, region).unwrap().csi.uri()
}

fn refused(text: &str, region: Option<&str>) -> InputError {
    normalise(text, region).unwrap_err()
}

#[test]
fn international_numbers_in_any_spelling() {
    for text in [
        "+14155550123",
        "+1 415 555 0123",
        "+1 (415) 555-0123",
        "tel:+1-415-555-0123",
        " +1.415.555.0123 ",
        "＋1 415 555 0123",
    ] {
        assert_eq!(ok(text, None), "tel:+14155550123", "{text}");
    }
}

#[test]
fn a_region_completes_national_numbers() {
    assert_eq!(ok("030 901820", Some("DE")), "tel:+4930901820");
    assert_eq!(ok("(415) 555-0123", Some("us")), "tel:+14155550123");
    assert_eq!(ok("+33 1 42 68 53 00", Some("DE")), "tel:+33142685300");
    assert_eq!(ok("0033 1 42 68 53 00", Some("DE")), "tel:+33142685300");
}

#[test]
fn rejects_national_number_without_region() {
    assert_eq!(refused("030 901820", None), InputError::NoCountry);
}

#[test]
fn rejects_unknown_region() {
    assert_eq!(refused("030 901820", Some("Germany")), InputError::Region);
    assert_eq!(refused("030 901820", Some("QQ")), InputError::Region);
}

#[test]
fn rejects_a_letter() {
    assert_eq!(refused("+1415555O123", None), InputError::Letter);
    assert_eq!(refused("1-800-FLOWERS", Some("US")), InputError::Letter);
}

#[test]
fn rejects_40_digits() {
    assert_eq!(refused(&format!("+{}", "1".repeat(40)), None), InputError::TooLong);
}

#[test]
fn rejects_too_few_digits_and_unknown_country_codes() {
    assert_eq!(refused("+1 4", None), InputError::TooShort);
    assert_eq!(refused("+999 123 4567", None), InputError::CountryCode);
}

#[test]
fn rejects_what_is_neither_number_nor_address() {
    assert_eq!(refused("", None), InputError::Empty);
    assert_eq!(refused("  ", None), InputError::Empty);
    assert_eq!(refused("+", None), InputError::Neither);
    assert_eq!(refused("***", Some("US")), InputError::Neither);
}

#[test]
fn implausible_numbers_are_warned_of_not_refused() {
    // Area code 000 does not exist in the North American plan.
    let normalised = normalise("+1 000 555 0123", None).unwrap();
    assert!(normalised.implausible);
    assert!(!normalise("+1 415 555 2671", None).unwrap().implausible);
}

#[test]
fn addresses_get_lower_case_a_label_domains() {
    assert_eq!(ok("Alice@Bücher.Example", None), "mailto:Alice@xn--bcher-kva.example");
    assert_eq!(ok("mailto:a.b+c@A.EXAMPLE", None), "mailto:a.b+c@a.example");
}

#[test]
fn rejects_malformed_addresses() {
    for text in ["@a.example", "a@", "a b@a.example", "a@a_b.example", "a@a..example"] {
        assert!(matches!(refused(text, None), InputError::Identifier(_)), "{text}");
    }
}

#[test]
fn handles_are_asked_for_by_name() {
    assert_eq!(ok("handle:alice_01", None), "handle:alice_01");
}

proptest::proptest! {
    #[test]
    fn nothing_typed_panics(text in "\\PC{0,60}", region in proptest::option::of("[A-Za-z]{0,3}")) {
        let _ = normalise(&text, region.as_deref());
    }

    #[test]
    fn what_is_accepted_is_canonical(text in "[+0-9 ()./-]{1,24}") {
        if let Ok(normalised) = normalise(&text, Some("DE")) {
            let uri = normalised.csi.uri();
            proptest::prop_assert_eq!(Csi::from_uri(&uri).unwrap(), normalised.csi);
        }
    }
}
