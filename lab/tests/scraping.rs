//! `lab scraping`: numbers that cannot be are refused, each in one sentence.

#![allow(clippy::unwrap_used)]

use std::process::Command;

fn refused(arguments: &[&str]) -> String {
    let ran = Command::new(env!("CARGO_BIN_EXE_lab")).arg("scraping").args(arguments).output().unwrap();
    assert!(!ran.status.success(), "{ran:?}");
    String::from_utf8(ran.stderr).unwrap()
}

#[test]
fn rejects_shares_that_are_none() {
    for listed in ["150", "-1", "NaN", "many"] {
        let said = refused(&["--table", &format!("--listed={listed}")]);
        assert!(said.contains("a share is 0 to 100 per cent"), "{said}");
    }
}

#[test]
fn rejects_numbers_that_sums_would_overflow_on() {
    for (option, most) in [("numbers", "1000000000000000"), ("burst", "1000000"), ("per-day", "1000000")] {
        let said = refused(&["--table", &format!("--{option}={}", u64::MAX)]);
        assert!(said.contains(&format!("..={most}")) && said.contains(option), "{said}");
    }
}

#[test]
fn rejects_more_tokens_than_an_enumerator_takes() {
    let said = refused(&["--accounts", "2000", "--tokens", "1000"]);
    assert!(said.contains("--accounts times --tokens are 2000000 tokens"), "{said}");
}

#[test]
fn rejects_a_rules_file_with_a_typing_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        file.path(),
        "domain = \"dp.example\"\noperator = \"O\"\nedition = 1\n[price]\nlookup = 1\n",
    )
    .unwrap();
    let said = refused(&["--table", "--rules", file.path().to_str().unwrap()]);
    assert!(said.contains("unknown field `price`") && said.contains("line 4"), "{said}");
}
