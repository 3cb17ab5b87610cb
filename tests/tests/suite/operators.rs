//! The operator's guide, `deploy/GUIDE.md`, is true: its tables are held to the code, and each of its
//! recoveries is carried out by its own commands, read from the page, against real processes.

pub(crate) mod guide;
pub(crate) mod machine;

mod authority;
mod gateway;
mod issuer;
mod tls;

use std::collections::BTreeSet;

/// Makes a test of each block of commands in the guide, and the list of all that are tested.
macro_rules! tested {
    ($($block:literal: $test:path as $name:ident;)*) => {
        const TESTED: &[&str] = &[$($block),*];
        $(
            #[test]
            fn $name() {
                $test($block);
            }
        )*
    };
}

tested! {
    "back-up-directory": gateway::backed_up as a_directory_is_backed_up_while_it_is_served;
    "back-up-authority": authority::backed_up as an_authority_is_backed_up_while_it_serves;
    "tls-key": tls::stolen_server_key as recovers_from_a_stolen_tls_key;
    "identity": tls::stolen_identity as recovers_from_a_stolen_identity_of_a_gateway;
    "ohttp-keys": gateway::stolen_ohttp_keys as recovers_from_stolen_ohttp_keys;
    "ohttp-keys-lost": gateway::lost_ohttp_keys as recovers_from_lost_ohttp_keys;
    "directory-key": gateway::stolen_directory_key as recovers_from_a_stolen_directory_key;
    "rules": gateway::tampered_rules as recovers_from_rules_that_somebody_wrote;
    "pepper": gateway::stolen_pepper as recovers_from_a_stolen_pepper;
    "pepper-lost": gateway::lost_pepper as recovers_from_a_lost_pepper;
    "directory-lost": gateway::lost_directory as recovers_from_a_lost_directory;
    "spent-lost": gateway::lost_spent_tokens as recovers_from_a_lost_set_of_spent_tokens;
    "journal-lost": gateway::lost_journal as recovers_from_a_lost_journal;
    "authority-key": authority::stolen_key as recovers_from_a_stolen_authority_key;
    "authority-lost": authority::lost_database as recovers_from_a_lost_authority_database;
    "operator-token": authority::stolen_token as recovers_from_a_stolen_operator_token;
    "issuer-key": issuer::stolen_key as recovers_from_a_stolen_issuer_key;
    "issuer-key-lost": issuer::lost_key as recovers_from_a_lost_issuer_key;
    "issuer-lost": issuer::lost_database as recovers_from_a_lost_issuer_database;
    "issuer-accounts": issuer::stolen_token as recovers_from_a_stolen_token_of_an_issuers_user;
    "service-key": authority::stolen_service_key as recovers_from_a_stolen_service_key;
    "person": authority::stolen_phone as recovers_from_a_persons_stolen_key;
}

#[test]
fn every_file_has_a_recovery_every_recovery_a_test_and_every_test_its_text() {
    let blocks: BTreeSet<_> = guide::blocks().into_keys().collect();
    let tested: BTreeSet<_> = TESTED.iter().copied().collect();
    assert_eq!(blocks, tested, "left the guide's blocks, right those with a test");
    assert_eq!(TESTED.len(), tested.len(), "none twice");
    let mut led_to = BTreeSet::new();
    for [what, can, cannot, recovery] in guide::table("| stolen, lost or changed |") {
        assert!(!can.is_empty() && !cannot.is_empty(), "{what}");
        let Some(names) = recovery.strip_prefix("recover: ") else {
            assert!(recovery.starts_with("none: "), "{what} has neither a recovery nor a reason: {recovery}");
            continue;
        };
        for name in names.split(", ").map(|name| name.trim_matches('`')) {
            assert!(tested.contains(name), "{what}: there is no {name}");
            led_to.insert(name.to_owned());
        }
    }
    for block in blocks.into_iter().filter(|block| !block.starts_with("back-up")) {
        assert!(led_to.contains(block), "no row of the table leads to {block}");
    }
}

/// The secrets that the samples name have a row each.
#[test]
fn every_secret_of_the_samples_is_in_the_table() {
    let rows = guide::table::<4>("| stolen, lost or changed |");
    let samples = guide::samples();
    assert_eq!(samples.len(), 4, "one of each role");
    for sample in samples {
        let files = sample
            .split('"')
            .skip(1)
            .step_by(2)
            .filter(|text| [".key", ".keys", ".db", ".token"].iter().any(|end| text.ends_with(end)));
        for file in files {
            let tls = ["relay.key", "gateway.key", "provider.key", "resolver.tls.key"].contains(&file);
            let known =
                |[what, ..]: &[String; 4]| what.contains(&format!("`{file}`")) || tls && what.contains("TLS");
            assert!(rows.iter().any(known), "the guide says nothing of {file}");
        }
    }
}
