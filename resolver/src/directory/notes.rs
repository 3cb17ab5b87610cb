//! The rows a directory keeps about itself, beside the statuses: how far each authority's feed has been
//! read, and which tombstone journal belongs to it.
//!
//! ```cddl
//! note = ["cursor", authority: tstr, after: uint] / ["journal", id: bstr .size 16, known: uint]
//! ```

use crate::cbor::{Reader, Writer};
use crate::seal::Pepper;
use crate::store::Label;
use discreet_protocol::identifier::Domain;

const CURSOR: &str = "cursor";
const JOURNAL: &str = "journal";

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Note {
    /// The feed of `authority` has been read up to number `after`.
    Cursor { authority: Domain, after: u64 },
    /// The directory holds what the first `known` entries of the journal `id` say.
    Journal { id: [u8; 16], known: u64 },
}

impl Note {
    pub(crate) fn label(&self, pepper: &Pepper) -> Label {
        match self {
            Self::Cursor { authority, .. } => pepper.cursor_label(authority),
            Self::Journal { .. } => pepper.journal_label(),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        match self {
            Self::Cursor { authority, after } => {
                out.array(3).text(CURSOR).text(authority.as_str()).uint(*after);
            }
            Self::Journal { id, known } => {
                out.array(3).text(JOURNAL).bytes(id).uint(*known);
            }
        }
        out.finish()
    }

    pub(crate) fn decode(padded: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(padded);
        reader.array_of(3)?;
        let note = match reader.text()? {
            CURSOR => Self::Cursor { authority: Domain::new(reader.text()?).ok()?, after: reader.uint()? },
            JOURNAL => Self::Journal { id: reader.bytes()?.try_into().ok()?, known: reader.uint()? },
            _ => return None,
        };
        reader.is_padding().then_some(note)
    }
}
