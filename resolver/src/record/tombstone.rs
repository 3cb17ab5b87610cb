//! What stays of mappings that were withdrawn or erased, so that they do not come back.

use crate::cbor::{Reader, Writer};
use crate::record::Signed;
use discreet_protocol::credential::Credential;
use discreet_protocol::identifier::{Csi, Domain};
use discreet_protocol::mapping::Tag;
use discreet_protocol::time::Timestamp;
use std::fmt;

/// "Mappings of this key with a lower serial are void", until the last of them would be void anyway.
#[derive(Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// The authority that attested the key.
    pub authority: Domain,
    /// The key.
    pub holder: [u8; 32],
    /// When the key proved the identifier. Another key must have done so later.
    pub proved_at: Timestamp,
    /// The tag; `None`: all of them.
    pub tag: Option<Tag>,
    /// Lower serials are void.
    pub serial: u64,
    /// From then on it is not needed any more.
    pub until: Timestamp,
    /// The [`discreet_protocol::withdrawal::Withdrawal`] statement; empty for an erasure by the
    /// operator, or where the statement did not fit.
    pub evidence: Vec<u8>,
}

impl Tombstone {
    /// Whether it is about the key of `credential`, under the same authority.
    pub fn is_of(&self, credential: &Credential) -> bool {
        self.authority == credential.authority && self.holder == credential.holder.to_bytes()
    }

    /// Whether it makes `mapping` void.
    pub fn voids(&self, mapping: &Signed) -> bool {
        self.is_of(&mapping.credential)
            && self.tag.as_ref().is_none_or(|tag| *tag == mapping.mapping.tag)
            && mapping.mapping.serial < self.serial
    }

    /// Whether this voids all that `other` does, their times apart: it is about the same key, or one that
    /// proved the identifier later.
    pub fn covers(&self, other: &Self) -> bool {
        let same_key = self.holder == other.holder && self.serial >= other.serial;
        let same_tag = self.tag.is_none() || self.tag == other.tag;
        let successor = self.holder != other.holder && self.proved_at > other.proved_at;
        self.authority == other.authority && (successor || (same_key && same_tag))
    }

    /// Its bytes in a row, without evidence.
    pub(crate) fn size(&self) -> usize {
        let mut out = Writer::default();
        self.write(&mut out);
        out.finish().len() - self.evidence.len()
    }

    /// Most bytes of one for all tags under `authority`, without evidence.
    pub(crate) fn largest(authority: &Domain) -> usize {
        // The head of the array; authority and holder with theirs; three integers; null; nothing.
        1 + 3 + authority.as_str().len() + 34 + 3 * 9 + 1 + 1
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.array(7).text(self.authority.as_str()).bytes(&self.holder).uint(self.proved_at.unix());
        match &self.tag {
            Some(tag) => out.text(tag.as_str()),
            None => out.null(),
        };
        out.uint(self.serial).uint(self.until.unix()).bytes(&self.evidence);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.array_of(7)?;
        Some(Self {
            authority: Domain::new(reader.text()?).ok()?,
            holder: reader.bytes()?.try_into().ok()?,
            proved_at: Timestamp::from_unix(reader.uint()?),
            tag: if reader.null() { None } else { Some(Tag::new(reader.text()?).ok()?) },
            serial: reader.uint()?,
            until: Timestamp::from_unix(reader.uint()?),
            evidence: reader.bytes()?.to_vec(),
        })
    }

    /// As journal and export carry it, with the identifier it is about: `[csi, tombstone]`.
    pub(crate) fn encode_about(&self, csi: &Csi) -> Vec<u8> {
        let mut out = Writer::default();
        out.array(2).text(&csi.uri());
        self.write(&mut out);
        out.finish()
    }

    /// Reads what [`Tombstone::encode_about`] wrote.
    pub(crate) fn decode_about(bytes: &[u8]) -> Option<(Csi, Self)> {
        let mut reader = Reader::new(bytes);
        reader.array_of(2)?;
        let csi = Csi::from_uri(reader.text()?).ok()?;
        let tombstone = Self::read(&mut reader)?;
        reader.is_padding().then_some((csi, tombstone))
    }
}

/// The evidence would spell the identifier.
impl fmt::Debug for Tombstone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tombstone(…)")
    }
}
