//! Accounts and days, as closed forms of the budgets.

use anyhow::{Context, Result};
use discreet_protocol::policy::{Issuers, Policy, Prices};
use discreet_protocol::statement::Unverified;
use discreet_resolver::rules::{Rules, RulesFile};
use std::path::Path;

/// The rules as they are shipped; their tokens are commented out.
const SAMPLE: &str = include_str!("../../../resolver/rules.sample.toml");
/// Where in the sample the tokens begin.
const TOKENS: &str = "# [prices]";

/// What of the rules bounds an enumerator.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Budgets {
    /// Tokens that a lookup costs; 0: it is free, and nothing is bounded.
    pub(crate) price: u8,
    /// Whose tokens are taken.
    pub(crate) issuers: Vec<Issuer>,
}

/// An issuer's budgets for a day.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Issuer {
    pub(crate) name: String,
    pub(crate) redemptions_per_day: u64,
    pub(crate) not_found_per_day: u64,
}

/// What is to be enumerated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    pub(crate) numbers: u64,
    /// The share of them that is in the directory, 0 to 1.
    pub(crate) listed: f64,
    /// Tokens that a lookup costs.
    pub(crate) price: u8,
}

/// What an honest issuer gives to one account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quota {
    pub(crate) burst: u64,
    pub(crate) per_day: u64,
}

impl Budgets {
    /// Those of the shipped sample.
    pub(crate) fn shipped() -> Result<Self> {
        let (before, tokens) = SAMPLE.split_once(TOKENS).context("the sample has no tokens")?;
        let tokens = [TOKENS, tokens].concat();
        let tokens: Vec<_> = tokens.lines().map(|line| line.strip_prefix("# ").unwrap_or_default()).collect();
        // Its key is left to whoever fills it in, so it is a rules file and not yet rules.
        let RulesFile { issuers, prices, .. } = toml::from_str(&[before, &tokens.join("\n")].concat())?;
        let issuers = issuers.into_iter().map(|issuer| Issuer {
            name: issuer.name,
            redemptions_per_day: issuer.redemptions_per_day,
            not_found_per_day: issuer.not_found_per_day,
        });
        Ok(Self { price: prices.lookup, issuers: issuers.collect() })
    }

    /// Those of a rules file, which must be one that a resolver takes.
    pub(crate) fn from_rules(path: &Path) -> Result<Self> {
        let rules = Rules::load(path)?;
        Ok(Self::new(&rules.issuers, rules.prices))
    }

    /// Those of a signed policy, whose signature does not matter here.
    pub(crate) fn from_policy(bytes: &[u8]) -> Result<Self> {
        let policy = Unverified::<Policy>::read(bytes).context("this is no policy")?.into_claims();
        Ok(Self::new(&policy.issuers, policy.prices))
    }

    fn new(issuers: &Issuers, prices: Prices) -> Self {
        let issuers = issuers.iter().map(|issuer| Issuer {
            name: issuer.name.to_string(),
            redemptions_per_day: issuer.redemptions_per_day,
            not_found_per_day: issuer.not_found_per_day,
        });
        Self { price: prices.lookup, issuers: issuers.collect() }
    }
}

impl Issuer {
    /// Answers that its users together get a day: until one of its two budgets is used up.
    pub(crate) fn lookups_per_day(&self, task: &Task) -> f64 {
        let redeemed = (self.redemptions_per_day / u64::from(task.price.max(1))) as f64;
        redeemed.min(self.not_found_per_day as f64 / (1.0 - task.listed))
    }
}

/// Days until so many accounts have asked for all numbers, when issuers' budgets allow `per_day` lookups; `None`:
/// never.
pub(crate) fn days(task: &Task, per_day: f64, accounts: u64, quota: Quota) -> Option<u64> {
    if task.price == 0 {
        return Some(1);
    }
    let each = (task.numbers as f64 * f64::from(task.price) / accounts as f64 - quota.burst as f64).max(0.0);
    let waiting = match quota.per_day {
        0 if each > 0.0 => return None,
        0 => 0,
        per_day => (each / per_day as f64).ceil() as u64,
    };
    Some((1 + waiting).max(days_of_issuers(task, per_day)?))
}

/// Accounts needed to have asked for all numbers in so many days; `None`: no number of them is enough.
pub(crate) fn accounts(task: &Task, per_day: f64, days: u64, quota: Quota) -> Option<u64> {
    if task.price == 0 {
        return Some(1);
    }
    if days < days_of_issuers(task, per_day)? {
        return None;
    }
    let each = quota.burst + quota.per_day * days.saturating_sub(1);
    let tokens = task.numbers * u64::from(task.price);
    (each > 0).then(|| tokens.div_ceil(each))
}

/// Days until issuers that sign what they like have asked for all numbers.
pub(crate) fn days_of_issuers(task: &Task, per_day: f64) -> Option<u64> {
    if task.price == 0 {
        return Some(1);
    }
    (per_day > 0.0).then(|| (task.numbers as f64 / per_day).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::tests::{Mint, World};
    use discreet_protocol::SigningKey;
    use discreet_protocol::statement::sign;
    use discreet_protocol::time::Timestamp;

    const QUOTA: Quota = Quota { burst: 2000, per_day: 150 };

    fn task(listed: f64) -> Task {
        Task { numbers: 505_000_000, listed, price: 1 }
    }

    #[test]
    fn the_shipped_rules_have_the_budgets_of_the_sample() {
        let Budgets { price, issuers } = Budgets::shipped().unwrap();
        assert_eq!((price, issuers.len()), (1, 1));
        assert_eq!((issuers[0].redemptions_per_day, issuers[0].not_found_per_day), (10_000_000, 500_000));
    }

    const NOW: Timestamp = Timestamp::from_unix(1_795_392_000);

    /// A data owner's rules with one issuer, whose budgets are 700 and 80 a day, and what follows them.
    fn rules(more: &str) -> tempfile::NamedTempFile {
        let issuer = Mint::new("issuer.example").rules(700, 80, NOW, [-1, 30]);
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = [World::new(1, NOW).rules().as_str(), more, &issuer].concat();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn budgets() -> Budgets {
        let issuer =
            Issuer { name: "issuer.example".into(), redemptions_per_day: 700, not_found_per_day: 80 };
        Budgets { price: 2, issuers: vec![issuer] }
    }

    #[test]
    fn budgets_are_read_from_rules() {
        let file = rules("\n[prices]\nlookup = 2\n");
        assert_eq!(Budgets::from_rules(file.path()).unwrap(), budgets());
    }

    #[test]
    fn rejects_rules_that_no_resolver_would_take() {
        let file = rules("\n[price]\nlookup = 2\n");
        let said = Budgets::from_rules(file.path()).unwrap_err().to_string();
        assert!(said.contains("unknown field `price`"), "{said}");
    }

    #[test]
    fn budgets_are_read_from_a_signed_policy_whoever_signed_it() {
        let file = rules("\n[prices]\nlookup = 2\n");
        let Rules { domain, operator, authorities, services, issuers, prices, .. } =
            Rules::load(file.path()).unwrap();
        let policy = Policy {
            domain,
            serial: 1,
            not_before: NOW,
            not_after: NOW.plus(86_400),
            operator,
            keys: Vec::new(),
            authorities,
            sizes: (4096, 8192),
            services,
            issuers,
            prices,
        };
        let bytes = sign(&policy, &SigningKey::from_bytes(&[9; 32]));
        assert_eq!(Budgets::from_policy(&bytes).unwrap(), budgets());
    }

    #[test]
    fn rejects_what_is_no_policy() {
        assert!(Budgets::from_policy(b"[prices]").is_err());
    }

    /// 505,000,000 / 500,000 = 1010 days, whoever asks; half of them listed, half the days; with all listed the
    /// redemptions bound it: 505,000,000 / 10,000,000 = 50.5.
    #[test]
    fn a_malicious_issuer_needs_the_days_that_the_budgets_say() {
        let issuer = &Budgets::shipped().unwrap().issuers[0];
        let days = |listed| days_of_issuers(&task(listed), issuer.lookups_per_day(&task(listed)));
        assert_eq!([days(0.0), days(0.5), days(1.0)], [Some(1010), Some(505), Some(51)]);
        assert_eq!(days_of_issuers(&task(0.0), 0.0), None);
    }

    /// One account: 1 + ceil((505,000,000 - 2000) / 150) = 3,366,655 days. 100,000 accounts: 5050 tokens each,
    /// 1 + ceil(3050 / 150) = 22 days if no budget bounds them, and 1010 if the sample's does.
    #[test]
    fn hired_accounts_need_the_days_of_their_quota_or_of_the_budgets() {
        assert_eq!(days(&task(0.0), 5e5, 1, QUOTA), Some(3_366_655));
        assert_eq!(days(&task(0.0), 1e12, 100_000, QUOTA), Some(22));
        assert_eq!(days(&task(0.0), 5e5, 100_000, QUOTA), Some(1010));
        assert_eq!(days(&task(0.0), 5e5, 1, Quota { burst: 10, per_day: 0 }), None);
    }

    /// In 1010 days an account gets 2000 + 1009 × 150 = 153,350 tokens: 3293.1 accounts. In 30 days 6350:
    /// 79,527.6, if no budget bounds them.
    #[test]
    fn accounts_for_a_deadline() {
        assert_eq!(accounts(&task(0.0), 5e5, 1010, QUOTA), Some(3294));
        assert_eq!(accounts(&task(0.0), 5e5, 1009, QUOTA), None);
        assert_eq!(accounts(&task(0.0), 1e12, 30, QUOTA), Some(79_528));
    }

    #[test]
    fn a_dearer_lookup_needs_as_many_times_the_accounts() {
        let dear = Task { price: 4, ..task(0.0) };
        assert_eq!(accounts(&dear, 5e5, 1010, QUOTA), Some(13_173));
        let issuer = Issuer { name: String::new(), redemptions_per_day: 1000, not_found_per_day: 300 };
        assert_eq!(issuer.lookups_per_day(&dear), 250.0);
    }

    #[test]
    fn what_is_free_is_bounded_by_nothing() {
        let free = Task { price: 0, ..task(0.0) };
        assert_eq!((days(&free, 0.0, 1, QUOTA), accounts(&free, 0.0, 1, QUOTA)), (Some(1), Some(1)));
    }
}
