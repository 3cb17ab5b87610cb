//! What people type, brought into the one canonical form.
//!
//! Numbering plans age, so a number they call impossible is looked up all the same, with a
//! warning; only what cannot be a number at all is refused.

use discreet_protocol::identifier::{Csi, IdentifierError, MAX_DIGITS};
use rlibphonenumber::{PHONE_NUMBER_UTIL, ParseError, PhoneNumberFormat, Region};

/// Most bytes of input looked at.
const MAX_INPUT: usize = 400;

/// Input in canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Normalised {
    /// The identifier.
    pub csi: Csi,
    /// The number does not look like one of its country.
    pub implausible: bool,
}

/// Why input is no identifier. It is never repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// Nothing was typed.
    #[error("nothing to look up: give a phone number like +14155550123 or an e-mail address")]
    Empty,
    /// A national number, and no region to complete it with.
    #[error(
        "the number has no country code: begin it with +, or name a region (DE, US, …) to complete it with"
    )]
    NoCountry,
    /// The region is not one.
    #[error("the region is not known: use a two-letter code such as DE or US")]
    Region,
    /// No country has this code.
    #[error("the number begins with a country code that does not exist")]
    CountryCode,
    /// There is a letter in it.
    #[error("a phone number has no letters")]
    Letter,
    /// Too few digits.
    #[error("the number is too short")]
    TooShort,
    /// Too many digits.
    #[error("the number is too long: there are at most 15 digits, country code included")]
    TooLong,
    /// The number has an extension, which nobody can be looked up by.
    #[error("a number with an extension cannot be looked up; leave the extension out")]
    Extension,
    /// It is neither number nor address.
    #[error("this is neither a phone number nor an e-mail address")]
    Neither,
    /// The address or handle is not well-formed.
    #[error(transparent)]
    Identifier(#[from] IdentifierError),
}

/// Brings what was typed into canonical form. `region` (ISO 3166, like `DE`) completes national
/// numbers; without one they are refused.
///
/// # Errors
///
/// [`InputError`], which says what to type instead.
pub fn normalise(text: &str, region: Option<&str>) -> Result<Normalised, InputError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(InputError::Empty);
    }
    if text.len() > MAX_INPUT {
        return Err(InputError::TooLong);
    }
    let certain = |csi| Normalised { csi, implausible: false };
    if let Some(handle) = text.strip_prefix("handle:") {
        return Ok(certain(Csi::handle(handle)?));
    }
    if text.contains('@') {
        return email(text.strip_prefix("mailto:").unwrap_or(text)).map(certain);
    }
    phone(text.strip_prefix("tel:").unwrap_or(text), region)
}

fn email(text: &str) -> Result<Csi, InputError> {
    let (local, domain) = text.rsplit_once('@').ok_or(IdentifierError::EmailSyntax)?;
    let domain = idna::domain_to_ascii_strict(domain).map_err(|_| IdentifierError::Domain)?;
    Ok(Csi::email(&format!("{local}@{domain}"))?)
}

fn phone(text: &str, region: Option<&str>) -> Result<Normalised, InputError> {
    // The library reads letters as a keypad does; a typing error would find somebody else.
    if text.chars().any(char::is_alphabetic) {
        return Err(InputError::Letter);
    }
    // Room for a trunk or exit prefix before what may be 15 digits.
    if text.chars().filter(char::is_ascii_digit).count() > MAX_DIGITS + 5 {
        return Err(InputError::TooLong);
    }
    let region = region.map(known_region).transpose()?;
    let number = PHONE_NUMBER_UTIL.parse(text, region).map_err(|error| refuse(&error, text))?;
    if number.extension.as_deref().is_some_and(|extension| !extension.is_empty()) {
        return Err(InputError::Extension);
    }
    let canonical = PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164);
    let csi = Csi::phone(&canonical).map_err(|error| match error {
        IdentifierError::PhoneLength if canonical.len() > 8 => InputError::TooLong,
        IdentifierError::PhoneLength => InputError::TooShort,
        other => other.into(),
    })?;
    Ok(Normalised { csi, implausible: !PHONE_NUMBER_UTIL.is_valid_number(&number) })
}

fn known_region(code: &str) -> Result<Region, InputError> {
    let region = code.to_ascii_uppercase().parse::<Region>().map_err(|_| InputError::Region)?;
    let known = PHONE_NUMBER_UTIL.get_supported_regions().any(|supported| supported == region);
    if known { Ok(region) } else { Err(InputError::Region) }
}

fn refuse(error: &ParseError, text: &str) -> InputError {
    match error {
        ParseError::InvalidCountryCode if text.trim_start().starts_with('+') => InputError::CountryCode,
        ParseError::InvalidCountryCode => InputError::NoCountry,
        ParseError::TooShortAfterIdd | ParseError::TooShortNsn => InputError::TooShort,
        ParseError::TooLongNsn => InputError::TooLong,
        ParseError::NotANumber(_) if text.contains(|c: char| c.is_ascii_digit()) => InputError::TooShort,
        ParseError::NotANumber(_) => InputError::Neither,
    }
}

#[cfg(test)]
mod tests;
