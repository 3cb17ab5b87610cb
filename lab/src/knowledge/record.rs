//! Everything that a party had: what it received and sent, its log, its metrics, its files, and what its keys
//! open of these.

use super::detector::Piece;
use crate::view::{Connection, Exchange, exchanges};
use anyhow::{Result, ensure};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// Most bytes of one file that are searched.
const MAX_FILE: u64 = 64 << 20;

/// Somebody who could learn something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Party {
    /// The relay that the senders' provider runs, for its own users.
    ProviderRelay,
    /// A relay that lets everybody in.
    OtherRelay,
    /// The gateway with the resolver inside.
    Gateway,
    /// The issuer of this number.
    Issuer(usize),
    /// The authority that attests the senders' own identifiers, and whose feed the resolver pulls.
    Authority,
    /// Who listens in between the clients and a relay.
    ClientLink,
    /// Who listens in between a relay and the gateway.
    GatewayLink,
    /// Relays and gateway, put together.
    Colluding,
}

impl Party {
    /// The name of its folder and at the recorder.
    pub(super) fn name(self) -> String {
        match self {
            Self::ProviderRelay => "relay-1".to_owned(),
            Self::OtherRelay => "relay-2".to_owned(),
            Self::Gateway => "gateway".to_owned(),
            Self::Issuer(index) => format!("issuer-{index}"),
            Self::Authority => "authority".to_owned(),
            Self::ClientLink => "client-link".to_owned(),
            Self::GatewayLink => "gateway-link".to_owned(),
            Self::Colluding => "colluding".to_owned(),
        }
    }

    /// Whether it sees the inside of this connection.
    fn ends(self, connection: &Connection) -> bool {
        connection.party == self.name()
    }

    /// Whether it is beside this connection, and sees what passes.
    fn taps(self, connection: &Connection) -> bool {
        let relay = [Self::ProviderRelay, Self::OtherRelay].iter().any(|relay| relay.ends(connection));
        (self == Self::ClientLink && relay) || (self == Self::GatewayLink && Self::Gateway.ends(connection))
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::ProviderRelay => "relay of the sender's provider",
            Self::OtherRelay => "relay of somebody else",
            Self::Gateway => "gateway and resolver",
            Self::Issuer(index) => return f.pad(&format!("issuer {}", index + 1)),
            Self::Authority => "authority",
            Self::ClientLink => "observer, sender to relay",
            Self::GatewayLink => "observer, relay to gateway",
            Self::Colluding => "relays and gateway colluding",
        };
        f.pad(name)
    }
}

impl Serialize for Party {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

/// What all parties had.
#[derive(Default)]
pub(super) struct Record {
    /// What was recorded at their doors.
    pub(super) connections: Vec<Connection>,
    kept: BTreeMap<Party, Vec<Piece>>,
}

impl Record {
    /// Adds something that `party` had.
    pub(super) fn keep(&mut self, party: Party, place: &str, bytes: Vec<u8>) {
        self.kept.entry(party).or_default().push(Piece { place: place.to_owned(), bytes });
    }

    /// Adds all files in `folder`, and below.
    pub(super) fn keep_files(&mut self, party: Party, folder: &Path) -> Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() {
                self.keep_files(party, &path)?;
                continue;
            }
            // What is not searched must not pass for clean.
            ensure!(
                kind.is_file(),
                "{} is no file, and what it leads to would not be searched",
                path.display()
            );
            let length = entry.metadata()?.len();
            ensure!(
                length <= MAX_FILE,
                "{} has {length} bytes, and only files of {MAX_FILE} or less are searched",
                path.display()
            );
            let name = entry.file_name().to_string_lossy().into_owned();
            self.keep(party, &format!("file {name}"), fs::read(path)?);
        }
        Ok(())
    }

    /// Forgets what `party` had.
    pub(super) fn lose(&mut self, party: Party) {
        self.kept.remove(&party);
        self.connections.retain(|connection| !party.ends(connection));
    }

    /// The exchanges that `party` took part in.
    pub(super) fn exchanges(&self, party: Party) -> Result<Vec<Exchange>> {
        Ok(self.exchanges_from(party)?.into_iter().map(|(_, exchange)| exchange).collect())
    }

    /// As [`Record::exchanges`], with who asked.
    pub(super) fn exchanges_from(&self, party: Party) -> Result<Vec<(IpAddr, Exchange)>> {
        let mut all = Vec::new();
        for connection in self.connections.iter().filter(|connection| party.ends(connection)) {
            let peer = connection.peer.ip();
            all.extend(exchanges(connection)?.into_iter().map(|exchange| (peer, exchange)));
        }
        Ok(all)
    }

    /// All that `party` had.
    pub(super) fn pieces(&self, party: Party) -> Result<Vec<Piece>> {
        let mut pieces = self.kept.get(&party).cloned().unwrap_or_default();
        for connection in &self.connections {
            let peer = || Piece { place: "peer".to_owned(), bytes: connection.peer.ip().to_string().into() };
            if party.taps(connection) {
                pieces.push(peer());
                pieces.push(Piece { place: "link".to_owned(), bytes: connection.wire.bytes() });
            }
            if party.ends(connection) {
                pieces.push(peer());
                pieces.push(Piece { place: "received".to_owned(), bytes: connection.received.clone() });
                pieces.push(Piece { place: "sent".to_owned(), bytes: connection.sent.clone() });
            }
        }
        for exchange in self.exchanges(party)? {
            let line = exchange.line();
            let whole = |message: &crate::view::Message| [&message.head()[..], &message.body].concat();
            pieces.push(Piece { place: format!("request {line}"), bytes: whole(&exchange.request) });
            pieces.push(Piece { place: format!("response {line}"), bytes: whole(&exchange.response) });
        }
        Ok(pieces)
    }

    /// Whether bytes passed at the door of `party`, or the link it listens in on, at this time.
    pub(super) fn is_busy(&self, party: Party, from: Duration, until: Duration) -> bool {
        let connections = self.connections.iter();
        let mut connections =
            connections.filter(|connection| party.ends(connection) || party.taps(connection));
        connections.any(|connection| connection.chunks.iter().any(|chunk| (from..=until).contains(&chunk.at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(folder: &Path) -> Result<Record> {
        let mut record = Record::default();
        record.keep_files(Party::Gateway, folder)?;
        Ok(record)
    }

    #[test]
    fn files_in_folders_below_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        fs::write(folder.path().join("below/it"), b"bytes").unwrap();
        let pieces = kept(folder.path()).unwrap().pieces(Party::Gateway).unwrap();
        assert_eq!((pieces.len(), &pieces[0].bytes[..]), (1, &b"bytes"[..]));
    }

    #[test]
    fn rejects_files_that_are_too_long_to_be_searched() {
        let folder = tempfile::tempdir().unwrap();
        fs::File::create(folder.path().join("long")).unwrap().set_len((64 << 20) + 1).unwrap();
        let said = kept(folder.path()).err().unwrap().to_string();
        assert!(said.contains("long has 67108865 bytes"), "{said}");
    }

    #[test]
    fn rejects_what_is_neither_file_nor_folder() {
        let folder = tempfile::tempdir().unwrap();
        let _listening = std::os::unix::net::UnixListener::bind(folder.path().join("door")).unwrap();
        let said = kept(folder.path()).err().unwrap().to_string();
        assert!(said.contains("door is no file"), "{said}");
    }
}
