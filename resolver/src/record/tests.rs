//! The layout of rows, byte by byte, and what fits into one.

use super::*;
use crate::admission::{Refused, admit};
use crate::fixture::*;

fn tombstone() -> Tombstone {
    Tombstone {
        authority: domain("a.example"),
        holder: [0xaa; 32],
        proved_at: Timestamp::from_unix(10),
        tag: Some(tag("Work")),
        serial: 1000,
        until: Timestamp::from_unix(24),
        evidence: vec![1, 2],
    }
}

#[test]
fn a_record_is_laid_out_as_its_cddl_says() {
    let entry = Entry {
        authority: domain("a.example"),
        tag: tag("Work"),
        id: [0xbb; 16],
        void_from: Timestamp::from_unix(1_000_000),
        hidden: true,
        statement: vec![7; 3],
    };
    let all = Tombstone { tag: None, evidence: vec![], ..tombstone() };
    let record = Record { csi: phone(NUMBER), entries: vec![entry], tombstones: vec![tombstone(), all] };
    let expected = concat!(
        "83",                                                                   // array of 3
        "7074656c3a2b3134313535353530313233",                                   // "tel:+14155550123"
        "81",                                                                   // array of 1
        "86",                                                                   // entry: array of 6
        "69612e6578616d706c65",                                                 // "a.example"
        "64576f726b",                                                           // "Work"
        "50bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",                                   // cti
        "1a000f4240",                                                           // void from 1000000
        "f5",                                                                   // hidden
        "43070707",                                                             // statement
        "82",                                                                   // array of 2
        "87",                                                                   // tombstone: array of 7
        "69612e6578616d706c65",                                                 // "a.example"
        "5820aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", // holder
        "0a",                                                                   // proved at 10
        "64576f726b",                                                           // "Work"
        "1903e8",                                                               // serial 1000
        "1818",                                                                 // until 24
        "420102",                                                               // evidence
        "87",                                                                   // tombstone: array of 7
        "69612e6578616d706c65",                                                 // "a.example"
        "5820aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", // holder
        "0a",                                                                   // proved at 10
        "f6",                                                                   // every tag
        "1903e8",                                                               // serial 1000
        "1818",                                                                 // until 24
        "40",                                                                   // no evidence
    );
    assert_eq!(hex::encode(record.encode()), expected);
    let padded = [record.encode().as_slice(), &[0; 9]].concat();
    assert_eq!(Record::decode(&padded), Some(record));
}

#[test]
fn a_status_is_laid_out_as_its_cddl_says() {
    let standing = Standing { authority: domain("a.example"), revoked: true, statement: vec![7; 3] };
    assert_eq!(hex::encode(standing.encode()), "8369612e6578616d706c65f543070707");
    assert_eq!(Standing::decode(&[standing.encode().as_slice(), &[0; 9]].concat()), Some(standing));
}

#[test]
fn rejects_rows_that_hold_something_else() {
    let record = Record::new(phone(NUMBER)).encode();
    for wrong in [&b""[..], b"\x80", &record[..record.len() - 1], &[record.as_slice(), b"\0\x01"].concat()] {
        assert_eq!(Record::decode(wrong), None);
    }
    let many = [&record[..record.len() - 2], &[0x98, 33]].concat();
    assert_eq!(Record::decode(&many), None);
    for wrong in [b"".to_vec(), b"\x80".to_vec(), record[..record.len() - 2].to_vec(), many] {
        assert!(Opened::new(wrong).listed().is_none());
    }
    assert_eq!(Standing::decode(b"\x83\x61a\x00\x40"), None);
}

#[test]
fn five_mappings_with_one_service_each_fit_also_with_its_key() {
    let mut alice = person(ONE, 1, 10);
    assert_eq!(fitting(&alice), 5);
    alice.reaches[0].thumbprint = Some([1; 32]);
    assert_eq!(fitting(&alice), 5);
}

/// How many mappings of `who` fit into a record.
fn fitting(who: &Person) -> usize {
    let mut held = Record::new(phone(NUMBER)).parse().unwrap();
    let names = (0..9).map(|n| if n == 0 { "Default".to_owned() } else { format!("Tag-{n}") });
    let refused = names.map(|name| admit(&mut held, &who.signed(&name, 1), None, NOW)).find_map(Result::err);
    assert_eq!(refused, Some(Refused::TooLarge));
    held.entries.len()
}

#[test]
fn a_records_order_is_not_the_order_of_publishing() {
    let of = |signed: Vec<Signed>| Holdings { csi: phone(NUMBER), entries: signed, tombstones: vec![] };
    let (one, two) = (person(ONE, 1, 10), person(TWO, 2, 10));
    let all = [one.signed("Default", 1), one.signed("A", 1), two.signed("Default", 1)];
    let forth = of(all.to_vec()).record();
    let back = of(all.iter().rev().cloned().collect()).record();
    assert_eq!(forth, back);
    let tags: Vec<_> = forth.entries.iter().map(|entry| entry.tag.as_str()).collect();
    assert_eq!(tags, ["Default", "A", "Default"]);
}

#[test]
fn the_index_says_from_when_on_a_mapping_is_void() {
    let mut alice = person(ONE, 1, 10);
    assert_eq!(alice.signed("Default", 1).entry().void_from, alice.not_after);
    alice.credential.expires = alice.not_after.minus(1);
    assert_eq!(alice.signed("Default", 1).entry().void_from, alice.credential.expires);
}
