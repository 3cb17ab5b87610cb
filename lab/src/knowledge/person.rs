//! The clients of a run, and what is theirs alone: their canaries.

use super::spelling::Canary;
use crate::generate;
use anyhow::{Context, Result};
use clap::ValueEnum;
use discreet_protocol::identifier::Csi;
use rand::rngs::ChaCha20Rng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use std::time::Duration;

/// Most providers; with more people than that, some share one.
const PROVIDERS: usize = 8;
/// Bytes of randomness in a name.
const NAME_BYTES: usize = 12;

/// What a party may know about a lookup: the columns of "Who learns what" in DESIGN.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// Where the sender connects from.
    Address,
    /// What the sender goes by at its provider: account names and tokens for relay and issuer.
    Account,
    /// Which provider the sender is a user of.
    Provider,
    /// Whom the sender asks about.
    Csi,
    /// Where that person can be reached.
    Answer,
    /// The anonymous token, as the issuer and the sender's client exchange it: blinded.
    Issued,
    /// The anonymous token, as it pays for a lookup.
    Spent,
    /// When the lookup happens.
    Time,
}

impl What {
    /// All of them, as columns.
    pub(crate) const ALL: [Self; 8] = [
        Self::Address,
        Self::Account,
        Self::Provider,
        Self::Csi,
        Self::Answer,
        Self::Issued,
        Self::Spent,
        Self::Time,
    ];

    /// The heading of its column in DESIGN.md.
    pub(crate) fn heading(self) -> &'static str {
        match self {
            Self::Address => "sender's address",
            Self::Account => "sender's account",
            Self::Provider => "sender's provider",
            Self::Csi => "CSI asked",
            Self::Answer => "answer",
            Self::Issued => "token as issued",
            Self::Spent => "token as spent",
            Self::Time => "time",
        }
    }
}

/// When something happened: since the recorder began, and in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) from: Duration,
    pub(super) until: Duration,
    pub(super) unix: u64,
}

/// A sender with one lookup, and everything that nobody else has.
#[derive(Clone, Debug)]
pub(super) struct Person {
    /// Counted from 0; the name of the folder, no canary.
    pub(super) index: usize,
    pub(super) address: Ipv4Addr,
    /// The name at the provider, and the token for the provider's relay.
    pub(super) account: String,
    pub(super) bearer: String,
    /// The sender's own identifier, attested by the authority.
    pub(super) own: Csi,
    pub(super) asked: Csi,
    /// The service that stands behind `asked`.
    pub(super) answer: String,
    /// When the lookup was made.
    pub(super) moment: Option<Moment>,
    /// What is found out during the run: tokens, and what names their issuer.
    pub(super) found: Vec<(What, Canary)>,
}

/// `count` people, the same for the same seed.
pub(super) fn people(seed: u64, count: usize) -> Result<Vec<Person>> {
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let mut numbers = generate::numbers(seed, 2 * count).into_iter();
    let mut number = || numbers.next().context("no telephone number left");
    (0..count)
        .map(|index| {
            let mut name = || hex::encode(random.random::<[u8; NAME_BYTES]>());
            let (account, bearer, answer, mail) = (name(), name(), name(), name());
            // Asked for in turns: telephone numbers, and mail addresses in the authorities' domain.
            let phone = number()?;
            let asked = if index % 2 == 0 { phone } else { Csi::email(&format!("m{mail}@a.example"))? };
            // Three octets of their own each, none of which is small.
            let [a, b, c] = [0; 3].map(|_: u8| random.random_range(101..=254));
            Ok(Person {
                index,
                address: Ipv4Addr::new(127, a, b, c),
                account: format!("account-{account}"),
                bearer: format!("bearer-{bearer}"),
                own: number()?,
                asked,
                answer: format!("mimi://b.example/u/u{answer}"),
                moment: None,
                found: Vec::new(),
            })
        })
        .collect()
}

impl Person {
    /// The number of the person's provider, which is an issuer.
    pub(super) fn issuer(&self) -> usize {
        self.index % PROVIDERS
    }

    /// What is searched for, and what finding it tells.
    pub(super) fn canaries(&self) -> Vec<(What, Canary)> {
        let service = self.answer.rsplit('/').next().unwrap_or_default().to_owned();
        let mut canaries = vec![
            (What::Address, Canary::Address(self.address)),
            (What::Account, Canary::Text(self.account.clone())),
            (What::Account, Canary::Text(self.bearer.clone())),
            (What::Answer, Canary::Text(service)),
            (What::Answer, Canary::Uri(self.answer.clone())),
        ];
        canaries.extend(identifier(&self.own).map(|canary| (What::Account, canary)));
        canaries.extend(identifier(&self.asked).map(|canary| (What::Csi, canary)));
        canaries.extend(self.moment.map(|moment| (What::Time, Canary::Moment(moment.unix))));
        canaries.extend(self.found.iter().cloned());
        canaries
    }
}

fn identifier(csi: &Csi) -> [Canary; 2] {
    let value = csi.value();
    let alone = match value.strip_prefix('+') {
        Some(digits) => Canary::Number(digits.to_owned()),
        None => Canary::Text(value.to_owned()),
    };
    [alone, Canary::Uri(csi.uri())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_people_share_a_canary_and_a_seed_repeats_them() {
        let all = people(7, 20).unwrap();
        let canaries: Vec<_> =
            all.iter().flat_map(Person::canaries).map(|(_, it)| format!("{it:?}")).collect();
        assert_eq!(canaries.iter().collect::<HashSet<_>>().len(), canaries.len());
        let again: Vec<_> = people(7, 20).unwrap().iter().flat_map(Person::canaries).collect();
        assert_eq!(again.iter().map(|(_, it)| format!("{it:?}")).collect::<Vec<_>>(), canaries);
    }
}
