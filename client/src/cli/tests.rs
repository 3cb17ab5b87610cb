//! What the command line takes, and what it refuses.

use super::*;
use clap::CommandFactory;
use clap::error::ErrorKind;
use discreet_client::{CredentialError, Error, IdentityError, KeyMismatch, PublishError, TokensError};

fn parse(line: &str) -> Result<Command, ErrorKind> {
    Command::try_parse_from(line.split_whitespace()).map_err(|error| error.kind())
}

#[test]
fn the_command_line_is_consistent() {
    Command::command().debug_assert();
}

#[test]
fn every_command_of_the_manual_parses() {
    for line in [
        "discreet lookup +14155550123 --profile P --json",
        "discreet --json lookup +14155550123 --profile P --tag work --state S",
        "discreet lookup +14155550123 --profile P --fresh",
        "discreet contacts sync BOOK --profile P --state S --region DE --within 3d --json",
        "discreet contacts sync BOOK --profile P --now",
        "discreet contacts sync BOOK --profile P --watch --budget 100 --covers 20",
        "discreet identity new F --identifier +14155550123",
        "discreet identity new F --identifier 4155550123 --region US",
        "discreet identity show F --json",
        "discreet identity backup F COPY",
        "discreet identity restore COPY F",
        "discreet credential get --identity F --authority https://a.example",
        "discreet credential get --identity F --authority https://a.example --ca PEM --ticket-file - --wait 5",
        "discreet credential get --identity F --authority https://a.example --answer-stdin --fresh --profile P",
        "discreet credential renew --identity F",
        "discreet credential refresh --identity F",
        "discreet credential move --from OLD --identity NEW",
        "discreet credential show --identity F",
        "discreet publish --identity F --profile P --reach mimi://b.example/u/alice --reach mimi://c.example --now",
        "discreet publish --identity F --profile P --nobody --tag work --refresh-after 1",
        "discreet publish --identity F --profile P --not-found",
        "discreet withdraw --identity F --profile P --tag work --now",
        "discreet show --identity F",
        "discreet show --identity F --profile P --state S",
        "discreet verify FILE --profile P --policy POLICY --status STATUS",
        "discreet watch --identity F --profile P --interval 0.5 --count 3",
        "discreet probe --profile P",
        "discreet probe --profile P --state S --json --prometheus FILE",
        "discreet lookup +14155550123 --profile P --fresh-tokens",
        "discreet tokens --profile P",
        "discreet tokens --profile P --state S --json",
        "discreet tokens get --profile P",
        "discreet tokens get --profile P --state S --count 2048 --json",
        "discreet tokens get --profile P --every 1d",
        "discreet verify-key KEY --answer - --service mimi://b.example/u/alice",
        "discreet verify-key KEY --thumbprint 00",
    ] {
        assert!(parse(line).is_ok(), "{line}");
    }
    assert!(parse("discreet lookup x --profile P --json").unwrap().json());
}

#[test]
fn rejects_tokens_without_a_profile_and_more_than_the_wallet_takes() {
    for line in ["discreet tokens", "discreet tokens get"] {
        assert_eq!(parse(line).err(), Some(ErrorKind::MissingRequiredArgument), "{line}");
    }
    for count in ["0", "2049", "x"] {
        let line = format!("discreet tokens get --profile P --count {count}");
        assert_eq!(parse(&line).err(), Some(ErrorKind::ValueValidation), "{line}");
    }
}

#[test]
fn rejects_publishing_nothing_without_saying_so() {
    let error = parse("discreet publish --identity F --profile P").err();
    assert_eq!(error, Some(ErrorKind::MissingRequiredArgument));
    let both = parse("discreet publish --identity F --profile P --nobody --reach mimi://b.example").err();
    assert_eq!(both, Some(ErrorKind::ArgumentConflict));
}

#[test]
fn rejects_impossible_times() {
    for line in [
        "discreet publish --identity F --profile P --nobody --refresh-after 0",
        "discreet publish --identity F --profile P --nobody --refresh-after 91",
        "discreet watch --identity F --profile P --interval 0",
        "discreet watch --identity F --profile P --interval NaN",
        "discreet watch --identity F --profile P --interval 9999999",
        "discreet watch --identity F --profile P --count 0",
        "discreet contacts sync BOOK --profile P --within 0s",
        "discreet contacts sync BOOK --profile P --within 3",
    ] {
        assert_eq!(parse(line).err(), Some(ErrorKind::ValueValidation), "{line}");
    }
}

#[test]
fn rejects_verify_key_without_anything_to_compare_with() {
    for line in [
        "discreet verify-key KEY",
        "discreet verify-key KEY --answer A",
        "discreet verify-key KEY --service mimi://b.example",
    ] {
        assert_eq!(parse(line).err(), Some(ErrorKind::MissingRequiredArgument), "{line}");
    }
}

#[test]
fn a_reach_may_carry_a_thumbprint_and_an_endorsement() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("endorsement");
    std::fs::write(&path, "hEA\n").unwrap();
    let key = "ab".repeat(32);
    let text = format!("mimi://b.example/u/a,b=c,key={key},endorsement={}", path.display());
    let reach = publish::reach(&text, 1).unwrap();
    assert_eq!(reach.uri.as_str(), "mimi://b.example/u/a,b=c");
    assert_eq!(reach.thumbprint, Some([0xab; 32]));
    assert_eq!(reach.endorsement, Some(vec![0x84, 0x40]));
    assert_eq!(publish::reach("mimi://b.example/d/phone", 1).unwrap().thumbprint, None);
}

#[test]
fn rejects_reaches_that_are_none() {
    let named = |text: &str| publish::reach(text, 7).map(drop).unwrap_err();
    for text in ["", "https://b.example", "mimi://b.example/u/", "mimi://b.example/x/alice", ",key=00"] {
        assert!(matches!(named(text), Failure::ReachUri { position: 7 }), "{text}");
    }
    let short = "mimi://b.example,key=abcd";
    assert!(matches!(named(short), Failure::ReachKey { position: 7 }));
    let missing = "mimi://b.example,endorsement=/no/such/file";
    assert!(matches!(named(missing), Failure::File { .. }));
}

#[test]
fn exit_codes_are_what_the_help_says() {
    let refused = PublishError::Refused { status: 409, title: None };
    for (failure, code) in [
        (Failure::from(Error::from(refused)), 4),
        (Error::from(PublishError::TooLarge { size: 2, room: 1 }).into(), 2),
        (Error::from(PublishError::Unavailable { status: 503, title: None }).into(), 3),
        (IdentityError::NoDefault.into(), 2),
        (CredentialError::NoCredential.into(), 2),
        (CredentialError::Expired.into(), 5),
        (CredentialError::OtherKey.into(), 4),
        (IdentityError::Credential(CredentialError::Revoked).into(), 4),
        (discreet_client::AuthorityError::Url.into(), 2),
        (Error::from(TokensError::NoneUsable { price: 1, next: None }).into(), 9),
        (Error::from(TokensError::NoIssuer).into(), 5),
        (Error::from(TokensError::Account { status: 401 }).into(), 5),
        (Error::from(TokensError::Wait { again: None }).into(), 3),
        (Error::from(TokensError::KeysDiffer).into(), 4),
        (Failure::NotConfirmed, 3),
        (KeyMismatch::Other.into(), 7),
        (KeyMismatch::NotNamed.into(), 7),
        (discreet_client::KeyFormatError.into(), 2),
    ] {
        assert_eq!(failure.code(), code, "{failure}");
    }
}
