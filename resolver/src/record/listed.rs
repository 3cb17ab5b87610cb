//! A record as a lookup reads it: its index, in place. Nothing of a mapping is copied or parsed until it is
//! chosen.

use super::{Entry, MAX_ENTRIES};
use crate::cbor::Reader;
use discreet_protocol::credential::CredentialId;
use discreet_protocol::identifier::Domain;
use discreet_protocol::mapping::Tag;
use discreet_protocol::time::Timestamp;

/// What a record's row held, opened.
pub struct Opened(Vec<u8>);

/// A mapping in a record's index, where it lies. As in [`Entry`].
#[derive(Clone, Copy)]
pub struct Listed<'a> {
    /// The authority that attests its holder.
    pub authority: &'a str,
    /// The purpose.
    pub tag: &'a str,
    /// The number of the credential inside.
    pub id: &'a CredentialId,
    /// From then on mapping or credential is void.
    pub void_from: Timestamp,
    /// The recipient wants to look absent in this tag.
    pub hidden: bool,
    /// The statement, whole.
    pub statement: &'a [u8],
}

impl Opened {
    pub(crate) fn new(plain: Vec<u8>) -> Self {
        Self(plain)
    }

    /// The mappings' index; `None` if the row holds something else. What stands behind it, tombstones and
    /// padding, is not looked at: the seal vouches for the row.
    pub fn listed(&self) -> Option<Vec<Listed<'_>>> {
        let mut reader = Reader::new(&self.0);
        reader.array_of(3)?;
        reader.text()?;
        let count = reader.array().filter(|count| *count <= MAX_ENTRIES)?;
        (0..count).map(|_| Listed::read(&mut reader)).collect()
    }
}

impl<'a> Listed<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Option<Self> {
        reader.array_of(6)?;
        Some(Self {
            authority: reader.text()?,
            tag: reader.text()?,
            id: reader.bytes()?.try_into().ok()?,
            void_from: Timestamp::from_unix(reader.uint()?),
            hidden: reader.bool()?,
            statement: reader.bytes()?,
        })
    }

    /// Copies it out of the row; `None` if authority or tag are none.
    pub fn entry(&self) -> Option<Entry> {
        Some(Entry {
            authority: Domain::new(self.authority).ok()?,
            tag: Tag::new(self.tag).ok()?,
            id: *self.id,
            void_from: self.void_from,
            hidden: self.hidden,
            statement: self.statement.to_vec(),
        })
    }
}
