//! Whose tokens are taken and what an operation costs, as the rules file states it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use discreet_protocol::identifier::Domain;
use discreet_protocol::policy::{Epoch, Issuer, Issuers, IssuersError, Prices};
use discreet_protocol::time::{DAY, Timestamp};
use discreet_protocol::token::{MAX_PRICE, TokenKey};
use serde::Deserialize;
use toml::value::Datetime;

/// An issuer of lookup tokens, as the file states it. `discreet-provider issuer keys` prints its keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerFile {
    /// Its name, as its directory and the tokens' challenge carry it.
    pub name: String,
    /// How many of its tokens are taken per day (UTC); then its users get 429 until the next.
    pub redemptions_per_day: u64,
    /// How many answers `notFound` its users may get per day (UTC); then they get 429 for whatever they
    /// ask. Who enumerates numbers meets mostly this.
    pub not_found_per_day: u64,
    /// Its keys, at most 4 at once.
    pub keys: Vec<TokenKeyFile>,
}

/// A key of an issuer, as the file states it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenKeyFile {
    /// The `token-key` of the issuer's directory: base64url (RFC 9578 §4).
    pub key: String,
    /// The first day (UTC) on which tokens under this key are taken.
    pub from: Datetime,
    /// The first day on which they no longer are; at least 7 days later.
    pub until: Datetime,
}

/// How many tokens an operation costs, 0 to 4; 0: it is free, and takes no token.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PricesFile {
    /// A lookup, whatever its outcome. Default 0.
    pub lookup: u8,
    /// Publishing a mapping. Default 0.
    pub publish: u8,
    /// Withdrawing. Default 0: taking oneself out should not depend on a stock of tokens.
    pub withdraw: u8,
}

pub(super) type Problem = (&'static str, &'static str);

pub(super) fn issuers(list: &[IssuerFile]) -> Result<Issuers, Problem> {
    let list = list.iter().map(issuer).collect::<Result<_, _>>()?;
    Issuers::new(list).map_err(|error| match error {
        IssuersError::TooMany => ("issuers", "are too many; a policy names at most 64"),
        IssuersError::SameName => ("issuers.name", "stands twice"),
        IssuersError::Keys => ("issuers.keys", "must be 1 to 4 for each issuer; take expired ones out"),
        IssuersError::ShortLife => ("issuers.keys.until", "must be at least 7 days after `from`"),
        IssuersError::SameKey => ("issuers.keys.key", "stands twice"),
        IssuersError::SameTruncatedId => (
            "issuers.keys.key",
            "ends in the same byte of its id as another key; the issuer must make another",
        ),
    })
}

pub(super) fn prices(file: PricesFile, issuers: &Issuers) -> Result<Prices, Problem> {
    let too_much = ("prices", "must each be 0 to 4 tokens");
    let prices = Prices::new(file.lookup, file.publish, file.withdraw).ok_or(too_much)?;
    const { assert!(MAX_PRICE == 4) };
    if prices != Prices::default() && issuers.is_empty() {
        return Err(("prices", "ask for tokens, but there is no [[issuers]] to get them from"));
    }
    Ok(prices)
}

fn issuer(file: &IssuerFile) -> Result<Issuer, Problem> {
    Ok(Issuer {
        name: Domain::new(&file.name)
            .map_err(|_| ("issuers.name", "must be a lower-case name like issuer.example"))?,
        redemptions_per_day: file.redemptions_per_day,
        not_found_per_day: file.not_found_per_day,
        keys: file.keys.iter().map(epoch).collect::<Result<_, _>>()?,
    })
}

fn epoch(file: &TokenKeyFile) -> Result<Epoch, Problem> {
    let day = "must be a day like 2026-12-31, without quotes";
    // The directory of RFC 9578 §4 pads, people copy with and without.
    let der = URL_SAFE_NO_PAD.decode(file.key.trim_end_matches('='));
    let key = der.ok().and_then(|der| TokenKey::from_spki(&der).ok());
    Ok(Epoch {
        key: key
            .ok_or(("issuers.keys.key", "must be a `token-key` of type 2 as an issuer's directory has it"))?,
        from: start_of(&file.from).ok_or(("issuers.keys.from", day))?,
        until: start_of(&file.until).ok_or(("issuers.keys.until", day))?,
    })
}

/// The beginning of a day (UTC); `None` if it is no plain day, or before 1970.
fn start_of(day: &Datetime) -> Option<Timestamp> {
    let Datetime { date: Some(date), time: None, offset: None } = day else { return None };
    let month = time::Month::try_from(date.month).ok()?;
    let date = time::Date::from_calendar_date(date.year.into(), month, date.day).ok()?;
    let days = date.to_julian_day() - time::OffsetDateTime::UNIX_EPOCH.to_julian_day();
    Some(Timestamp::from_unix(u64::try_from(days).ok()? * DAY))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Option<Timestamp> {
        start_of(&text.parse().unwrap())
    }

    #[test]
    fn a_day_begins_at_midnight_utc() {
        assert_eq!(day("1970-01-01"), Some(Timestamp::from_unix(0)));
        // `date -u -d 2026-11-23 +%s`
        assert_eq!(day("2026-11-23"), Some(Timestamp::from_unix(1_795_392_000)));
    }

    #[test]
    fn rejects_a_time_of_day_and_days_before_1970() {
        for text in ["2026-11-23T10:00:00Z", "2026-11-23T00:00:00", "10:00:00", "1969-12-31"] {
            assert_eq!(day(text), None, "{text}");
        }
    }
}
