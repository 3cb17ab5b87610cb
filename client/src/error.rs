//! What can go wrong with a lookup or a publication, and whose fault it is.
//!
//! No text here repeats the identifier it was about.

use discreet_envelope::keys::KeysError;
use discreet_protocol::policy::ValidityError;
use discreet_protocol::query::QueryError;
use discreet_protocol::statement::StatementError;
use discreet_protocol::verify::VerifyError;

use crate::input::InputError;
use crate::profile::ProfileError;
use crate::storage::StorageError;

mod tokens;

pub use tokens::{DirectoryFault, TokensError};

/// Who is at fault, for messages and exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What the user asked for.
    Input,
    /// This machine: its profile, its state, its clock.
    Local,
    /// A relay, or the network on the way to it.
    Relay,
    /// The gateway, or what the relay passes off as its answer.
    Gateway,
    /// The discovery provider: what it signed, or what its directory holds.
    Provider,
    /// The issuer that tokens are got from.
    Issuer,
}

/// Why a lookup has no answer, or a publication was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was typed is no identifier.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The profile cannot be used.
    #[error("profile: {0}")]
    Profile(#[from] ProfileError),
    /// The client's own state cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The system gives no randomness, or a value cannot be encoded.
    #[error("this machine cannot prepare the request: {0}")]
    Prepare(&'static str),
    /// A relay failed.
    #[error("relay {relay}: {error}")]
    Relay {
        /// The relay's host, from the profile.
        relay: String,
        /// What happened.
        error: RelayError,
    },
    /// A relay cannot be reached, and the profile has no other one through which a second operator's copy
    /// of the policy could be had.
    #[error("relay {relay}: cannot be reached, and no other can confirm the policy; nothing was sent")]
    Unconfirmed {
        /// The relay's host, from the profile.
        relay: String,
    },
    /// The policy that a relay passed on cannot be used.
    #[error("policy through relay {relay}: {error}")]
    Policy {
        /// The relay's host, from the profile.
        relay: String,
        /// What is wrong with it.
        error: PolicyError,
    },
    /// The relays passed on policies that cannot both be honest.
    #[error(
        "the relays disagree about the provider's keys, prices or issuers; nothing was sent. If the provider has \
         just changed them, relays agree again within an hour"
    )]
    RelaysDisagree,
    /// The policy names no key this client can use.
    #[error("the provider offers no key that this client supports")]
    NoSupportedKey,
    /// A relay is run by the discovery provider itself.
    #[error("relay {relay} is run by the discovery provider itself; use another one")]
    RelayOfProvider {
        /// The relay's host, from the profile.
        relay: String,
    },
    /// The gateway did not answer as it must.
    #[error("gateway: {0}")]
    Gateway(#[from] GatewayError),
    /// The directory's answer is refused.
    #[error("directory: {0}")]
    Directory(#[from] DirectoryError),
    /// The directory has not taken in what was published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// There is nothing to pay with, or nothing to be had.
    #[error("tokens: {0}")]
    Tokens(#[from] TokensError),
}

/// Why a publication or withdrawal was not taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// It does not fit the frame; nothing was sent.
    #[error("the mapping has {size} bytes, {room} fit: list fewer services; nothing was sent")]
    TooLarge {
        /// Its bytes.
        size: usize,
        /// How many of them fit.
        room: usize,
    },
    /// The directory refuses it, and would again.
    #[error("the directory refuses it ({status}){}", title.as_deref().map(|title| format!(": {title}")).unwrap_or_default())]
    Refused {
        /// The inner HTTP status.
        status: u16,
        /// The problem document's title, reduced to plain characters.
        title: Option<String>,
    },
    /// The directory cannot take anything in at the moment.
    #[error("the directory does not take it in now ({status}){}", title.as_deref().map(|title| format!(": {title}")).unwrap_or_default())]
    Unavailable {
        /// The inner HTTP status.
        status: u16,
        /// The problem document's title, reduced to plain characters.
        title: Option<String>,
    },
}

/// What can happen at a relay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    /// Nobody listens there, or the name does not resolve.
    #[error("cannot be reached")]
    Unreachable,
    /// Its certificate is not trusted, or TLS failed otherwise.
    #[error("cannot be trusted: its TLS certificate is not valid for it")]
    Untrusted,
    /// It took too long.
    #[error("took too long")]
    Timeout,
    /// The connection was lost, or what came is not HTTP.
    #[error("broke off the exchange")]
    Broken,
    /// Its answer is larger than any answer may be.
    #[error("sent more than an answer may hold")]
    TooLarge,
    /// It answered with an error of its own, or passed on one of the gateway's.
    #[error("answered with status {status}{}", title.as_deref().map(|title| format!(": {title}")).unwrap_or_default())]
    Status {
        /// The HTTP status.
        status: u16,
        /// The problem document's title, reduced to plain characters.
        title: Option<String>,
    },
    /// It serves those only who show a token it knows.
    #[error(
        "wants a token it knows{}: put the one that its operator gave you into a file of mode 0600, and name the file as `bearer` of this relay in the profile",
        title.as_deref().map(|title| format!(" ({title})")).unwrap_or_default()
    )]
    Token {
        /// The problem document's title, reduced to plain characters.
        title: Option<String>,
    },
    /// It answered with something else than the protocol has, such as a web page.
    #[error("answered with something else than an oblivious HTTP response (a captive portal?)")]
    MediaType,
}

/// What can be wrong with a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It cannot be read, or the directory key of the profile did not sign it.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// It is for another discovery domain than the profile's.
    #[error("it is for another discovery domain")]
    Domain,
    /// It does not apply now.
    #[error(transparent)]
    Validity(#[from] ValidityError),
    /// A later one has been seen.
    #[error("its serial is lower than one seen before; somebody may be rolling it back")]
    Rollback,
    /// Its key collection is not well-formed.
    #[error("its key collection is malformed: {0}")]
    Keys(#[from] KeysError),
    /// It asks for other sizes than this client sends.
    #[error("it asks for message sizes that this client does not use")]
    Sizes,
}

/// What can be wrong with the gateway's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// The gateway, or a relay in its name, says that it does not know the key.
    #[error("it does not know the key this client used; its policy may just have changed, try again")]
    Key,
    /// The answer does not have the one size.
    #[error("its answer does not have the size that all answers have")]
    Size,
    /// The answer does not open: it is damaged or not the gateway's.
    #[error("its answer cannot be opened: damaged on the way, or not from the gateway")]
    Decapsulate,
    /// The message inside is not valid Binary HTTP.
    #[error("its answer is not valid Binary HTTP")]
    Message,
    /// It asks for a date and does not say which (RFC 9458 §6.5.2).
    #[error("it wants requests with a date, and gives none that could be used")]
    NoDate,
    /// It asks for another date once more.
    #[error("it does not take the very date it asked for; its replicas' clocks may differ")]
    DateRefused,
}

/// Why the directory's answer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// It could not answer.
    #[error("it answered with status {0}")]
    Status(u16),
    /// It does not take what was paid.
    #[error("it does not take the tokens (401): they may have been used from a copy of this wallet")]
    Unpaid,
    /// All that the issuer's users may ask today has been asked.
    #[error("it answers no more to users of this issuer today (429); try again tomorrow")]
    OverBudget,
    /// The answer is not an `IdentifierResponse`.
    #[error("its answer cannot be read: {0}")]
    Response(#[from] QueryError),
    /// It does not answer this kind of query.
    #[error("it does not answer queries of this kind")]
    Unsupported,
    /// Outcome, URIs and mappings contradict each other.
    #[error("its answer contradicts itself")]
    Contradiction,
    /// A mapping does not stand.
    #[error("a mapping is refused: {0}")]
    Mapping(#[from] VerifyError),
    /// A mapping is for another tag than the one asked for or `Default`.
    #[error("a mapping is refused: it is for another tag than the one asked")]
    Tag,
    /// A mapping is shown whose holder has signed that it shall look absent.
    #[error("a mapping is refused: its holder wants it served as not found")]
    Hidden,
    /// A mapping is older than one seen before.
    #[error("a mapping is refused: a later one has been seen; somebody may be rolling it back")]
    Rollback,
}

impl Error {
    /// Who is at fault.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Input(_) | Self::Publish(PublishError::TooLarge { .. } | PublishError::Refused { .. }) => {
                Fault::Input
            }
            Self::Profile(_) | Self::Storage(_) | Self::Prepare(_) | Self::RelayOfProvider { .. } => {
                Fault::Local
            }
            Self::Tokens(error) => error.fault(),
            // The profile lacks it.
            Self::Relay { error: RelayError::Token { .. }, .. } => Fault::Local,
            Self::Policy { error: PolicyError::Validity(ValidityError::NotYet), .. } => Fault::Local,
            Self::Relay { .. } | Self::Unconfirmed { .. } | Self::RelaysDisagree => Fault::Relay,
            Self::Gateway(_) => Fault::Gateway,
            Self::Policy { .. } | Self::NoSupportedKey | Self::Directory(_) | Self::Publish(_) => {
                Fault::Provider
            }
        }
    }

    /// Whether something was refused, as opposed to not arriving at all: by this client, because it
    /// failed verification, or by the directory.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Policy { .. } | Self::RelaysDisagree | Self::RelayOfProvider { .. } => true,
            Self::Gateway(error) => {
                !matches!(error, GatewayError::Key | GatewayError::NoDate | GatewayError::DateRefused)
            }
            Self::Directory(error) => !matches!(
                error,
                DirectoryError::Status(_) | DirectoryError::Unsupported | DirectoryError::OverBudget
            ),
            Self::Relay { error, .. } => *error == RelayError::Untrusted,
            Self::Publish(error) => matches!(error, PublishError::Refused { .. }),
            Self::Tokens(error) => error.is_refusal(),
            _ => false,
        }
    }
}
