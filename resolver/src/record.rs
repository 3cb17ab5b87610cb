//! What a row holds once opened: what is known of one identifier ([`Record`]), or an authority's
//! latest word about one credential ([`Standing`]).
//!
//! A record is read in two depths. A lookup walks its index in place ([`Opened`], [`Listed`]), and copies
//! and parses the one statement it returns. Whoever changes a record parses them all ([`Holdings`]).
//!
//! ```cddl
//! record    = [csi: tstr, [* entry], [* tombstone]]
//! entry     = [authority: tstr, tag: tstr, cti: bstr .size 16, void_from: uint, hidden: bool, statement: bstr]
//! tombstone = [authority: tstr, holder: bstr .size 32, proved_at: uint, tag: tstr / null, serial: uint,
//!              until: uint, evidence: bstr]
//! status    = [authority: tstr, revoked: bool, statement: bstr]
//! ```

use crate::cbor::{Reader, Writer};
use discreet_protocol::credential::{Credential, CredentialId, Revocation, Status};
use discreet_protocol::identifier::{Csi, Domain};
use discreet_protocol::mapping::{Mapping, Tag};
use discreet_protocol::statement::{StatementError, Unverified};
use discreet_protocol::time::Timestamp;
use std::fmt;

mod listed;
mod tombstone;

pub use listed::{Listed, Opened};
pub use tombstone::Tombstone;

/// Bytes of a sealed record. All have this one size, so that a row does not tell how much it holds;
/// what one authority may use of it is `crate::admission`'s to say.
pub const RECORD_SIZE: usize = 4096;
/// Bytes of a sealed status or revocation.
pub const STATUS_SIZE: usize = 512;
/// Most mappings in one record; the size is the tighter bound.
const MAX_ENTRIES: usize = 32;
/// Most tombstones in one record, likewise.
const MAX_TOMBSTONES: usize = 64;
/// What a sealed row loses to nonce and tag.
const OVERHEAD: usize = 40;

/// A mapping in a record's index: what a lookup needs to choose.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The authority that attests its holder.
    pub authority: Domain,
    /// The purpose.
    pub tag: Tag,
    /// The number of the credential inside.
    pub id: CredentialId,
    /// From then on mapping or credential is void.
    pub void_from: Timestamp,
    /// The recipient wants to look absent in this tag.
    pub hidden: bool,
    /// The statement, whole.
    pub statement: Vec<u8>,
}

/// A mapping with what it and its credential say.
#[derive(Clone)]
pub struct Signed {
    /// The statement, whole.
    pub statement: Vec<u8>,
    /// What it says.
    pub mapping: Mapping,
    /// What the credential inside it says.
    pub credential: Credential,
}

/// The index of what is known of one identifier.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// The identifier.
    pub csi: Csi,
    /// The mappings; by authority, and under each first the one for `Default`.
    pub entries: Vec<Entry>,
    /// What was withdrawn.
    pub tombstones: Vec<Tombstone>,
}

/// What is known of one identifier, parsed, for whoever changes it.
#[derive(Clone)]
pub struct Holdings {
    /// The identifier.
    pub csi: Csi,
    /// The mappings.
    pub entries: Vec<Signed>,
    /// What was withdrawn.
    pub tombstones: Vec<Tombstone>,
}

/// An authority's latest word about one of its credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Standing {
    /// The authority.
    pub authority: Domain,
    /// Whether the word is that the credential is void.
    pub revoked: bool,
    /// The statement, whole.
    pub statement: Vec<u8>,
}

impl Entry {
    /// Reads a mapping without verifying it: for mappings that a
    /// [`discreet_protocol::verify::Verifier`] has passed.
    ///
    /// # Errors
    ///
    /// When mapping or credential does not have its form.
    pub fn read(statement: Vec<u8>) -> Result<Self, StatementError> {
        Signed::read(statement).map(|signed| signed.entry())
    }

    /// Its bytes in a row.
    pub(crate) fn size(&self) -> usize {
        let mut out = Writer::default();
        self.write(&mut out);
        out.finish().len()
    }

    fn write(&self, out: &mut Writer) {
        out.array(6).text(self.authority.as_str()).text(self.tag.as_str()).bytes(&self.id);
        out.uint(self.void_from.unix()).bool(self.hidden).bytes(&self.statement);
    }

    fn parse(reader: &mut Reader<'_>) -> Option<Self> {
        Listed::read(reader)?.entry()
    }
}

impl Signed {
    /// Reads a mapping without verifying it: for rows, whose seal vouches for them, and for
    /// mappings that a [`discreet_protocol::verify::Verifier`] has passed.
    ///
    /// # Errors
    ///
    /// When mapping or credential does not have its form.
    pub fn read(statement: Vec<u8>) -> Result<Self, StatementError> {
        let mapping = Unverified::<Mapping>::read(&statement)?.into_claims();
        let credential = Unverified::<Credential>::read(&mapping.credential)?.into_claims();
        Ok(Self { statement, mapping, credential })
    }

    /// From then on the mapping or its credential is void.
    pub fn void_from(&self) -> Timestamp {
        self.mapping.not_after.min(self.credential.expires)
    }

    /// Its place in the index.
    pub fn entry(&self) -> Entry {
        Entry {
            authority: self.credential.authority.clone(),
            tag: self.mapping.tag.clone(),
            id: self.credential.id,
            void_from: self.void_from(),
            hidden: self.mapping.serve_as_not_found,
            statement: self.statement.clone(),
        }
    }
}

impl Record {
    /// A record that holds nothing.
    pub fn new(csi: Csi) -> Self {
        Self { csi, entries: Vec::new(), tombstones: Vec::new() }
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.tombstones.is_empty()
    }

    /// The record's bytes, without padding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.array(3).text(&self.csi.uri()).array(self.entries.len());
        self.entries.iter().for_each(|entry| entry.write(&mut out));
        out.array(self.tombstones.len());
        self.tombstones.iter().for_each(|tombstone| tombstone.write(&mut out));
        out.finish()
    }

    /// Reads what [`Record::encode`] wrote, with zeros behind it.
    pub fn decode(padded: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(padded);
        reader.array_of(3)?;
        let csi = Csi::from_uri(reader.text()?).ok()?;
        let count = reader.array().filter(|count| *count <= MAX_ENTRIES)?;
        let entries = (0..count).map(|_| Entry::parse(&mut reader)).collect::<Option<_>>()?;
        let count = reader.array().filter(|count| *count <= MAX_TOMBSTONES)?;
        let tombstones = (0..count).map(|_| Tombstone::read(&mut reader)).collect::<Option<_>>()?;
        reader.is_padding().then_some(Self { csi, entries, tombstones })
    }

    /// Parses the statements; `None` if one has not the form of its type.
    pub fn parse(&self) -> Option<Holdings> {
        let entries = self.entries.iter().map(|entry| Signed::read(entry.statement.clone()).ok());
        Some(Holdings {
            csi: self.csi.clone(),
            entries: entries.collect::<Option<_>>()?,
            tombstones: self.tombstones.clone(),
        })
    }
}

impl Holdings {
    /// The record to be written. Its order depends on what it holds, not on what came first.
    pub fn record(&self) -> Record {
        let mut entries: Vec<_> = self.entries.iter().map(Signed::entry).collect();
        entries.sort_by(|one, other| place(one).cmp(&place(other)));
        Record { csi: self.csi.clone(), entries, tombstones: self.tombstones.clone() }
    }

    /// Whether the record would fit into its row.
    pub fn fits(&self) -> bool {
        self.entries.len() <= MAX_ENTRIES
            && self.tombstones.len() <= MAX_TOMBSTONES
            && self.record().encode().len() + OVERHEAD <= RECORD_SIZE
    }

    /// Bytes of the row that mappings and tombstones share.
    pub(crate) fn room(&self) -> usize {
        // The heads of four arrays and strings.
        const HEADS: usize = 8;
        RECORD_SIZE - OVERHEAD - HEADS - self.csi.uri().len()
    }
}

fn place(entry: &Entry) -> (&Domain, bool, &Tag) {
    (&entry.authority, !entry.tag.is_default(), &entry.tag)
}

impl Standing {
    /// The row's bytes, without padding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.array(3).text(self.authority.as_str()).bool(self.revoked).bytes(&self.statement);
        out.finish()
    }

    /// Reads what [`Standing::encode`] wrote, with zeros behind it.
    pub fn decode(padded: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(padded);
        reader.array_of(3)?;
        let authority = Domain::new(reader.text()?).ok()?;
        let (revoked, statement) = (reader.bool()?, reader.bytes()?.to_vec());
        reader.is_padding().then_some(Self { authority, revoked, statement })
    }

    /// Which credential it is about, and when the authority said so. Not verified: whoever keeps a
    /// standing has verified it before.
    pub fn about(&self) -> Option<(CredentialId, Timestamp)> {
        if self.revoked {
            let said = Unverified::<Revocation>::read(&self.statement).ok()?.into_claims();
            return Some((said.id, said.at));
        }
        let said = Unverified::<Status>::read(&self.statement).ok()?.into_claims();
        Some((said.id, said.at))
    }
}

/// The statements' bytes would spell the identifier.
macro_rules! silent_debug {
    ($($name:ty),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}

silent_debug!(Entry, Signed, Record, Holdings, Standing, Opened, Listed<'_>);

#[cfg(test)]
mod tests;
