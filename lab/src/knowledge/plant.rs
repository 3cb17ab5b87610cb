//! Leaks that are put there on purpose, to prove that the search finds them. They are made by the laboratory's
//! recorder, or by the wrapper that starts a server: there is no code for them in the product.

use super::person::{Person, What};
use super::record::{Party, Record};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use clap::ValueEnum;
use loona_hpack::Encoder;
use sha1::{Digest, Sha1};

/// Frame type and flags of a whole request without content (RFC 9113 §6.2).
const HEADERS: u8 = 1;
const END: u8 = 1 | 4;
/// The stream of the planted request: after all others.
const STREAM: u32 = 0x0fff_ffff;

/// A leak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Plant {
    /// The relay passes the sender's address on in a header field.
    ForwardedAddress,
    /// The relay passes the sender's credentials on in a header field.
    ForwardedAccount,
    /// A relay logs whom somebody asks about: packed digits, as hex.
    LoggedCsi,
    /// The gateway counts by the sender's address.
    AddressInMetric,
    /// A relay keeps a hash without a secret of whom somebody asks about, in base64.
    HashedCsi,
    /// A relay keeps the answer, in UTF-16.
    KeptAnswer,
    /// The authority keeps when somebody made a lookup.
    KeptMoment,
    /// The gateway keeps the sender's account, turned round.
    KeptAccount,
    /// A relay keeps the token that a lookup pays with.
    KeptToken,
    /// No leak: the gateway's record is lost, so that it seems to know nothing.
    LostRecord,
}

impl Plant {
    /// What must be said to leak, at whom, and where; `None` where something must be missing.
    pub(super) fn leaks(self) -> Option<(Party, What, &'static str)> {
        Some(match self {
            Self::ForwardedAddress => (Party::Gateway, What::Address, "request"),
            Self::AddressInMetric => (Party::Gateway, What::Address, "metrics"),
            Self::ForwardedAccount => (Party::Gateway, What::Account, "request"),
            Self::KeptAccount => (Party::Gateway, What::Account, "file accounts"),
            Self::LoggedCsi => (Party::OtherRelay, What::Csi, "log"),
            Self::HashedCsi => (Party::ProviderRelay, What::Csi, "file seen"),
            Self::KeptAnswer => (Party::OtherRelay, What::Answer, "file answers"),
            Self::KeptMoment => (Party::Authority, What::Time, "file moments"),
            Self::KeptToken => (Party::ProviderRelay, What::Spent, "file tokens"),
            Self::LostRecord => return None,
        })
    }

    /// The line that the wrapper of `party` writes into its log.
    pub(super) fn says(self, party: Party, people: &[Person]) -> Option<String> {
        if self != Self::LoggedCsi || party != Party::OtherRelay {
            return None;
        }
        let packed = people.iter().map(|person| match person.asked.value().strip_prefix('+') {
            // An odd number of digits is filled up with F.
            Some(digits) => format!("{digits}{}", if digits.len() % 2 == 1 { "f" } else { "" }),
            None => hex::encode(person.asked.value()),
        });
        Some(packed.collect::<Vec<_>>().join(" "))
    }

    /// Puts the leak where a careless server would have.
    pub(super) fn put(self, people: &[Person], record: &mut Record) {
        for person in people {
            match self {
                Self::ForwardedAddress => field(record, "forwarded", &format!("for={}", person.address)),
                Self::ForwardedAccount => field(record, "proxy-authorization", &bearer(person)),
                Self::AddressInMetric => {
                    let line = format!("connections_total{{peer=\"{}\"}} 1\n", person.address);
                    record.keep(Party::Gateway, "metrics", line.into());
                }
                Self::HashedCsi => {
                    let hash = STANDARD.encode(Sha1::digest(person.asked.value()));
                    record.keep(Party::ProviderRelay, "file seen", hash.into());
                }
                Self::KeptAnswer => {
                    let utf16 = person.answer.encode_utf16().flat_map(u16::to_le_bytes);
                    record.keep(Party::OtherRelay, "file answers", utf16.collect());
                }
                Self::KeptMoment => {
                    let unix = person.moment.map_or(0, |moment| moment.unix);
                    record.keep(Party::Authority, "file moments", format!("{unix}\n").into());
                }
                Self::KeptAccount => {
                    record.keep(Party::Gateway, "file accounts", person.account.bytes().rev().collect());
                }
                Self::KeptToken => {
                    for (what, canary) in &person.found {
                        if let (What::Spent, super::spelling::Canary::Bytes(bytes)) = (what, canary) {
                            let text = URL_SAFE_NO_PAD.encode(bytes);
                            record.keep(Party::ProviderRelay, "file tokens", text.into());
                        }
                    }
                }
                Self::LoggedCsi | Self::LostRecord => {}
            }
        }
        if self == Self::LostRecord {
            record.lose(Party::Gateway);
        }
    }
}

fn bearer(person: &Person) -> String {
    format!("Bearer {}", person.bearer)
}

/// Adds a request with this field to what the gateway received on a connection, compressed as HTTP/2 does it.
fn field(record: &mut Record, name: &str, value: &str) {
    let Some(connection) = record.connections.iter_mut().find(|it| it.party == Party::Gateway.name()) else {
        return;
    };
    let block = Encoder::new().encode([(name.as_bytes(), value.as_bytes())]);
    let length = u32::try_from(block.len()).unwrap_or_default().to_be_bytes();
    connection.received.extend(length.get(1..).unwrap_or_default());
    connection.received.extend([HEADERS, END]);
    connection.received.extend(STREAM.to_be_bytes());
    connection.received.extend(block);
}
