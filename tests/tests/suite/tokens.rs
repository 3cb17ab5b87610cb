//! Tokens, from the issuer through the wallet to the resolver; and against the real programs, every way to pay twice, or
//! with what was never issued. Each answer has the one outer size, whatever is inside; [`Http::inside`] holds them to it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod directories;
pub(crate) mod issuer;
mod nothing_sent;
mod one_connection;
mod paying;
mod remote;
mod replay;
mod rules;
mod spending;
mod stores;

use crate::commands::process::Server;
use crate::commands::system::{Site, now};
use crate::wire::{Http, binary};
use discreet_protocol::query::{IdentifierRequest, Subject};
use discreet_protocol::token::Token;
use http::Version;
use tests::Mint;
use tests::world::phone;

const NUMBER: &str = "+14155550123";
const ISSUER: &str = "issuer.example";

/// A provider whose lookups cost one token of [`ISSUER`].
pub(crate) struct Paid {
    pub(crate) site: Site,
    pub(crate) mint: Mint,
}

impl Paid {
    pub(crate) fn new() -> Self {
        Self::with_budgets(100_000, 100_000)
    }

    fn with_budgets(redemptions: u64, not_found: u64) -> Self {
        let (site, mint) = (Site::new(), Mint::new(ISSUER));
        site.import("lines.jsonl", &[site.world.line(NUMBER)]).succeeded();
        Self::at(site, mint, redemptions, not_found)
    }

    /// One whose files are there.
    fn at(site: Site, mint: Mint, redemptions: u64, not_found: u64) -> Self {
        let issuer = mint.rules(redemptions, not_found, now(), [-1, 30]);
        site.write("rules.toml", &format!("{}\n[prices]\nlookup = 1\n{issuer}", site.world.rules()));
        Self { site, mint }
    }

    fn start(&self) -> Server {
        Server::start("discreet-gateway", &self.site.path("gateway.toml"))
    }

    /// A client with a connection of its own.
    pub(crate) fn http(&self, gateway: &Server) -> Http {
        Http::to(&self.site.path("ca.pem"), gateway.addr, Version::HTTP_2)
    }
}

/// The binary message of a lookup that pays with these fields.
fn lookup(number: &str, fields: &[String]) -> Vec<u8> {
    let query = IdentifierRequest { subject: Subject::Exact(phone(number)), tag: None }.encode().unwrap();
    let fields: Vec<_> = fields.iter().map(|field| ("authorization", field.as_str())).collect();
    binary("POST", "https", "dp.example", "/v1/identifierQuery/dp.example", &fields, &query)
}

/// Looks up [`NUMBER`] and returns the inner status.
pub(crate) async fn pay(http: &Http, keys: &[u8], token: &Token) -> u16 {
    http.inside(keys, lookup(NUMBER, &[token.to_field()])).await.status().as_u16()
}
