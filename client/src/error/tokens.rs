//! Why there is no token to pay with, or none was to be had.

use super::{Fault, RelayError};
use discreet_protocol::time::Timestamp;

/// What can go wrong with tokens. Nothing was sent to the directory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokensError {
    /// The wallet has too few that could be used now.
    #[error(
        "this costs {price} {}, and {}; nothing was sent",
        tokens(*price),
        when_usable(*next)
    )]
    NoneUsable {
        /// What it costs.
        price: u8,
        /// When there will be enough; `None`: not without getting more.
        next: Option<Timestamp>,
    },
    /// The profile names no issuer.
    #[error("the profile names no issuer to get tokens from: add a table [issuer] with its name")]
    NoIssuer,
    /// The policy does not name the profile's issuer.
    #[error("the discovery provider takes no tokens of the profile's issuer")]
    NotTaken,
    /// The policy names no key of the issuer that could be used.
    #[error(
        "the policy names no key of the issuer that lives for another day; try again when the next one is there"
    )]
    NoKey,
    /// The issuer's directory is none that can be used.
    #[error("the issuer's directory cannot be used: {0}; nothing was requested")]
    Directory(DirectoryFault),
    /// Signed policy and issuer do not say the same.
    #[error("the issuer's keys are not those that the signed policy names; nothing was requested")]
    KeysDiffer,
    /// More is wanted than any wallet takes.
    #[error("the wallet takes {most} tokens at most; ask for fewer; nothing was requested")]
    TooMany {
        /// How many it takes.
        most: usize,
    },
    /// The issuer could not be reached, or broke off.
    #[error("the issuer {0}")]
    Exchange(RelayError),
    /// The user's quota is used up, or the issuer is busy.
    #[error("the issuer gives no more for now{}", try_again(*again))]
    Wait {
        /// When to try again, if it said so.
        again: Option<Timestamp>,
    },
    /// It does not know the user.
    #[error(
        "the issuer wants to know its user (status {status}): name the token's file as `bearer`, or the certificate as `identity`, of [issuer] in the profile"
    )]
    Account {
        /// The HTTP status: 401 or 403.
        status: u16,
    },
    /// It refuses.
    #[error("the issuer refuses ({status}){}", title.as_deref().map(|title| format!(": {title}")).unwrap_or_default())]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The problem document's title, reduced to plain characters.
        title: Option<String>,
    },
    /// What it gave is no signature under the key it was asked for.
    #[error("the issuer's answer is no token under the key that the policy names")]
    Forged,
}

/// What is wrong with an issuer's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryFault {
    /// The status or the media type is another one.
    #[error("the answer is none; is the url that of an issuer?")]
    Answer,
    /// It is not what RFC 9578 §4 describes.
    #[error("it is not as RFC 9578 has it")]
    Content,
    /// A key in it is none of token type 0x0002.
    #[error("a key in it is no RSA key of 2048 bits for RSASSA-PSS")]
    Key,
    /// Tokens are to be requested from somewhere else.
    #[error("it names another host to request tokens from")]
    Elsewhere,
}

impl TokensError {
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::NoIssuer | Self::NoneUsable { .. } | Self::TooMany { .. } | Self::Account { .. } => {
                Fault::Local
            }
            Self::NotTaken | Self::NoKey => Fault::Provider,
            _ => Fault::Issuer,
        }
    }

    /// Whether something did not verify, as opposed to not being there.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Directory(_) | Self::KeysDiffer | Self::Forged | Self::Refused { .. } => true,
            Self::Exchange(error) => *error == RelayError::Untrusted,
            _ => false,
        }
    }
}

fn tokens(price: u8) -> &'static str {
    if price == 1 { "token" } else { "tokens" }
}

fn when_usable(next: Option<Timestamp>) -> String {
    match next {
        Some(time) => {
            format!(
                "there is none to use before {}; with --fresh-tokens it need not be old enough",
                date(time)
            )
        }
        None => "there are none: get some from your issuer with `discreet tokens get`".to_owned(),
    }
}

fn try_again(again: Option<Timestamp>) -> String {
    again.map_or_else(|| "; try again later".to_owned(), |time| format!("; try again after {}", date(time)))
}

fn date(time: Timestamp) -> String {
    // Never: nine thousand years are what the library writes.
    let seconds = time.unix().min(253_402_300_799);
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
}
