//! What each party gets to see, one type of row for each, and the truth, which is none of them. Rows refer to
//! each other nowhere: which row of one view belongs to which of another is the truth.
//!
//! Times are milliseconds from the start of the run. A request and its answer are one row, as whoever sees
//! one hop can tell which answers which: the connection is one exchange's, or the answer comes at once. That gives
//! observers a little more than they would really have.

use super::population::Contacts;
use super::scenario::{Mix, Network, Tokens};
use serde::{Deserialize, Serialize};

/// In place of a time: never, as far as this run knows.
pub const NEVER: u64 = u64::MAX;
/// In place of a row: there is none.
pub const NO_ROW: u32 = u32::MAX;

/// One exchange on the link between a client and its relay, as seen at the relay's end.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FirstHop {
    /// When the request came.
    pub at: u64,
    /// When the answer went.
    pub answered: u64,
    /// Whose address it came from.
    pub client: u32,
    /// Which relay.
    pub relay: u16,
    /// Bytes of content of the request.
    pub up: u16,
    /// Bytes of content of the answer.
    pub down: u16,
}

/// One exchange on the link between a relay and a gateway, as seen at the relay's end.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SecondHop {
    /// When the request went.
    pub at: u64,
    /// When the answer came.
    pub answered: u64,
    /// Which relay.
    pub relay: u16,
    /// Which gateway.
    pub gateway: u16,
    /// Bytes of content of the request.
    pub up: u16,
    /// Bytes of content of the answer.
    pub down: u16,
}

/// What a relay knows of an exchange: both hops, and which belongs to which. Row `n` is row `n` of [`FirstHop`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AtRelay {
    /// When the request came.
    pub at: u64,
    /// When it was passed on.
    pub forwarded: u64,
    /// When the gateway answered.
    pub back: u64,
    /// When the answer was passed on.
    pub answered: u64,
    /// Whose address it came from.
    pub client: u32,
    /// Which relay.
    pub relay: u16,
    /// For which gateway.
    pub gateway: u16,
    /// Bytes of content of the request.
    pub up: u16,
    /// Bytes of content of the answer.
    pub down: u16,
    /// What the relay did to it.
    pub meddled: Meddling,
    /// When the gateway answered the copy, where there was one.
    pub copy_back: u64,
}

/// What a dishonest relay does to a request.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Meddling {
    /// Nothing.
    #[default]
    None,
    /// Sent it a second time.
    Doubled,
    /// Held it for some seconds.
    Delayed,
    /// Let the next one go first.
    Swapped,
    /// Never sent it.
    Dropped,
}

/// A request as the gateway and its resolver see it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AtGateway {
    /// When it came.
    pub at: u64,
    /// From which relay.
    pub relay: u16,
    /// To which gateway.
    pub gateway: u16,
    /// About whom.
    pub identifier: u32,
    /// Whether it publishes a mapping.
    pub publish: bool,
    /// Who issued the token.
    pub issuer: u16,
    /// The OHTTP key it was sealed to; 0 is everybody's.
    pub key: u32,
    /// Bytes of content of the request.
    pub up: u16,
    /// Bytes of content of the answer.
    pub down: u16,
}

/// Tokens as the issuer sees them go.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AtIssuer {
    /// When.
    pub at: u64,
    /// Which issuer.
    pub issuer: u16,
    /// To whose account.
    pub account: u32,
    /// How many.
    pub tokens: u32,
}

/// What everybody knows of how the system is set up. Nothing rests on hiding it.
#[derive(Clone, Debug, PartialEq)]
pub struct Public {
    /// The relays' mix.
    pub mix: Mix,
    /// Links.
    pub network: Network,
    /// How many clients there are; higher numbers are the adversary's own.
    pub clients: u32,
    /// How many issuers there are.
    pub issuers: u16,
    /// The longest from a relay to the gateway's door, mixing included.
    pub horizon_ms: u64,
    /// Milliseconds after which an answer is stale.
    pub refresh_after_ms: u64,
    /// How clients get tokens.
    pub tokens: Tokens,
}

impl Public {
    /// Whose user somebody is, which numbers say here and many people know.
    pub fn issuer_of(&self, client: u32) -> u16 {
        (client % u32::from(self.issuers.max(1))) as u16
    }
}

/// Everything that was seen, each view in the order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Views {
    /// The links of clients.
    pub first_hop: Vec<FirstHop>,
    /// The links between relays and gateways.
    pub second_hop: Vec<SecondHop>,
    /// All relays.
    pub relay: Vec<AtRelay>,
    /// All gateways.
    pub gateway: Vec<AtGateway>,
    /// All issuers.
    pub issuer: Vec<AtIssuer>,
    /// Who knows whom, which no party of the system is told: for adversaries who know it from elsewhere.
    pub contacts: Contacts,
    /// What everybody knows.
    pub public: Public,
}

/// What happened: which rows belong together. No adversary is given one.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Exchange {
    /// When the client sent it.
    pub sent: u64,
    /// Who.
    pub client: u32,
    /// About whom.
    pub identifier: u32,
    /// What for.
    pub kind: Kind,
    /// The row of the first hop, and of the relay.
    pub first_hop: u32,
    /// The row of the second hop.
    pub second_hop: u32,
    /// The gateway's row.
    pub gateway: u32,
    /// The issuer's row that its token came with.
    pub issuer: u32,
}

/// What an exchange is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An answer somebody wants.
    Lookup,
    /// Cover.
    Cover,
    /// A mapping of one's own.
    Publish,
    /// The adversary's own.
    Flood,
}

/// What happened, by the rows of the first hop.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    /// All exchanges, that of row `n` of the first hop at place `n`.
    pub exchanges: Vec<Exchange>,
}

/// Rows that are in the order of time.
pub trait Timed {
    /// When.
    fn at(&self) -> u64;
}

macro_rules! timed {
    ($($row:ty),*) => {
        $(impl Timed for $row {
            fn at(&self) -> u64 {
                self.at
            }
        })*
    };
}

timed!(FirstHop, SecondHop, AtRelay, AtGateway, AtIssuer);

/// The number of the first row that is not before `at`.
pub fn first_since<R: Timed>(rows: &[R], at: u64) -> usize {
    rows.partition_point(|row| row.at() < at)
}
