//! The table of who saw what. Every cell is searched for in what the party received; the gateway
//! is granted its keys.

use super::client_address;
use crate::view::{Connection, Message, Recorder, exchanges};
use anyhow::{Context, Result};
use discreet_gateway::{Keyring, keyfile};
use discreet_protocol::identifier::Csi;
use discreet_protocol::time::Timestamp;
use std::net::IpAddr;
use tests::Net;

/// One request, as its receiver saw it.
struct Row {
    party: String,
    from: IpAddr,
    request: String,
    up: usize,
    down: usize,
    whom: Option<String>,
    knows_client: bool,
}

/// Prints a row for each request that a party received.
pub(super) fn print(net: &Net, recorder: &Recorder, asked: &[Csi]) -> Result<()> {
    let ratchet = keyfile::read(&net.folder().join("ohttp.keys")).context("the gateway's keys")?;
    let keys = Keyring::at(&ratchet, Timestamp::from_unix(net.clock.now())).context("the gateway's keys")?;
    let mut rows = Vec::new();
    for connection in recorder.connections() {
        let keys = (connection.party == "gateway").then_some(&keys);
        rows.extend(read(&connection, keys, asked)?);
    }
    rows.sort_by(|one, other| other.party.cmp(&one.party));
    println!(
        "{:<9} {:<12} {:<34} {:>5} {:>6}  {:<14} knows the client?",
        "party", "sees sender", "request", "up", "down", "sees number"
    );
    for row in rows {
        println!(
            "{:<9} {:<12} {:<34} {:>5} {:>6}  {:<14} {}",
            row.party,
            row.from,
            row.request,
            row.up,
            row.down,
            row.whom.as_deref().unwrap_or("–"),
            if row.knows_client { "yes, its address" } else { "–" },
        );
    }
    Ok(())
}

fn read(connection: &Connection, keys: Option<&Keyring>, asked: &[Csi]) -> Result<Vec<Row>> {
    let exchanges = exchanges(connection)?;
    let rows = exchanges.iter().map(|exchange| Row {
        party: connection.party.clone(),
        from: connection.peer.ip(),
        request: exchange.line(),
        up: exchange.request.body.len(),
        down: exchange.response.body.len(),
        whom: whom(&exchange.request, keys, asked),
        knows_client: knows_client(connection, &exchange.request),
    });
    Ok(rows.collect())
}

/// The number that is readable in a request: as it came, and opened, for who has the keys.
fn whom(request: &Message, keys: Option<&Keyring>, asked: &[Csi]) -> Option<String> {
    let mut readable: Vec<Vec<u8>> = request.fields.iter().map(|(_, value)| value.clone()).collect();
    readable.push(request.body.clone());
    readable.extend(keys.and_then(|keys| keys.open(&request.body).ok()).map(|opened| opened.message));
    let shows = |csi: &&Csi| {
        let digits = csi.value().trim_start_matches('+');
        let spellings = [digits.to_owned(), hex::encode(digits), digits.chars().rev().collect()];
        readable.iter().any(|bytes| spellings.iter().any(|text| contains(bytes, text.as_bytes())))
    };
    asked.iter().find(shows).map(|csi| csi.value().to_owned())
}

/// Whether the client's address is the peer, or stands anywhere in the request.
fn knows_client(connection: &Connection, request: &Message) -> bool {
    let address = client_address().to_string();
    let in_fields = request.fields.iter().any(|(_, value)| contains(value, address.as_bytes()));
    let shared = IpAddr::from([127, 0, 0, 1]) == client_address() && connection.party == "gateway";
    (connection.peer.ip() == client_address() && !shared)
        || in_fields
        || contains(&request.body, address.as_bytes())
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
